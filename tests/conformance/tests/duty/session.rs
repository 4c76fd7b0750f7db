//! Sessions. MQTT 5.0 §3.1.2.4 and §4.1, MQTT 3.1.1 likewise.

use libmqtt_conformance::wire::{Connect, Kind, publish, pubrec, pubrel};
use libmqtt_conformance::{Version, World, secs};

pub(crate) fn broker_starts_afresh_with_clean_start(v: Version) {
    let world = World::new();
    let mut sub = world.connect_with(v, Connect::keep(v, "sub"));
    sub.subscribe("t", 1);
    let mut publ = world.connect(v, "pub");
    publ.publish("t", "in flight", 1);
    sub.cut();
    publ.publish("t", "queued", 1);
    let mut sub = world.connect(v, "sub");
    assert!(!sub.connack().session_present());
    publ.publish("t", "not subscribed", 1);
    sub.expect_nothing();
}

/// The session of a Clean Session 1 connection ends with it, and its state is never used again.
pub(crate) fn broker_ends_a_clean_session_with_its_connection(v: Version) {
    broker_starts_afresh_with_clean_start(v);
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("t", 1);
    sub.cut();
    world.connect(v, "pub").publish("t", "x", 1);
    let mut sub = world.connect_with(v, Connect::keep(v, "sub"));
    assert!(!sub.connack().session_present());
    sub.expect_nothing();
}

/// Subscriptions, what is in flight and what was queued.
pub(crate) fn broker_resumes_a_session(v: Version) {
    let world = World::new();
    let keep = Connect::keep(v, "sub");
    let mut sub = world.connect_with(v, &keep);
    sub.subscribe("t", 2);
    let mut publ = world.connect(v, "pub");
    publ.publish("t", "in flight", 1);
    let id = sub.next_publish().id();
    sub.cut();
    publ.publish("t", "queued", 2);
    let mut sub = world.connect_with(v, &keep);
    assert!(sub.connack().session_present());
    sub.expect(publish("t", "in flight").qos(1, id).dup());
    sub.send(libmqtt_conformance::wire::puback(id));
    sub.expect_message("t", "queued", 2);
    publ.publish("t", "live", 1);
    sub.expect_message("t", "live", 1);
}

pub(crate) fn broker_creates_a_session_when_there_is_none(v: Version) {
    let world = World::new();
    let mut peer = world.connect_with(v, Connect::keep(v, "new"));
    assert!(!peer.connack().session_present());
    peer.subscribe("t", 1);
    peer.publish("t", "x", 1);
    peer.expect_message("t", "x", 1);
}

pub(crate) fn broker_keeps_a_session_over_connections(v: Version) {
    broker_resumes_a_session(v);
    broker_creates_a_session_when_there_is_none(v);
}

/// Messages for a session that is away wait for it.
pub(crate) fn broker_queues_for_a_session_that_is_away(v: Version) {
    let world = World::new();
    let keep = Connect::keep(v, "sub");
    let mut sub = world.connect_with(v, &keep);
    sub.subscribe("t/#", 2);
    sub.bye();
    let mut publ = world.connect(v, "pub");
    for n in 0..20 {
        publ.publish("t/1", &n.to_string(), 1);
        publ.publish("t/2", &n.to_string(), 2);
    }
    let mut sub = world.connect_with(v, &keep);
    for n in 0..20 {
        sub.expect_message("t/1", &n.to_string(), 1);
        sub.expect_message("t/2", &n.to_string(), 2);
    }
    sub.expect_nothing();
}

pub(crate) fn broker_tells_sessions_by_client_id(v: Version) {
    let world = World::new();
    let mut ids = ["a", "b", "A", "a "];
    for id in ids {
        let mut peer = world.connect_with(v, Connect::keep(v, id));
        assert!(!peer.connack().session_present());
        peer.subscribe(&format!("to/{id}"), 1);
        peer.cut();
    }
    let mut publ = world.connect(v, "pub");
    ids.iter().for_each(|id| publ.publish(&format!("to/{id}"), id, 1));
    ids.reverse();
    for id in ids {
        let mut peer = world.connect_with(v, Connect::keep(v, id));
        peer.expect_message(&format!("to/{id}"), id, 1);
        peer.expect_nothing();
    }
}

/// However long it is connected, a client's state is there.
pub(crate) fn broker_keeps_state_while_connected(v: Version) {
    let world = World::new();
    let mut sub = world.connect(v, "sub");
    sub.subscribe("t", 2);
    let mut publ = world.connect(v, "pub");
    publ.publish("t", "x", 2);
    let id = sub.next_publish().id();
    publ.send(publish("u", "half").qos(2, 3));
    publ.expect_ack(Kind::PubRec, 3);
    world.advance(secs(1_000_000));
    sub.send(pubrec(id));
    sub.expect(pubrel(id));
    publ.send(pubrel(3));
    publ.expect_ack(Kind::PubComp, 3);
    publ.publish("t", "y", 0);
    sub.expect_message("t", "y", 0);
}

/// Over many connections, however long it is away.
pub(crate) fn broker_keeps_state_over_the_whole_session(v: Version) {
    let world = World::new();
    let keep = Connect::keep(v, "sub");
    let mut sub = world.connect_with(v, &keep);
    sub.subscribe("t", 1);
    let mut publ = world.connect(v, "pub");
    for n in 0..10 {
        publ.publish("t", "x", 1);
        let id = sub.next_publish().id();
        sub.cut();
        world.advance(secs(300 * n));
        sub = world.connect_with(v, &keep);
        sub.expect(publish("t", "x").qos(1, id).dup());
        sub.send(libmqtt_conformance::wire::puback(id));
    }
    broker_keeps_state_while_connected(v);
}

/// Sessions that are connected and sessions that are away.
pub(crate) fn broker_adds_a_message_to_every_matching_session(v: Version) {
    let world = World::new();
    let mut live: Vec<_> = (0..5)
        .map(|n| {
            let mut sub = world.connect(v, &format!("live{n}"));
            sub.subscribe("t", n % 3);
            sub
        })
        .collect();
    for n in 0..5 {
        let mut sub = world.connect_with(v, Connect::keep(v, format!("away{n}")));
        sub.subscribe("+", 1);
        sub.cut();
    }
    world.connect(v, "pub").publish("t", "x", 2);
    for (n, sub) in live.iter_mut().enumerate() {
        sub.expect_message("t", "x", n as u8 % 3);
    }
    for n in 0..5 {
        let mut sub = world.connect_with(v, Connect::keep(v, format!("away{n}")));
        sub.expect_message("t", "x", 1);
    }
}
