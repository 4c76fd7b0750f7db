//! Topic Names and Topic Filters. MQTT 5.0 §4.7, MQTT 3.1.1 §4.7.

use libmqtt_conformance::wire::{Kind, publish, subscribe, unsubscribe};
use libmqtt_conformance::{Version, World, secs, vectors};

use super::throws_out;

/// Invalid filters are refused, by SUBACK or by closing; valid ones are granted.
#[track_caller]
fn check_filters(v: Version, valid: &[&str], invalid: &[&str]) {
    let world = World::new();
    for filter in valid {
        world.connect(v, "c").subscribe(filter, 1);
    }
    for filter in invalid {
        let mut peer = world.connect(v, "c");
        peer.send(subscribe(1).filter(filter, 1));
        match peer.read() {
            seen if seen.kind() == Kind::SubAck => {
                assert_eq!(
                    seen.payload(),
                    [if v == Version::V5 { 0x8F } else { 0x80 }],
                    "{filter}"
                );
            }
            seen => {
                assert_eq!(seen.kind(), Kind::Disconnect, "{filter}");
                assert!([0x81, 0x82, 0x8F].contains(&seen.reason()), "{filter}: {seen:?}");
            }
        }
    }
}

pub(crate) fn broker_wants_multi_level_wildcards_alone_and_last(v: Version) {
    check_filters(
        v,
        &["#", "a/#", "/#", "+/#"],
        &["a#", "a/#/b", "#/a", "##", "#a", "/a/#b", "+#"],
    );
}

pub(crate) fn broker_wants_single_level_wildcards_alone(v: Version) {
    check_filters(
        v,
        &["+", "+/#", "a/+/b", "/+", "+/+"],
        &["a+", "a/+b", "+a", "++", "a/++/b", "+a/#"],
    );
}

/// `$` topics are reached only by filters that begin with `$`.
pub(crate) fn broker_hides_dollar_topics_from_wildcards(v: Version) {
    let world = World::with(|config| config.sys_interval = secs(10));
    let mut sub = world.connect(v, "sub");
    ["#", "+/broker/#", "+/x", "+"].iter().for_each(|filter| sub.subscribe(filter, 0));
    let mut sys = world.connect(v, "sys");
    sys.subscribe("$SYS/#", 0);
    world.connect(v, "pub").send(publish("$x/x", "x"));
    world.advance(secs(60));
    sub.expect_nothing();
    assert!(!sys.drain().is_empty(), "the broker publishes below $SYS");
}

pub(crate) fn broker_wants_at_least_one_character(v: Version) {
    throws_out(v, publish("", "x"), &[0x81, 0x82, 0x90]);
    let world = World::new();
    let mut peer = world.connect(v, "c");
    peer.send(subscribe(1).filter("", 0));
    match peer.poll() {
        Some(seen) if seen.kind() == Kind::SubAck => {
            assert!([0x80, 0x8F].contains(&seen.payload()[0]), "{seen:?}");
        }
        Some(seen) => assert!([0x81, 0x82, 0x8F].contains(&seen.reason()), "{seen:?}"),
        None => peer.expect_closed(),
    }
}

pub(crate) fn broker_closes_on_nul_in_topics_and_filters(v: Version) {
    throws_out(v, publish("a\0b", "x"), &[0x81]);
    throws_out(v, subscribe(1).filter("a\0", 0), &[0x81]);
    throws_out(v, unsubscribe(1).filter("\0"), &[0x81]);
}

pub(crate) fn broker_takes_topics_of_65535_bytes(v: Version) {
    let world = World::new();
    let mut peer = world.connect(v, "c");
    let topic = "x".repeat(65_535);
    peer.subscribe(&topic, 1);
    peer.publish(&topic, "y", 1);
    peer.expect_message(&topic, "y", 1);
}

pub(crate) fn broker_matches_without_normalising(v: Version) {
    let world = World::new();
    let different = ["\u{e9}", "e\u{301}", "E", "e", "e ", " e", "e/", "/e", "\u{FEFF}e"];
    let mut peer = world.connect(v, "c");
    for filter in different {
        peer.subscribe(filter, 0);
        for topic in different {
            peer.publish(topic, "x", 0);
        }
        assert_eq!(peer.messages(), [format!("{filter} x")]);
        peer.unsubscribe(filter);
    }
}

/// The vectors of topic-vectors.csv, end to end.
pub(crate) fn broker_agrees_with_the_topic_vectors(v: Version) {
    let text = |cell: &str| unescape(cell);
    for row in vectors::rows("topic-vectors.csv") {
        let version = if v == Version::V5 { "5.0" } else { "3.1.1" };
        if !["all", version].contains(&row["mqtt"].as_str()) || row["filter"].contains("$share") {
            continue;
        }
        let wanted = match row["expected"].as_str() {
            "match" => true,
            "no_match" => false,
            _ => continue,
        };
        let world = World::new();
        let mut peer = world.connect(v, "c");
        peer.subscribe(&text(&row["filter"]), 0);
        peer.publish(&text(&row["topic"]), "x", 0);
        // Whether clients may publish to $ topics is the broker's to say.
        if !row["topic"].starts_with('$') {
            assert_eq!(peer.poll().is_some(), wanted, "{row:?}");
        }
    }
}

/// JSON's escapes, as far as the table has them.
fn unescape(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => chars.next().expect("a character behind the backslash"),
            c => {
                units.extend(c.encode_utf16(&mut [0; 2]).iter());
                continue;
            }
        };
        match c {
            'u' => {
                let hex: String = chars.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&hex, 16).expect("four hex digits"));
            }
            other => units.extend(other.encode_utf16(&mut [0; 2]).iter()),
        }
    }
    String::from_utf16(&units).expect("whole surrogate pairs")
}

/// Clients exchange no messages over `$SYS`, which is the broker's.
pub(crate) fn broker_keeps_sys_topics_to_itself(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("$SYS/#", 0);
    sub.drain();
    let mut publ = world.connect(v, "pub");
    publ.send(publish("$SYS/broker/mine", "x"));
    publ.send(publish("$SYS/broker/mine", "x").retain());
    assert!(sub.drain().iter().all(|seen| seen.payload() != b"x"));
}
