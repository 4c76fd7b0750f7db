//! CONNECT, CONNACK and what they settle.

use libmqtt_engine::Message;
use libmqtt_engine::client::{
    CleanStart, ConnectError, LostSession, PublishError, SubscribeError, Violation, Will,
};
use libmqtt_engine::codec::{Connect, Subscription, SubscriptionOptions};

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.replace(' ', "");
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// The bytes of CONNECT.
fn connect_of(config: ClientConfig) -> String {
    let mut rig = Rig::new(config);
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    assert!(rig.client.outgoing().is_empty());
    rig.client.handle_open(rig.now);
    hex(&rig.written()).trim().into()
}

fn same(config: ClientConfig, wanted: &str) {
    assert_eq!(connect_of(config), hex(&unhex(wanted)).trim());
}

#[test]
fn connect_is_the_first_packet_in_each_version() {
    same(config(Version::V31), "10 0f 0006 4d5149736470 03 02 003c 0001 63");
    same(config(Version::V311), "10 0d 0004 4d515454 04 02 003c 0001 63");
    same(config(Version::V5), "10 0e 0004 4d515454 05 02 003c 00 0001 63");
}

#[test]
fn connect_says_all_that_is_configured() {
    let mut config = config(Version::V5);
    config.session_expiry_s = 16;
    config.keep_alive_s = 10;
    config.receive_maximum = 2;
    config.maximum_packet_size = 256;
    config.topic_alias_maximum = 3;
    config.request_response_information = true;
    config.request_problem_information = false;
    config.user_properties = properties(&[Property::UserProperty("a", "b")]);
    config.user_name = Some("u".into());
    config.password = Some("p".into());
    let will = Message::new("w", b"x").unwrap().with_qos(QoS::AtLeastOnce).with_retain(true);
    config.will = Some(Will { message: will, delay_s: 5 });
    same(
        config,
        "10 3b 0004 4d515454 05 ee 000a \
         1b 11 00000010 21 0002 27 00000100 22 0003 19 01 17 00 26 0001 61 0001 62 \
         0001 63  05 18 00000005 0001 77 0001 78  0001 75 0001 70",
    );
}

#[test]
fn clean_session_of_3_x_follows_session_expiry() {
    same(lasting(Version::V311), "10 0d 0004 4d515454 04 00 003c 0001 63");
    let mut always = lasting(Version::V311);
    always.clean_start = CleanStart::Always;
    same(always, "10 0d 0004 4d515454 04 02 003c 0001 63");
}

#[test]
fn what_cannot_be_sent_is_refused_before_dialling() {
    let check = |change: fn(&mut ClientConfig), wanted: fn(&ConnectError) -> bool| {
        let mut config = config(Version::V5);
        change(&mut config);
        let mut rig = Rig::new(config);
        let error = rig.client.connect(rig.now).unwrap_err();
        assert!(wanted(&error), "{error}");
        rig.nothing();
        assert!(rig.client.is_idle());
    };
    check(|c| c.servers.clear(), |e| *e == ConnectError::NoServer);
    check(|c| c.receive_maximum = 0, |e| *e == ConnectError::Zero("receive_maximum"));
    check(|c| c.maximum_packet_size = 0, |e| matches!(e, ConnectError::Zero(_)));
    check(|c| c.inflight_max = 0, |e| matches!(e, ConnectError::Zero(_)));
    check(
        |c| c.user_properties = properties(&[Property::ReceiveMaximum(3)]),
        |e| *e == ConnectError::UserProperties,
    );
    check(
        |c| {
            c.version = Version::V31;
            c.client_id = "".into();
        },
        |e| *e == ConnectError::ClientIdEmpty,
    );
    check(
        |c| {
            *c = lasting(Version::V311);
            c.client_id = "".into();
        },
        |e| *e == ConnectError::ClientIdEmpty,
    );
    check(
        |c| {
            *c = lasting(Version::V311);
            c.clean_start = CleanStart::First;
        },
        |e| *e == ConnectError::CleanStart,
    );
    check(
        |c| {
            c.version = Version::V311;
            c.password = Some("p".into());
        },
        |e| matches!(e, ConnectError::Encode(_)),
    );
    check(
        |c| {
            c.version = Version::V311;
            c.authentication = Some(Default::default());
        },
        |e| *e == ConnectError::Authentication,
    );
    check(|c| c.client_id = "x".repeat(65_536).into(), |e| matches!(e, ConnectError::Encode(_)));
}

#[test]
fn passwords_are_not_printed() {
    let mut config = config(Version::V5);
    config.password = Some("hunter2".into());
    assert!(!format!("{config:?} {:?}", Client::new(config.clone(), 1)).contains("hunter2"));
}

#[test]
fn a_second_connect_is_refused() {
    let mut rig = Rig::online(config(Version::V5), &[]);
    assert_eq!(rig.client.connect(rig.now), Err(ConnectError::Busy));
}

#[test]
fn connack_tells_the_limits() {
    let mut rig = Rig::new(config(Version::V5));
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    assert_eq!(rig.client.limits(), None);
    let connected = rig.accept(
        false,
        &[
            Property::ServerKeepAlive(7),
            Property::SessionExpiryInterval(9),
            Property::ReceiveMaximum(11),
            Property::MaximumPacketSize(1_000),
            Property::MaximumQoS(1),
            Property::RetainAvailable(false),
            Property::TopicAliasMaximum(1_000),
            Property::WildcardSubscriptionAvailable(false),
            Property::SubscriptionIdentifierAvailable(false),
            Property::SharedSubscriptionAvailable(false),
        ],
    );
    let limits = connected.limits;
    assert_eq!((limits.keep_alive_s, limits.session_expiry_s), (7, 9));
    assert_eq!((limits.receive_maximum, limits.maximum_packet_size), (11, 1_000));
    assert_eq!((limits.maximum_qos, limits.retain), (QoS::AtLeastOnce, false));
    assert_eq!(limits.topic_alias_maximum, 64);
    assert!(!limits.wildcard_subscriptions && !limits.subscription_identifiers);
    assert!(!limits.shared_subscriptions);
    assert_eq!(rig.client.limits(), Some(&limits));
    assert_eq!(connected.properties.view().receive_maximum(), Some(11));
}

#[test]
fn what_the_server_does_not_take_is_refused_at_once() {
    let mut rig = Rig::online(
        config(Version::V5),
        &[
            Property::MaximumPacketSize(30),
            Property::MaximumQoS(0),
            Property::RetainAvailable(false),
            Property::WildcardSubscriptionAvailable(false),
            Property::SubscriptionIdentifierAvailable(false),
            Property::SharedSubscriptionAvailable(false),
        ],
    );
    let now = rig.now;
    let plain = message("a", "x", QoS::AtMostOnce);
    let mut check = |message: &Publish<'_>, wanted| {
        assert_eq!(rig.client.publish(now, message), Err(wanted));
    };
    let qos1 = Publish { qos: QoS::AtLeastOnce, ..plain };
    check(&qos1, PublishError::QoSNotSupported); // v5 [MQTT-3.2.2-11]
    check(&Publish { retain: true, ..plain }, PublishError::RetainNotSupported);
    check(&Publish { payload: &[0; 25], ..plain }, PublishError::TooLarge);
    rig.client.publish(now, &Publish { payload: &[0; 24], ..plain }).unwrap();
    assert_eq!(rig.written().len(), 30);
    rig.event();
    let mut check = |filter: &str, list: &[Property<'_>], reason| {
        let wanted = [Subscription { filter, options: SubscriptionOptions::default() }];
        let error = rig.client.subscribe(now, &wanted, properties(list).view());
        assert_eq!(error, Err(SubscribeError::Server(reason)));
    };
    check("a/#", &[], Reason::WildcardSubscriptionsNotSupported);
    check("$share/g/a", &[], Reason::SharedSubscriptionsNotSupported);
    let identifier = [Property::SubscriptionIdentifier(1)];
    check("a", &identifier, Reason::SubscriptionIdentifiersNotSupported);
    check("a/very/long/filter/that/does/not/fit", &[], Reason::PacketTooLarge);
    rig.nothing();
    rig.wrote(&[]);
}

#[test]
fn what_the_server_turns_out_not_to_take_ends_with_its_reason() {
    let mut rig = Rig::new(config(Version::V5));
    let qos2 = rig.publish("a", "x", QoS::ExactlyOnce);
    let large = rig.publish("a", "a payload that is too large", QoS::AtMostOnce);
    let fine = rig.publish("a", "x", QoS::AtMostOnce);
    let wanted = [Subscription { filter: "#", options: SubscriptionOptions::default() }];
    let subscribe = rig.client.subscribe(rig.now, &wanted, Properties::EMPTY).unwrap();
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.accept(
        false,
        &[
            Property::MaximumPacketSize(20),
            Property::MaximumQoS(1),
            Property::WildcardSubscriptionAvailable(false),
        ],
    );
    let reason = Reason::WildcardSubscriptionsNotSupported;
    assert_eq!(rig.done(subscribe), Outcome::Unsendable(reason));
    assert_eq!(rig.done(qos2), Outcome::Unsendable(Reason::QoSNotSupported));
    assert_eq!(rig.done(large), Outcome::Unsendable(Reason::PacketTooLarge));
    rig.wrote(&[publish("a", "x", QoS::AtMostOnce, 0)]);
    assert_eq!(rig.done(fine), Outcome::Written);
}

#[test]
fn an_assigned_client_identifier_is_kept() {
    let mut config = config(Version::V5);
    config.client_id = "".into();
    let mut rig = Rig::online(config, &[Property::AssignedClientIdentifier("made")]);
    assert_eq!(&**rig.client.client_id(), "made");
    rig.cut();
    rig.client.handle_open(rig.now);
    rig.wrote(&[Packet::Connect(Connect {
        version: Version::V5,
        clean_start: false,
        keep_alive_s: 60,
        client_id: "made",
        will: None,
        user_name: None,
        password: None,
        properties: Properties::EMPTY,
    })]);
}

#[test]
fn clean_start_is_asked_for_at_first_alone_or_always_or_never() {
    let flag = |rig: &mut Rig| {
        rig.client.handle_open(rig.now);
        let connect = rig.written();
        rig.send(&connack(false, Properties::EMPTY));
        rig.connected();
        connect[9] & 2 != 0
    };
    for (policy, wanted) in [
        (CleanStart::First, [true, false]),
        (CleanStart::Always, [true, true]),
        (CleanStart::Never, [false, false]),
    ] {
        let mut config = config(Version::V5);
        config.clean_start = policy;
        let mut rig = Rig::new(config);
        rig.client.connect(rig.now).unwrap();
        rig.dialled("one");
        let first = flag(&mut rig);
        rig.cut();
        assert_eq!([first, flag(&mut rig)], wanted, "{policy:?}");
    }
}

#[test]
fn a_session_that_nobody_knows_closes_the_connection() {
    let mut unknown = lasting(Version::V5);
    unknown.clean_start = CleanStart::Never;
    for config in [unknown.clone(), lasting(Version::V5), config(Version::V311)] {
        let mut rig = Rig::new(config);
        rig.client.connect(rig.now).unwrap();
        rig.dialled("one");
        rig.client.handle_open(rig.now);
        rig.written();
        rig.send(&connack(true, Properties::EMPTY)); // v5 [MQTT-3.2.2-4]
        rig.closed();
        let cause = Cause::Violation(Reason::ProtocolError, Violation::SessionPresent);
        assert_eq!(rig.disconnected().cause, cause);
        rig.wrote(&[]);
    }
    unknown.accept_unknown_session = true;
    let mut rig = Rig::new(unknown);
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    assert!(rig.accept(true, &[]).session_present);
    // 3.1.1 leaves it to the client.
    let mut rig = Rig::new(lasting(Version::V311));
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    assert!(rig.accept(true, &[]).session_present);
}

#[test]
fn messages_in_flight_of_a_lost_session_are_published_anew_or_given_up() {
    for (policy, again1, again2) in [
        (LostSession::RepublishQoS1, true, false),
        (LostSession::Republish, true, true),
        (LostSession::Abandon, false, false),
    ] {
        let mut config = lasting(Version::V5);
        config.lost_session = policy;
        let mut rig = Rig::online(config, &[]);
        let one = rig.publish("a", "1", QoS::AtLeastOnce);
        let two = rig.publish("a", "2", QoS::ExactlyOnce);
        rig.written();
        rig.cut();
        let later = rig.publish("a", "3", QoS::AtLeastOnce);
        rig.client.handle_open(rig.now);
        rig.written();
        rig.send(&connack(false, Properties::EMPTY)); // v5 [MQTT-3.2.2-5]
        if !again2 {
            assert_eq!(rig.done(two), Outcome::SessionLost);
        }
        if !again1 {
            assert_eq!(rig.done(one), Outcome::SessionLost);
        }
        assert!(rig.connected().session_lost);
        // Without DUP, in order, under identifiers of their own.
        let mut wire = rig.written();
        let mut payloads = Vec::new();
        while !wire.is_empty() {
            assert_eq!(wire[0] & 8, 0);
            payloads.push(wire[wire[1] as usize + 1]);
            wire.drain(..wire[1] as usize + 2);
        }
        let wanted = [(b'1', again1), (b'2', again2), (b'3', true)];
        let wanted: Vec<u8> = wanted.iter().filter(|w| w.1).map(|w| w.0).collect();
        assert_eq!(payloads, wanted);
        assert_eq!(rig.client.in_flight(), wanted.len());
        let _ = later;
    }
}

#[test]
fn another_packet_before_connack_is_a_violation() {
    for packet in [Packet::PingResp, publish("a", "x", QoS::AtMostOnce, 0)] {
        let mut rig = Rig::new(config(Version::V5));
        rig.client.connect(rig.now).unwrap();
        rig.dialled("one");
        rig.client.handle_open(rig.now);
        rig.written();
        rig.send(&packet);
        rig.closed();
        let cause = Cause::Violation(Reason::ProtocolError, Violation::BeforeConnAck);
        assert_eq!(rig.disconnected().cause, cause);
        rig.wrote(&[]); // No DISCONNECT either.
    }
}

#[test]
fn nothing_is_sent_before_connack() {
    let mut rig = Rig::new(config(Version::V5));
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.client.handle_open(rig.now);
    rig.written();
    rig.publish("a", "x", QoS::AtMostOnce);
    rig.wrote(&[]);
    assert!(rig.client.ping(rig.now).is_err());
    rig.send(&connack(false, Properties::EMPTY));
    rig.wrote(&[publish("a", "x", QoS::AtMostOnce, 0)]);
}

#[test]
fn connack_may_come_byte_by_byte() {
    let mut rig = Rig::new(config(Version::V5));
    rig.client.connect(rig.now).unwrap();
    rig.dialled("one");
    rig.client.handle_open(rig.now);
    for byte in [0x20, 6, 0, 0, 3, 0x21, 0] {
        rig.client.handle_data(rig.now, &[byte]);
        assert!(!rig.client.is_connected());
    }
    rig.client.handle_data(rig.now, &[9, 0xD0]);
    assert_eq!(rig.connected().limits.receive_maximum, 9);
    rig.client.handle_data(rig.now, &[0]);
    rig.nothing();
}

#[test]
fn credentials_may_change_for_the_next_connection() {
    let mut config = config(Version::V311);
    config.user_name = Some("u".into());
    config.password = Some("old".into());
    let mut rig = Rig::online(config, &[]);
    rig.client.set_credentials(Some("u"), Some("new".into())).unwrap();
    assert!(rig.client.set_credentials(None, Some("alone".into())).is_err());
    rig.cut();
    rig.client.handle_open(rig.now);
    assert!(rig.written().ends_with(b"\x00\x01u\x00\x03new"));
}

#[test]
fn an_idle_client_may_be_configured_anew() {
    let mut rig = Rig::online(lasting(Version::V5), &[]);
    assert_eq!(rig.client.reconfigure(config(Version::V311)), Err(ConnectError::Busy));
    rig.client.close(rig.now);
    rig.closed();
    rig.disconnected();
    let mut other = config(Version::V311);
    other.client_id = "other".into();
    other.servers = vec!["two".into()];
    rig.client.reconfigure(other).unwrap();
    rig.client.connect(rig.now).unwrap();
    rig.dialled("two");
    rig.client.handle_open(rig.now);
    assert!(rig.written().ends_with(b"other"));
}
