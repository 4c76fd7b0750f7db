//! A broker that stores loses its power and is started again, and so do clients.

use std::collections::BTreeMap;
use std::ops::Range;

use libmqtt_codec::QoS;
use libmqtt_sim::{Ledger, Obs, Plan, What, hash, replay_crash, run};

fn all_clean(seeds: Range<u64>) -> BTreeMap<&'static str, u64> {
    let mut bad = Vec::new();
    let mut seen = BTreeMap::new();
    for seed in seeds {
        let run = run(&Plan::crashing(seed));
        for violation in run.violations.iter().take(5) {
            bad.push(format!("{:.3} ms: {}", violation.at as f64 / 1e6, violation.what));
        }
        if !run.violations.is_empty() {
            bad.push(format!("seed {seed}; replay: {}", replay_crash(seed)));
        }
        for (what, count) in run.seen {
            *seen.entry(what).or_default() += count;
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    seen
}

#[test]
fn seeds_0_to_39_keep_every_promise() {
    let seen = all_clean(0..40);
    for what in [
        "power lost",
        "power of a client lost",
        "durable messages when power was lost",
        "flushes",
        "messages owed",
        "messages again",
        "messages refused",
        "retained values",
    ] {
        assert!(seen.get(what).copied().unwrap_or(0) > 0, "no {what}: {seen:?}");
    }
}

#[test]
fn seeds_40_to_79_keep_every_promise() {
    all_clean(40..80);
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let plan = Plan::crashing(7);
    assert_eq!(hash(&run(&plan).trace), hash(&run(&plan).trace));
}

/// The recording of a clean run, damaged at some of the places where that is possible, must be
/// objected to with a message that begins with `word`.
fn check(word: &str, damage: impl Fn(&[Obs], usize) -> Option<Vec<Obs>>) {
    let mut tried = 0;
    for seed in 0..6 {
        let plan = Plan::crashing(seed);
        let clean = run(&plan).trace;
        assert_eq!(Ledger::judge(&plan, &clean), []);
        let places = (0..clean.len()).filter_map(|at| damage(&clean, at));
        for damaged in places.step_by(5).take(4) {
            let found = Ledger::judge(&plan, &damaged);
            tried += u64::from(found.iter().any(|violation| violation.what.starts_with(word)));
        }
    }
    assert!(tried >= 4, "{word}: {tried}");
}

fn is_received(obs: &Obs, wanted: QoS) -> Option<u64> {
    match obs.what {
        What::Received { key, qos, .. } if qos == wanted && key > 0 => Some(key),
        _ => None,
    }
}

#[test]
fn the_ledger_sees_what_is_lost() {
    check("missing", |trace, at| {
        let key = is_received(&trace[at], QoS::ExactlyOnce)?;
        let same = |obs: &&Obs| is_received(obs, QoS::ExactlyOnce) != Some(key);
        Some(trace.iter().filter(same).cloned().collect())
    });
}

#[test]
fn the_ledger_sees_what_comes_twice() {
    check("exactly-once", |trace, at| {
        is_received(&trace[at], QoS::ExactlyOnce)?;
        Some([&trace[..=at], &trace[at..]].concat())
    });
}

#[test]
fn the_ledger_sees_a_session_that_is_gone() {
    check("session", |trace, at| match &trace[at].what {
        // CONNACK, Session Present.
        What::ToClient { packet, .. } if packet[0] == 0x20 && packet[2] == 1 => {
            let mut damaged = trace.to_vec();
            if let What::ToClient { packet, .. } = &mut damaged[at].what {
                packet[2] = 0;
            }
            Some(damaged)
        }
        _ => None,
    });
}
