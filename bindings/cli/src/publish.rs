//! `libmqtt pub`.

mod flow;

use core::time::Duration;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;

use libmqtt_runtime::QoS;

use crate::args::{Args, Word};
use crate::connection::{Connection, bytes, check_topic, qos};
use crate::exit::Failure;

/// Where the messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// `-m`, `-n`.
    Bytes(Vec<u8>),
    /// `-f`.
    File(PathBuf),
    /// `-s`, `-f -`: all of standard input.
    Input,
    /// `-l`: each line of standard input.
    Lines,
}

/// What is to be published.
#[derive(Clone, Debug)]
struct Request {
    connection: Connection,
    topic: String,
    source: Source,
    qos: QoS,
    retain: bool,
    /// How often one message is published.
    repeat: u64,
    /// Time between them.
    repeat_delay: Duration,
}

/// Publishes messages.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let request = parse(words)?;
    let options = request.connection.options()?;
    let payload = match &request.source {
        Source::Lines => None,
        Source::Bytes(bytes) => Some(bytes.clone()),
        Source::File(path) => Some(
            std::fs::read(path)
                .map_err(|error| Failure::usage(format!("-f {}: {error}", path.display())))?,
        ),
        Source::Input => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            Some(bytes)
        }
    };
    flow::run(&request, options, payload)
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Request, Failure> {
    let mut args = Args::new(words);
    let mut connection = Connection::default();
    let mut topic = None;
    let mut source = None;
    let (mut level, mut retain) = (QoS::AtMostOnce, false);
    let (mut repeat, mut repeat_delay) = (1, None);
    while let Some(word) = args.next()? {
        let Word::Option(option) = &word else { return Err(word.unknown()) };
        let found = match option.as_str() {
            "-t" | "--topic" => {
                topic = Some(args.text()?);
                continue;
            }
            "-q" | "--qos" => {
                level = qos(&mut args)?;
                continue;
            }
            "-r" | "--retain" => {
                retain = true;
                continue;
            }
            "--repeat" => {
                repeat = args.number(1..=u64::MAX)?;
                continue;
            }
            "--repeat-delay" => {
                repeat_delay = Some(seconds(&mut args)?);
                continue;
            }
            "-m" | "--message" => Source::Bytes(bytes(&args.raw()?)),
            "-n" | "--null-message" => Source::Bytes(Vec::new()),
            "-s" | "--stdin-file" => Source::Input,
            "-l" | "--stdin-line" => Source::Lines,
            "-f" | "--file" => match PathBuf::from(args.raw()?) {
                path if path.as_os_str() == "-" => Source::Input,
                path => Source::File(path),
            },
            option if connection.option(option, &mut args)? => continue,
            _ => return Err(word.unknown()),
        };
        if source.replace(found).is_some() {
            return Err(Failure::usage("only one of -m, -n, -f, -s and -l can be given"));
        }
    }
    let topic = topic.or(connection.url_topic.clone());
    let topic = topic.ok_or_else(|| Failure::usage("a topic is needed (-t)"))?;
    check_topic("-t", &topic)?;
    let source =
        source.ok_or_else(|| Failure::usage("a message is needed (-m, -n, -f, -s or -l)"))?;
    if source == Source::Lines && (repeat > 1 || repeat_delay.is_some()) {
        return Err(Failure::usage("--repeat does not go with -l"));
    }
    if level == QoS::AtMostOnce && connection.data_directory.is_some() {
        return Err(Failure::usage("--data-directory keeps messages at QoS 1 and 2 (-q)"));
    }
    let repeat_delay = repeat_delay.unwrap_or_default();
    Ok(Request { connection, topic, source, qos: level, retain, repeat, repeat_delay })
}

fn seconds(args: &mut Args) -> Result<Duration, Failure> {
    let text = args.text()?;
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| args.wrong(format!("'{text}' is not a number of seconds")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::words;

    #[test]
    fn messages_come_from_where_it_was_said() {
        let check = |line: &str, source: Source| {
            assert_eq!(parse(words(&format!("-t a {line}"))).unwrap().source, source, "{line}");
        };
        check("-m x", Source::Bytes(b"x".to_vec()));
        check("-m -1", Source::Bytes(b"-1".to_vec()));
        check("-m ''", Source::Bytes(Vec::new()));
        check("-n", Source::Bytes(Vec::new()));
        check("-f x", Source::File("x".into()));
        check("-f -", Source::Input);
        check("-s", Source::Input);
        check("-l", Source::Lines);
    }

    #[test]
    fn how_to_publish_is_read() {
        let request = parse(words("-t a/b -m x -q 2 -r --repeat 3 --repeat-delay 0.5")).unwrap();
        assert_eq!((request.topic.as_str(), request.qos), ("a/b", QoS::ExactlyOnce));
        assert!(request.retain);
        assert_eq!((request.repeat, request.repeat_delay), (3, Duration::from_millis(500)));
        let request = parse(words("-L mqtt://h/url/topic -m x")).unwrap();
        assert_eq!((request.topic.as_str(), request.repeat), ("url/topic", 1));
    }

    #[test]
    fn mistakes_are_named() {
        let check = |line: &str, wanted: &str| {
            let message = parse(words(line)).unwrap_err().message;
            assert!(message.contains(wanted), "{line}: {message}");
        };
        check("-m x", "a topic is needed (-t)");
        check("-t a", "a message is needed");
        check("-t a -m x -n", "only one of -m, -n, -f, -s and -l");
        check("-t a/# -m x", "-t 'a/#': topic name ");
        check("-t '' -m x", "topic name ");
        check("-t a -m x -q 3", "-q: '3' is not a number between 0 and 2");
        check("-t a -l --repeat 2", "--repeat does not go with -l");
        check("-t a -m x --repeat-delay -1", "'-1' is not a number of seconds");
        check("-t a -m x --data-directory d", "keeps messages at QoS 1 and 2 (-q)");
        check("-t a -m x rest", "'rest' is not an option");
        check("-t a -m x -C 1", "unknown option '-C'");
    }
}
