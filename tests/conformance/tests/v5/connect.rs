//! Chapter 3.1: CONNECT.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Connect, First, Kind, Will, Wire, prop, publish, subscribe};
use libmqtt_conformance::{Peer, Rules, World, secs};
use libmqtt_engine::Verdict;
use libmqtt_engine::codec::Reason;

use crate::duty::{connect, keep_alive, refuses_connect, session, text, throws_out, will};

same! { V5;
    mqtt_3_1_0_1_broker_closes_when_connect_does_not_come_first: connect::broker_closes_when_connect_does_not_come_first;
    mqtt_3_1_0_2_broker_closes_on_a_second_connect: connect::broker_closes_on_a_second_connect;
    mqtt_3_1_2_1_broker_refuses_other_protocol_names: connect::broker_refuses_other_protocol_names;
    mqtt_3_1_2_3_broker_closes_on_the_reserved_flag: connect::broker_closes_on_the_reserved_flag;
    mqtt_3_1_2_4_broker_starts_afresh_with_clean_start: session::broker_starts_afresh_with_clean_start;
    mqtt_3_1_2_5_broker_resumes_a_session: session::broker_resumes_a_session;
    mqtt_3_1_2_6_broker_creates_a_session_when_there_is_none: session::broker_creates_a_session_when_there_is_none;
    mqtt_3_1_2_7_broker_publishes_the_will_when_the_connection_breaks: will::broker_publishes_the_will_when_the_connection_breaks;
    mqtt_3_1_2_8_broker_publishes_the_will_on_every_end_but_a_goodbye: will::broker_publishes_the_will_on_every_other_end;
    mqtt_3_1_2_8_broker_discards_the_will_on_disconnect: will::broker_discards_the_will_on_disconnect;
    mqtt_3_1_2_9_broker_uses_all_of_the_will: connect::broker_uses_all_of_the_will;
    mqtt_3_1_2_10_broker_forgets_the_will_after_use: will::broker_forgets_the_will_after_use;
    mqtt_3_1_2_11_broker_closes_on_will_qos_without_will_flag: connect::broker_closes_on_will_qos_without_will_flag;
    mqtt_3_1_2_12_broker_closes_on_will_qos_3: connect::broker_closes_on_will_qos_3;
    mqtt_3_1_2_13_broker_closes_on_will_retain_without_will_flag: connect::broker_closes_on_will_retain_without_will_flag;
    mqtt_3_1_2_14_broker_does_not_retain_a_plain_will: will::broker_does_not_retain_a_plain_will;
    mqtt_3_1_2_15_broker_retains_a_retained_will: will::broker_retains_a_retained_will;
    mqtt_3_1_2_16_broker_closes_on_surplus_user_name: connect::broker_closes_on_surplus_user_name;
    mqtt_3_1_2_17_broker_closes_on_missing_user_name: connect::broker_closes_on_missing_user_name;
    mqtt_3_1_2_18_broker_closes_on_surplus_password: connect::broker_closes_on_surplus_password;
    mqtt_3_1_2_19_broker_closes_on_missing_password: connect::broker_closes_on_missing_password;
    mqtt_3_1_2_22_broker_closes_after_one_and_a_half_keep_alive: keep_alive::broker_closes_after_one_and_a_half_keep_alive;
    mqtt_3_1_3_1_broker_reads_the_payload_in_order: connect::broker_reads_the_payload_in_order;
    mqtt_3_1_3_2_broker_tells_sessions_by_client_id: session::broker_tells_sessions_by_client_id;
    mqtt_3_1_3_3_broker_closes_without_client_id: connect::broker_closes_without_client_id;
    mqtt_3_1_3_4_broker_closes_on_ill_formed_client_id: text::broker_closes_on_ill_formed_client_id;
    mqtt_3_1_3_5_broker_accepts_ids_of_1_to_23_letters_and_digits: connect::broker_accepts_ids_of_1_to_23_letters_and_digits;
    mqtt_3_1_3_6_broker_assigns_distinct_ids: connect::broker_assigns_distinct_ids;
    mqtt_3_1_3_11_broker_closes_on_ill_formed_will_topic: text::broker_closes_on_ill_formed_will_topic;
    mqtt_3_1_3_12_broker_closes_on_ill_formed_user_name: text::broker_closes_on_ill_formed_user_name;
    mqtt_3_1_4_1_broker_closes_on_malformed_connect: connect::broker_closes_on_malformed_connect;
    mqtt_3_1_4_2_broker_refuses_wrong_credentials: connect::broker_refuses_wrong_credentials;
    mqtt_3_1_4_3_broker_lets_the_new_connection_take_over: connect::broker_lets_the_new_connection_take_over;
    mqtt_3_1_4_4_broker_starts_afresh_with_clean_start: session::broker_starts_afresh_with_clean_start;
    mqtt_3_1_4_4_broker_resumes_a_session: session::broker_resumes_a_session;
    mqtt_3_1_4_5_broker_accepts_a_valid_connect: connect::broker_accepts_a_valid_connect;
    mqtt_3_1_4_6_broker_ignores_what_follows_a_refused_connect: connect::broker_ignores_what_follows_a_refused_connect;
}

#[test]
fn mqtt_3_1_2_2_broker_refuses_other_levels() {
    for level in [6, 7, 100, 255] {
        let mut peer = World::new().open(V5);
        peer.send(Connect::new("c").level(level));
        peer.expect_refused(&[0x84, 0x01]);
    }
}

fn delayed(delay: u32, expiry: u32) -> Connect {
    let will = Will::new("w", "gone").prop(prop::will_delay(delay));
    Connect::new("c").clean(false).prop(prop::session_expiry(expiry)).will(will)
}

fn watched() -> (World, Peer) {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    sub.subscribe("w", 0);
    (world, sub)
}

#[test]
fn mqtt_3_1_2_8_broker_waits_for_the_will_delay() {
    let (world, mut sub) = watched();
    world.connect_with(V5, delayed(5, 60)).cut();
    world.advance(secs(4));
    sub.expect_nothing();
    world.advance(secs(2));
    sub.expect_message("w", "gone", 0);
}

#[test]
fn mqtt_3_1_2_8_broker_waits_no_longer_than_the_session() {
    let (world, mut sub) = watched();
    world.connect_with(V5, delayed(100, 5)).cut();
    world.advance(secs(4));
    sub.expect_nothing();
    world.advance(secs(2));
    sub.expect_message("w", "gone", 0);
    world.connect_with(V5, delayed(100, 0)).cut();
    sub.expect_message("w", "gone", 0);
    world.connect_with(V5, delayed(100, 60)).cut();
    let _afresh = world.connect(V5, "c"); // Clean Start ends the session
    sub.expect_message("w", "gone", 0);
}

#[test]
fn mqtt_3_1_2_8_broker_publishes_the_will_on_disconnect_0x04_and_errors() {
    let (world, mut sub) = watched();
    for code in [0x04, 0x80, 0x82, 0x99] {
        let mut peer = world.connect_with(V5, delayed(0, 0));
        peer.disconnect(code);
        peer.expect_closed();
        sub.expect_message("w", "gone", 0);
    }
}

#[test]
fn mqtt_3_1_2_19_broker_accepts_a_password_alone() {
    let rules = Rules::default().authenticate(|a| match (a.password, &a.client.user_name) {
        (Some(b"p"), None) => Verdict::Allow,
        _ => Verdict::Deny(Reason::NotAuthorized),
    });
    World::ruled(rules, |_| {}).connect_with(V5, Connect::new("c").password("p")).expect_alive();
}

#[test]
fn mqtt_3_1_2_23_broker_keeps_the_session_until_it_expires() {
    let world = World::new();
    let expiry = |seconds| Connect::new("c").clean(false).prop(prop::session_expiry(seconds));
    let mut peer = world.connect_with(V5, expiry(60));
    peer.subscribe("t", 1);
    peer.cut();
    world.advance(secs(59));
    let mut peer = world.connect_with(V5, expiry(60));
    assert!(peer.connack().session_present());
    peer.publish("t", "x", 1);
    peer.expect_message("t", "x", 1);
    peer.bye();
    world.advance(secs(59));
    assert!(world.connect_with(V5, expiry(60)).connack().session_present());
}

/// A client that takes at most this many bytes, subscribed to `t`, and a publisher.
fn narrow(limit: u32) -> (World, Peer, Peer) {
    let world = World::new();
    let mut sub =
        world.connect_with(V5, Connect::keep(V5, "sub").prop(prop::maximum_packet_size(limit)));
    sub.subscribe("t", 2);
    let publ = world.connect(V5, "pub");
    (world, sub, publ)
}

#[test]
fn mqtt_3_1_2_24_broker_sends_no_packet_that_is_too_large() {
    let (_world, mut sub, mut publ) = narrow(60);
    for payload in [1, 40, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 60, 1000] {
        for qos in 0..3 {
            publ.publish("t", &"x".repeat(payload), qos);
            publ.publish("t", "small", qos);
            let largest = sub.drain().iter().map(|seen| seen.bytes.len()).max();
            assert!(largest.is_some_and(|size| size <= 60));
        }
    }
    publ.publish("t", &"x".repeat(60 - 8), 1);
    assert_eq!(sub.next_publish().bytes.len(), 60);
}

/// With a Receive Maximum of 2, too large messages would soon block if they were held.
#[test]
fn mqtt_3_1_2_25_broker_treats_a_too_large_message_as_sent() {
    let world = World::new();
    let narrow =
        Connect::keep(V5, "sub").prop(prop::maximum_packet_size(60)).prop(prop::receive_maximum(2));
    let mut sub = world.connect_with(V5, &narrow);
    sub.subscribe("t", 2);
    let mut publ = world.connect(V5, "pub");
    for n in 0..10 {
        publ.publish("t", &"x".repeat(100), 1 + n % 2);
        publ.publish("t", &n.to_string(), 1 + n % 2);
        sub.expect_message("t", &n.to_string(), 1 + n % 2);
    }
    sub.expect_nothing();
    sub.cut();
    world.connect_with(V5, Connect::keep(V5, "sub")).expect_nothing();
}

/// Aliases that a client with this Topic Alias Maximum sees; none if it says nothing.
fn aliases(maximum: Option<u16>) -> Vec<u32> {
    let world = World::new();
    let mut connect = Connect::new("sub");
    if let Some(maximum) = maximum {
        connect = connect.prop(prop::topic_alias_maximum(maximum));
    }
    let mut sub = world.connect_with(V5, connect);
    sub.subscribe("#", 1);
    let mut publ = world.connect(V5, "pub");
    for n in 0..60 {
        publ.publish(&format!("topic/{}", n % 20), "x", n % 2);
    }
    let seen = sub.drain();
    assert_eq!(seen.len(), 60);
    seen.iter().filter_map(|seen| seen.number(0x23)).collect()
}

#[test]
fn mqtt_3_1_2_26_broker_keeps_within_the_topic_alias_maximum() {
    for maximum in [1, 2, 5, 65535] {
        let used = aliases(Some(maximum));
        assert!(used.iter().all(|alias| (1..=u32::from(maximum)).contains(alias)));
        assert!(!used.is_empty(), "the broker assigns aliases");
    }
}

#[test]
fn mqtt_3_1_2_27_broker_uses_no_alias_without_being_allowed() {
    assert!(aliases(None).is_empty());
    assert!(aliases(Some(0)).is_empty());
}

#[test]
fn mqtt_3_1_2_28_broker_gives_response_information_only_when_asked() {
    let world = World::with(|config| config.response_information = Some("here".into()));
    let ask = |value| Connect::new("c").prop(prop::request_response_information(value));
    assert_eq!(world.connect(V5, "c").connack().prop(0x1A), None);
    assert_eq!(world.connect_with(V5, ask(0)).connack().prop(0x1A), None);
    assert_eq!(world.connect_with(V5, ask(1)).connack().prop(0x1A), Some(b"here".to_vec()));
}

#[test]
fn mqtt_3_1_2_29_broker_spares_problem_information() {
    let rules = Rules::default()
        .deny_publish("no", Reason::NotAuthorized)
        .deny_subscribe("no", Reason::NotAuthorized);
    let world = World::ruled(rules, |_| {});
    let quiet = Connect::new("c").prop(prop::request_problem_information(0));
    let mut peer = world.connect_with(V5, quiet);
    peer.send(publish("no", "x").qos(1, 1));
    peer.send(publish("no", "x").qos(2, 2));
    peer.send(libmqtt_conformance::wire::pubrel(77));
    peer.send(subscribe(3).filter("no", 0).filter("a+", 0));
    peer.send(libmqtt_conformance::wire::unsubscribe(4).filter("never"));
    let seen = peer.drain();
    assert_eq!(seen.len(), 5);
    for seen in seen {
        assert!(seen.prop(0x1F).is_none() && seen.prop(0x26).is_none(), "{seen:?}");
    }
}

#[test]
fn mqtt_3_1_3_7_broker_resumes_the_session_of_an_assigned_id() {
    let world = World::new();
    let mut peer = world.connect_with(V5, Connect::keep(V5, ""));
    let id = peer.connack().prop(0x12).expect("an Assigned Client Identifier");
    peer.subscribe("t", 1);
    peer.cut();
    let mut peer = world.connect_with(V5, Connect::keep(V5, &id));
    assert!(peer.connack().session_present());
    assert_eq!(peer.connack().prop(0x12), None);
    peer.publish("t", "x", 1);
    peer.expect_message("t", "x", 1);
}

#[test]
fn mqtt_3_1_3_8_broker_refuses_an_id_that_its_host_rejects() {
    let rules = Rules::default().authenticate(|a| match &*a.client.client_id {
        "bad" => Verdict::Deny(Reason::ClientIdentifierNotValid),
        _ => Verdict::Allow,
    });
    let world = World::ruled(rules, |_| {});
    let mut peer = world.open(V5);
    peer.send(Connect::new("bad"));
    assert_eq!(peer.next_of(Kind::ConnAck).reason(), 0x85);
    peer.expect_closed();
    let mut peer = World::with(|config| config.assign_client_ids = false).open(V5);
    peer.send(Connect::new(""));
    peer.expect_refused(&[0x85]);
}

#[test]
fn mqtt_3_1_3_9_broker_spares_the_will_of_a_client_that_comes_back() {
    let (world, mut sub) = watched();
    world.connect_with(V5, delayed(5, 60)).cut();
    world.advance(secs(1));
    let back =
        world.connect_with(V5, Connect::new("c").clean(false).prop(prop::session_expiry(60)));
    world.advance(secs(100));
    sub.expect_nothing();
    back.cut();
    world.advance(secs(100));
    sub.expect_nothing();
}

#[test]
fn mqtt_3_1_2_8_broker_spares_the_will_of_a_client_that_comes_back() {
    mqtt_3_1_3_9_broker_spares_the_will_of_a_client_that_comes_back();
}

#[test]
fn mqtt_3_1_3_10_broker_keeps_the_order_of_the_wills_user_properties() {
    let (world, mut sub) = watched();
    let mut will = Will::new("w", "gone");
    let pairs = [("b", "2"), ("a", "1"), ("b", "1"), ("", ""), ("a", "1")];
    let mut wanted = publish("w", "gone");
    for (name, value) in pairs {
        will = will.prop(prop::user(name, value));
        wanted = wanted.prop(prop::user(name, value));
    }
    world.connect_with(V5, Connect::new("c").will(will)).cut();
    sub.expect(wanted);
}

/// Wrong CONNECTs that only 5.0 has.
#[test]
fn mqtt_3_1_4_1_broker_closes_on_wrong_connect_properties() {
    let c = || Connect::new("c");
    for wrong in [
        c().prop(prop::receive_maximum(0)),
        c().prop(prop::maximum_packet_size(0)),
        c().prop(prop::request_problem_information(2)),
        c().prop(prop::request_response_information(2)),
        c().prop(prop::auth_data("data")),
        c().prop(prop::session_expiry(1)).prop(prop::session_expiry(1)),
        c().prop(prop::topic_alias_maximum(1)).prop(prop::topic_alias_maximum(1)),
        c().will(Will::new("w", "").prop(prop::will_delay(1)).prop(prop::will_delay(1))),
        c().will(Will::new("w", "").prop(prop::payload_format(2))),
        c().will(Will::new("w", "").prop(prop::response_topic("a/#"))),
    ] {
        refuses_connect(V5, wrong, &[0x81, 0x82]);
    }
    refuses_connect(V5, c().prop(prop::topic_alias(1)), &[0x81, 0x82]);
    refuses_connect(V5, c().will(Will::new("w", "").prop(prop::topic_alias(1))), &[0x81, 0x82]);
    refuses_connect(V5, First(0x12, c().wire(V5)), &[0x81]);
    throws_out(V5, Connect::new("c"), &[0x82]);
}
