//! What binds the client since 5.0: properties, limits, reason codes, enhanced authentication.

use std::collections::BTreeSet;

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{
    Kind, Plain, Seen, Wire, auth, connack, disconnect, prop, puback, pubcomp, publish, pubrec,
    pubrel, suback, varint,
};
use libmqtt_conformance::{ClientWorld, Peer, millis, secs, vectors};
use libmqtt_engine::client::{Authentication, ClientConfig, Disconnect, Event, Outcome};
use libmqtt_engine::codec::{PropertiesBuf, Property, Reason, Subscription, SubscriptionOptions};

use crate::duty::client::connect::check_gaps;
use crate::duty::client::requests::check_filters;
use crate::duty::client::{keeper, lasting, rejects, resume};

/// A client whose server's CONNACK says this.
fn limited(property: Vec<u8>) -> (ClientWorld, Peer) {
    ClientWorld::online_with(V5, |_| {}, connack(false, 0).prop(property))
}

/// The Reason Codes that a client may send in this packet, by mqtt5-reason-codes.csv.
fn codes_of(packet: &str) -> BTreeSet<u8> {
    vectors::rows("mqtt5-reason-codes.csv")
        .iter()
        .filter(|row| row["packet"] == packet && row["sent_by"] != "server")
        .map(|row| row["value_dec"].parse().expect("a number"))
        .collect()
}

#[test]
fn mqtt_1_5_5_1_client_writes_the_shortest_integers() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    for length in [127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
        world.publish("t", &"x".repeat(length - 4), 0).expect("a connection");
        let seen = server.next_of(Kind::Publish);
        assert!(seen.body().len() == length && seen.bytes[1..].starts_with(&varint(length)));
    }
    for length in [127, 128, 16_383, 16_384] {
        let data = vec![7; length - 3];
        let mut properties = PropertiesBuf::new();
        properties.push(Property::CorrelationData(&data)).expect("a short value");
        world.publish_with("t", "x", 0, false, properties.view()).expect("a connection");
        assert!(server.next_of(Kind::Publish).body()[3..].starts_with(&varint(length)));
    }
    for id in [1, 127, 128, 16_384, 268_435_455] {
        let mut properties = PropertiesBuf::new();
        properties.push(Property::SubscriptionIdentifier(id)).expect("a value in range");
        let wanted = [Subscription { filter: "t", options: SubscriptionOptions::default() }];
        let sent = world.command(|client, now| client.subscribe(now, &wanted, properties.view()));
        sent.expect("a connection");
        let value = server.next_of(Kind::Subscribe).all(0x0B);
        assert_eq!(value, [varint(id as usize)]);
    }
}

#[test]
fn mqtt_2_2_2_1_client_writes_property_length_0() {
    let world = ClientWorld::new(V5, |config| {
        config.receive_maximum = 65_535;
        config.topic_alias_maximum = 0;
        config.client_id = "".into();
    });
    let (mut server, connect) = world.dial();
    assert_eq!(connect.bytes, b"\x10\x0D\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00");
    server.send(connack(false, 0).prop(prop::assigned_client_id("mine")));
    world.publish("t", "x", 0).expect("a connection");
    server.expect("30 05 0001 74 00 78");
    world.subscribe("t", 1).expect("a connection");
    let seen = server.next_of(Kind::Subscribe);
    assert_eq!(seen.body()[2..], [0, 0, 1, b't', 1]);
    world.unsubscribe("t").expect("a connection");
    let seen = server.next_of(Kind::Unsubscribe);
    assert_eq!(seen.body()[2..], [0, 0, 1, b't']);
}

/// Every 2 seconds instead of every 60.
#[test]
fn mqtt_3_1_2_21_client_uses_the_server_keep_alive() {
    let connack = connack(false, 0).prop(prop::server_keep_alive(2));
    let (world, mut server) =
        ClientWorld::online_with(V5, |config| config.keep_alive_s = 60, connack);
    check_gaps(&world, &mut server, millis(2000));
}

#[test]
fn mqtt_3_2_2_21_client_uses_the_server_keep_alive_of_each_connection() {
    mqtt_3_1_2_21_client_uses_the_server_keep_alive();
    let connack_0 = connack(false, 0).prop(prop::server_keep_alive(0));
    let (world, mut server) =
        ClientWorld::online_with(V5, |config| config.keep_alive_s = 10, connack_0);
    world.advance(secs(1000));
    server.expect_nothing(); // 0 turns it off
    server.cut();
    let mut server = world.connect_with(connack(false, 0));
    check_gaps(&world, &mut server, millis(10_000));
}

#[test]
fn mqtt_3_1_2_23_client_keeps_its_session_only_as_long_as_it_lasts() {
    let (world, mut server) = keeper(V5);
    world.publish("t", "x", 1).expect("a connection");
    let id = server.next_of(Kind::Publish).id();
    server.cut();
    let (mut server, connect) = world.dial();
    assert_eq!(connect.number(0x11), Some(3600));
    server.send(connack(true, 0));
    server.expect(publish("t", "x").qos(1, id).dup());
}

/// A client with the method "M".
fn methodical(config: &mut ClientConfig) {
    config.authentication = Some(Authentication { method: "M".into(), data: Some("hi".into()) });
}

fn challenge(reason: u8, data: &str) -> Plain {
    auth(reason).prop(prop::auth_method("M")).prop(prop::auth_data(data))
}

#[test]
fn mqtt_3_1_2_30_client_sends_only_auth_before_connack() {
    let world = ClientWorld::new(V5, methodical);
    let (mut server, connect) = world.dial();
    assert_eq!(connect.prop(0x15), Some(b"M".to_vec()));
    assert_eq!(connect.prop(0x16), Some(b"hi".to_vec()));
    world.publish("t", "x", 1).expect("a queue");
    world.subscribe("t", 1).expect("a queue");
    world.advance(secs(5));
    server.expect_nothing();
    server.send(challenge(0x18, "?"));
    world.publish("t", "y", 0).expect("a queue");
    server.expect_nothing();
    world.command(|client, now| client.authenticate(now, b"!")).expect("a challenge");
    server.next_of(Kind::Auth);
    server.expect_nothing();
    server.send(connack(false, 0).prop(prop::auth_method("M")));
    assert_eq!(server.drain().len(), 3);
}

#[test]
fn mqtt_3_2_2_4_client_closes_when_the_server_has_a_session_it_does_not_know() {
    for change in [|_: &mut ClientConfig| {}, lasting] {
        let (_world, mut server) = ClientWorld::online_with(V5, change, connack(true, 0));
        server.drain();
        server.expect_closed();
    }
}

#[test]
fn mqtt_3_2_2_11_client_publishes_no_higher_than_the_maximum_qos() {
    for maximum in [0, 1] {
        let world = ClientWorld::new(V5, |_| {});
        let early = world.publish("t", "early", 2).expect("a queue");
        let mut server = world.connect_with(connack(false, 0).prop(prop::maximum_qos(maximum)));
        assert!(matches!(world.outcome(early), Some(Outcome::Unsendable(_))));
        for qos in 0..3 {
            assert_eq!(world.publish("t", "x", qos).is_ok(), qos <= maximum);
        }
        assert!(server.drain().iter().all(|seen| seen.qos() <= maximum));
    }
}

#[test]
fn mqtt_3_2_2_14_client_retains_nothing_that_the_server_does_not_retain() {
    let world = ClientWorld::new(V5, |_| {});
    let none = PropertiesBuf::new();
    world.publish_with("t", "early", 1, true, none.view()).expect("a queue");
    let mut server = world.connect_with(connack(false, 0).prop(prop::retain_available(0)));
    assert!(world.publish_with("t", "x", 0, true, none.view()).is_err());
    world.publish("t", "y", 0).expect("a connection");
    server.expect(publish("t", "y"));
    server.expect_nothing();
}

#[test]
fn mqtt_3_2_2_15_client_sends_nothing_that_is_too_large() {
    let (world, mut server) = limited(prop::maximum_packet_size(40));
    for size in [10, 33, 34, 35, 36, 37, 100] {
        for qos in 0..3 {
            let _ = world.publish("t", &"x".repeat(size), qos);
        }
        let _ = world.subscribe(&"f".repeat(size), 0);
        let _ = world.unsubscribe(&"f".repeat(size));
    }
    let seen = server.drain();
    assert!(seen.iter().all(|seen| seen.bytes.len() <= 40), "{seen:?}");
    assert!(seen.iter().any(|seen| seen.bytes.len() == 40));
    let world = ClientWorld::new(V5, |_| {});
    let early = world.publish("t", &"x".repeat(100), 1).expect("a queue");
    let mut server = world.connect_with(connack(false, 0).prop(prop::maximum_packet_size(40)));
    assert!(matches!(world.outcome(early), Some(Outcome::Unsendable(_))));
    server.expect_nothing();
}

/// Aliases towards a server that allows so many, over 60 messages to 20 topics.
fn aliases(maximum: Option<u16>) -> Vec<u32> {
    let (world, mut server) = match maximum {
        Some(maximum) => limited(prop::topic_alias_maximum(maximum)),
        None => ClientWorld::online(V5, |_| {}),
    };
    for n in 0..60 {
        world.publish(&format!("topic/{}", n % 20), "x", n % 2).expect("a connection");
    }
    let seen = server.drain();
    assert_eq!(seen.len(), 60);
    seen.iter().filter_map(|seen| seen.number(0x23)).collect()
}

#[test]
fn mqtt_3_2_2_17_client_keeps_within_the_topic_alias_maximum() {
    for maximum in [1, 2, 5, 65_535] {
        let used = aliases(Some(maximum));
        assert!(used.iter().all(|alias| (1..=u32::from(maximum)).contains(alias)));
        assert!(!used.is_empty(), "the client assigns aliases");
    }
}

#[test]
fn mqtt_3_2_2_18_client_uses_no_alias_without_being_allowed() {
    assert!(aliases(None).is_empty());
    assert!(aliases(Some(0)).is_empty());
}

#[test]
fn mqtt_3_3_2_9_client_maps_its_aliases_rightly() {
    mqtt_3_2_2_17_client_keeps_within_the_topic_alias_maximum();
    let (world, mut server) = limited(prop::topic_alias_maximum(2));
    let mut map = [None, None, None];
    for n in 0..50 {
        let topic = format!("t/{}", n % 5);
        world.publish(&topic, "x", n % 3 % 2).expect("a connection");
        let seen = server.next_of(Kind::Publish);
        match (seen.number(0x23).unwrap_or(0) as usize, seen.topic().is_empty()) {
            (alias, false) => map[alias] = Some(topic),
            (alias, true) => assert_eq!(map[alias], Some(topic)),
        }
        if seen.qos() == 1 {
            server.send(puback(seen.id()));
        }
    }
}

#[test]
fn mqtt_3_3_2_8_client_never_sends_alias_0() {
    assert!(!aliases(Some(10)).contains(&0));
    rejects(V5, publish("t", "x").prop(prop::topic_alias(0)), &[0x94]);
}

#[test]
fn mqtt_3_3_2_7_client_forgets_aliases_with_the_connection() {
    let (world, mut server) = keeper(V5);
    server.send(publish("t", "x").prop(prop::topic_alias(1)));
    server.send(publish("", "y").prop(prop::topic_alias(1)));
    assert!(world.messages().iter().all(|message| message.topic() == "t"));
    let mut server = resume(&world, server);
    server.send(publish("", "z").prop(prop::topic_alias(1)));
    server.expect_thrown_out(&[0x82]);
    // Its own begin anew, too: a topic comes before its alias alone.
    let world = ClientWorld::new(V5, lasting);
    for n in 0..3 {
        let present = n > 0;
        let mut server = world.connect_with(connack(present, 0).prop(prop::topic_alias_maximum(5)));
        for _ in 0..3 {
            world.publish("t", "x", 0).expect("a connection");
        }
        assert_eq!(server.next_of(Kind::Publish).topic(), b"t");
        server.cut();
    }
}

#[test]
fn mqtt_3_3_2_10_client_accepts_aliases_up_to_its_maximum() {
    let world = ClientWorld::new(V5, |config| config.topic_alias_maximum = 3);
    let (mut server, connect) = world.dial();
    assert_eq!(connect.number(0x22), Some(3));
    server.send(connack(false, 0));
    let mut wanted = vec![];
    for alias in [1, 2, 3] {
        server.send(publish(format!("t/{alias}"), "x").prop(prop::topic_alias(alias)));
        server.send(publish("", "x").prop(prop::topic_alias(alias)));
        wanted.extend([format!("t/{alias}"), format!("t/{alias}")]);
    }
    let topics: Vec<_> = world.messages().iter().map(|m| m.topic().to_string()).collect();
    assert_eq!(topics, wanted);
    server.send(publish("t", "x").prop(prop::topic_alias(4)));
    server.expect_thrown_out(&[0x94]);
}

#[test]
fn mqtt_3_3_2_13_client_sends_a_well_formed_response_topic() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    let mut properties = PropertiesBuf::new();
    properties.push(Property::ResponseTopic("antwort/ß")).expect("a short value");
    world.publish_with("t", "x", 0, false, properties.view()).expect("a connection");
    server.expect(publish("t", "x").prop(prop::response_topic("antwort/ß")));
    rejects(V5, publish("t", "x").prop(prop::response_topic([0xC3])), &[0x81]);
}

#[test]
fn mqtt_3_3_2_14_client_puts_no_wildcards_into_a_response_topic() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    for topic in ["a/#", "+", "a/+/b"] {
        let mut properties = PropertiesBuf::new();
        if properties.push(Property::ResponseTopic(topic)).is_ok() {
            assert!(world.publish_with("t", "x", 0, false, properties.view()).is_err());
        }
    }
    server.expect_nothing();
    rejects(V5, publish("t", "x").prop(prop::response_topic("a/#")), &[0x82, 0x81]);
}

#[test]
fn mqtt_3_3_2_19_client_sends_a_well_formed_content_type() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    let mut properties = PropertiesBuf::new();
    properties.push(Property::ContentType("text/ß")).expect("a short value");
    world.publish_with("t", "x", 0, false, properties.view()).expect("a connection");
    server.expect(publish("t", "x").prop(prop::content_type("text/ß")));
    rejects(V5, publish("t", "x").prop(prop::content_type([0xC3])), &[0x81]);
}

#[test]
fn mqtt_3_3_4_6_client_sends_no_subscription_identifier() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    let mut properties = PropertiesBuf::new();
    properties.push(Property::SubscriptionIdentifier(1)).expect("a value in range");
    assert!(world.publish_with("t", "x", 0, false, properties.view()).is_err());
    server.expect_nothing();
}

/// A client that has ten messages for a server that takes so many at once.
fn swamped(maximum: u16) -> (ClientWorld, Peer) {
    let (world, server) = limited(prop::receive_maximum(maximum));
    (0..10).for_each(|n| {
        world.publish("t", "x", 1 + n % 2).expect("a queue");
    });
    (world, server)
}

#[test]
fn mqtt_3_3_4_7_client_keeps_within_the_receive_maximum() {
    for maximum in [1, 3, 7] {
        let (world, mut server) = swamped(maximum);
        let mut flying = server.drain();
        assert_eq!(flying.len(), usize::from(maximum));
        world.advance(secs(100));
        server.expect_nothing();
        let mut count = 0;
        while let Some(seen) = flying.pop() {
            server.acknowledge(&seen);
            count += 1;
            let more = server.drain();
            assert!(more.len() <= 1);
            flying.extend(more);
        }
        assert_eq!(count, 10);
    }
}

#[test]
fn mqtt_3_3_4_8_client_delays_nothing_else_at_the_receive_maximum() {
    let (world, mut server) = swamped(1);
    server.next_of(Kind::Publish);
    world.subscribe("t", 0).expect("a connection");
    server.next_of(Kind::Subscribe);
    world.unsubscribe("t").expect("a connection");
    server.next_of(Kind::Unsubscribe);
    world.command(|client, now| client.ping(now)).expect("a connection");
    server.expect("C0 00");
    server.deliver(publish("t", "x").qos(1, 9), 1, 9);
    server.deliver(publish("t", "x").qos(2, 9), 2, 9);
}

/// What the client answers to all that a server may send at this QoS.
fn answers(kind: Kind) -> BTreeSet<u8> {
    let mut codes = BTreeSet::new();
    for reason in Reason::ALL {
        let (world, mut server) = ClientWorld::online(V5, |config| config.manual_ack = true);
        server.send(publish("t", "x").qos(if kind == Kind::PubAck { 1 } else { 2 }, 1));
        let ack = world.events().into_iter().find_map(|event| match event {
            Event::Message(received) => received.ack,
            _ => None,
        });
        let ack = ack.expect("a message to acknowledge");
        let _ = world.command(|client, now| client.acknowledge(now, ack, *reason));
        if let Some(seen) = server.poll() {
            assert_eq!(seen.kind(), kind);
            codes.insert(seen.reason());
        }
    }
    codes
}

#[test]
fn mqtt_3_4_2_1_client_uses_only_the_codes_of_puback() {
    let codes = answers(Kind::PubAck);
    assert!(codes.is_subset(&codes_of("PUBACK")) && codes.len() > 3, "{codes:02x?}");
    for code in [0x01, 0x02, 0x7F, 0x81, 0x95, 0xFF] {
        rejects(V5, puback(1).reason(code), &[0x81, 0x82]);
    }
}

#[test]
fn mqtt_3_5_2_1_client_uses_only_the_codes_of_pubrec() {
    let codes = answers(Kind::PubRec);
    assert!(codes.is_subset(&codes_of("PUBREC")) && codes.len() > 3, "{codes:02x?}");
    for code in [0x01, 0x7F, 0x81, 0x92] {
        rejects(V5, pubrec(1).reason(code), &[0x81, 0x82]);
    }
}

#[test]
fn mqtt_3_6_2_1_client_uses_only_the_codes_of_pubrel() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    world.publish("t", "x", 2).expect("a connection");
    let id = server.next_of(Kind::Publish).id();
    for pubrec in [pubrec(id), pubrec(id), pubrec(777), pubrec(778).reason(0x80)] {
        server.send(pubrec);
    }
    server.send(pubcomp(id));
    server.send(pubrec(id));
    for seen in server.drain() {
        assert_eq!(seen.kind(), Kind::PubRel);
        assert!(codes_of("PUBREL").contains(&seen.reason()), "{seen:?}");
    }
    rejects(V5, pubrel(1).reason(0x80), &[0x81, 0x82]);
}

#[test]
fn mqtt_3_7_2_1_client_uses_only_the_codes_of_pubcomp() {
    let (_world, mut server) = ClientWorld::online(V5, |_| {});
    server.deliver(publish("t", "x").qos(2, 9), 2, 9);
    server.send(pubrel(9));
    server.send(pubrel(10));
    for seen in server.drain() {
        assert_eq!(seen.kind(), Kind::PubComp);
        assert_eq!(seen.reason(), 0x92, "{seen:?}");
    }
    rejects(V5, pubcomp(1).reason(0x80), &[0x81, 0x82]);
}

#[test]
fn mqtt_3_8_3_4_client_sends_no_no_local_for_a_shared_subscription() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::default() };
    let wanted = [Subscription { filter: "$share/g/t", options }];
    let none = PropertiesBuf::new();
    let sent = world.command(|client, now| client.subscribe(now, &wanted, none.view()));
    assert!(sent.is_err());
    server.expect_nothing();
}

#[test]
fn mqtt_4_8_2_1_client_wants_share_and_a_name() {
    check_filters(
        V5,
        &["$share/g/a", "$Share/g/a", "$share/x/#"],
        &["$share//a", "$share/", "$share//"],
    );
}

#[test]
fn mqtt_4_8_2_2_client_wants_a_name_without_wildcards_and_a_filter() {
    let invalid = ["$share/g", "$share/g/", "$share/g+/a", "$share/+/a", "$share/#/a", "$share/#"];
    check_filters(V5, &["$share/g/a/b", "$share/g//a"], &invalid);
}

/// Every DISCONNECT that the client sends: for errors, and as the program says.
fn farewells() -> Vec<Seen> {
    let wrong: Vec<Vec<u8>> = vec![
        vec![0, 0],
        vec![0x36, 0],
        vec![0xC0, 0],
        publish("", "x").wire(V5),
        publish("a/#", "x").wire(V5),
        publish("t", "x").prop(prop::topic_alias(0)).wire(V5),
        connack(false, 0).wire(V5),
        suback(9, &[0]).wire(V5),
        auth(0x18).wire(V5),
        vec![0xD0, 0xFF, 0xFF, 0xFF, 0xFF],
        disconnect(0x8B).prop(prop::session_expiry(1)).wire(V5),
    ];
    let mut out: Vec<Seen> = wrong
        .into_iter()
        .map(|packet| {
            let (_world, mut server) = ClientWorld::online(V5, |_| {});
            server.send(packet);
            server.next_of(Kind::Disconnect)
        })
        .collect();
    for reason in Reason::ALL {
        let (world, mut server) = ClientWorld::online(V5, |_| {});
        let how = Disconnect { reason: *reason, ..Disconnect::default() };
        if world.command(|client, now| client.disconnect(now, how)).is_ok() {
            out.push(server.next_of(Kind::Disconnect));
        } else {
            server.expect_nothing();
        }
    }
    out
}

#[test]
fn mqtt_3_14_2_1_client_uses_only_the_codes_of_disconnect() {
    let mut table = codes_of("DISCONNECT");
    table.insert(0x9B); // described for both sides, listed for the server
    let seen = farewells();
    assert!(seen.len() > 20);
    for seen in seen {
        assert!(table.contains(&seen.reason()), "{seen:?}");
    }
}

#[test]
fn mqtt_3_14_2_2_client_takes_no_session_expiry_in_disconnect() {
    rejects(V5, disconnect(0x8B).prop(prop::session_expiry(1)), &[0x82, 0x81]);
}

#[test]
fn mqtt_3_14_1_1_client_closes_on_wrong_disconnect_flags() {
    for flags in 1..16 {
        let packet = libmqtt_conformance::wire::First(0xE0 | flags, disconnect(0x8B));
        rejects(V5, packet, &[0x81]);
    }
    assert!(farewells().iter().all(|seen| seen.bytes[0] == 0xE0));
}

/// What the program wants to explain is left out if the server would not take it.
fn check_goodbye(property: Property<'_>) {
    for (limit, fits) in [(20, false), (1000, true)] {
        let (world, mut server) = limited(prop::maximum_packet_size(limit));
        let mut properties = PropertiesBuf::new();
        properties.push(property).expect("a short value");
        let how =
            Disconnect { reason: Reason::UnspecifiedError, properties, ..Disconnect::default() };
        world.command(|client, now| client.disconnect(now, how)).expect("a client's reason");
        let seen = server.next_of(Kind::Disconnect);
        assert_eq!((seen.reason(), seen.props().len()), (0x80, usize::from(fits)));
    }
}

#[test]
fn mqtt_3_14_2_3_client_leaves_out_a_reason_string_that_does_not_fit() {
    check_goodbye(Property::ReasonString("a rather long explanation of it all"));
}

#[test]
fn mqtt_3_14_2_4_client_leaves_out_user_properties_that_do_not_fit() {
    check_goodbye(Property::UserProperty("a rather long", "explanation of it all"));
}

#[test]
fn mqtt_3_15_1_1_client_closes_on_wrong_auth_flags() {
    for flags in 1..16 {
        let (world, mut server) = ClientWorld::online_with(
            V5,
            methodical,
            connack(false, 0).prop(prop::auth_method("M")),
        );
        world.command(|client, now| client.reauthenticate(now, None)).expect("a method");
        assert_eq!(server.next_of(Kind::Auth).bytes[0], 0xF0);
        server.send(libmqtt_conformance::wire::First(0xF0 | flags, challenge(0x18, "?")));
        server.expect_thrown_out(&[0x81]);
    }
}

/// A client that re-authenticates, and the AUTH that has come of it.
fn reauthenticating() -> (ClientWorld, Peer, Seen) {
    let (world, mut server) =
        ClientWorld::online_with(V5, methodical, connack(false, 0).prop(prop::auth_method("M")));
    let again = world.command(|client, now| client.reauthenticate(now, Some(b"again")));
    again.expect("a method");
    let seen = server.next_of(Kind::Auth);
    (world, server, seen)
}

#[test]
fn mqtt_3_15_2_1_client_uses_only_the_codes_of_auth() {
    let (world, mut server, seen) = reauthenticating();
    assert_eq!(seen.reason(), 0x19);
    server.send(challenge(0x18, "?"));
    world.command(|client, now| client.authenticate(now, b"!")).expect("a challenge");
    assert_eq!(server.next_of(Kind::Auth).reason(), 0x18);
    server.send(challenge(0x00, ""));
    server.expect_nothing();
    for wrong in [0x01, 0x19, 0x80] {
        let (_world, mut server, _) = reauthenticating();
        server.send(challenge(wrong, ""));
        server.expect_thrown_out(&[0x81, 0x82]);
    }
}

#[test]
fn mqtt_4_12_0_3_client_answers_with_auth_0x18() {
    let world = ClientWorld::new(V5, methodical);
    let (mut server, _) = world.dial();
    for data in ["one", "two"] {
        server.send(challenge(0x18, data));
        world.command(|client, now| client.authenticate(now, b"!")).expect("a challenge");
        let seen = server.next_of(Kind::Auth);
        assert_eq!(seen.reason(), 0x18);
        assert_eq!(seen.prop(0x16), Some(b"!".to_vec()));
    }
}

#[test]
fn mqtt_4_12_0_5_client_repeats_the_method() {
    let world = ClientWorld::new(V5, methodical);
    let (mut server, connect) = world.dial();
    assert_eq!(connect.prop(0x15), Some(b"M".to_vec()));
    server.send(challenge(0x18, "?"));
    world.command(|client, now| client.authenticate(now, b"!")).expect("a challenge");
    assert_eq!(server.next_of(Kind::Auth).prop(0x15), Some(b"M".to_vec()));
    server.send(auth(0x18).prop(prop::auth_method("other")));
    server.drain();
    server.expect_closed();
    let (_world, mut server) = ClientWorld::online_with(
        V5,
        methodical,
        connack(false, 0).prop(prop::auth_method("other")),
    );
    server.drain();
    server.expect_closed();
}

#[test]
fn mqtt_4_12_0_7_client_sends_no_auth_without_a_method() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    assert!(world.command(|client, now| client.authenticate(now, b"x")).is_err());
    assert!(world.command(|client, now| client.reauthenticate(now, None)).is_err());
    server.expect_nothing();
    server.send(challenge(0x18, "?"));
    server.expect_thrown_out(&[0x82]);
}

#[test]
fn mqtt_4_12_1_1_client_re_authenticates_with_the_same_method() {
    let (_world, _server, seen) = reauthenticating();
    assert_eq!(seen.reason(), 0x19);
    assert_eq!(seen.prop(0x15), Some(b"M".to_vec()));
    assert_eq!(seen.prop(0x16), Some(b"again".to_vec()));
}

#[test]
fn mqtt_4_12_1_2_client_closes_when_re_authentication_fails() {
    let (_world, mut server, _) = reauthenticating();
    server.send(disconnect(0x87));
    server.expect_closed();
}

#[test]
fn mqtt_4_3_3_4_client_ends_the_flow_on_a_failing_pubrec() {
    let (world, mut server) = keeper(V5);
    for code in [0x80, 0x87, 0x97] {
        let token = world.publish("t", "x", 2).expect("a connection");
        let id = server.next_of(Kind::Publish).id();
        server.send(pubrec(id).reason(code));
        server.expect_nothing();
        assert!(matches!(world.outcome(token), Some(Outcome::Refused(_))));
    }
    resume(&world, server).expect_nothing();
}

#[test]
fn mqtt_4_3_3_7_client_lets_nothing_expire_that_was_sent() {
    let (world, mut server) = keeper(V5);
    let mut properties = PropertiesBuf::new();
    properties.push(Property::MessageExpiryInterval(1)).expect("a value");
    world.publish_with("t", "x", 2, false, properties.view()).expect("a connection");
    let id = server.next_of(Kind::Publish).id();
    world.advance(secs(10));
    let mut server = resume(&world, server);
    let again = server.next_of(Kind::Publish);
    assert_eq!((again.id(), again.dup()), (id, true));
    server.acknowledge(&again);
    server.expect_nothing();
}

#[test]
fn mqtt_4_3_3_9_client_takes_an_id_again_after_a_failing_pubrec() {
    let (world, mut server) = ClientWorld::online(V5, |config| config.manual_ack = true);
    for reason in [Reason::QuotaExceeded, Reason::Success] {
        server.send(publish("t", "x").qos(2, 7));
        let ack = world.events().into_iter().find_map(|event| match event {
            Event::Message(received) => received.ack,
            _ => None,
        });
        let ack = ack.expect("the program gets the message");
        world.command(|client, now| client.acknowledge(now, ack, reason)).expect("a message");
        assert_eq!(server.next_of(Kind::PubRec).reason(), reason as u8);
    }
}

#[test]
fn mqtt_4_3_3_13_client_finishes_the_flow_of_an_expired_message() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    server.send(publish("t", "x").qos(2, 7).prop(prop::message_expiry(1)));
    server.expect("50 02 0007");
    world.advance(secs(5));
    server.send(pubrel(7));
    server.expect("70 02 0007");
}

#[test]
fn mqtt_4_4_0_2_client_takes_a_failing_acknowledgement_as_one() {
    let (world, mut server) = keeper(V5);
    for (qos, code) in [(1, 0x80), (1, 0x97), (2, 0x80), (2, 0x97)] {
        world.publish("t", "x", qos).expect("a connection");
        let id = server.next_of(Kind::Publish).id();
        match qos {
            1 => server.send(puback(id).reason(code)),
            _ => server.send(pubrec(id).reason(code)),
        }
    }
    server.expect_nothing();
    resume(&world, server).expect_nothing();
}

#[test]
fn mqtt_4_9_0_1_client_begins_with_the_receive_maximum_as_quota() {
    for maximum in [1, 2, 5] {
        let (_world, mut server) = swamped(maximum);
        assert!((1..=usize::from(maximum)).contains(&server.drain().len()));
    }
    // Afresh on every connection.
    let (world, mut server) =
        ClientWorld::online_with(V5, lasting, connack(false, 0).prop(prop::receive_maximum(1)));
    (0..5).for_each(|_| {
        world.publish("t", "x", 1).expect("a queue");
    });
    assert_eq!(server.drain().len(), 1);
    server.cut();
    let mut server = world.connect_with(connack(true, 0).prop(prop::receive_maximum(3)));
    assert_eq!(server.drain().len(), 3);
}

#[test]
fn mqtt_4_9_0_2_client_sends_one_more_per_acknowledgement() {
    let (_world, mut server) = swamped(2);
    let mut flying = server.drain();
    assert_eq!(flying.len(), 2);
    for _ in 0..8 {
        let seen = flying.remove(0);
        match seen.qos() {
            1 => server.send(puback(seen.id())),
            _ => {
                server.send(pubrec(seen.id()));
                server.expect(pubrel(seen.id()));
                server.expect_nothing();
                server.send(pubcomp(seen.id()));
            }
        }
        flying.push(server.next_of(Kind::Publish));
        server.expect_nothing();
    }
}

#[test]
fn mqtt_4_9_0_3_client_answers_everything_at_quota_0() {
    mqtt_3_3_4_8_client_delays_nothing_else_at_the_receive_maximum();
    let (world, mut server) = swamped(1);
    let held = server.next_of(Kind::Publish);
    world.publish("t", "qos 0", 0).expect("a connection");
    server.send(puback(held.id()));
    assert!(!server.drain().is_empty());
}

#[test]
fn mqtt_4_13_2_1_client_closes_when_the_server_reports_an_error() {
    for code in codes_of_server() {
        let (_world, mut server) = ClientWorld::online(V5, |_| {});
        server.send(disconnect(code));
        server.expect_closed();
    }
    assert!(farewells().len() > 20);
}

fn codes_of_server() -> BTreeSet<u8> {
    super::codes_of("DISCONNECT").into_iter().filter(|code| *code != 0x04).collect()
}

#[test]
fn v5_u14_client_asks_for_a_session_as_it_was_told() {
    for (expiry, wanted) in [(0, None), (60, Some(60)), (u32::MAX, Some(u32::MAX))] {
        let world = ClientWorld::new(V5, |config| config.session_expiry_s = expiry);
        assert_eq!(world.dial().1.number(0x11).filter(|seconds| *seconds > 0), wanted);
    }
}

#[test]
fn v5_u15_client_closes_on_packets_above_its_maximum_size() {
    let world = ClientWorld::new(V5, |config| config.maximum_packet_size = 100);
    let (mut server, connect) = world.dial();
    assert_eq!(connect.number(0x27), Some(100));
    server.send(connack(false, 0));
    server.send(publish("t", "x".repeat(100 - 6)));
    assert_eq!(world.messages().len(), 1);
    server.send(publish("t", "x".repeat(100 - 5)));
    server.expect_thrown_out(&[0x95]);
}

#[test]
fn v5_u16_client_closes_on_problem_information_it_did_not_want() {
    let quiet = |config: &mut ClientConfig| config.request_problem_information = false;
    let (world, mut server) = ClientWorld::online(V5, quiet);
    world.publish("t", "x", 1).expect("a connection");
    let id = server.next_of(Kind::Publish).id();
    server.send(puback(id).prop(prop::reason_string("why")));
    server.expect_thrown_out(&[0x82]);
}

#[test]
fn v5_u22_client_takes_the_session_expiry_of_connack() {
    let connack_0 = connack(false, 0).prop(prop::session_expiry(0));
    let (world, mut server) = ClientWorld::online_with(V5, lasting, connack_0);
    world.publish("t", "x", 2).expect("a connection");
    server.next_of(Kind::Publish);
    server.cut();
    let mut server = world.connect_with(connack(false, 0));
    assert!(server.drain().iter().all(|seen| !seen.dup()));
}

#[test]
fn v5_u34_client_closes_on_subscription_identifier_0() {
    rejects(V5, publish("t", "x").prop(prop::subscription_id(0)), &[0x82]);
}

#[test]
fn v5_u35_client_closes_on_aliases_out_of_range() {
    for alias in [0, 65, 65_535] {
        rejects(V5, publish("t", "x").prop(prop::topic_alias(alias)), &[0x94]);
    }
}

#[test]
fn v5_u36_client_closes_on_an_unknown_alias() {
    rejects(V5, publish("", "x").prop(prop::topic_alias(1)), &[0x82]);
}

#[test]
fn v5_u37_client_closes_when_its_receive_maximum_is_exceeded() {
    let world = ClientWorld::new(V5, |config| config.receive_maximum = 2);
    let (mut server, connect) = world.dial();
    assert_eq!(connect.number(0x21), Some(2));
    server.send(connack(false, 0));
    for id in [1, 2] {
        server.send(publish("t", "x").qos(2, id));
        server.expect(pubrec(id));
    }
    server.send(publish("t", "x").qos(2, 3));
    server.expect_thrown_out(&[0x93]);
}

#[test]
fn v5_u31_client_closes_on_an_empty_topic_without_alias() {
    rejects(V5, "30 03 0000 00", &[0x82]);
}

#[test]
fn v5_u33_client_keeps_alias_mappings_apart() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    let alias = || prop::topic_alias(1);
    server.send(publish("a", "1").prop(alias()));
    server.send(publish("b", "2").prop(alias()));
    server.send(publish("a", "3"));
    server.send(publish("", "4").prop(alias()));
    let topics: Vec<_> = world.messages().iter().map(|m| m.topic().to_string()).collect();
    assert_eq!(topics, ["a", "b", "a", "b"]);
}

#[test]
fn v5_u39_client_takes_short_and_long_acknowledgements() {
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    for tail in [&[][..], &[0x10], &[0x00, 0x00]] {
        let token = world.publish("t", "x", 1).expect("a connection");
        let id = server.next_of(Kind::Publish).id();
        let body = [&id.to_be_bytes()[..], tail].concat();
        server.send(libmqtt_conformance::wire::packet(0x40, &body));
        assert!(matches!(world.outcome(token), Some(Outcome::Acknowledged(_))));
    }
}

#[test]
fn v5_u45_client_takes_short_disconnects() {
    for bytes in ["E0 00", "E0 01 8B", "E0 02 8B 00"] {
        let (world, mut server) = ClientWorld::online(V5, |_| {});
        server.send(bytes);
        server.expect_closed();
        assert!(world.events().iter().any(|event| matches!(event, Event::Disconnected(_))));
    }
}

#[test]
fn v5_u50_client_frees_id_and_quota_on_a_failing_pubrec() {
    let (world, mut server) = limited(prop::receive_maximum(1));
    for _ in 0..5 {
        world.publish("t", "x", 2).expect("a queue");
    }
    for _ in 0..5 {
        let id = server.next_of(Kind::Publish).id();
        server.expect_nothing();
        server.send(pubrec(id).reason(0x97));
    }
    server.expect_nothing();
}

#[test]
fn v5_u55_client_widens_no_window_for_surplus_acknowledgements() {
    let (_world, mut server) = swamped(2);
    let flying = server.drain();
    for id in 100..110 {
        server.send(puback(id));
        server.send(pubcomp(id));
    }
    server.expect_nothing();
    flying.iter().for_each(|seen| server.acknowledge(seen));
    assert_eq!(server.drain().len(), 2);
}

#[test]
fn v5_u07_client_closes_on_properties_that_the_packet_may_not_carry() {
    for (id, property) in super::each_property() {
        if !matches!(id, 0x01..=0x03 | 0x08 | 0x09 | 0x0B | 0x23) {
            rejects(V5, publish("t", "x").prop(property.clone()), &[0x81, 0x82]);
        }
        if id != 0x1F {
            rejects(V5, puback(1).prop(property.clone()), &[0x81, 0x82]);
            rejects(V5, suback(1, &[0]).prop(property.clone()), &[0x81, 0x82]);
        }
        if !matches!(id, 0x1C | 0x1F) {
            rejects(V5, disconnect(0x8B).prop(property.clone()), &[0x81, 0x82]);
        }
        if !matches!(id, 0x11..=0x13 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F | 0x21 | 0x22 | 0x24 | 0x25 | 0x27..)
        {
            let (mut server, _) = ClientWorld::new(V5, |_| {}).dial();
            server.send(connack(false, 0).prop(property));
            server.drain();
            server.expect_closed();
        }
    }
}

#[test]
fn v5_u08_client_closes_on_property_sections_that_do_not_add_up() {
    for wrong in ["30 05 0001 74 05 78", "30 08 0001 74 03 02 0000 78", "30 05 0001 74 80 80"] {
        rejects(V5, wrong, &[0x81, 0x82]);
    }
    rejects(V5, "40 05 0001 00 09 1F", &[0x81, 0x82]);
}

#[test]
fn v5_u09_client_takes_properties_in_any_order() {
    let properties = [
        prop::message_expiry(9),
        prop::content_type("a"),
        prop::user("k", "v"),
        prop::payload_format(1),
    ];
    let (world, mut server) = ClientWorld::online(V5, |_| {});
    for start in 0..4 {
        let rotated = (0..4).map(|n| properties[(start + n) % 4].clone());
        server.send(rotated.fold(publish("t", "x"), |packet, property| packet.prop(property)));
    }
    let messages = world.messages();
    assert_eq!(messages.len(), 4);
    assert!(messages.iter().all(|m| m.properties().content_type() == Some("a")));
}

#[test]
fn v5_u47_client_closes_after_disconnect() {
    mqtt_4_13_2_1_client_closes_when_the_server_reports_an_error();
}

#[test]
fn v5_u48_client_closes_on_auth_without_method() {
    mqtt_4_12_0_7_client_sends_no_auth_without_a_method();
    for wrong in [auth(0x18), auth(0x18).prop(prop::auth_method("other"))] {
        let (_world, mut server, _) = reauthenticating();
        server.send(wrong);
        server.expect_thrown_out(&[0x82, 0x8C]);
    }
}

#[test]
fn v5_u57_client_carries_traffic_during_re_authentication() {
    let (world, mut server, _) = reauthenticating();
    world.publish("t", "x", 0).expect("a connection");
    server.expect(publish("t", "x"));
    server.deliver(publish("t", "y").qos(1, 3), 1, 3);
    server.send(challenge(0x00, ""));
    server.expect_nothing();
}
