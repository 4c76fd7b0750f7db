//! The `libmqtt` command: `libmqtt broker | pub | sub | passwd`.
//!
//! A library, so that `python -m libmqtt` and `npx libmqtt` are the same program: they call
//! [`run`], as the binary `libmqtt` does.
#![forbid(unsafe_code)]

mod args;
mod broker;
mod conf;
mod connection;
mod exit;
mod format;
mod json;
mod log;
mod output;
mod passwd;
mod property;
mod publish;
mod reach;
mod session;
mod signals;
mod subscribe;
mod url;

use std::ffi::OsString;

use exit::{Asked, Failure};

const HELP: &str = include_str!("help/libmqtt.txt");
const VERSION: &str = concat!("libmqtt ", env!("CARGO_PKG_VERSION"), "\n");

/// A command: its name, its help, and what it does with the words after its name.
type Command = (&'static str, &'static str, fn(Vec<OsString>) -> Result<(), Failure>);

const COMMANDS: &[Command] = &[
    ("broker", include_str!("help/broker.txt"), broker::run),
    ("pub", include_str!("help/pub.txt"), publish::run),
    ("sub", include_str!("help/sub.txt"), subscribe::run),
    ("passwd", include_str!("help/passwd.txt"), passwd::run),
];

/// Runs the command whose words are `words`, the program's name first, as a whole program does:
/// it reads standard input, writes to standard output and error, and some commands react to
/// SIGINT, SIGTERM and SIGHUP for as long as the process lives.
///
/// Returns the exit code of the process, which a face in another language hands on.
pub fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let mut words = words.into_iter().skip(1);
    let Some(command) = words.next() else {
        output::complain(format_args!("{}", HELP.trim_end()));
        return exit::USAGE;
    };
    let words: Vec<OsString> = words.collect();
    if let Some((name, help, run)) = COMMANDS.iter().find(|(name, ..)| command == *name) {
        return match run(words) {
            Ok(()) => 0,
            Err(Failure { asked: Some(Asked::Help), .. }) => output::show(help),
            Err(Failure { asked: Some(Asked::Version), .. }) => output::show(VERSION),
            Err(failure) => failure.report(name),
        };
    }
    match command.to_str() {
        Some("--help" | "-h" | "help") => output::show(HELP),
        Some("--version" | "-V") => output::show(VERSION),
        _ => {
            let command = command.to_string_lossy();
            output::complain(format_args!(
                "libmqtt: unknown command '{command}': it is one of broker, pub, sub, passwd"
            ));
            exit::USAGE
        }
    }
}
