//! `libmqtt-soak [--seconds N] [--shards N] [--churners N]`: prints what was used, and fails if it
//! has grown.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::Duration;

use lexopt::prelude::*;
use libmqtt_soak::{Plan, Usage, run};

/// What the second half may use more than the first at most. Allocators keep some.
const GROWTH_MAX: usize = 16 * 1024 * 1024;

fn plan() -> Result<Plan, lexopt::Error> {
    let mut plan = Plan { span: Duration::from_secs(600), shards: 2, churners: 8 };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seconds") => plan.span = Duration::from_secs(parser.value()?.parse()?),
            Long("shards") => plan.shards = parser.value()?.parse()?,
            Long("churners") => plan.churners = parser.value()?.parse()?,
            other => return Err(other.unexpected()),
        }
    }
    Ok(plan)
}

fn main() -> ExitCode {
    let plan = match plan() {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let report = run(&plan);
    for usage in &report.usage {
        println!("{usage}");
    }
    println!(
        "{} connections came and went and published {} messages; {} were checked",
        report.connections, report.published, report.checked
    );
    let last = report.usage.len() - 1;
    let (before, during, after) = (&report.usage[0], &report.usage[1..last], &report.usage[last]);
    let most = |some: &[Usage]| some.iter().map(|usage| usage.memory).max().unwrap_or(0);
    let (first, second) = during.split_at(during.len() / 2);
    let growth = most(second).saturating_sub(most(first));
    println!("{} KiB more in the second half", growth / 1024);
    let mut well = true;
    if growth > GROWTH_MAX {
        println!("memory grows");
        well = false;
    }
    if after.descriptors > before.descriptors {
        println!("descriptors are left open");
        well = false;
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
