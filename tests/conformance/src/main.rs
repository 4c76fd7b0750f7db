//! Runs the conformance tests of brokers over TCP; see the README.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};

use libmqtt_conformance::{BROKER, NOT_APPLICABLE};

const HELP: &str = "\
Runs the conformance tests of brokers over TCP.

  --broker HOST:PORT  against this broker, which nobody else should use meanwhile; without it
                      against ours, one for each test
  --only TEXT         only the tests whose name contains this
  --verbose           say also why a test is not applicable
";

/// Tests of ours at a time; they wait most of their time.
const THREADS: &str = "32";

struct Options {
    broker: Option<String>,
    only: String,
    verbose: bool,
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options { broker: None, only: String::new(), verbose: false };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--broker" => options.broker = Some(value()?),
            "--only" => options.only = value()?,
            "--verbose" => options.verbose = true,
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("unknown argument {argument:?}")),
        }
    }
    Ok(Some(options))
}

fn main() -> ExitCode {
    match options() {
        Ok(Some(options)) => run(&options),
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> ExitCode {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args([
        "test",
        "--quiet",
        "--locked",
        "-p",
        env!("CARGO_PKG_NAME"),
        "--test",
        "statements",
    ]);
    cargo.args(["--", "--format", "pretty", "--test-threads"]);
    cargo.arg(if options.broker.is_some() { "1" } else { THREADS });
    // libtest takes the tests whose names contain any of the words, so one word has to do.
    cargo.arg(if options.only.is_empty() { "_broker_" } else { &options.only });
    cargo.env(BROKER, options.broker.as_deref().unwrap_or("tcp")).env("RUST_BACKTRACE", "0");
    let output = match cargo.stderr(Stdio::inherit()).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("cannot run cargo: {error}");
            return ExitCode::from(2);
        }
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let passed = text.lines().filter(|line| line.starts_with("test ") && line.ends_with("... ok"));
    let passed = passed.count();
    let (reasons, failures): (BTreeMap<_, _>, _) =
        failures(&text).into_iter().partition(|(_, why)| why.starts_with(NOT_APPLICABLE));
    for (test, why) in &failures {
        println!("{test}\n    {why}");
    }
    if options.verbose {
        reasons.iter().for_each(|(test, why)| println!("{test}\n    {why}"));
    }
    println!("{} not applicable", reasons.len());
    println!("{passed} passed, {} failed", failures.len());
    if passed + failures.len() > 0 && failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// The tests that failed, and what they said: the line after the one that tells of the panic.
fn failures(text: &str) -> BTreeMap<&str, &str> {
    let mut found = BTreeMap::new();
    let mut test = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("---- ").and_then(|l| l.strip_suffix(" stdout ----"))
        {
            test = Some(name);
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED"))
        {
            found.insert(name, "");
        } else if line.starts_with("thread '") && line.contains(" panicked at ") {
            let said = lines.next().unwrap_or("");
            if let Some(name) = test.take() {
                found.insert(name, said);
            }
        }
    }
    found
}
