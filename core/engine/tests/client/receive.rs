//! Messages from the server, and its faults.

use libmqtt_engine::client::{AckError, Violation};

use super::*;
use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

fn manual(version: Version) -> ClientConfig {
    let mut config = lasting(version);
    config.manual_ack = true;
    config
}

#[test]
fn messages_are_delivered_and_acknowledged_by_their_qos() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut rig = Rig::online(config(version), &[]);
        rig.send(&publish("a", "0", AtMostOnce, 0));
        rig.send(&publish("a", "1", AtLeastOnce, 7));
        rig.send(&publish("a", "2", ExactlyOnce, 8));
        for payload in ["0", "1", "2"] {
            let received = rig.received();
            assert_eq!(received.message.payload(), payload.as_bytes());
            assert_eq!((received.message.topic(), received.dup, received.ack), ("a", false, None));
        }
        rig.wrote(&[ack(AckKind::PubAck, 7), ack(AckKind::PubRec, 8)]);
        rig.send(&ack(AckKind::PubRel, 8));
        rig.wrote(&[ack(AckKind::PubComp, 8)]);
        rig.nothing();
    }
}

#[test]
fn a_message_at_qos2_is_delivered_once() {
    let mut rig = Rig::online(config(Version::V311), &[]);
    rig.send(&publish("a", "x", ExactlyOnce, 8));
    rig.send(&again(publish("a", "x", ExactlyOnce, 8)));
    rig.wrote(&[ack(AckKind::PubRec, 8), ack(AckKind::PubRec, 8)]);
    assert_eq!(rig.payload(), "x");
    rig.nothing();
    rig.send(&ack(AckKind::PubRel, 8));
    // Now it means another message. v5 [MQTT-4.3.3-12]
    rig.send(&publish("a", "y", ExactlyOnce, 8));
    assert_eq!(rig.payload(), "y");
}

#[test]
fn a_message_at_qos2_is_delivered_once_across_connections() {
    let mut rig = Rig::online(lasting(Version::V5), &[]);
    rig.send(&publish("a", "x", ExactlyOnce, 8));
    assert_eq!(rig.payload(), "x");
    rig.cut();
    rig.accept(true, &[]);
    rig.send(&again(publish("a", "x", ExactlyOnce, 8)));
    rig.wrote(&[ack(AckKind::PubRec, 8)]);
    rig.nothing();
    // In another Session it is another message.
    rig.cut();
    rig.accept(false, &[]);
    rig.send(&publish("a", "z", ExactlyOnce, 8));
    assert_eq!(rig.payload(), "z");
}

#[test]
fn a_message_at_qos1_comes_again_after_puback() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    rig.send(&publish("a", "x", AtLeastOnce, 7));
    rig.send(&again(publish("a", "x", AtLeastOnce, 7))); // v5 [MQTT-4.3.2-5]
    assert!(!rig.received().dup);
    assert!(rig.received().dup);
}

#[test]
fn a_pubrel_for_nothing_is_answered() {
    for (version, reason) in
        [(Version::V311, Reason::Success), (Version::V5, Reason::PacketIdentifierNotFound)]
    {
        let mut rig = Rig::online(config(version), &[]);
        rig.send(&ack(AckKind::PubRel, 9));
        rig.wrote(&[nack(AckKind::PubComp, 9, reason)]);
    }
}

#[test]
fn any_split_of_the_input_gives_the_same() {
    let mut wire = Vec::new();
    let big = "x".repeat(1_000);
    for n in 1..=5 {
        let publish = Publish {
            packet_id: Some(id(n)),
            payload: big.as_bytes(),
            ..message("a", "", AtLeastOnce)
        };
        publish.encode(Version::V5, &mut wire).unwrap();
        Packet::PingResp.encode(Version::V5, &mut wire).unwrap();
    }
    for size in [1, 2, 3, 7, 1_009, 1_100, 10_000] {
        let mut rig = Rig::online(config(Version::V5), &[]);
        for part in wire.chunks(size) {
            rig.client.handle_data(rig.now, part);
        }
        for _ in 0..5 {
            assert_eq!(rig.payload(), big);
        }
        rig.nothing();
        rig.wrote(&[1, 2, 3, 4, 5].map(|n| ack(AckKind::PubAck, n)));
    }
}

#[test]
fn topic_aliases_of_the_server_are_resolved() {
    let mut config = config(Version::V5);
    config.topic_alias_maximum = 2;
    let mut rig = Rig::online(config, &[]);
    let list = properties(&[Property::TopicAlias(2)]);
    let named = Publish { properties: list.view(), ..message("t/1", "x", AtMostOnce) };
    let unnamed = Publish { topic: "", ..named };
    for publish in [named, unnamed, Publish { topic: "t/2", ..named }, unnamed] {
        rig.send(&Packet::Publish(publish));
    }
    for topic in ["t/1", "t/1", "t/2", "t/2"] {
        assert_eq!(rig.received().message.topic(), topic);
    }
    // They end with the connection. v5 [MQTT-3.3.2-7]
    rig.cut();
    rig.accept(false, &[]);
    rig.send(&Packet::Publish(unnamed));
    violated(&mut rig, Reason::ProtocolError, Violation::TopicAlias);
}

/// DISCONNECT with the reason, then close.
#[track_caller]
fn violated(rig: &mut Rig, reason: Reason, why: Violation) {
    let disconnect = libmqtt_engine::codec::Disconnect { reason, properties: Properties::EMPTY };
    rig.closed();
    let lost = rig.disconnected();
    assert_eq!(lost.cause, Cause::Violation(reason, why));
    assert!(lost.was_connected && lost.retry_in.is_some());
    let mut wanted = Vec::new();
    Packet::Disconnect(disconnect).encode(Version::V5, &mut wanted).unwrap();
    assert!(rig.client.outgoing().ends_with(&wanted), "{}", hex(rig.client.outgoing()));
}

#[test]
fn faults_of_the_server_are_told_and_end_the_connection() {
    let mut config = config(Version::V5);
    config.maximum_packet_size = 50;
    config.request_problem_information = false;
    let check = |wire: &[u8], reason, why: fn(Violation) -> bool| {
        let mut rig = Rig::online(config.clone(), &[]);
        rig.client.handle_data(rig.now, wire);
        let events: Vec<Event> = core::iter::from_fn(|| rig.event()).collect();
        let Some(Event::Disconnected(lost)) = events.last() else { panic!("{events:?}") };
        let Cause::Violation(said, violation) = lost.cause else { panic!("{lost:?}") };
        assert_eq!(said, reason, "{violation}");
        assert!(why(violation), "{violation}");
        assert_eq!(rig.client.outgoing(), [0xE0, 1, reason as u8]);
    };
    let decode = |why| matches!(why, Violation::Decode(_));
    check(&[0x00, 0x00], Reason::MalformedPacket, decode);
    check(&[0x36, 0x05, 0, 1, b'a', 0, 1], Reason::MalformedPacket, decode);
    check(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], Reason::MalformedPacket, decode);
    check(&[0x30, 49, 0], Reason::PacketTooLarge, decode);
    let list = [0x30, 6, 0, 0, 3, 0x23, 0, 1];
    check(&list, Reason::TopicAliasInvalid, |why| why == Violation::TopicAlias);
    let connack = [0x20, 3, 0, 0, 0];
    check(&connack, Reason::ProtocolError, |why| why == Violation::Unexpected);
    let suback = [0x90, 4, 0, 9, 0, 0];
    check(&suback, Reason::ProtocolError, |why| why == Violation::Answer);
    let puback = [0x40, 8, 0, 9, 0, 4, 0x1F, 0, 1, b'x'];
    check(&puback, Reason::ProtocolError, |why| why == Violation::Explanation);
    let auth = [0xF0, 6, 0x18, 4, 0x15, 0, 1, b'm'];
    check(&auth, Reason::ProtocolError, |why| why == Violation::Authentication);
}

#[test]
fn faults_of_an_old_server_just_end_the_connection() {
    let mut rig = Rig::online(config(Version::V311), &[]);
    rig.client.handle_data(rig.now, &[0xF0, 0]);
    rig.closed();
    assert!(matches!(rig.disconnected().cause, Cause::Violation(..)));
    rig.wrote(&[]);
}

#[test]
fn nothing_is_read_after_the_end() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let mut wire = vec![0x00, 0x00];
    publish("a", "x", AtMostOnce, 0).encode(Version::V5, &mut wire).unwrap();
    rig.client.handle_data(rig.now, &wire);
    rig.client.handle_data(rig.now, &wire);
    rig.closed();
    rig.disconnected();
    rig.nothing();
}

#[test]
fn more_messages_than_receive_maximum_are_a_violation() {
    let mut config = manual(Version::V5);
    config.receive_maximum = 2;
    let mut rig = Rig::online(config, &[]);
    rig.send(&publish("a", "1", AtLeastOnce, 1));
    rig.send(&publish("a", "2", ExactlyOnce, 2));
    let (one, two) = (rig.received(), rig.received());
    rig.client.acknowledge(rig.now, two.ack.unwrap(), Reason::Success).unwrap();
    rig.wrote(&[ack(AckKind::PubRec, 2)]);
    rig.send(&ack(AckKind::PubRel, 2));
    rig.send(&publish("a", "3", ExactlyOnce, 3));
    rig.received();
    rig.client.acknowledge(rig.now, one.ack.unwrap(), Reason::Success).unwrap();
    rig.send(&publish("a", "4", AtLeastOnce, 4));
    rig.received();
    rig.send(&publish("a", "5", AtLeastOnce, 5)); // V5-U37
    violated(&mut rig, Reason::ReceiveMaximumExceeded, Violation::ReceiveMaximum);
}

#[test]
fn acknowledgements_leave_in_the_order_of_the_messages() {
    let mut rig = Rig::online(manual(Version::V5), &[]);
    for n in 1..=3 {
        rig.send(&publish("a", "x", AtLeastOnce, n));
        rig.send(&publish("a", "x", ExactlyOnce, n + 10));
    }
    let acks: Vec<_> = (0..6).map(|_| rig.received().ack.unwrap()).collect();
    let accept = |rig: &mut Rig, at: usize| {
        rig.client.acknowledge(rig.now, acks[at], Reason::Success).unwrap();
    };
    accept(&mut rig, 4); // QoS 1, the third
    accept(&mut rig, 3); // QoS 2, the second
    accept(&mut rig, 2); // QoS 1, the second
    rig.wrote(&[]);
    accept(&mut rig, 0); // v5 [MQTT-4.6.0-2]
    rig.wrote(&[1, 2, 3].map(|n| ack(AckKind::PubAck, n)));
    accept(&mut rig, 1); // v5 [MQTT-4.6.0-3]
    rig.wrote(&[11, 12].map(|n| ack(AckKind::PubRec, n)));
    let twice = rig.client.acknowledge(rig.now, acks[0], Reason::Success);
    assert_eq!(twice, Err(AckError::Unknown));
    let wrong = rig.client.acknowledge(rig.now, acks[5], Reason::Banned);
    assert_eq!(wrong, Err(AckError::Reason)); // v5 [MQTT-3.4.2-1] [MQTT-3.5.2-1]
}

#[test]
fn the_program_may_refuse_a_message() {
    let mut rig = Rig::online(manual(Version::V5), &[]);
    rig.send(&publish("a", "1", AtLeastOnce, 1));
    rig.send(&publish("a", "2", ExactlyOnce, 2));
    for _ in 0..2 {
        let ack = rig.received().ack.unwrap();
        rig.client.acknowledge(rig.now, ack, Reason::QuotaExceeded).unwrap();
    }
    rig.wrote(&[
        nack(AckKind::PubAck, 1, Reason::QuotaExceeded),
        nack(AckKind::PubRec, 2, Reason::QuotaExceeded),
    ]);
    // The identifier means another message now. v5 [MQTT-4.3.3-9]
    rig.send(&publish("a", "3", ExactlyOnce, 2));
    assert_eq!(rig.payload(), "3");
}

#[test]
fn unacknowledged_messages_survive_the_connection_once_each() {
    let mut rig = Rig::online(manual(Version::V5), &[]);
    rig.send(&publish("a", "1", AtLeastOnce, 1));
    rig.send(&publish("a", "2", ExactlyOnce, 2));
    rig.send(&publish("a", "3", ExactlyOnce, 3));
    let [one, two, three] = [(); 3].map(|()| rig.received().ack.unwrap());
    rig.cut();
    let late = rig.client.acknowledge(rig.now, one, Reason::Success);
    assert_eq!(late, Err(AckError::Unknown));
    rig.client.acknowledge(rig.now, three, Reason::Success).unwrap();
    rig.accept(true, &[]);
    rig.wrote(&[]);
    for (qos, n) in [(AtLeastOnce, 1), (ExactlyOnce, 2), (ExactlyOnce, 3)] {
        rig.send(&again(publish("a", "x", qos, n)));
    }
    let repeated = rig.received();
    assert!(repeated.dup);
    rig.nothing(); // The program has those at QoS 2.
    rig.wrote(&[]);
    rig.client.acknowledge(rig.now, two, Reason::Success).unwrap();
    rig.client.acknowledge(rig.now, repeated.ack.unwrap(), Reason::Success).unwrap();
    rig.wrote(&[ack(AckKind::PubRec, 2), ack(AckKind::PubRec, 3), ack(AckKind::PubAck, 1)]);
    rig.send(&ack(AckKind::PubRel, 2));
    rig.wrote(&[ack(AckKind::PubComp, 2)]);
}

#[test]
fn a_release_of_what_was_not_acknowledged_is_a_violation() {
    let mut rig = Rig::online(manual(Version::V5), &[]);
    rig.send(&publish("a", "x", ExactlyOnce, 1));
    rig.received();
    rig.send(&ack(AckKind::PubRel, 1));
    violated(&mut rig, Reason::ProtocolError, Violation::Release);
}

#[test]
fn too_many_unread_messages_stop_the_reading() {
    let mut config = config(Version::V5);
    config.inbox_messages_max = 2;
    config.inbox_bytes_max = 10_000;
    let mut rig = Rig::online(config, &[]);
    rig.send(&publish("a", "1", AtMostOnce, 0));
    assert!(rig.client.wants_data());
    rig.send(&publish("a", "2", AtMostOnce, 0));
    assert!(!rig.client.wants_data());
    rig.client.poll_event().unwrap();
    assert!(rig.client.wants_data());
    let payload = "x".repeat(20_000);
    let large = Publish { payload: payload.as_bytes(), ..message("a", "", AtMostOnce) };
    rig.client.poll_event().unwrap();
    rig.send(&Packet::Publish(large));
    assert!(!rig.client.wants_data());
}

#[test]
fn the_servers_disconnect_is_told() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let list = properties(&[Property::ReasonString("bye")]);
    rig.send(&Packet::Disconnect(libmqtt_engine::codec::Disconnect {
        reason: Reason::ServerShuttingDown,
        properties: list.view(),
    }));
    rig.closed();
    match rig.disconnected().cause {
        Cause::ServerDisconnect(answer) => {
            assert_eq!(answer.reason, Reason::ServerShuttingDown);
            assert_eq!(answer.properties.view().reason_string(), Some("bye"));
        }
        other => panic!("{other:?}"),
    }
}

/// Whatever comes, nothing panics, and every operation ends once.
#[test]
fn garbage_does_no_harm() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    let mut violations = 0;
    for round in 0..3_000 {
        let version = [Version::V31, Version::V311, Version::V5][round % 3];
        let mut config = manual(version);
        config.manual_ack = round % 2 == 0;
        config.topic_alias_maximum = 3;
        let mut rig = Rig::online(config, &[]);
        let mut open = vec![
            rig.publish("a", "1", AtLeastOnce),
            rig.publish("a", "2", ExactlyOnce),
            rig.client.unsubscribe(rig.now, &["a"], Properties::EMPTY).unwrap(),
        ];
        let mut wire = Vec::new();
        for _ in 0..random(6) {
            let n = random(4) as u16 + 1;
            let codes = &[0, 1, 0x80][..random(3) + 1];
            let none = Properties::EMPTY;
            let packet = match random(8) {
                0 => publish("b", "x", AtMostOnce, 0),
                1 => publish("b", "y", AtLeastOnce, n),
                2 => again(publish("b", "z", ExactlyOnce, n)),
                3 => ack(AckKind::PubRel, n),
                4 => ack(AckKind::PubRec, n),
                5 => ack(AckKind::PubAck, n),
                6 => ack(AckKind::PubComp, n),
                _ => Packet::SubAck(libmqtt_engine::codec::SubAck {
                    packet_id: id(n),
                    properties: none,
                    codes,
                }),
            };
            packet.encode(version, &mut wire).unwrap();
        }
        for _ in 0..random(3) {
            let at = random(wire.len() + 1);
            match random(3) {
                0 => wire.insert(at, random(256) as u8),
                1 if at < wire.len() => wire[at] ^= 1 << random(8),
                _ => wire.truncate(at),
            }
        }
        for part in wire.chunks(random(20) + 1) {
            rig.client.handle_data(rig.now, part);
        }
        rig.client.close(rig.now);
        while let Some(event) = rig.event() {
            match event {
                Event::Done(token, _) => {
                    open.remove(open.iter().position(|&other| other == token).unwrap());
                }
                Event::Disconnected(lost) => {
                    violations += usize::from(matches!(lost.cause, Cause::Violation(..)));
                }
                _ => {}
            }
        }
        assert_eq!(open, []);
    }
    assert!(violations > 300, "{violations}");
}
