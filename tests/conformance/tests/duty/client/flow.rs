//! Delivery at the three QoS, as a client does it.

use libmqtt_conformance::wire::{Kind, Seen, connack, puback, pubcomp, publish, pubrec, pubrel};
use libmqtt_conformance::{ClientWorld, Peer, Version, secs};

use libmqtt_engine::client::{ClientConfig, Event};
use libmqtt_engine::codec::Reason;

use super::{keeper, resume};

/// A client with a lasting session and its server.
struct Scene {
    world: ClientWorld,
    server: Option<Peer>,
}

impl Scene {
    fn new(v: Version) -> Scene {
        let (world, server) = keeper(v);
        Scene { world, server: Some(server) }
    }

    fn server(&mut self) -> &mut Peer {
        self.server.as_mut().expect("a connection")
    }

    /// The program publishes; what comes of it at the server.
    fn pass(&mut self, payload: &str, qos: u8) -> Seen {
        self.world.publish("t", payload, qos).expect("a connection");
        self.server().next_of(Kind::Publish)
    }

    fn resume(&mut self) {
        let server = self.server.take().expect("a connection");
        self.server = Some(resume(&self.world, server));
    }

    /// Payloads that the program has received.
    fn received(&self) -> Vec<String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.world.messages().iter().map(|message| text(message.payload())).collect()
    }
}

pub(crate) fn client_sends_qos_0_plainly(v: Version) {
    assert_eq!(Scene::new(v).pass("x", 0).bytes[0], 0x30);
}

pub(crate) fn client_sends_with_a_new_id(v: Version, qos: u8) {
    let mut scene = Scene::new(v);
    let ids: Vec<u16> = (0..50).map(|_| scene.pass("x", qos).id()).collect();
    assert!(ids.iter().enumerate().all(|(n, id)| *id > 0 && !ids[..n].contains(id)));
}

pub(crate) fn client_sends_qos_1_with_a_new_id(v: Version) {
    client_sends_with_a_new_id(v, 1);
}

pub(crate) fn client_sends_qos_2_with_a_new_id(v: Version) {
    client_sends_with_a_new_id(v, 2);
}

pub(crate) fn client_sends_qos_1_first_without_dup(v: Version) {
    let seen = Scene::new(v).pass("x", 1);
    assert_eq!(seen.bytes[0], 0x32);
    assert!(seen.id() > 0);
}

pub(crate) fn client_sends_qos_2_first_without_dup(v: Version) {
    let seen = Scene::new(v).pass("x", 2);
    assert_eq!(seen.bytes[0], 0x34);
    assert!(seen.id() > 0);
}

pub(crate) fn client_holds_qos_1_until_puback(v: Version) {
    let mut scene = Scene::new(v);
    let held = scene.pass("held", 1);
    let done = scene.pass("done", 1);
    scene.server().send(puback(done.id()));
    scene.resume();
    scene.server().expect(publish("t", "held").qos(1, held.id()).dup());
    scene.server().expect_nothing();
    scene.server().send(puback(held.id()));
    scene.resume();
    scene.server().expect_nothing();
}

pub(crate) fn client_sends_qos_1_by_the_rules(v: Version) {
    client_sends_qos_1_with_a_new_id(v);
    client_sends_qos_1_first_without_dup(v);
    client_holds_qos_1_until_puback(v);
}

pub(crate) fn client_acknowledges_qos_1(v: Version) {
    let mut scene = Scene::new(v);
    scene.server().send(publish("t", "x").qos(1, 77));
    scene.server().expect("40 02 004D");
    assert_eq!(scene.received(), ["x"]);
}

pub(crate) fn client_takes_a_qos_1_id_again_after_puback(v: Version) {
    let mut scene = Scene::new(v);
    for packet in [publish("t", "x").qos(1, 5), publish("t", "x").qos(1, 5).dup()] {
        scene.server().deliver(packet, 1, 5);
    }
    assert_eq!(scene.received(), ["x", "x"]);
}

pub(crate) fn client_receives_qos_1_by_the_rules(v: Version) {
    client_acknowledges_qos_1(v);
    client_takes_a_qos_1_id_again_after_puback(v);
}

pub(crate) fn client_holds_qos_2_until_pubrec(v: Version) {
    let mut scene = Scene::new(v);
    let seen = scene.pass("x", 2);
    for _ in 0..2 {
        scene.resume();
        scene.server().expect(publish("t", "x").qos(2, seen.id()).dup());
        scene.server().expect_nothing();
    }
}

pub(crate) fn client_answers_pubrec_with_pubrel(v: Version) {
    let mut scene = Scene::new(v);
    let seen = scene.pass("x", 2);
    scene.server().send(pubrec(seen.id()));
    scene.server().expect(pubrel(seen.id()));
    scene.server().expect_nothing();
}

pub(crate) fn client_holds_pubrel_until_pubcomp(v: Version) {
    let mut scene = Scene::new(v);
    let seen = scene.pass("x", 2);
    scene.server().send(pubrec(seen.id()));
    scene.server().expect(pubrel(seen.id()));
    for _ in 0..2 {
        scene.resume();
        scene.server().expect(pubrel(seen.id()));
        scene.server().expect_nothing();
    }
    scene.server().send(pubcomp(seen.id()));
    scene.resume();
    scene.server().expect_nothing();
}

pub(crate) fn client_sends_no_publish_again_after_pubrel(v: Version) {
    let mut scene = Scene::new(v);
    let first = scene.pass("one", 2);
    scene.server().send(pubrec(first.id()));
    scene.server().expect(pubrel(first.id()));
    let second = scene.pass("two", 2);
    scene.resume();
    let mut again: Vec<_> =
        scene.server().drain().iter().map(|seen| (seen.kind(), seen.id())).collect();
    again.sort();
    assert_eq!(again, [(Kind::Publish, second.id()), (Kind::PubRel, first.id())]);
}

pub(crate) fn client_sends_qos_2_by_the_rules(v: Version) {
    client_sends_qos_2_with_a_new_id(v);
    client_sends_qos_2_first_without_dup(v);
    client_holds_qos_2_until_pubrec(v);
    client_answers_pubrec_with_pubrel(v);
    client_holds_pubrel_until_pubcomp(v);
    client_sends_no_publish_again_after_pubrel(v);
}

pub(crate) fn client_answers_qos_2_with_pubrec(v: Version) {
    let mut scene = Scene::new(v);
    scene.server().send(publish("t", "x").qos(2, 9));
    scene.server().expect("50 02 0009");
    scene.server().expect_nothing();
}

/// Repeats before PUBREL get another PUBREC, and the program nothing; also after a reconnect.
pub(crate) fn client_receives_a_repeated_qos_2_message_once(v: Version) {
    let mut scene = Scene::new(v);
    for n in 0..3 {
        let packet = publish("t", "x").qos(2, 9);
        scene.server().send(if n > 0 { packet.dup() } else { packet });
        scene.server().expect("50 02 0009");
        if n == 1 {
            scene.resume();
        }
    }
    scene.server().send(pubrel(9));
    scene.server().expect("70 02 0009");
    assert_eq!(scene.received(), ["x"]);
}

pub(crate) fn client_answers_pubrel_with_pubcomp(v: Version) {
    let mut scene = Scene::new(v);
    scene.server().send(publish("t", "x").qos(2, 9));
    scene.server().expect("50 02 0009");
    scene.server().send(pubrel(9));
    scene.server().expect("70 02 0009");
    scene.resume();
    scene.server().send(pubrel(9)); // PUBCOMP was lost
    let seen = scene.server().next_of(Kind::PubComp);
    assert_eq!(seen.id(), 9);
}

pub(crate) fn client_takes_a_qos_2_id_again_after_pubcomp(v: Version) {
    let mut scene = Scene::new(v);
    for packet in [publish("t", "x").qos(2, 9), publish("t", "x").qos(2, 9).dup()] {
        scene.server().deliver(packet, 2, 9);
    }
    assert_eq!(scene.received(), ["x", "x"]);
}

pub(crate) fn client_receives_qos_2_by_the_rules(v: Version) {
    client_answers_qos_2_with_pubrec(v);
    client_receives_a_repeated_qos_2_message_once(v);
    client_answers_pubrel_with_pubcomp(v);
    client_takes_a_qos_2_id_again_after_pubcomp(v);
}

/// Everything unacknowledged with its old identifier, and only on resumption.
pub(crate) fn client_sends_again_on_resumption_only(v: Version) {
    let mut scene = Scene::new(v);
    let one = scene.pass("one", 1).id();
    let two = scene.pass("two", 2).id();
    scene.server().send(pubrec(two));
    scene.server().expect(pubrel(two));
    let three = scene.pass("three", 2).id();
    scene.world.advance(secs(3000));
    scene.server().expect_nothing();
    scene.resume();
    let mut again: Vec<_> =
        scene.server().drain().iter().map(|seen| (seen.id(), seen.kind())).collect();
    again.sort();
    let mut wanted = [(one, Kind::Publish), (two, Kind::PubRel), (three, Kind::Publish)];
    wanted.sort();
    assert_eq!(again, wanted);
    scene.world.advance(secs(3000));
    scene.server().expect_nothing();
}

pub(crate) fn client_sends_again_in_order(v: Version) {
    let mut scene = Scene::new(v);
    let first: Vec<u16> = (0..20).map(|n| scene.pass("x", 1 + n % 2).id()).collect();
    for _ in 0..2 {
        scene.resume();
        let again: Vec<u16> = scene.server().drain().iter().map(|seen| seen.id()).collect();
        assert_eq!(again, first);
    }
}

/// A burst of messages at this QoS; the first answers come in the same order.
fn check_answers(v: Version, qos: u8, kind: Kind) {
    let mut scene = Scene::new(v);
    let ids = [7, 3, 9, 1, 500, 2];
    ids.iter().for_each(|id| scene.server().send(publish("t", "x").qos(qos, *id)));
    let answers = scene.server().drain();
    assert!(answers.iter().all(|seen| seen.kind() == kind));
    assert!(answers.iter().map(|seen| seen.id()).eq(ids));
}

pub(crate) fn client_sends_pubacks_in_order(v: Version) {
    check_answers(v, 1, Kind::PubAck);
}

pub(crate) fn client_sends_pubrecs_in_order(v: Version) {
    check_answers(v, 2, Kind::PubRec);
}

pub(crate) fn client_sends_pubrels_in_the_order_of_pubrecs(v: Version) {
    let mut scene = Scene::new(v);
    let ids: Vec<u16> = (0..5).map(|_| scene.pass("x", 2).id()).collect();
    let permuted = [ids[3], ids[0], ids[4], ids[2], ids[1]];
    permuted.iter().for_each(|id| scene.server().send(pubrec(*id)));
    permuted.iter().for_each(|id| scene.server().expect(pubrel(*id)));
}

/// A server without the session: nothing goes on where it was.
pub(crate) fn client_starts_anew_when_the_session_is_lost(v: Version) {
    let mut scene = Scene::new(v);
    scene.pass("one", 1);
    let two = scene.pass("two", 2).id();
    scene.server().send(pubrec(two));
    scene.server().expect(pubrel(two));
    scene.pass("three", 2);
    scene.server.take().expect("a connection").cut();
    let mut server = scene.world.connect_with(connack(false, 0));
    for seen in server.drain() {
        assert_eq!(seen.kind(), Kind::Publish);
        assert!(!seen.dup(), "{seen:?}");
    }
}

/// Equal identifiers cross without harm.
pub(crate) fn client_numbers_apart_from_the_server(v: Version) {
    let mut scene = Scene::new(v);
    let ours = scene.pass("mine", 2).id();
    scene.server().send(publish("t", "theirs").qos(2, ours));
    scene.server().expect(pubrec(ours));
    scene.server().send(pubrec(ours));
    scene.server().expect(pubrel(ours));
    scene.server().send(pubrel(ours));
    scene.server().expect(pubcomp(ours));
    scene.server().send(pubcomp(ours));
    scene.server().expect_nothing();
    assert_eq!(scene.received(), ["theirs"]);
}

/// The same when the program acknowledges by itself, also before and after a reconnect.
pub(crate) fn client_receives_once_what_its_program_acknowledges(v: Version) {
    let manual = |config: &mut ClientConfig| {
        super::lasting(config);
        config.manual_ack = true;
    };
    for cut in [false, true] {
        let (world, mut server) = ClientWorld::online(v, manual);
        server.send(publish("t", "x").qos(2, 9));
        server.expect_nothing();
        if cut {
            server = resume(&world, server);
        }
        server.send(publish("t", "x").qos(2, 9).dup());
        let acks: Vec<_> = world
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Message(received) => received.ack,
                _ => None,
            })
            .collect();
        assert_eq!(acks.len(), 1);
        server.expect_nothing();
        let acknowledged =
            world.command(|client, now| client.acknowledge(now, acks[0], Reason::Success));
        assert_eq!(acknowledged, Ok(()));
        let answers = server.drain();
        assert!(!answers.is_empty());
        assert!(answers.iter().all(|seen| seen.bytes == [0x50, 2, 0, 9]));
        server.send(publish("t", "x").qos(2, 9).dup());
        server.expect("50 02 0009");
        server.send(pubrel(9));
        server.expect("70 02 0009");
        assert!(world.messages().is_empty());
    }
}
