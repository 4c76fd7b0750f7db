//! Prints what the parts cost: `libmqtt-bench [codec|topics|shards|growth|client] ...`, all by
//! default. `--case TEXT`: of the table of shards only the rows that have it in their name.
//! `--rounds N` does each thing N times and measures little, for tools that count.

use std::time::Duration;

use libmqtt_bench::meter::Meter;
use libmqtt_bench::{client, codec, shards, topics};

/// Filters of the topic tables.
const FILTERS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

fn main() -> Result<(), lexopt::Error> {
    use lexopt::prelude::*;
    let mut meter = Meter::FULL;
    let mut case = String::new();
    let mut wanted = Vec::new();
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("rounds") => {
                let rounds = arguments.value()?.parse()?;
                meter = Meter { sample: Duration::ZERO, samples: 1, rounds };
            }
            Long("case") => case = arguments.value()?.string()?,
            Value(name) => wanted.push(name.string()?),
            other => return Err(other.unexpected()),
        }
    }
    let all = ["codec", "topics", "shards", "growth", "client"];
    if let Some(unknown) = wanted.iter().find(|name| !all.contains(&name.as_str())) {
        return Err(format!("no table is called {unknown}").into());
    }
    for name in all.iter().filter(|name| wanted.is_empty() || wanted.iter().any(|w| w == *name)) {
        let tables = match *name {
            "codec" => codec::tables(meter).into(),
            "topics" => topics::tables(meter, &FILTERS).into(),
            "shards" => vec![shards::table(meter, &case)],
            "growth" => shards::growth(meter, 1.0).into(),
            _ => vec![client::table(meter)],
        };
        for table in tables {
            println!("{table}");
        }
    }
    Ok(())
}
