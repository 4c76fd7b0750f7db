//! `libmqtt broker`.

mod hooks;

use core::time::Duration;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};

use libmqtt_runtime::conf::{self, Settings};
use libmqtt_runtime::{Address, Broker, BrokerError, BrokerOptions, Listener, Log};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::args::{Args, Word};
use crate::conf::{FLAGS, LogTypes, Process, wrong_option};
use crate::exit::{Asked, Failure, OTHER, USAGE};
use crate::log::{Kind, LogWriter};
use crate::signals::{self, Signal};

/// How long clients may take to read what waits for them when the broker ends.
const STOP_WITHIN: Duration = Duration::from_secs(1);
/// How often to look whether the broker has ended by itself, which only a fault of ours does.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs a broker until SIGINT or SIGTERM.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>) -> Result<(), Failure> {
    let (settings, process) = parse(words)?;
    raise_file_limit();
    let log = Arc::new(LogWriter::open(process.log)?);
    let (tell, told) = mpsc::channel();
    // Before anything says that the broker runs: who reads that may send a signal at once.
    signals::watch_all(move |signal| {
        // Nobody listens any more once the broker has ended.
        let _: Result<(), mpsc::SendError<Signal>> = tell.send(signal);
    })?;
    let broker = start(&settings, &log, |listeners| BrokerOptions {
        config: settings.config.clone(),
        listeners,
        shards: settings.shards,
        policy: settings.policy(),
        hooks: Some(hooks::factory(log.clone())),
        persistence: settings.persistence(),
        log: {
            let log = log.clone();
            Log::to(move |level, line| log.write(level.into(), line))
        },
    })?;
    let _pid_file = process.pid_file.map(PidFile::write).transpose()?;
    announce(&broker, &settings, &log);
    loop {
        match told.recv_timeout(LOOK_EVERY) {
            Ok(Signal::Reload) => reload(&broker, &log),
            Ok(Signal::End) => break,
            Err(RecvTimeoutError::Timeout) if broker.is_running() => {}
            Err(_) => return Err(Failure::new(OTHER, "the broker has ended")),
        }
    }
    log.write(Kind::Notice, format_args!("stopping"));
    broker.stop(STOP_WITHIN);
    Ok(())
}

/// Starts a broker with the listeners that the settings want.
fn start(
    settings: &Settings,
    log: &LogWriter,
    options: impl Fn(Vec<Listener>) -> BrokerOptions,
) -> Result<Broker, Failure> {
    let given_up = |address: &Address, error: &io::Error| {
        log.write(Kind::Warning, format_args!("not listening on {address}: {error}"));
    };
    conf::start(settings.listeners()?, options, given_up).map_err(|error| match error {
        BrokerError::Listen { address, source } => {
            let hint = match source.kind() {
                io::ErrorKind::AddrInUse => " (choose another port with -p)",
                _ => "",
            };
            Failure::new(USAGE, format!("cannot listen on {address}: {source}{hint}"))
        }
        BrokerError::Policy(error) => Failure::usage(error.to_string()),
        error => Failure::new(OTHER, error.to_string()),
    })
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<(Settings, Process), Failure> {
    let mut args = Args::new(words);
    let (mut settings, mut process) = (Settings::default(), Process::default());
    let mut files: Vec<PathBuf> = Vec::new();
    let mut flags: Vec<(String, String, String)> = Vec::new();
    let mut verbose = false;
    while let Some(word) = args.next()? {
        let Word::Option(option) = &word else { return Err(word.unknown()) };
        match option.as_str() {
            "-c" | "--config" => files.push(args.raw()?.into()),
            "-p" | "--port" => flags.push((option.clone(), "port".into(), args.text()?)),
            "--bind" => flags.push((option.clone(), "bind_address".into(), args.text()?)),
            "-v" | "--verbose" => verbose = true,
            // As clients have it.
            "--cert" => flags.push((option.clone(), "certfile".into(), args.text()?)),
            "--key" => flags.push((option.clone(), "keyfile".into(), args.text()?)),
            "-h" => return Err(Failure::asked(Asked::Help)),
            "-d" => {
                return Err(Failure::usage(
                    "-d: running in the background is not supported; start it from a service \
                     manager, or with '&' from a shell",
                ));
            }
            other => {
                let directive = other.trim_start_matches('-').replace('-', "_");
                if !other.starts_with("--") || !FLAGS.contains(&directive.as_str()) {
                    return Err(word.unknown());
                }
                flags.push((option.clone(), directive, args.text()?));
            }
        }
    }
    for file in &files {
        settings.read(file, &mut process)?;
    }
    // The command line overrides the files, wherever it names them.
    let port_in_file = settings.port_in_file;
    for (option, directive, value) in &flags {
        settings
            .set(&mut process, directive, value)
            .map_err(|wrong| wrong_option(option, wrong))?;
    }
    settings.port_in_file = port_in_file;
    if verbose {
        process.log.types = LogTypes::ALL;
    }
    settings.check()?;
    Ok((settings, process))
}

/// Says where the broker listens, one line each on standard output, and what is open.
fn announce(broker: &Broker, settings: &Settings, log: &LogWriter) {
    if settings.is_local() {
        let who = if settings.anonymous() { "and everyone there is let in" } else { "" };
        let line = format!("no listener is configured: only this machine can connect {who}");
        log.write(Kind::Notice, format_args!("{}", line.trim_end()));
    }
    if !settings.anonymous() && settings.password_file.is_none() && !settings.knows_users() {
        log.write(
            Kind::Warning,
            format_args!(
                "nobody can connect: allow_anonymous is false and there is no password_file"
            ),
        );
    }
    if let Some(persistence) = settings.persistence() {
        let path = persistence.path();
        log.write(
            Kind::Notice,
            format_args!("sessions and messages are kept in {}", path.display()),
        );
    }
    let mut out = io::stdout().lock();
    for url in broker.urls() {
        let place = url.strip_prefix("mqtt://").unwrap_or(&url);
        // Who started the broker may have closed its output.
        let _: io::Result<()> = writeln!(out, "listening on {place}");
    }
    if let (Some(_), Some(page)) = (settings.page, broker.addresses().last()) {
        let _: io::Result<()> = writeln!(out, "a page for browsers: http://{page}");
    }
    let _: io::Result<()> = out.flush();
}

/// Reads the files of users, rights and certificates again, and opens log files again. What is
/// wrong stays as it was, and the log says so.
fn reload(broker: &Broker, log: &LogWriter) {
    log.write(Kind::Notice, format_args!("reading password, ACL, certificate and log files again"));
    if let Err(failure) = log.reopen() {
        log.write(Kind::Error, format_args!("{}", failure.message));
    }
    // The broker has told the log.
    let _: Result<(), BrokerError> = broker.reload();
}

/// Every connection wants a descriptor, and the usual soft limit is 1024.
fn raise_file_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // If it cannot be had, the broker runs with fewer connections.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// A file with the process id, for as long as the broker runs.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: PathBuf) -> Result<PidFile, Failure> {
        std::fs::write(&path, format!("{}\n", std::process::id()))
            .map_err(|error| Failure::usage(format!("pid_file {}: {error}", path.display())))?;
        Ok(PidFile(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Gone already, or not to be removed: nothing depends on it.
        let _: io::Result<()> = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::words;

    fn refused(line: &str, wanted: &str) {
        assert_eq!(parse(words(line)).unwrap_err().message, wanted, "{line}");
    }

    #[test]
    fn without_options_only_this_machine_can_connect() {
        let (settings, _) = parse(words("")).unwrap();
        assert!(settings.is_local() && settings.anonymous());
        let (settings, process) = parse(words("-p 0 -v --shards 2")).unwrap();
        assert!(settings.is_local() && settings.anonymous());
        assert_eq!((settings.port, settings.shards), (Some(0), Some(2)));
        assert_eq!(process.log.types, LogTypes::ALL);
    }

    #[test]
    fn an_open_address_demands_a_word_about_strangers() {
        assert!(!parse(words("--bind 0.0.0.0")).unwrap().0.anonymous());
        assert!(parse(words("--bind 0.0.0.0 --allow-anonymous true")).unwrap().0.anonymous());
    }

    #[test]
    fn the_command_line_overrides_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("broker.conf");
        std::fs::write(&file, "listener 1\nmax_queued_messages 5\nmax_keepalive 20\n").unwrap();
        let line = format!("--max-queued-messages 7 -c {}", file.display());
        let (settings, _) = parse(words(&line)).unwrap();
        assert_eq!(settings.config.queue_messages_max, 7);
        assert_eq!(settings.config.keep_alive_max_s, 20);
    }

    #[test]
    fn mistakes_are_named() {
        refused("-x", "unknown option '-x'");
        refused("--max-nothing 1", "unknown option '--max-nothing'");
        refused("-p 65536", "-p: '65536' is not a number between 0 and 65535");
        refused("--shards 0", "--shards: '0' is not a number between 1 and 128");
        refused("broker.conf", "'broker.conf' is not an option");
        assert!(
            parse(words("-d")).unwrap_err().message.starts_with("-d: running in the background")
        );
    }
}
