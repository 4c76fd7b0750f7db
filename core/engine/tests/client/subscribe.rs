//! SUBSCRIBE, UNSUBSCRIBE, and subscribing again.

use libmqtt_engine::client::{SubscribeError, Violation};
use libmqtt_engine::codec::{
    FiltersBuf, SubAck, Subscribe, Subscription, SubscriptionOptions, SubscriptionsBuf, UnsubAck,
    Unsubscribe,
};

use super::*;

fn at(filter: &str, qos: QoS) -> Subscription<'_> {
    Subscription { filter, options: SubscriptionOptions { qos, ..Default::default() } }
}

fn wanted(list: &[Subscription<'_>]) -> SubscriptionsBuf {
    let mut filters = SubscriptionsBuf::new();
    for subscription in list {
        filters.push(*subscription).unwrap();
    }
    filters
}

#[track_caller]
fn wrote_subscribe(rig: &mut Rig, n: u16, list: &[Subscription<'_>], with: &[Property<'_>]) {
    let (filters, with) = (wanted(list), properties(with));
    rig.wrote(&[Packet::Subscribe(Subscribe {
        packet_id: id(n),
        properties: with.view(),
        subscriptions: filters.view(),
    })]);
}

fn suback(n: u16, codes: &[u8]) -> Packet<'_> {
    Packet::SubAck(SubAck { packet_id: id(n), properties: Properties::EMPTY, codes })
}

fn unsuback(n: u16, codes: &[u8]) -> Packet<'_> {
    Packet::UnsubAck(UnsubAck { packet_id: id(n), properties: Properties::EMPTY, codes })
}

#[test]
fn suback_tells_a_reason_per_filter() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut rig = Rig::online(config(version), &[]);
        let list = [at("a/#", QoS::ExactlyOnce), at("+", QoS::AtMostOnce)];
        let token = rig.client.subscribe(rig.now, &list, Properties::EMPTY).unwrap();
        wrote_subscribe(&mut rig, 1, &list, &[]);
        let refused = if version == Version::V31 { 0 } else { 0x80 };
        rig.send(&suback(1, &[2, refused]));
        match rig.done(token) {
            Outcome::Subscribed(answers) => {
                let second = Reason::from_u8(refused).unwrap();
                assert_eq!(answers.reasons, [Reason::GrantedQoS2, second]);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn unsuback_tells_a_reason_per_filter() {
    for version in [Version::V311, Version::V5] {
        let mut rig = Rig::online(config(version), &[]);
        let token = rig.client.unsubscribe(rig.now, &["a", "b"], Properties::EMPTY).unwrap();
        let mut filters = FiltersBuf::new();
        filters.push("a").unwrap();
        filters.push("b").unwrap();
        rig.wrote(&[Packet::Unsubscribe(Unsubscribe {
            packet_id: id(1),
            properties: Properties::EMPTY,
            filters: filters.view(),
        })]);
        let five = version == Version::V5;
        rig.send(&unsuback(1, if five { &[0, 0x11] } else { &[] }));
        match rig.done(token) {
            Outcome::Unsubscribed(answers) => {
                let second = if five { Reason::NoSubscriptionExisted } else { Reason::Success };
                assert_eq!(answers.reasons, [Reason::Success, second]);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn options_and_properties_are_sent() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let options = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: libmqtt_engine::codec::RetainHandling::DoNotSend,
    };
    let list = [Subscription { filter: "a", options }];
    let with = [Property::SubscriptionIdentifier(9), Property::UserProperty("a", "b")];
    rig.client.subscribe(rig.now, &list, properties(&with).view()).unwrap();
    wrote_subscribe(&mut rig, 1, &list, &with);
    // 3.x has no such options.
    let mut rig = Rig::online(config(Version::V311), &[]);
    let error = rig.client.subscribe(rig.now, &list, Properties::EMPTY);
    assert!(matches!(error, Err(SubscribeError::Encode(_))));
}

#[test]
fn bad_requests_are_refused() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let now = rig.now;
    let none = Properties::EMPTY;
    assert_eq!(rig.client.subscribe(now, &[], none), Err(SubscribeError::Empty));
    assert_eq!(rig.client.unsubscribe(now, &[], none), Err(SubscribeError::Empty));
    for filter in ["", "a#", "a/#/b", "a+", "$share/g", "$share//a", "$share/+/a"] {
        let list = [at("fine", QoS::AtMostOnce), at(filter, QoS::AtMostOnce)];
        let error = rig.client.subscribe(now, &list, none);
        assert!(matches!(error, Err(SubscribeError::Filter(1, _))), "{filter}");
        let error = rig.client.unsubscribe(now, &[filter], none);
        assert!(matches!(error, Err(SubscribeError::Filter(0, _))), "{filter}");
    }
    let mut shared = at("$share/g/a", QoS::AtMostOnce);
    assert!(rig.client.subscribe(now, &[shared], none).is_ok());
    shared.options.no_local = true;
    let error = rig.client.subscribe(now, &[shared], none);
    assert_eq!(error, Err(SubscribeError::NoLocalOnShared)); // v5 [MQTT-3.8.3-4]
    let error = rig.client.subscribe(
        now,
        &[at("a", QoS::AtMostOnce)],
        properties(&[Property::ContentType("x")]).view(),
    );
    assert!(matches!(error, Err(SubscribeError::Encode(_))));
}

#[test]
fn requests_have_a_bound() {
    let mut config = config(Version::V5);
    config.requests_max = 1;
    let mut rig = Rig::new(config);
    rig.client.unsubscribe(rig.now, &["a"], Properties::EMPTY).unwrap();
    let error = rig.client.unsubscribe(rig.now, &["b"], Properties::EMPTY);
    assert_eq!(error, Err(SubscribeError::TooMany));
}

#[test]
fn requests_wait_for_the_connection_and_outlive_it() {
    let mut rig = Rig::new(lasting(Version::V5));
    let list = [at("a", QoS::AtLeastOnce)];
    let token = rig.client.subscribe(rig.now, &list, Properties::EMPTY).unwrap();
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.accept(false, &[]);
    wrote_subscribe(&mut rig, 1, &list, &[]);
    rig.cut();
    rig.accept(true, &[]);
    wrote_subscribe(&mut rig, 2, &list, &[]);
    rig.send(&suback(2, &[1]));
    assert!(matches!(rig.done(token), Outcome::Subscribed(_)));
}

#[test]
fn identifiers_are_shared_by_all_requests_and_messages() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    rig.publish("a", "x", QoS::AtLeastOnce);
    rig.client.unsubscribe(rig.now, &["a"], Properties::EMPTY).unwrap();
    rig.publish("a", "x", QoS::ExactlyOnce);
    let wire = rig.written();
    // v5 [MQTT-2.2.1-3]
    assert_eq!(
        hex(&wire),
        "32 07 00 01 61 00 01 00 78 a2 06 00 02 00 00 01 61 34 07 00 01 61 00 03 00 78 "
    );
    rig.send(&unsuback(2, &[0]));
    rig.send(&ack(AckKind::PubAck, 2));
    assert_eq!(rig.client.in_flight(), 2);
}

#[test]
fn an_answer_that_does_not_fit_is_a_violation() {
    for answer in [suback(1, &[0, 0]), suback(2, &[0]), unsuback(1, &[0])] {
        let mut rig = Rig::online(config(Version::V5), &[]);
        rig.client.subscribe(rig.now, &[at("a", QoS::AtMostOnce)], Properties::EMPTY).unwrap();
        rig.send(&answer);
        rig.closed();
        let cause = Cause::Violation(Reason::ProtocolError, Violation::Answer);
        assert_eq!(rig.disconnected().cause, cause);
    }
}

/// Subscribed to a, b (with an identifier), c and d; c was refused, d unsubscribed.
fn subscribed(config: ClientConfig) -> Rig {
    let mut rig = Rig::online(config, &[]);
    let none = Properties::EMPTY;
    rig.client.subscribe(rig.now, &[at("a", QoS::AtLeastOnce)], none).unwrap();
    let with = properties(&[Property::SubscriptionIdentifier(7)]);
    rig.client.subscribe(rig.now, &[at("b", QoS::ExactlyOnce)], with.view()).unwrap();
    let list = [at("c", QoS::AtMostOnce), at("d", QoS::AtMostOnce), at("e", QoS::AtMostOnce)];
    rig.client.subscribe(rig.now, &list, none).unwrap();
    rig.client.unsubscribe(rig.now, &["d"], none).unwrap();
    rig.send(&suback(1, &[1]));
    rig.send(&suback(2, &[2]));
    rig.send(&suback(3, &[0x87, 0, 0]));
    rig.send(&unsuback(4, &[0]));
    while rig.event().is_some() {}
    rig.written();
    rig
}

#[test]
fn a_lost_session_is_subscribed_again() {
    let mut rig = subscribed(lasting(Version::V5));
    rig.cut();
    rig.publish("x", "x", QoS::AtMostOnce);
    rig.accept(false, &[]);
    let (a, b, e) = (
        wanted(&[at("a", QoS::AtLeastOnce)]),
        wanted(&[at("b", QoS::ExactlyOnce)]),
        wanted(&[at("e", QoS::AtMostOnce)]),
    );
    let with = properties(&[Property::SubscriptionIdentifier(7)]);
    let packet = |n: u16, filters, properties| {
        Packet::Subscribe(Subscribe { packet_id: id(n), properties, subscriptions: filters })
    };
    rig.wrote(&[
        packet(5, a.view(), Properties::EMPTY),
        packet(6, b.view(), with.view()),
        packet(7, e.view(), Properties::EMPTY),
        publish("x", "x", QoS::AtMostOnce, 0),
    ]);
    rig.event();
    rig.send(&suback(5, &[1]));
    rig.send(&suback(6, &[0x97]));
    assert_eq!(rig.event(), Some(Event::SubscriptionLost("b".into(), Reason::QuotaExceeded)));
    rig.send(&suback(7, &[0]));
    rig.nothing();
    // And again, without b.
    rig.cut();
    rig.accept(false, &[]);
    let both = wanted(&[at("a", QoS::AtLeastOnce), at("e", QoS::AtMostOnce)]);
    rig.wrote(&[packet(8, both.view(), Properties::EMPTY)]);
    // Nothing is forgotten when the connection breaks before SUBACK.
    for present in [true, false] {
        rig.cut();
        rig.accept(present, &[]);
        let n = if present { 9 } else { 10 };
        rig.wrote(&[packet(n, both.view(), Properties::EMPTY)]);
    }
}

#[test]
fn a_session_that_goes_on_is_not_subscribed_again() {
    let mut rig = subscribed(lasting(Version::V5));
    rig.cut();
    rig.accept(true, &[]);
    rig.wrote(&[]);
}

#[test]
fn nothing_is_subscribed_again_when_that_is_off() {
    let mut config = lasting(Version::V5);
    config.resubscribe = false;
    let mut rig = subscribed(config);
    rig.cut();
    rig.accept(false, &[]);
    rig.wrote(&[]);
}

#[test]
fn many_filters_are_subscribed_again_in_several_packets() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    let names: Vec<String> = (0..1_000).map(|n| format!("a/filter/number/{n}")).collect();
    let list: Vec<_> = names.iter().map(|name| at(name, QoS::AtMostOnce)).collect();
    rig.client.subscribe(rig.now, &list, Properties::EMPTY).unwrap();
    rig.send(&suback(1, &[0; 1_000]));
    while rig.event().is_some() {}
    rig.written();
    rig.cut();
    rig.accept(false, &[]);
    let wire = rig.written();
    let text = String::from_utf8_lossy(&wire);
    let mut last = 0;
    for name in &names {
        let at = last + text[last..].find(name.as_str()).expect("each filter, in order");
        last = at;
    }
    assert!(wire.iter().filter(|&&byte| byte == 0x82).count() > 2);
}
