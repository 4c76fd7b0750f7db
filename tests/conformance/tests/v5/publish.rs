//! Chapter 3.3: PUBLISH.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Connect, Kind, Publish, prop, puback, publish, subscribe};
use libmqtt_conformance::{Peer, World, secs};

use crate::duty::{header, publish as duty, retain, text, throws_out};

same! { V5;
    mqtt_3_3_1_1_broker_sets_dup_when_it_sends_again: duty::broker_sets_dup_when_it_sends_again;
    mqtt_3_3_1_2_broker_never_sets_dup_at_qos_0: duty::broker_never_sets_dup_at_qos_0;
    mqtt_3_3_1_2_broker_closes_on_dup_at_qos_0: duty::broker_closes_on_dup_at_qos_0;
    mqtt_3_3_1_3_broker_does_not_pass_dup_on: duty::broker_does_not_pass_dup_on;
    mqtt_3_3_1_4_broker_closes_on_qos_3: header::broker_closes_on_qos_3;
    mqtt_3_3_1_5_broker_keeps_the_last_retained_message: retain::broker_keeps_the_last_retained_message;
    mqtt_3_3_1_6_broker_forwards_and_deletes_on_an_empty_retained_message: retain::broker_forwards_and_deletes_on_an_empty_retained_message;
    mqtt_3_3_1_7_broker_stores_no_empty_message: retain::broker_stores_no_empty_message;
    mqtt_3_3_1_8_broker_leaves_retained_messages_to_retained_publishes: retain::broker_leaves_retained_messages_to_retained_publishes;
    mqtt_3_3_1_9_broker_sends_every_matching_retained_message: retain::broker_sends_every_matching_retained_message;
    mqtt_3_3_1_12_broker_clears_retain_for_established_subscriptions: retain::broker_clears_retain_for_established_subscriptions;
    mqtt_3_3_2_1_broker_sends_the_topic_first: duty::broker_sends_the_topic_first;
    mqtt_3_3_2_2_broker_closes_on_wildcards_in_topics: duty::broker_closes_on_wildcards_in_topics;
    mqtt_3_3_2_3_broker_delivers_what_matches: duty::broker_delivers_what_matches;
    mqtt_3_3_2_3_broker_agrees_with_the_topic_vectors: crate::duty::topic::broker_agrees_with_the_topic_vectors;
    mqtt_3_3_4_1_broker_answers_by_qos: duty::broker_answers_by_qos;
    mqtt_3_3_4_2_broker_delivers_at_the_highest_qos_of_overlapping_filters: duty::broker_delivers_at_the_highest_qos_of_overlapping_filters;
}

/// A broker that keeps `A` under `t`.
fn keeping() -> World {
    let world = World::new();
    world.connect(V5, "pub").retain("t", "A", 1);
    world
}

#[test]
fn mqtt_3_3_1_10_broker_sends_retained_messages_to_new_subscriptions_only() {
    let world = keeping();
    let mut sub = world.connect_with(V5, Connect::keep(V5, "sub"));
    sub.subscribe("t", 0x11);
    sub.expect_message("t", "A", 1);
    sub.subscribe("t", 0x11);
    sub.subscribe("t", 0x12);
    sub.expect_nothing();
    sub.cut();
    let mut sub = world.connect_with(V5, Connect::keep(V5, "sub"));
    sub.subscribe("t", 0x11); // the session has it still
    sub.expect_nothing();
    sub.unsubscribe("t");
    sub.subscribe("t", 0x11);
    sub.expect_message("t", "A", 1);
}

#[test]
fn mqtt_3_3_1_11_broker_sends_no_retained_messages_when_asked_not_to() {
    let mut sub = keeping().connect(V5, "sub");
    sub.subscribe("t", 0x21);
    sub.subscribe("#", 0x20);
    sub.expect_nothing();
}

#[test]
fn mqtt_3_3_1_13_broker_forwards_retain_as_published() {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    sub.subscribe("t", 0x08);
    let mut publ = world.connect(V5, "pub");
    publ.retain("t", "A", 0);
    sub.expect(publish("t", "A").retain());
    publ.publish("t", "B", 0);
    sub.expect(publish("t", "B"));
}

/// A subscriber to everything, at QoS 0, and a publisher.
fn pair() -> (World, Peer, Peer) {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    sub.subscribe("#", 0);
    let publ = world.connect(V5, "pub");
    (world, sub, publ)
}

/// These messages come out as they went in: live, out of the queue, and retained.
#[track_caller]
fn check_unaltered(messages: &[Publish]) {
    let (world, mut sub, mut publ) = pair();
    let mut away = world.connect_with(V5, Connect::keep(V5, "away"));
    away.subscribe("#", 2);
    away.cut();
    for message in messages {
        publ.send(message);
        sub.expect(message);
        publ.send(message.clone().qos(1, 1));
        publ.expect_ack(Kind::PubAck, 1);
        sub.expect(message);
    }
    let mut away = world.connect_with(V5, Connect::keep(V5, "away"));
    for message in messages {
        let id = away.next_publish().id();
        let seen = away.log().last().expect("a packet").clone();
        assert_eq!(
            seen.bytes,
            libmqtt_conformance::wire::Wire::wire(&message.clone().qos(1, id), V5)
        );
        away.acknowledge(&seen);
        publ.send(message.clone().retain());
        let mut late = world.connect(V5, "late");
        late.subscribe("t", 0);
        late.expect(message.clone().retain());
    }
}

#[test]
fn mqtt_3_3_2_4_broker_forwards_the_payload_format_indicator() {
    check_unaltered(&[
        publish("t", "x").prop(prop::payload_format(0)),
        publish("t", "x").prop(prop::payload_format(1)),
        publish("t", "x"),
    ]);
}

#[test]
fn mqtt_3_3_2_15_broker_forwards_the_response_topic() {
    check_unaltered(&[publish("t", "x").prop(prop::response_topic("answers/ä/1"))]);
}

#[test]
fn mqtt_3_3_2_16_broker_forwards_the_correlation_data() {
    let values: [&[u8]; 4] = [b"", b"\0\xFF", b"abc", &[0x80; 5000]];
    check_unaltered(&values.map(|v| publish("t", "x").prop(prop::correlation_data(v))));
}

/// Several, with repeated and empty names and values.
fn many_pairs() -> Publish {
    [("z", "1"), ("a", "2"), ("z", "1"), ("", ""), ("a", ""), ("", "v"), ("ü", "日本")]
        .iter()
        .fold(publish("t", "x"), |message, (name, value)| message.prop(prop::user(name, value)))
}

#[test]
fn mqtt_3_3_2_17_broker_forwards_all_user_properties() {
    check_unaltered(&[many_pairs()]);
}

#[test]
fn mqtt_3_3_2_18_broker_keeps_the_order_of_user_properties() {
    let reverse = publish("t", "x").prop(prop::user("b", "2")).prop(prop::user("a", "1"));
    check_unaltered(&[reverse, many_pairs()]);
}

#[test]
fn mqtt_3_3_2_20_broker_forwards_the_content_type() {
    let values = ["", "text/plain; charset=utf-8", "no MIME type at all"];
    check_unaltered(&values.map(|v| publish("t", "x").prop(prop::content_type(v))));
}

#[test]
fn mqtt_3_3_2_5_broker_deletes_what_expires_before_delivery() {
    let world = World::new();
    let mut sub = world.connect_with(V5, Connect::keep(V5, "sub"));
    sub.subscribe("t", 1);
    sub.cut();
    let mut publ = world.connect(V5, "pub");
    publ.deliver(publish("t", "short").qos(1, 1).prop(prop::message_expiry(1)), 1, 1);
    publ.deliver(publish("t", "long").qos(1, 2).prop(prop::message_expiry(60)), 1, 2);
    publ.deliver(publish("t", "kept").qos(1, 3).retain().prop(prop::message_expiry(1)), 1, 3);
    world.advance(secs(2));
    let mut sub = world.connect_with(V5, Connect::keep(V5, "sub"));
    assert_eq!(sub.messages(), ["t long"]);
    let mut late = world.connect(V5, "late");
    late.subscribe("t", 0);
    late.expect_nothing();
}

#[test]
fn mqtt_3_3_2_6_broker_subtracts_the_waiting_time() {
    let world = World::new();
    let mut sub = world.connect_with(V5, Connect::keep(V5, "sub"));
    sub.subscribe("t", 1);
    sub.cut();
    let mut publ = world.connect(V5, "pub");
    publ.deliver(publish("t", "x").qos(1, 1).retain().prop(prop::message_expiry(10)), 1, 1);
    world.advance(secs(2));
    let mut sub = world.connect_with(V5, Connect::keep(V5, "sub"));
    assert!(matches!(sub.next_publish().number(0x02), Some(7..=8)));
    let mut late = world.connect(V5, "late");
    late.subscribe("t", 0);
    assert!(matches!(late.next_publish().number(0x02), Some(7..=8)));
}

#[test]
fn mqtt_3_3_2_7_broker_forgets_aliases_with_the_connection() {
    let world = World::new();
    let keep = Connect::keep(V5, "c");
    let mut peer = world.connect_with(V5, &keep);
    peer.send(publish("t", "x").prop(prop::topic_alias(1)));
    peer.send(publish("", "y").prop(prop::topic_alias(1)));
    peer.expect_alive();
    peer.cut();
    let mut peer = world.connect_with(V5, &keep);
    peer.send(publish("", "z").prop(prop::topic_alias(1)));
    peer.expect_thrown_out(&[0x82]);
}

#[test]
fn mqtt_3_3_2_7_broker_maps_its_aliases_anew_on_every_connection() {
    let world = World::new();
    let connect = Connect::keep(V5, "sub").prop(prop::topic_alias_maximum(5));
    let mut publ = world.connect(V5, "pub");
    let mut sub = world.connect_with(V5, &connect);
    sub.subscribe("t", 1);
    for _ in 0..3 {
        for n in 0..5 {
            publ.publish("t", "x", 1);
            let seen = sub.next_publish();
            assert!(n > 0 || seen.topic() == b"t", "{seen:?}");
            sub.acknowledge(&seen);
        }
        sub = world.connect_with(V5, &connect);
    }
}

#[test]
fn mqtt_3_3_2_8_broker_never_sends_alias_0() {
    throws_out(V5, publish("t", "x").prop(prop::topic_alias(0)), &[0x94]);
    let world = World::new();
    let mut sub = world.connect_with(V5, Connect::new("s").prop(prop::topic_alias_maximum(3)));
    sub.subscribe("#", 0);
    for n in 0..30 {
        sub.publish(&format!("t/{}", n % 7), "x", 0);
        assert_ne!(sub.next_publish().number(0x23), Some(0));
    }
}

#[test]
fn mqtt_3_3_2_9_broker_closes_on_an_alias_above_its_maximum() {
    let world = World::with(|config| config.topic_alias_maximum = 10);
    for alias in [11, 12, 65535] {
        let mut peer = world.connect(V5, "c");
        assert_eq!(peer.connack().number(0x22), Some(10));
        peer.send(publish("t", "x").prop(prop::topic_alias(alias)));
        peer.expect_thrown_out(&[0x94]);
    }
    let world = World::with(|config| config.topic_alias_maximum = 0);
    let mut peer = world.connect(V5, "c");
    assert!(matches!(peer.connack().number(0x22), None | Some(0)));
    peer.send(publish("t", "x").prop(prop::topic_alias(1)));
    peer.expect_thrown_out(&[0x94]);
}

#[test]
fn mqtt_3_3_2_11_broker_keeps_its_aliases_within_the_clients_maximum() {
    let world = World::new();
    let mut sub = world.connect_with(V5, Connect::new("s").prop(prop::topic_alias_maximum(2)));
    sub.subscribe("#", 0);
    let mut map = [None, None, None];
    for n in 0..50 {
        let topic = format!("t/{}", n % 5).into_bytes();
        sub.send(publish(&topic, "x"));
        let seen = sub.next_publish();
        let alias = seen.number(0x23).unwrap_or(0) as usize;
        assert!(alias <= 2);
        if !seen.topic().is_empty() {
            assert_eq!(seen.topic(), topic);
            map[alias] = Some(topic);
        } else {
            assert_eq!(map[alias], Some(topic), "alias {alias} means another topic");
        }
    }
}

#[test]
fn mqtt_3_3_2_12_broker_accepts_aliases_up_to_its_maximum() {
    let world = World::with(|config| config.topic_alias_maximum = 10);
    let mut peer = world.connect(V5, "c");
    peer.subscribe("#", 0);
    for alias in 1..=10 {
        let topic = format!("t/{alias}");
        peer.send(publish(&topic, "one").prop(prop::topic_alias(alias)));
        peer.expect(publish(&topic, "one"));
    }
    for alias in 1..=10 {
        peer.send(publish("", "two").prop(prop::topic_alias(alias)));
        peer.expect(publish(format!("t/{alias}"), "two"));
    }
    peer.send(publish("new", "three").prop(prop::topic_alias(10)));
    peer.expect(publish("new", "three"));
    peer.send(publish("", "four").prop(prop::topic_alias(10)));
    peer.expect(publish("new", "four"));
}

#[test]
fn mqtt_3_3_2_13_broker_closes_on_an_ill_formed_response_topic() {
    throws_out(V5, publish("t", "x").prop(prop::response_topic([0xC3])), &[0x81]);
    check_unaltered(&[publish("t", "x").prop(prop::response_topic("wohlgeformt/ß"))]);
}

#[test]
fn mqtt_3_3_2_14_broker_closes_on_wildcards_in_a_response_topic() {
    for topic in ["a/#", "+", "a/+/b", "#"] {
        throws_out(V5, publish("t", "x").prop(prop::response_topic(topic)), &[0x82, 0x81, 0x90]);
    }
}

#[test]
fn mqtt_3_3_2_19_broker_closes_on_an_ill_formed_content_type() {
    throws_out(V5, publish("t", "x").prop(prop::content_type([0xC3])), &[0x81]);
    text::broker_closes_on_ill_formed_utf8(V5);
}

/// Subscribes with an identifier.
fn identified(sub: &mut Peer, filter: &str, id: usize) {
    sub.send(subscribe(1).filter(filter, 1).prop(prop::subscription_id(id)));
    sub.next_of(Kind::SubAck);
}

/// The identifiers in all copies of one message.
fn ids_of(sub: &mut Peer) -> Vec<Vec<u8>> {
    let mut ids: Vec<_> = sub.drain().iter().flat_map(|seen| seen.all(0x0B)).collect();
    ids.sort();
    ids
}

#[test]
fn mqtt_3_3_4_3_broker_sends_the_identifiers_of_overlapping_subscriptions() {
    let mut sub = World::new().connect(V5, "sub");
    identified(&mut sub, "a/#", 1);
    identified(&mut sub, "a/b", 2);
    identified(&mut sub, "a/+", 3);
    sub.subscribe("#", 0);
    sub.send(publish("a/b", "x"));
    assert_eq!(ids_of(&mut sub), [[1], [2], [3]]);
    sub.send(publish("a", "x"));
    assert_eq!(ids_of(&mut sub), [[1]]);
    sub.send(publish("b", "x"));
    assert!(ids_of(&mut sub).is_empty());
}

#[test]
fn mqtt_3_3_4_4_broker_puts_all_identifiers_into_a_single_copy() {
    let mut sub = World::new().connect(V5, "sub");
    identified(&mut sub, "a/#", 200);
    identified(&mut sub, "a/b", 2);
    identified(&mut sub, "+/b", 2);
    sub.send(publish("a/b", "x"));
    let copies = sub.drain();
    assert_eq!(copies.len(), 1, "this broker sends one copy");
    let mut ids = copies[0].all(0x0B);
    ids.sort();
    assert_eq!(ids, [vec![2], vec![2], vec![0xC8, 0x01]]);
}

/// Where one of two filters is No Local, others' messages come by both and own ones by one.
#[test]
fn mqtt_3_3_4_4_broker_counts_no_local_subscriptions_for_others_only() {
    let world = World::new();
    let mut sub = world.connect(V5, "sub");
    sub.send(subscribe(1).filter("a/b", 0x05).prop(prop::subscription_id(1)));
    sub.next_of(Kind::SubAck);
    identified(&mut sub, "a/#", 2);
    let mut copy = |from: Option<&mut Peer>| {
        from.unwrap_or(&mut sub).send(publish("a/b", "x"));
        let copies = sub.drain();
        assert_eq!(copies.len(), 1, "{copies:?}");
        let mut ids = copies[0].all(0x0B);
        ids.sort();
        ids.concat()
    };
    assert_eq!(copy(Some(&mut world.connect(V5, "pub"))), [1, 2]);
    assert_eq!(copy(None), [2]);
}

#[test]
fn mqtt_3_3_4_6_broker_closes_on_a_subscription_identifier_in_publish() {
    throws_out(V5, publish("t", "x").prop(prop::subscription_id(1)), &[0x82]);
}

#[test]
fn mqtt_3_3_4_7_broker_closes_when_its_receive_maximum_is_exceeded() {
    let world = World::with(|config| config.receive_maximum = 3);
    let mut peer = world.connect(V5, "c");
    assert_eq!(peer.connack().number(0x21), Some(3));
    for id in 1..=3 {
        peer.send(publish("t", "x").qos(2, id));
        peer.expect_ack(Kind::PubRec, id);
    }
    peer.send(publish("t", "x").qos(2, 3).dup()); // no new message
    peer.expect_ack(Kind::PubRec, 3);
    peer.send(publish("t", "x").qos(2, 4));
    peer.expect_thrown_out(&[0x93]);
}

/// A client with this Receive Maximum that holds back its acknowledgements, and ten messages.
fn swamped(maximum: u16) -> (World, Peer, Peer) {
    let world = World::new();
    let connect = Connect::keep(V5, "sub").prop(prop::receive_maximum(maximum));
    let mut sub = world.connect_with(V5, connect);
    sub.subscribe("t", 2);
    let mut publ = world.connect(V5, "pub");
    for n in 0..10 {
        publ.publish("t", &n.to_string(), 1 + n % 2);
    }
    (world, sub, publ)
}

#[test]
fn mqtt_3_3_4_9_broker_keeps_within_the_clients_receive_maximum() {
    for maximum in [1, 2, 7] {
        let (world, mut sub, _publ) = swamped(maximum);
        let first = sub.drain();
        assert_eq!(first.len(), usize::from(maximum));
        world.advance(secs(100));
        sub.expect_nothing();
        let mut waiting = first;
        let mut count = 0;
        while let Some(seen) = waiting.pop() {
            sub.acknowledge(&seen);
            count += 1;
            let more = sub.drain();
            assert!(more.len() <= 1);
            waiting.extend(more);
        }
        assert_eq!(count, 10);
    }
}

#[test]
fn mqtt_3_3_4_10_broker_delays_nothing_else_at_the_receive_maximum() {
    let (_world, mut sub, mut publ) = swamped(1);
    let held = sub.next_publish();
    sub.expect_alive();
    sub.subscribe("other", 0);
    sub.publish("elsewhere", "x", 2);
    sub.unsubscribe("never");
    publ.publish("other", "qos 0", 0);
    sub.expect_message("other", "qos 0", 0);
    sub.send(puback(held.id()));
    sub.next_publish();
}
