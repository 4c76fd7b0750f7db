//! The first 200 seeds, and that a seed decides everything.

use std::ops::Range;

use libmqtt_sim::{Plan, hash, replay, run};

fn all_clean(seeds: Range<u64>) {
    let mut bad = Vec::new();
    for seed in seeds {
        let plan = Plan::new(seed, None);
        let run = run(&plan);
        for violation in run.violations.iter().take(5) {
            bad.push(format!("{:.3} ms: {}", violation.at as f64 / 1e6, violation.what));
        }
        if !run.violations.is_empty() {
            bad.push(format!("seed {seed}; replay: {}", replay(seed)));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn seeds_0_to_49_keep_every_promise() {
    all_clean(0..50);
}

#[test]
fn seeds_50_to_99_keep_every_promise() {
    all_clean(50..100);
}

#[test]
fn seeds_100_to_149_keep_every_promise() {
    all_clean(100..150);
}

#[test]
fn seeds_150_to_199_keep_every_promise() {
    all_clean(150..200);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 7, 42] {
        let plan = Plan::new(seed, None);
        assert_eq!(hash(&run(&plan).trace), hash(&run(&plan).trace), "seed {seed}");
    }
    let other = hash(&run(&Plan::new(2, None)).trace);
    assert_ne!(hash(&run(&Plan::new(1, None)).trace), other);
}

/// So many combinations of a session's state and what happens in it are met in 30 seeds at least.
const STATES_MIN: usize = 3_000;

#[test]
fn every_situation_of_interest_is_met() {
    let mut seen = std::collections::BTreeMap::new();
    let mut states = std::collections::BTreeSet::new();
    for seed in 200..230 {
        let run = run(&Plan::new(seed, None));
        for (what, count) in run.seen {
            *seen.entry(what).or_insert(0) += count;
        }
        states.extend(run.states.into_keys());
    }
    assert!(states.len() > STATES_MIN, "only {} states and events", states.len());
    for what in [
        "takeovers",
        "cuts",
        "goodbyes",
        "keep-alive timeouts",
        "sessions resumed",
        "sessions expired",
        "messages sent again",
        "QoS 2 repeats",
        "retained deliveries",
        "shared deliveries",
        "wills fired",
        "wills delayed",
        "wills cancelled",
        "publishes lost",
        "unsubscriptions",
    ] {
        assert!(seen.get(what).copied().unwrap_or(0) > 0, "no {what} in 30 seeds: {seen:?}");
    }
}
