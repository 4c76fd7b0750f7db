//! Runs seeds: `libmqtt-sim [--seed N] [--count N] [--verbose] [--fault NAME]`.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use lexopt::prelude::*;
use libmqtt_sim::check::{Event, State};
use libmqtt_sim::{Fault, Plan, What, hash, line, replay, replay_crash, run};

const HELP: &str = "\
Runs clients and a broker on virtual time and checks what they do.

  --seed N      the first seed (default 0)
  --count N     how many seeds (default 1)
  --verbose     print everything that is observed
  --fault NAME  break something on purpose, to see it found
  --states      print every state of a session that was met, and what happened in it
  --crash       the broker and some clients store, lose their power and are started again
  --until-found stop at the first seed that finds something
";

struct Options {
    seed: u64,
    count: u64,
    verbose: bool,
    states: bool,
    fault: Option<Fault>,
    until_found: bool,
    crash: bool,
}

/// What the seeds have been through.
#[derive(Default)]
struct Met {
    seen: BTreeMap<&'static str, u64>,
    states: BTreeMap<(State, Event), u64>,
}

fn options() -> Result<Options, lexopt::Error> {
    let mut options = Options {
        seed: 0,
        count: 1,
        verbose: false,
        states: false,
        fault: None,
        until_found: false,
        crash: false,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(arg) = parser.next()? {
        match arg {
            Long("seed") => options.seed = parser.value()?.parse()?,
            Long("count") => options.count = parser.value()?.parse()?,
            Long("verbose") => options.verbose = true,
            Long("states") => options.states = true,
            Long("crash") => options.crash = true,
            Long("until-found") => options.until_found = true,
            Long("fault") => {
                let name = parser.value()?.string()?;
                let known = Fault::ALL.iter().find(|(other, _)| *other == name);
                let Some((_, fault)) = known else {
                    let names: Vec<_> = Fault::ALL.iter().map(|(name, _)| *name).collect();
                    return Err(format!("no such fault; there are {}", names.join(" ")).into());
                };
                options.fault = Some(*fault);
            }
            Long("help") | Short('h') => {
                print!("{HELP}");
                std::process::exit(0);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    let mut met = Met::default();
    let mut found = 0;
    let mut done = 0;
    for seed in options.seed..options.seed.saturating_add(options.count) {
        found += u64::from(!one(seed, &options, &mut met));
        done += 1;
        if found > 0 && options.until_found {
            break;
        }
    }
    println!("{done} seeds, {found} with something wrong");
    for (what, count) in met.seen {
        println!("  {count:>10}  {what}");
    }
    let states: BTreeSet<State> = met.states.keys().map(|(state, _)| *state).collect();
    println!("  {:>10}  states of a session", states.len());
    println!("  {:>10}  states of a session, and what happened in them", met.states.len());
    if options.states {
        for ((state, event), count) in met.states {
            println!("  {count:>10}  {state}: {event:?}");
        }
    }
    if found == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a seed; whether all was well.
fn one(seed: u64, options: &Options, met: &mut Met) -> bool {
    let plan = match options.crash {
        true => Plan::crashing(seed),
        false => Plan::new(seed, options.fault),
    };
    let replay = if options.crash { replay_crash(seed) } else { replay(seed) };
    // A panic of the engine should name its seed too.
    let result = std::panic::catch_unwind(|| run(&plan));
    let Ok(run) = result else {
        println!("seed {seed}: panic\n  replay: {}", replay);
        return false;
    };
    if options.verbose {
        println!("{plan:#?}");
        let mut versions = BTreeMap::new();
        for obs in &run.trace {
            let conn = match &obs.what {
                What::Dialled { conn, actor } => {
                    versions.insert(*conn, plan.actors[*actor].version);
                    None
                }
                What::FromClient { conn, .. }
                | What::ToBroker { conn, .. }
                | What::Answered { conn, .. }
                | What::FromBroker { conn, .. }
                | What::ToClient { conn, .. } => Some(*conn),
                _ => None,
            };
            let version = conn.and_then(|conn| versions.get(&conn).copied());
            println!("{}", line(obs, version.unwrap_or(libmqtt_sim::plan::ANY_VERSION)));
        }
        println!("trace {:016x}, {} observations", hash(&run.trace), run.trace.len());
    }
    for (what, count) in run.seen {
        *met.seen.entry(what).or_default() += count;
    }
    for (what, count) in run.states {
        *met.states.entry(what).or_default() += count;
    }
    for violation in run.violations.iter().take(12) {
        println!("seed {seed}, {:.3} ms: {}", violation.at as f64 / 1e6, violation.what);
    }
    if !run.violations.is_empty() {
        println!("  {} violations; replay: {}", run.violations.len(), replay);
    }
    run.violations.is_empty()
}
