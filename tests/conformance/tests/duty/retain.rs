//! RETAIN. MQTT 5.0 §3.3.1.3, MQTT 3.1.1 §3.3.1.3.

use libmqtt_conformance::wire::publish;
use libmqtt_conformance::{Peer, Version, World};

/// Messages that a new subscription to this filter brings, as "topic payload".
fn retained(world: &World, v: Version, filter: &str) -> Vec<String> {
    let mut late = world.connect(v, "late");
    late.subscribe(filter, 0);
    let messages = late.messages();
    late.bye();
    messages
}

fn publisher(v: Version) -> (World, Peer) {
    let world = World::new();
    let publ = world.connect(v, "pub");
    (world, publ)
}

/// The message and its QoS are kept, one per topic.
pub(crate) fn broker_keeps_the_last_retained_message(v: Version) {
    let (world, mut publ) = publisher(v);
    publ.retain("t", "A", 2);
    publ.retain("t", "B", 1);
    assert_eq!(retained(&world, v, "t"), ["t B"]);
    let mut late = world.connect(v, "late");
    late.subscribe("t", 2);
    let seen = late.expect_message("t", "B", 1);
    assert!(seen.retain());
    late.expect_nothing();
}

/// Before and after the publisher's session has ended.
pub(crate) fn broker_keeps_retained_messages_beyond_the_session(v: Version) {
    let (world, mut publ) = publisher(v);
    publ.retain("t", "A", 1);
    publ.bye();
    world.advance(libmqtt_conformance::secs(100));
    assert_eq!(retained(&world, v, "t"), ["t A"]);
}

pub(crate) fn broker_forwards_and_deletes_on_an_empty_retained_message(v: Version) {
    let (world, mut publ) = publisher(v);
    let mut live = world.connect(v, "live");
    live.subscribe("t", 0);
    publ.retain("t", "A", 1);
    live.expect_message("t", "A", 0);
    publ.retain("t", "", 1);
    let seen = live.expect_message("t", "", 0);
    assert!(!seen.retain());
    assert!(retained(&world, v, "t").is_empty());
}

pub(crate) fn broker_stores_no_empty_message(v: Version) {
    let (world, mut publ) = publisher(v);
    publ.retain("t", "", 1);
    assert!(retained(&world, v, "#").is_empty());
}

pub(crate) fn broker_leaves_retained_messages_to_retained_publishes(v: Version) {
    let (world, mut publ) = publisher(v);
    publ.publish("t", "never kept", 1);
    assert!(retained(&world, v, "t").is_empty());
    publ.retain("t", "A", 1);
    publ.publish("t", "B", 1);
    publ.publish("t", "", 1);
    assert_eq!(retained(&world, v, "t"), ["t A"]);
}

pub(crate) fn broker_sends_every_matching_retained_message(v: Version) {
    let (world, mut publ) = publisher(v);
    for topic in ["a", "a/b", "a/c", "b"] {
        publ.retain(topic, "x", 1);
    }
    let mut messages = retained(&world, v, "a/#");
    messages.sort();
    assert_eq!(messages, ["a x", "a/b x", "a/c x"]);
    // Subscribing again brings them again.
    let mut sub = world.connect(v, "sub");
    for _ in 0..2 {
        sub.subscribe("a/+", 0);
        assert_eq!(sub.messages().len(), 2);
    }
}

pub(crate) fn broker_replaces_a_retained_message_at_qos_0(v: Version) {
    let (world, mut publ) = publisher(v);
    publ.retain("t", "A", 1);
    publ.retain("t", "B", 0);
    assert!(!retained(&world, v, "t").contains(&"t A".to_string()));
}

pub(crate) fn broker_marks_what_a_new_subscription_brings(v: Version) {
    let (world, mut publ) = publisher(v);
    publ.retain("t", "A", 0);
    let mut late = world.connect(v, "late");
    late.subscribe("t", 0);
    late.expect(publish("t", "A").retain());
}

pub(crate) fn broker_clears_retain_for_established_subscriptions(v: Version) {
    let (world, mut publ) = publisher(v);
    let mut live = world.connect(v, "live");
    live.subscribe("t", 0);
    publ.retain("t", "A", 0);
    live.expect(publish("t", "A"));
    publ.publish("t", "B", 0);
    live.expect(publish("t", "B"));
}

/// A message that deletes reaches live subscribers without RETAIN.
pub(crate) fn broker_forwards_the_deleting_message_without_retain(v: Version) {
    let (world, mut publ) = publisher(v);
    let mut live = world.connect(v, "live");
    live.subscribe("t", 0);
    publ.retain("t", "", 0);
    live.expect(publish("t", ""));
}
