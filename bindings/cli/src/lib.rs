//! The `libmqtt` command: `libmqtt broker | pub | sub | passwd`.
//!
//! A library, so that `python -m libmqtt` and `npx libmqtt` are the same program: they call
//! [`run`], as the binary `libmqtt` does.
#![forbid(unsafe_code)]

mod args;
mod broker;
mod conf;
mod exit;
mod format;
mod json;
mod log;
mod output;
mod passwd;
mod property;
mod signals;
mod url;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command whose words are `words`, the program's name first, as a whole program does:
/// it reads standard input, writes to standard output and error, and some commands react to
/// SIGINT, SIGTERM and SIGHUP for as long as the process lives.
///
/// Returns the exit code of the process.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut words = words.into_iter().skip(1);
    let command = words.next();
    let words: Vec<OsString> = words.collect();
    let command = command.as_ref().map_or(Some(""), |command| command.to_str()).unwrap_or("?");
    let (command, help, run): (_, _, fn(Vec<OsString>) -> Result<(), exit::Failure>) = match command
    {
        "broker" => ("broker", include_str!("help/broker.txt"), broker::run),
        "passwd" => ("passwd", include_str!("help/passwd.txt"), passwd::run),
        "--version" | "-V" => {
            return output::show(concat!("libmqtt ", env!("CARGO_PKG_VERSION"), "\n"));
        }
        "--help" | "-h" | "help" => return output::show(include_str!("help/libmqtt.txt")),
        "" => {
            output::complain(format_args!("{}", include_str!("help/libmqtt.txt").trim_end()));
            return ExitCode::from(exit::USAGE);
        }
        other => {
            output::complain(format_args!(
                "libmqtt: unknown command '{other}': it is one of broker, pub, sub, passwd"
            ));
            return ExitCode::from(exit::USAGE);
        }
    };
    if words.iter().any(|word| word == "--help") {
        return output::show(help);
    }
    if words.iter().any(|word| word == "--version") {
        return output::show(concat!("libmqtt ", env!("CARGO_PKG_VERSION"), "\n"));
    }
    match run(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(command),
    }
}
