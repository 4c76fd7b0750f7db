//! Delivery at the three QoS. MQTT 5.0 §4.3 and §4.4, MQTT 3.1.1 likewise.

use libmqtt_conformance::wire::{Connect, Kind, Seen, puback, pubcomp, publish, pubrec, pubrel};
use libmqtt_conformance::{Peer, Version, World, secs};

/// A broker, a publisher, and a client with a lasting session that is subscribed to `t`.
struct Scene {
    v: Version,
    world: World,
    sub: Peer,
    publ: Peer,
}

impl Scene {
    fn new(v: Version) -> Scene {
        let world = World::new();
        let mut sub = world.connect_with(v, Connect::keep(v, "sub"));
        sub.subscribe("t", 2);
        let publ = world.connect(v, "pub");
        Scene { v, world, sub, publ }
    }

    /// Publishes and gives what the subscriber gets, unacknowledged.
    fn pass(&mut self, payload: &str, qos: u8) -> Seen {
        self.publ.publish("t", payload, qos);
        self.sub.next_publish()
    }

    /// The subscriber loses its connection and comes back to its session.
    fn reconnect(&mut self) {
        let new = self.world.connect_with(self.v, Connect::keep(self.v, "sub"));
        assert_eq!(new.connack().session_present(), self.v != Version::V31);
        self.sub = new;
    }
}

pub(crate) fn broker_sends_qos_0_plainly(v: Version) {
    let mut scene = Scene::new(v);
    assert_eq!(scene.pass("x", 0).bytes[0], 0x30);
}

pub(crate) fn broker_sends_qos_1_with_a_new_id(v: Version) {
    let mut scene = Scene::new(v);
    let ids: Vec<u16> = (0..50).map(|_| scene.pass("x", 1).id()).collect();
    assert!(ids.iter().enumerate().all(|(n, id)| *id > 0 && !ids[..n].contains(id)));
}

pub(crate) fn broker_sends_qos_2_with_a_new_id(v: Version) {
    let mut scene = Scene::new(v);
    let mut ids = vec![];
    for n in 0..50 {
        let seen = scene.pass("x", 2);
        assert!(seen.id() > 0 && !ids.contains(&seen.id()));
        ids.push(seen.id());
        if n % 2 == 0 {
            scene.sub.send(pubrec(seen.id())); // taken until PUBCOMP
            scene.sub.expect(pubrel(seen.id()));
        }
    }
}

pub(crate) fn broker_sends_qos_1_first_without_dup(v: Version) {
    let seen = Scene::new(v).pass("x", 1);
    assert_eq!(seen.bytes[0], 0x32);
    assert!(seen.id() > 0);
}

pub(crate) fn broker_sends_qos_2_first_without_dup(v: Version) {
    let seen = Scene::new(v).pass("x", 2);
    assert_eq!(seen.bytes[0], 0x34);
    assert!(seen.id() > 0);
}

pub(crate) fn broker_holds_qos_1_until_puback(v: Version) {
    let mut scene = Scene::new(v);
    let held = scene.pass("held", 1);
    let done = scene.pass("done", 1);
    scene.sub.send(puback(done.id()));
    scene.reconnect();
    scene.sub.expect(publish("t", "held").qos(1, held.id()).dup());
    scene.sub.expect_nothing();
    scene.sub.send(puback(held.id()));
    scene.reconnect();
    scene.sub.expect_nothing();
}

/// The three things that a sender at QoS 1 does.
pub(crate) fn broker_sends_qos_1_by_the_rules(v: Version) {
    broker_sends_qos_1_with_a_new_id(v);
    broker_sends_qos_1_first_without_dup(v);
    broker_holds_qos_1_until_puback(v);
}

pub(crate) fn broker_acknowledges_qos_1(v: Version) {
    let mut scene = Scene::new(v);
    scene.publ.send(publish("t", "x").qos(1, 77));
    scene.publ.expect_ack(Kind::PubAck, 77);
    scene.sub.expect_message("t", "x", 1);
}

/// After PUBACK the same identifier is a new message, whatever DUP says.
pub(crate) fn broker_takes_a_qos_1_id_again_after_puback(v: Version) {
    let mut scene = Scene::new(v);
    for packet in [publish("t", "x").qos(1, 5), publish("t", "x").qos(1, 5).dup()] {
        scene.publ.deliver(packet, 1, 5);
        scene.sub.expect_message("t", "x", 1);
    }
    scene.sub.expect_nothing();
}

pub(crate) fn broker_receives_qos_1_by_the_rules(v: Version) {
    broker_acknowledges_qos_1(v);
    broker_takes_a_qos_1_id_again_after_puback(v);
}

pub(crate) fn broker_holds_qos_2_until_pubrec(v: Version) {
    let mut scene = Scene::new(v);
    let seen = scene.pass("x", 2);
    for _ in 0..2 {
        scene.reconnect();
        scene.sub.expect(publish("t", "x").qos(2, seen.id()).dup());
        scene.sub.expect_nothing();
    }
}

pub(crate) fn broker_answers_pubrec_with_pubrel(v: Version) {
    let mut scene = Scene::new(v);
    let seen = scene.pass("x", 2);
    scene.sub.send(pubrec(seen.id()));
    scene.sub.expect(pubrel(seen.id()));
    scene.sub.expect_nothing();
}

pub(crate) fn broker_holds_pubrel_until_pubcomp(v: Version) {
    let mut scene = Scene::new(v);
    let seen = scene.pass("x", 2);
    scene.sub.send(pubrec(seen.id()));
    scene.sub.expect(pubrel(seen.id()));
    for _ in 0..2 {
        scene.reconnect();
        scene.sub.expect(pubrel(seen.id()));
        scene.sub.expect_nothing();
    }
    scene.sub.send(pubcomp(seen.id()));
    scene.reconnect();
    scene.sub.expect_nothing();
}

/// Once PUBREL has been sent, the PUBLISH never comes again.
pub(crate) fn broker_sends_no_publish_again_after_pubrel(v: Version) {
    let mut scene = Scene::new(v);
    let first = scene.pass("one", 2);
    scene.sub.send(pubrec(first.id()));
    scene.sub.expect(pubrel(first.id()));
    let second = scene.pass("two", 2);
    scene.reconnect();
    let mut again = scene.sub.drain();
    again.sort_by_key(|seen| seen.kind());
    let kinds: Vec<_> = again.iter().map(|seen| (seen.kind(), seen.id())).collect();
    assert_eq!(kinds, [(Kind::Publish, second.id()), (Kind::PubRel, first.id())]);
}

pub(crate) fn broker_sends_qos_2_by_the_rules(v: Version) {
    broker_sends_qos_2_with_a_new_id(v);
    broker_sends_qos_2_first_without_dup(v);
    broker_holds_qos_2_until_pubrec(v);
    broker_answers_pubrec_with_pubrel(v);
    broker_holds_pubrel_until_pubcomp(v);
    broker_sends_no_publish_again_after_pubrel(v);
}

pub(crate) fn broker_answers_qos_2_with_pubrec(v: Version) {
    let mut scene = Scene::new(v);
    scene.publ.send(publish("t", "x").qos(2, 9));
    scene.publ.expect_ack(Kind::PubRec, 9);
    scene.publ.expect_nothing();
}

/// Repeats before PUBREL get another PUBREC, but are not delivered again.
pub(crate) fn broker_delivers_a_repeated_qos_2_message_once(v: Version) {
    let mut scene = Scene::new(v);
    for packet in [publish("t", "x").qos(2, 9), publish("t", "x").qos(2, 9).dup()] {
        scene.publ.send(packet);
        scene.publ.expect_ack(Kind::PubRec, 9);
    }
    scene.publ.send(pubrel(9));
    scene.publ.expect_ack(Kind::PubComp, 9);
    scene.sub.expect_message("t", "x", 2);
    scene.sub.expect_nothing();
}

/// The same after the publisher has reconnected to its session.
pub(crate) fn broker_knows_a_qos_2_message_after_a_reconnect(v: Version) {
    let mut scene = Scene::new(v);
    let keep = Connect::keep(v, "keeper");
    let mut publ = scene.world.connect_with(v, &keep);
    publ.send(publish("t", "x").qos(2, 9));
    publ.expect_ack(Kind::PubRec, 9);
    publ.cut();
    let mut publ = scene.world.connect_with(v, &keep);
    publ.send(publish("t", "x").qos(2, 9).dup());
    publ.expect_ack(Kind::PubRec, 9);
    publ.send(pubrel(9));
    publ.expect_ack(Kind::PubComp, 9);
    scene.sub.expect_message("t", "x", 2);
    scene.sub.expect_nothing();
}

pub(crate) fn broker_answers_pubrel_with_pubcomp(v: Version) {
    let mut scene = Scene::new(v);
    scene.publ.send(publish("t", "x").qos(2, 9));
    scene.publ.expect_ack(Kind::PubRec, 9);
    for _ in 0..2 {
        scene.publ.send(pubrel(9));
        let seen = scene.publ.next_of(Kind::PubComp);
        assert_eq!(seen.id(), 9);
    }
}

pub(crate) fn broker_takes_a_qos_2_id_again_after_pubcomp(v: Version) {
    let mut scene = Scene::new(v);
    for packet in [publish("t", "x").qos(2, 9), publish("t", "x").qos(2, 9).dup()] {
        scene.publ.deliver(packet, 2, 9);
        scene.sub.expect_message("t", "x", 2);
    }
    scene.sub.expect_nothing();
}

pub(crate) fn broker_receives_qos_2_by_the_rules(v: Version) {
    broker_answers_qos_2_with_pubrec(v);
    broker_delivers_a_repeated_qos_2_message_once(v);
    broker_knows_a_qos_2_message_after_a_reconnect(v);
    broker_answers_pubrel_with_pubcomp(v);
    broker_takes_a_qos_2_id_again_after_pubcomp(v);
}

/// On resumption everything unacknowledged is sent again with its old identifier, and only then.
pub(crate) fn broker_sends_again_on_resumption_only(v: Version) {
    let mut scene = Scene::new(v);
    let one = scene.pass("one", 1);
    let two = scene.pass("two", 2);
    scene.sub.send(pubrec(two.id()));
    scene.sub.expect(pubrel(two.id()));
    let three = scene.pass("three", 2);
    scene.world.advance(secs(3000));
    scene.sub.expect_nothing();
    scene.reconnect();
    let mut again = scene.sub.drain();
    again.sort_by_key(|seen| seen.id());
    let mut wanted =
        [(Kind::Publish, one.id()), (Kind::PubRel, two.id()), (Kind::Publish, three.id())];
    wanted.sort_by_key(|(_, id)| *id);
    assert_eq!(again.iter().map(|seen| (seen.kind(), seen.id())).collect::<Vec<_>>(), wanted);
    scene.world.advance(secs(3000));
    scene.sub.expect_nothing();
    // Without the session, nothing comes again.
    let mut sub = scene.world.connect(v, "sub");
    sub.expect_nothing();
}
