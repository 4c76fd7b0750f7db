//! PUBLISH, as a client sends and takes it.

use libmqtt_conformance::wire::{Kind, Wire, publish};
use libmqtt_conformance::{ClientWorld, Version};

use super::{keeper, rejects, resume};

pub(crate) fn client_sets_dup_when_it_sends_again(v: Version) {
    let (world, mut server) = keeper(v);
    world.publish("t", "one", 1).expect("a connection");
    world.publish("t", "two", 2).expect("a connection");
    let first = server.drain();
    assert!(first.iter().all(|seen| !seen.dup()));
    let mut server = resume(&world, server);
    server.expect(publish("t", "one").qos(1, first[0].id()).dup());
    server.expect(publish("t", "two").qos(2, first[1].id()).dup());
}

pub(crate) fn client_never_sets_dup_at_qos_0(v: Version) {
    let (world, mut server) = keeper(v);
    world.publish("t", "x", 0).expect("a connection");
    server.expect(publish("t", "x"));
    let mut server = resume(&world, server);
    world.publish("t", "y", 0).expect("a connection");
    server.expect(publish("t", "y"));
}

pub(crate) fn client_sends_no_qos_3(v: Version) {
    super::packets::client_closes_on_qos_3(v);
    let (world, mut server) = ClientWorld::online(v, |_| {});
    for qos in 0..3 {
        world.publish("t", "x", qos).expect("a connection");
        assert_eq!(server.next_of(Kind::Publish).qos(), qos);
    }
}

pub(crate) fn client_sends_the_topic_first(v: Version) {
    rejects(v, publish([0xC3], "x"), &[0x81]);
    let (world, mut server) = ClientWorld::online(v, |_| {});
    let topic = "äöü/日本/😀";
    world.publish(topic, "x", 1).expect("a connection");
    let id = server.next_of(Kind::Publish).id();
    let seen = server.log().last().expect("a packet");
    assert_eq!(seen.bytes, publish(topic, "x").qos(1, id).wire(v));
}

pub(crate) fn client_puts_no_wildcards_into_topics(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    for topic in ["a/+", "+", "#", "a/#", "a+b", "a#"] {
        assert!(world.publish(topic, "x", 1).is_err());
    }
    server.expect_nothing();
    assert!(libmqtt_engine::Message::new("w/#", b"").is_err());
    rejects(v, publish("a/#", "x"), &[0x81, 0x82, 0x90]);
}

/// No answer at QoS 0, PUBACK at 1, PUBREC at 2.
pub(crate) fn client_answers_by_qos(v: Version) {
    let (_world, mut server) = ClientWorld::online(v, |_| {});
    server.send(publish("t", "x"));
    server.expect_nothing();
    server.send(publish("t", "x").qos(1, 11));
    server.expect("40 02 000B");
    server.send(publish("t", "x").qos(2, 12));
    server.expect("50 02 000C");
    server.expect_nothing();
}

/// Also for topics to which it never subscribed.
pub(crate) fn client_acknowledges_what_it_did_not_ask_for(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    server.deliver(publish("never/subscribed", "x").qos(1, 3), 1, 3);
    server.deliver(publish("never/subscribed", "x").qos(2, 4), 2, 4);
    world.events();
    server.expect_nothing();
}

pub(crate) fn client_wants_at_least_one_character(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    assert!(world.publish("", "x", 0).is_err());
    assert!(world.subscribe("", 0).is_err());
    assert!(world.unsubscribe("").is_err());
    server.expect_nothing();
    rejects(v, publish("", "x"), &[0x81, 0x82, 0x90]);
}

pub(crate) fn client_uses_topics_of_at_most_65535_bytes(v: Version) {
    let (world, mut server) = ClientWorld::online(v, |_| {});
    let longest = "x".repeat(65_535);
    world.publish(&longest, "y", 0).expect("a connection");
    server.expect(publish(&longest, "y"));
    world.subscribe(&longest, 0).expect("a connection");
    server.next_of(Kind::Subscribe);
    assert!(world.publish(&"x".repeat(65_536), "y", 0).is_err());
    assert!(world.subscribe(&"x".repeat(65_536), 0).is_err());
    server.expect_nothing();
    server.send(publish(&longest, "z"));
    assert_eq!(world.messages()[0].topic(), longest);
}
