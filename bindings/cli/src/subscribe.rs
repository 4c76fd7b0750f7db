//! `libmqtt sub`.

mod flow;

use core::time::Duration;
use std::ffi::OsString;

use libmqtt_runtime::{QoS, TopicFilter, Version};

use crate::args::{Args, Word};
use crate::connection::{Connection, qos};
use crate::exit::Failure;
use crate::format::Format;

/// What is to be subscribed to, and what becomes of it.
#[derive(Clone, Debug)]
struct Request {
    connection: Connection,
    filters: Vec<String>,
    /// `-U`: unsubscribe from these.
    ended: Vec<String>,
    /// `-T`: do not print what these match.
    hidden: Vec<String>,
    qos: QoS,
    retain_as_published: bool,
    format: Format,
    /// JSON over several lines.
    pretty: bool,
    /// End each message with a line feed.
    newline: bool,
    /// End after so many messages.
    count: Option<u64>,
    /// End after this time.
    timeout: Option<Duration>,
    /// End when the subscriptions are made.
    only_subscribe: bool,
    /// Which messages count.
    retained: Retained,
    /// Remove the retained messages that come.
    remove_retained: bool,
}

/// Which messages count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Retained {
    All,
    /// `-R`: not those that were retained.
    Not,
    /// `--retained-only`: those, and the first other ends it.
    Only,
}

/// Subscribes, and prints what comes.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let request = parse(words)?;
    let options = request.connection.options()?;
    flow::run(&request, options)
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Request, Failure> {
    let mut args = Args::new(words);
    let mut connection = Connection::default();
    let (mut verbose, mut format) = (false, None);
    let (mut not_retained, mut retained_only) = (false, false);
    let mut request = Request {
        connection: Connection::default(),
        filters: Vec::new(),
        ended: Vec::new(),
        hidden: Vec::new(),
        qos: QoS::AtMostOnce,
        retain_as_published: false,
        format: Format::payload(),
        pretty: false,
        newline: true,
        count: None,
        timeout: None,
        only_subscribe: false,
        retained: Retained::All,
        remove_retained: false,
    };
    while let Some(word) = args.next()? {
        let Word::Option(option) = &word else { return Err(word.unknown()) };
        match option.as_str() {
            "-t" | "--topic" => request.filters.push(filter(&mut args)?),
            "-U" | "--unsubscribe" => request.ended.push(filter(&mut args)?),
            "-T" | "--filter-out" => request.hidden.push(filter(&mut args)?),
            "-q" | "--qos" => request.qos = qos(&mut args)?,
            "-v" | "--verbose" => verbose = true,
            "-F" => {
                let parsed = Format::parse(&args.text()?);
                format = Some(parsed.map_err(|why| args.wrong(why))?);
            }
            "--pretty" => request.pretty = true,
            "-N" => request.newline = false,
            "-C" => request.count = Some(args.number(1..=u64::MAX)?),
            "-W" => request.timeout = Some(Duration::from_secs(args.number(1..=u32::MAX)?.into())),
            "-E" => request.only_subscribe = true,
            "-R" => not_retained = true,
            "--retained-only" => retained_only = true,
            "--retain-as-published" => request.retain_as_published = true,
            "--remove-retained" => request.remove_retained = true,
            "--random-filter" => return Err(args.wrong("it is not supported")),
            option if connection.option(option, &mut args)? => {}
            _ => return Err(word.unknown()),
        }
    }
    if let Some(topic) = &connection.url_topic {
        check_filter("-L", topic)?;
        request.filters.push(topic.clone());
    }
    if request.filters.is_empty() && request.ended.is_empty() {
        return Err(Failure::usage("a topic is needed (-t)"));
    }
    if request.retain_as_published && connection.version() != Version::V5 {
        return Err(Failure::usage("--retain-as-published needs MQTT 5 (-V 5)"));
    }
    if request.qos != QoS::ExactlyOnce && connection.data_directory.is_some() {
        return Err(Failure::usage("--data-directory keeps what came at QoS 2 (-q 2)"));
    }
    request.retained = match (not_retained, retained_only) {
        (false, false) => Retained::All,
        (true, false) => Retained::Not,
        (false, true) => Retained::Only,
        (true, true) => return Err(Failure::usage("-R and --retained-only leave nothing")),
    };
    request.format = format.unwrap_or(match verbose {
        true => Format::verbose(),
        false => Format::payload(),
    });
    request.connection = connection;
    Ok(request)
}

fn filter(args: &mut Args) -> Result<String, Failure> {
    let filter = args.text()?;
    match TopicFilter::new(&filter) {
        Ok(_) => Ok(filter),
        Err(error) => Err(args.wrong(format!("'{filter}': topic filter {error}"))),
    }
}

fn check_filter(option: &str, filter: &str) -> Result<(), Failure> {
    match TopicFilter::new(filter) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::usage(format!("{option} '{filter}': topic filter {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::words;

    #[test]
    fn what_to_subscribe_to_is_read() {
        let request = parse(words("-t a/# -t b -q 1 -U c -T a/x -L mqtt://h/d/+")).unwrap();
        assert_eq!(request.filters, ["a/#", "b", "d/+"]);
        assert_eq!(
            (request.ended.as_slice(), request.hidden.as_slice()),
            (&["c".into()][..], &["a/x".into()][..])
        );
        assert_eq!(request.qos, QoS::AtLeastOnce);
    }

    #[test]
    fn when_to_end_is_read() {
        let request = parse(words("-t a -C 5 -W 3 -E --retained-only --remove-retained")).unwrap();
        assert_eq!((request.count, request.timeout), (Some(5), Some(Duration::from_secs(3))));
        assert!(request.only_subscribe && request.remove_retained);
        assert_eq!(request.retained, Retained::Only);
        let request = parse(words("-t a -R -V 5 --retain-as-published")).unwrap();
        assert_eq!((request.retained, request.retain_as_published), (Retained::Not, true));
    }

    #[test]
    fn how_to_print_is_read() {
        let check = |line: &str, format: Format, newline: bool| {
            let request = parse(words(&format!("-t a {line}"))).unwrap();
            assert_eq!((request.format, request.newline), (format, newline), "{line}");
        };
        check("", Format::payload(), true);
        check("-v", Format::verbose(), true);
        check("-v -N", Format::verbose(), false);
        check("-v -F %t", Format::parse("%t").unwrap(), true);
    }

    #[test]
    fn mistakes_are_named() {
        let check = |line: &str, wanted: &str| {
            let message = parse(words(line)).unwrap_err().message;
            assert!(message.contains(wanted), "{line}: {message}");
        };
        check("", "a topic is needed (-t)");
        check("-t b/#/c", "-t: 'b/#/c': topic filter ");
        check("-t a -F %z", "-F: format has no '%z'");
        check("-t a -C 0", "-C: '0' is not a number between 1");
        check("-t a -W x", "-W: 'x' is not a number between 1");
        check("-t a -R --retained-only", "leave nothing");
        check("-t a --retain-as-published", "needs MQTT 5");
        check("-t a -q 1 --data-directory d", "keeps what came at QoS 2 (-q 2)");
        check("-t a --random-filter 5", "it is not supported");
        check("-t a -m x", "unknown option '-m'");
    }
}
