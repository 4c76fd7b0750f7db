//! Messages to the server.

use libmqtt_engine::client::{OfflineQoS0, PublishError, QueueFull};

use super::*;
use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

#[test]
fn qos0_is_done_when_it_is_written() {
    let mut rig = Rig::online(config(Version::V311), &[]);
    let one = rig.publish("a", "1", AtMostOnce);
    let two = rig.publish("a", "2", AtMostOnce);
    let wire = rig.client.outgoing().to_vec();
    assert_eq!(hex(&wire), "30 04 00 01 61 31 30 04 00 01 61 32 ");
    rig.nothing();
    rig.client.handle_sent(rig.now, 5);
    rig.nothing();
    rig.client.handle_sent(rig.now, 2);
    assert_eq!(rig.done(one), Outcome::Written);
    rig.nothing();
    rig.client.handle_sent(rig.now, 5);
    assert_eq!(rig.done(two), Outcome::Written);
}

#[test]
fn qos1_is_done_when_puback_has_come() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut rig = Rig::online(config(version), &[]);
        let token = rig.publish("a", "1", AtLeastOnce);
        rig.wrote(&[publish("a", "1", AtLeastOnce, 1)]);
        rig.nothing();
        rig.send(&ack(AckKind::PubAck, 1));
        rig.acknowledged(token);
        assert_eq!(rig.client.in_flight(), 0);
    }
}

#[test]
fn qos2_is_done_when_pubcomp_has_come() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut rig = Rig::online(config(version), &[]);
        let token = rig.publish("a", "1", ExactlyOnce);
        rig.wrote(&[publish("a", "1", ExactlyOnce, 1)]);
        rig.send(&ack(AckKind::PubRec, 1));
        rig.wrote(&[ack(AckKind::PubRel, 1)]);
        rig.nothing();
        rig.send(&ack(AckKind::PubComp, 1));
        rig.acknowledged(token);
    }
}

#[test]
fn a_failure_in_puback_or_pubrec_is_a_refusal() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let one = rig.publish("a", "1", AtLeastOnce);
    let two = rig.publish("a", "2", ExactlyOnce);
    rig.written();
    rig.send(&nack(AckKind::PubAck, 1, Reason::NotAuthorized));
    rig.send(&nack(AckKind::PubRec, 2, Reason::QuotaExceeded));
    for (token, reason) in [(one, Reason::NotAuthorized), (two, Reason::QuotaExceeded)] {
        match rig.done(token) {
            Outcome::Refused(answer) => assert_eq!(answer.reason, reason),
            other => panic!("{other:?}"),
        }
    }
    rig.wrote(&[]); // No PUBREL. v5 [MQTT-4.3.3-4]
}

#[test]
fn a_success_with_a_code_and_properties_is_told_whole() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let token = rig.publish("a", "1", AtLeastOnce);
    let list = properties(&[Property::ReasonString("nobody")]);
    rig.send(&Packet::Ack(Ack {
        reason: Reason::NoMatchingSubscribers,
        properties: list.view(),
        ..Ack::new(AckKind::PubAck, id(1))
    }));
    match rig.done(token) {
        Outcome::Acknowledged(answer) => {
            assert_eq!(answer.reason, Reason::NoMatchingSubscribers);
            assert_eq!(answer.properties.view().reason_string(), Some("nobody"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_hears_of_an_untracked_message() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    for qos in [AtMostOnce, AtLeastOnce] {
        rig.client.publish_untracked(rig.now, &message("a", "1", qos)).unwrap();
    }
    rig.written();
    rig.send(&ack(AckKind::PubAck, 1));
    rig.nothing();
    assert_eq!(rig.client.in_flight(), 0);
}

#[test]
fn messages_wait_for_the_window_and_go_on_in_order() {
    let mut rig = Rig::online(config(Version::V5), &[Property::ReceiveMaximum(2)]);
    for payload in ["1", "2", "3", "4"] {
        rig.publish("a", payload, AtLeastOnce);
    }
    rig.wrote(&[publish("a", "1", AtLeastOnce, 1), publish("a", "2", AtLeastOnce, 2)]);
    assert!(!rig.client.is_ready(AtLeastOnce) && rig.client.is_ready(AtMostOnce));
    // Other packets are not held up. v5 [MQTT-3.3.4-8] [MQTT-4.9.0-3]
    rig.publish("a", "0", AtMostOnce);
    rig.client.ping(rig.now).unwrap();
    rig.wrote(&[publish("a", "0", AtMostOnce, 0), Packet::PingReq]);
    rig.send(&ack(AckKind::PubAck, 2));
    rig.wrote(&[publish("a", "3", AtLeastOnce, 3)]);
    rig.send(&ack(AckKind::PubAck, 1));
    rig.wrote(&[publish("a", "4", AtLeastOnce, 4)]);
    assert_eq!((rig.client.queued(), rig.client.in_flight()), (0, 2));
}

#[test]
fn the_configuration_may_narrow_the_window() {
    let mut config = config(Version::V311);
    config.inflight_max = 1;
    let mut rig = Rig::online(config, &[]);
    rig.publish("a", "1", ExactlyOnce);
    rig.publish("a", "2", AtLeastOnce);
    rig.wrote(&[publish("a", "1", ExactlyOnce, 1)]);
    rig.send(&ack(AckKind::PubRec, 1));
    rig.wrote(&[ack(AckKind::PubRel, 1)]);
    rig.send(&ack(AckKind::PubComp, 1));
    rig.wrote(&[publish("a", "2", AtLeastOnce, 2)]);
}

#[test]
fn a_resumed_session_sends_again_with_dup_then_goes_on() {
    for version in [Version::V311, Version::V5] {
        let mut rig = Rig::online(lasting(version), &[]);
        let tokens = [
            rig.publish("a", "1", AtLeastOnce),
            rig.publish("a", "2", ExactlyOnce),
            rig.publish("a", "3", ExactlyOnce),
            rig.publish("a", "4", AtLeastOnce),
        ];
        rig.written();
        rig.send(&ack(AckKind::PubRec, 3));
        rig.cut();
        let later = rig.publish("a", "5", AtLeastOnce);
        assert!(!rig.accept(true, &[]).session_lost);
        rig.wrote(&[
            ack(AckKind::PubRel, 3),
            again(publish("a", "1", AtLeastOnce, 1)),
            again(publish("a", "2", ExactlyOnce, 2)),
            again(publish("a", "4", AtLeastOnce, 4)),
            publish("a", "5", AtLeastOnce, 5),
        ]);
        rig.send(&ack(AckKind::PubComp, 3));
        rig.acknowledged(tokens[2]);
        rig.send(&ack(AckKind::PubAck, 5));
        rig.acknowledged(later);
    }
}

#[test]
fn what_is_sent_again_keeps_to_the_window_too() {
    let mut rig = Rig::online(lasting(Version::V5), &[]);
    for payload in ["1", "2", "3"] {
        rig.publish("a", payload, AtLeastOnce);
    }
    rig.written();
    rig.cut();
    rig.publish("a", "4", AtLeastOnce);
    rig.accept(true, &[Property::ReceiveMaximum(1)]);
    rig.wrote(&[again(publish("a", "1", AtLeastOnce, 1))]);
    rig.send(&ack(AckKind::PubAck, 1));
    rig.wrote(&[again(publish("a", "2", AtLeastOnce, 2))]);
    rig.send(&ack(AckKind::PubAck, 2));
    rig.wrote(&[again(publish("a", "3", AtLeastOnce, 3))]);
    rig.send(&ack(AckKind::PubAck, 3));
    rig.wrote(&[publish("a", "4", AtLeastOnce, 4)]);
}

#[test]
fn what_the_resumed_server_does_not_take_any_more_ends() {
    let mut rig = Rig::online(lasting(Version::V5), &[]);
    let large = rig.publish("a", "a payload that is rather large", ExactlyOnce);
    let small = rig.publish("a", "2", AtLeastOnce);
    rig.written();
    rig.cut();
    rig.accept(true, &[Property::MaximumPacketSize(20), Property::ReceiveMaximum(1)]);
    assert_eq!(rig.done(large), Outcome::Unsendable(Reason::PacketTooLarge));
    rig.wrote(&[again(publish("a", "2", AtLeastOnce, 2))]);
    rig.send(&ack(AckKind::PubAck, 2));
    rig.acknowledged(small);
}

#[test]
fn a_pubrec_for_nothing_is_answered() {
    for (version, reason) in
        [(Version::V311, Reason::Success), (Version::V5, Reason::PacketIdentifierNotFound)]
    {
        let mut rig = Rig::online(config(version), &[]);
        rig.send(&ack(AckKind::PubRec, 9));
        rig.wrote(&[nack(AckKind::PubRel, 9, reason)]);
        rig.send(&ack(AckKind::PubComp, 9));
        rig.send(&ack(AckKind::PubAck, 9));
        rig.wrote(&[]);
        rig.nothing();
    }
}

#[test]
fn messages_published_offline_wait_in_order() {
    let mut rig = Rig::new(config(Version::V5));
    let zero = rig.publish("a", "0", AtMostOnce);
    rig.publish("a", "1", AtLeastOnce);
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.publish("a", "2", ExactlyOnce);
    assert_eq!(rig.client.queued(), 3);
    rig.accept(false, &[]);
    rig.wrote(&[
        publish("a", "0", AtMostOnce, 0),
        publish("a", "1", AtLeastOnce, 1),
        publish("a", "2", ExactlyOnce, 2),
    ]);
    assert_eq!(rig.done(zero), Outcome::Written);
}

#[test]
fn qos0_offline_is_dropped_or_refused_as_configured() {
    let mut drop = config(Version::V5);
    drop.offline_qos0 = OfflineQoS0::Drop;
    let mut rig = Rig::new(drop);
    let token = rig.publish("a", "0", AtMostOnce);
    assert_eq!(rig.done(token), Outcome::Dropped);
    let mut refuse = config(Version::V5);
    refuse.offline_qos0 = OfflineQoS0::Refuse;
    let mut rig = Rig::new(refuse);
    let error = rig.client.publish(rig.now, &message("a", "0", AtMostOnce));
    assert_eq!(error, Err(PublishError::NotReady));
    rig.publish("a", "1", AtLeastOnce);
    assert_eq!(rig.client.queued(), 1);
}

#[test]
fn a_full_queue_refuses_the_newest_or_drops_the_oldest() {
    let mut refuse = config(Version::V5);
    refuse.queue_messages_max = 2;
    let mut rig = Rig::new(refuse.clone());
    rig.publish("a", "1", AtLeastOnce);
    rig.publish("a", "2", AtLeastOnce);
    let error = rig.client.publish(rig.now, &message("a", "3", AtLeastOnce));
    assert_eq!(error, Err(PublishError::QueueFull));
    let mut drop = refuse;
    drop.queue_full = QueueFull::DropOldest;
    let mut rig = Rig::new(drop.clone());
    let oldest = rig.publish("a", "1", AtLeastOnce);
    rig.publish("a", "2", AtLeastOnce);
    rig.publish("a", "3", AtLeastOnce);
    assert_eq!(rig.done(oldest), Outcome::Dropped);
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.accept(false, &[]);
    rig.wrote(&[publish("a", "2", AtLeastOnce, 1), publish("a", "3", AtLeastOnce, 2)]);
    // Bytes count too.
    drop.queue_bytes_max = 1_000;
    let mut rig = Rig::new(drop);
    let oldest = rig
        .client
        .publish(rig.now, &Publish { payload: &[0; 600], ..message("a", "", AtLeastOnce) });
    let large = Publish { payload: &[0; 800], ..message("a", "", AtLeastOnce) };
    rig.client.publish(rig.now, &large).unwrap();
    assert_eq!(rig.done(oldest.unwrap()), Outcome::Dropped);
    let too_large = Publish { payload: &[0; 1_000], ..large };
    assert_eq!(rig.client.publish(rig.now, &too_large), Err(PublishError::QueueFull));
    assert_eq!(rig.client.queued(), 1);
}

#[test]
fn a_transport_that_takes_nothing_makes_messages_wait() {
    let mut config = config(Version::V311);
    config.output_bytes_max = 10;
    let mut rig = Rig::online(config, &[]);
    for payload in ["1", "2", "3", "4"] {
        rig.publish("a", payload, AtMostOnce);
    }
    assert_eq!((rig.client.outgoing().len(), rig.client.queued()), (12, 2));
    assert!(!rig.client.is_ready(AtMostOnce));
    rig.client.handle_sent(rig.now, 2);
    assert_eq!(rig.client.queued(), 2);
    rig.client.handle_sent(rig.now, 4);
    assert_eq!(rig.client.queued(), 1);
    let rest = rig.written();
    assert_eq!(rest.last(), Some(&b'3'));
    assert_eq!(rig.written().last(), Some(&b'4'));
}

#[test]
fn messages_expire_while_they_wait() {
    let list = properties(&[Property::MessageExpiryInterval(10), Property::ContentType("t")]);
    let short = Publish { properties: list.view(), ..message("a", "1", AtLeastOnce) };
    let mut rig = Rig::new(config(Version::V5));
    let gone = rig.client.publish(rig.now, &short).unwrap();
    rig.pass(seconds(5));
    let sent = rig.client.publish(rig.now, &short).unwrap();
    rig.nothing();
    assert_eq!(rig.wait(), seconds(5));
    assert_eq!(rig.done(gone), Outcome::Expired);
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.accept(false, &[]);
    // The time that it waited is taken off.
    let left = properties(&[Property::ContentType("t"), Property::MessageExpiryInterval(5)]);
    let first = Publish { packet_id: Some(id(1)), properties: left.view(), ..short };
    rig.wrote(&[Packet::Publish(first)]);
    // Once sent it does not expire. v5 [MQTT-4.3.3-7]
    rig.pass(seconds(30));
    rig.send(&ack(AckKind::PubAck, 1));
    rig.acknowledged(sent);
}

#[test]
fn bad_messages_are_refused() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let now = rig.now;
    let plain = message("a", "x", AtMostOnce);
    for topic in ["", "a/+", "#", "a\0b"] {
        let error = rig.client.publish(now, &Publish { topic, ..plain });
        assert!(matches!(error, Err(PublishError::Topic(_))), "{topic}");
    }
    let long = "x".repeat(65_536);
    let error = rig.client.publish(now, &Publish { topic: &long, ..plain });
    assert!(matches!(error, Err(PublishError::Topic(_)))); // v5 [MQTT-4.7.3-3]
    let mut with = |property: Property<'_>| {
        let list = properties(&[property]);
        rig.client.publish(now, &Publish { properties: list.view(), ..plain })
    };
    assert_eq!(with(Property::TopicAlias(1)), Err(PublishError::TopicAlias));
    let error = with(Property::SubscriptionIdentifier(1)); // v5 [MQTT-3.3.4-6]
    assert!(matches!(error, Err(PublishError::Properties(_))));
    let error = with(Property::ReceiveMaximum(1));
    assert!(matches!(error, Err(PublishError::Properties(_))));
    assert!(with(Property::ResponseTopic("r")).is_ok());
}

#[test]
fn topics_get_aliases_as_far_as_the_server_allows() {
    let mut rig = Rig::online(config(Version::V5), &[Property::TopicAliasMaximum(1)]);
    let list = properties(&[Property::ContentType("t")]);
    let message = Publish { properties: list.view(), ..message("topic/1", "x", AtMostOnce) };
    rig.client.publish(rig.now, &message).unwrap();
    let mut defined = list.clone();
    defined.push(Property::TopicAlias(1)).unwrap();
    rig.wrote(&[Packet::Publish(Publish { properties: defined.view(), ..message })]);
    rig.client.publish(rig.now, &message).unwrap();
    let known = Publish { topic: "", properties: defined.view(), ..message };
    rig.wrote(&[Packet::Publish(known)]);
    rig.publish("topic/2", "x", AtMostOnce);
    rig.wrote(&[publish("topic/2", "x", AtMostOnce, 0)]); // v5 [MQTT-3.2.2-17]
    // Not beyond the connection, and none without leave. v5 [MQTT-3.2.2-18]
    while rig.event().is_some() {}
    rig.cut();
    rig.accept(false, &[]);
    rig.publish("topic/1", "x", AtMostOnce);
    rig.wrote(&[publish("topic/1", "x", AtMostOnce, 0)]);
}

#[test]
fn a_message_sent_again_says_its_topic() {
    let mut rig = Rig::online(lasting(Version::V5), &[Property::TopicAliasMaximum(5)]);
    rig.publish("topic/1", "1", AtLeastOnce);
    rig.publish("topic/1", "2", AtLeastOnce);
    rig.written();
    rig.cut();
    rig.accept(true, &[]);
    rig.wrote(&[
        again(publish("topic/1", "1", AtLeastOnce, 1)),
        again(publish("topic/1", "2", AtLeastOnce, 2)),
    ]);
}

#[test]
fn three_x_leaves_properties_out() {
    let list = properties(&[Property::ContentType("t")]);
    let mut rig = Rig::online(config(Version::V311), &[]);
    let with = Publish { properties: list.view(), ..message("a", "x", AtMostOnce) };
    rig.client.publish(rig.now, &with).unwrap();
    rig.wrote(&[publish("a", "x", AtMostOnce, 0)]);
}

#[test]
fn qos0_that_was_not_written_when_the_connection_broke_is_unknown() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let token = rig.publish("a", "x", AtMostOnce);
    rig.client.handle_closed(rig.now, Closed::Failed);
    assert_eq!(rig.done(token), Outcome::ConnectionLost);
}
