//! Requests and their replies.

use libmqtt_engine::Message;
use libmqtt_engine::client::{RequestError, response_to};
use libmqtt_engine::codec::{Frame, Progress, Side, SubAck, frame};

use super::*;

/// The packets in `wire`, each as it was decoded.
fn decode(wire: &[u8], mut each: impl FnMut(Packet<'_>)) {
    let mut rest = wire;
    while !rest.is_empty() {
        let Ok(Progress::Packet(found)) = frame(rest, u32::MAX) else { panic!("{}", hex(rest)) };
        let found: Frame<'_> = found;
        each(found.decode(Version::V5, Side::Client).unwrap());
        rest = &rest[found.len..];
    }
}

fn ask(rig: &mut Rig, qos: QoS) -> Token {
    rig.client.request(rig.now, &message("service", "?", qos), seconds(10)).unwrap()
}

/// The request as the one who answers it sees it, and the filter subscribed before it, if any.
fn asked(rig: &mut Rig) -> (Option<String>, Message) {
    let wire = rig.written();
    let (mut filter, mut request) = (None, None);
    decode(&wire, |packet| match packet {
        Packet::Subscribe(subscribe) => {
            assert!(request.is_none());
            filter = subscribe.subscriptions.iter().next().map(|s| s.filter.to_owned());
        }
        Packet::Publish(publish) => request = Some(Message::copy(&publish)),
        other => panic!("{other:?}"),
    });
    (filter, request.unwrap())
}

fn answer(rig: &mut Rig, reply: &Message) {
    rig.send(&Packet::Publish(Publish { qos: QoS::AtMostOnce, packet_id: None, ..reply.view() }));
}

#[test]
fn a_reply_ends_its_request() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let first = ask(&mut rig, QoS::AtMostOnce);
    let (filter, one) = asked(&mut rig);
    assert_eq!(filter.as_deref(), one.properties().response_topic());
    let second = ask(&mut rig, QoS::AtMostOnce);
    let (filter, two) = asked(&mut rig);
    assert_eq!(filter, None);
    rig.nothing(); // Written is not told.
    let reply = response_to(&two, b"second").unwrap();
    answer(&mut rig, &reply);
    match rig.done(second) {
        Outcome::Reply(reply) => assert_eq!(reply.payload(), b"second"),
        other => panic!("{other:?}"),
    }
    answer(&mut rig, &response_to(&one, b"first").unwrap());
    assert!(matches!(rig.done(first), Outcome::Reply(_)));
    // Once.
    answer(&mut rig, &reply);
    rig.nothing();
    assert_eq!(rig.client.poll_timeout().map(|at| at > rig.now), Some(true));
}

#[test]
fn a_reply_may_come_before_the_puback() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let token = ask(&mut rig, QoS::AtLeastOnce);
    let (_, request) = asked(&mut rig);
    answer(&mut rig, &response_to(&request, b"!").unwrap());
    assert!(matches!(rig.done(token), Outcome::Reply(_)));
    rig.send(&ack(AckKind::PubAck, 2));
    rig.nothing();
    assert_eq!(rig.client.in_flight(), 0);
}

#[test]
fn a_request_without_reply_times_out_once() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let token = ask(&mut rig, QoS::AtLeastOnce);
    let (_, request) = asked(&mut rig);
    assert_eq!(rig.wait(), seconds(10));
    assert_eq!(rig.done(token), Outcome::TimedOut);
    rig.send(&nack(AckKind::PubAck, 2, Reason::QuotaExceeded));
    answer(&mut rig, &response_to(&request, b"late").unwrap());
    rig.nothing();
}

#[test]
fn a_refused_request_ends_with_the_refusal() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let token = ask(&mut rig, QoS::AtLeastOnce);
    rig.written();
    rig.send(&nack(AckKind::PubAck, 2, Reason::NotAuthorized));
    assert!(matches!(rig.done(token), Outcome::Refused(_)));
    rig.pass(seconds(11));
    rig.nothing();
}

#[test]
fn a_refused_subscription_ends_all_requests() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let tokens = [ask(&mut rig, QoS::AtMostOnce), ask(&mut rig, QoS::AtMostOnce)];
    rig.written();
    let codes = &[0x87];
    rig.send(&Packet::SubAck(SubAck { packet_id: id(1), properties: Properties::EMPTY, codes }));
    for token in tokens {
        assert!(matches!(rig.done(token), Outcome::Refused(_)));
    }
    // The next one tries anew.
    ask(&mut rig, QoS::AtMostOnce);
    assert!(asked(&mut rig).0.is_some());
}

#[test]
fn the_topic_for_replies_comes_from_the_seed_or_the_server() {
    let topic = |seed, list: &[Property<'_>]| {
        let mut rig = Rig::new(config(Version::V5));
        rig.client = Client::new(config(Version::V5), seed);
        rig.client.connect(rig.now).unwrap();
        rig.dialled("one");
        rig.accept(false, list);
        ask(&mut rig, QoS::AtMostOnce);
        asked(&mut rig).0.unwrap()
    };
    assert_eq!(topic(1, &[]), topic(1, &[]));
    assert_ne!(topic(1, &[]), topic(2, &[]));
    let given = [Property::ResponseInformation("clients/7/")];
    assert!(topic(1, &given).starts_with("clients/7/"));
}

#[test]
fn requests_go_on_when_the_session_is_lost() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let token = ask(&mut rig, QoS::AtLeastOnce);
    let (filter, request) = asked(&mut rig);
    rig.cut();
    rig.accept(false, &[]);
    let (again, repeated) = asked(&mut rig);
    assert_eq!(again, filter);
    assert_eq!(repeated, request);
    answer(&mut rig, &response_to(&request, b"!").unwrap());
    assert!(matches!(rig.done(token), Outcome::Reply(_)));
}

#[test]
fn with_manual_acknowledgement_a_reply_is_acknowledged_by_the_client() {
    let mut config = config(Version::V5);
    config.manual_ack = true;
    let mut rig = Rig::online(config, &[]);
    let token = ask(&mut rig, QoS::AtMostOnce);
    let (_, request) = asked(&mut rig);
    let reply = response_to(&request, b"!").unwrap();
    let qos = QoS::AtLeastOnce;
    rig.send(&Packet::Publish(Publish { qos, packet_id: Some(id(4)), ..reply.view() }));
    assert!(matches!(rig.done(token), Outcome::Reply(_)));
    rig.wrote(&[ack(AckKind::PubAck, 4)]);
}

#[test]
fn requests_need_5_0() {
    let mut rig = Rig::online(config(Version::V311), &[]);
    let error = rig.client.request(rig.now, &message("a", "?", QoS::AtMostOnce), seconds(1));
    assert_eq!(error, Err(RequestError::NotInVersion));
}

#[test]
fn a_message_without_response_topic_is_no_request() {
    assert_eq!(response_to(&Message::new("a", b"x").unwrap(), b"y"), None);
}
