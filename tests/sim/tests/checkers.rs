//! The checkers can fail: faults on the way and damaged recordings are seen.

use libmqtt_codec::QoS;
use libmqtt_sim::{Checker, Fault, Obs, Plan, Violation, What, run};

/// Every fault is seen within this many seeds.
const SEEDS: u64 = 25;

#[test]
fn every_fault_on_the_way_is_seen() {
    for (name, fault) in Fault::ALL {
        let seen =
            (0..SEEDS).any(|seed| !run(&Plan::new(seed, Some(*fault))).violations.is_empty());
        assert!(seen, "{name} was not seen in {SEEDS} seeds");
    }
}

/// The recording of a clean run, damaged by `damage` at some of the places where that is possible,
/// must be objected to with a message that begins with one of `words`.
fn check(words: &[&str], damage: impl Fn(&[Obs], usize) -> Option<Vec<Obs>>) {
    let mut tried = 0;
    // In these the first connection lasts from beginning to end.
    let steady = |seed: &u64| Plan::new(*seed, None).actors[0].steady;
    for seed in (0..).filter(steady).take(4) {
        let plan = Plan::new(seed, None);
        let clean = run(&plan);
        assert_eq!(clean.violations, [], "seed {seed}");
        assert_eq!(Checker::judge(&plan, &clean.trace), []);
        let places = (0..clean.trace.len()).filter_map(|at| damage(&clean.trace, at));
        for damaged in places.step_by(7).take(5) {
            tried += 1;
            let found = Checker::judge(&plan, &damaged);
            assert!(objects(&found, words), "seed {seed}: {found:?}, expected one of {words:?}");
        }
    }
    assert!(tried >= 4, "only {tried} places");
}

fn objects(found: &[Violation], words: &[&str]) -> bool {
    found.iter().any(|violation| words.iter().any(|word| violation.what.starts_with(word)))
}

fn without(trace: &[Obs], at: usize) -> Vec<Obs> {
    [&trace[..at], &trace[at + 1..]].concat()
}

fn twice(trace: &[Obs], at: usize) -> Vec<Obs> {
    [&trace[..=at], &trace[at..]].concat()
}

/// The steady watcher was handed a message: nothing that happens later can make up for it.
fn received_at(obs: &Obs, wanted: QoS) -> bool {
    matches!(obs.what, What::Received { conn: 0, qos, .. } if qos == wanted)
}

#[test]
fn a_message_that_a_program_never_gets_is_seen() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        check(&["program"], |trace, at| received_at(&trace[at], qos).then(|| without(trace, at)));
    }
}

#[test]
fn a_qos2_message_that_a_program_gets_twice_is_seen() {
    check(&["exactly-once"], |trace, at| {
        received_at(&trace[at], QoS::ExactlyOnce).then(|| twice(trace, at))
    });
}

#[test]
fn messages_in_another_order_are_seen() {
    check(&["program"], |trace, at| {
        let next = trace.get(at + 1)?;
        let key = |obs: &Obs| match obs.what {
            What::Received { conn, key, .. } => Some((conn, key)),
            _ => None,
        };
        let ((a, first), (b, second)) = (key(&trace[at])?, key(next)?);
        (a == b && first != second).then(|| {
            let mut damaged = trace.to_vec();
            let (one, two) = (damaged[at].what.clone(), damaged[at + 1].what.clone());
            (damaged[at].what, damaged[at + 1].what) = (two, one);
            damaged
        })
    });
}

#[test]
fn a_packet_that_never_leaves_the_broker_is_seen() {
    check(&["missing", "flow", "wire"], |trace, at| match &trace[at].what {
        What::FromBroker { conn: 0, packet } if packet[0] >> 4 == 3 && packet[0] & 6 != 0 => {
            Some(without(trace, at))
        }
        _ => None,
    });
}

#[test]
fn a_packet_that_leaves_the_broker_twice_is_seen() {
    check(&["delivery", "flow", "wire"], |trace, at| match &trace[at].what {
        What::FromBroker { packet, .. } if packet[0] >> 4 == 3 => Some(twice(trace, at)),
        _ => None,
    });
}

#[test]
fn an_operation_without_a_result_is_seen() {
    check(&["token"], |trace, at| {
        matches!(trace[at].what, What::Resolved { .. }).then(|| without(trace, at))
    });
}

#[test]
fn a_connection_that_the_broker_drops_without_cause_is_seen() {
    check(&["close"], |trace, at| match trace[at].what {
        What::FromBroker { conn, ref packet } if packet[0] >> 4 == 3 => {
            let mut damaged = trace[..=at].to_vec();
            let reason = libmqtt_codec::Reason::UnspecifiedError;
            damaged.push(Obs {
                at: trace[at].at,
                what: What::BrokerClosed { conn, reason, flushed: true },
            });
            Some(damaged)
        }
        _ => None,
    });
}
