//! Chapter 4: operational behaviour.

use libmqtt_conformance::Version::V5;
use libmqtt_conformance::wire::{Connect, Kind, prop, puback, pubcomp, publish, pubrec, pubrel};
use libmqtt_conformance::{Peer, Rules, World, secs};
use libmqtt_engine::codec::Reason;

use crate::duty::{disconnect, order, publish as duty, qos, session, topic};

same! { V5;
    mqtt_4_1_0_1_broker_keeps_state_while_connected: session::broker_keeps_state_while_connected;
    mqtt_4_2_0_1_broker_takes_a_stream_of_bytes: disconnect::broker_takes_a_stream_of_bytes;
    mqtt_4_3_1_1_broker_sends_qos_0_plainly: qos::broker_sends_qos_0_plainly;
    mqtt_4_3_2_1_broker_sends_qos_1_with_a_new_id: qos::broker_sends_qos_1_with_a_new_id;
    mqtt_4_3_2_2_broker_sends_qos_1_first_without_dup: qos::broker_sends_qos_1_first_without_dup;
    mqtt_4_3_2_3_broker_holds_qos_1_until_puback: qos::broker_holds_qos_1_until_puback;
    mqtt_4_3_2_4_broker_acknowledges_qos_1: qos::broker_acknowledges_qos_1;
    mqtt_4_3_2_5_broker_takes_a_qos_1_id_again_after_puback: qos::broker_takes_a_qos_1_id_again_after_puback;
    mqtt_4_3_3_1_broker_sends_qos_2_with_a_new_id: qos::broker_sends_qos_2_with_a_new_id;
    mqtt_4_3_3_2_broker_sends_qos_2_first_without_dup: qos::broker_sends_qos_2_first_without_dup;
    mqtt_4_3_3_3_broker_holds_qos_2_until_pubrec: qos::broker_holds_qos_2_until_pubrec;
    mqtt_4_3_3_4_broker_answers_pubrec_with_pubrel: qos::broker_answers_pubrec_with_pubrel;
    mqtt_4_3_3_5_broker_holds_pubrel_until_pubcomp: qos::broker_holds_pubrel_until_pubcomp;
    mqtt_4_3_3_6_broker_sends_no_publish_again_after_pubrel: qos::broker_sends_no_publish_again_after_pubrel;
    mqtt_4_3_3_8_broker_answers_qos_2_with_pubrec: qos::broker_answers_qos_2_with_pubrec;
    mqtt_4_3_3_10_broker_delivers_a_repeated_qos_2_message_once: qos::broker_delivers_a_repeated_qos_2_message_once;
    mqtt_4_3_3_10_broker_knows_a_qos_2_message_after_a_reconnect: qos::broker_knows_a_qos_2_message_after_a_reconnect;
    mqtt_4_3_3_11_broker_answers_pubrel_with_pubcomp: qos::broker_answers_pubrel_with_pubcomp;
    mqtt_4_3_3_12_broker_takes_a_qos_2_id_again_after_pubcomp: qos::broker_takes_a_qos_2_id_again_after_pubcomp;
    mqtt_4_4_0_1_broker_sends_again_on_resumption_only: qos::broker_sends_again_on_resumption_only;
    mqtt_4_5_0_1_broker_adds_a_message_to_every_matching_session: session::broker_adds_a_message_to_every_matching_session;
    mqtt_4_6_0_5_broker_delivers_in_order: order::broker_delivers_in_order;
    mqtt_4_6_0_6_broker_orders_every_topic: order::broker_follows_the_ordering_rules;
    mqtt_4_7_0_1_broker_closes_on_wildcards_in_topics: duty::broker_closes_on_wildcards_in_topics;
    mqtt_4_7_1_1_broker_wants_multi_level_wildcards_alone_and_last: topic::broker_wants_multi_level_wildcards_alone_and_last;
    mqtt_4_7_1_2_broker_wants_single_level_wildcards_alone: topic::broker_wants_single_level_wildcards_alone;
    mqtt_4_7_2_1_broker_hides_dollar_topics_from_wildcards: topic::broker_hides_dollar_topics_from_wildcards;
    mqtt_4_7_3_1_broker_wants_at_least_one_character: topic::broker_wants_at_least_one_character;
    mqtt_4_7_3_2_broker_closes_on_nul_in_topics_and_filters: topic::broker_closes_on_nul_in_topics_and_filters;
    mqtt_4_7_3_3_broker_takes_topics_of_65535_bytes: topic::broker_takes_topics_of_65535_bytes;
    mqtt_4_7_3_4_broker_matches_without_normalising: topic::broker_matches_without_normalising;
}

#[test]
fn mqtt_4_1_0_2_broker_drops_the_state_of_an_expired_session() {
    let world = World::new();
    let expiring = Connect::new("c").clean(false).prop(prop::session_expiry(1));
    let mut peer = world.connect_with(V5, &expiring);
    peer.subscribe("t", 1);
    world.connect(V5, "pub").publish("t", "held", 1);
    peer.cut();
    world.connect(V5, "pub").publish("t", "queued", 1);
    world.advance(secs(2));
    let mut peer = world.connect_with(V5, &expiring);
    assert!(!peer.connack().session_present());
    world.connect(V5, "pub").publish("t", "new", 1);
    peer.expect_nothing();
    let mut gone = world.connect_with(V5, Connect::new("d").clean(false));
    gone.subscribe("t", 1);
    gone.bye();
    assert!(!world.connect_with(V5, Connect::new("d").clean(false)).connack().session_present());
}

/// A client with a lasting session, subscribed to `t`, and a publisher.
fn pair() -> (World, Peer, Peer) {
    let world = World::new();
    let mut sub = world.connect_with(V5, Connect::keep(V5, "sub"));
    sub.subscribe("t", 2);
    let publ = world.connect(V5, "pub");
    (world, sub, publ)
}

#[test]
fn mqtt_4_3_3_4_broker_ends_the_flow_on_a_failing_pubrec() {
    let (world, mut sub, mut publ) = pair();
    for code in [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] {
        publ.publish("t", "x", 2);
        let id = sub.next_publish().id();
        sub.send(pubrec(id).reason(code));
        sub.expect_alive();
    }
    sub.cut();
    world.connect_with(V5, Connect::keep(V5, "sub")).expect_nothing();
}

/// What has been sent once is sent again although it has expired.
#[test]
fn mqtt_4_3_3_7_broker_lets_nothing_expire_that_was_sent() {
    let (world, mut sub, mut publ) = pair();
    publ.deliver(publish("t", "x").qos(2, 1).prop(prop::message_expiry(1)), 2, 1);
    let first = sub.next_publish();
    sub.cut();
    world.advance(secs(5));
    let mut sub = world.connect_with(V5, Connect::keep(V5, "sub"));
    let again = sub.next_publish();
    assert_eq!((again.id(), again.dup(), again.payload()), (first.id(), true, &b"x"[..]));
    sub.acknowledge(&again);
    sub.expect_alive();
}

#[test]
fn mqtt_4_3_3_9_broker_takes_an_id_again_after_a_failing_pubrec() {
    let world = World::ruled(Rules::default().deny_publish("no", Reason::NotAuthorized), |_| {});
    let mut sub = world.connect(V5, "sub");
    sub.subscribe("#", 0);
    let mut publ = world.connect(V5, "pub");
    publ.send(publish("no", "x").qos(2, 5));
    publ.expect_ack_with(Kind::PubRec, 5, 0x87);
    publ.deliver(publish("yes", "y").qos(2, 5), 2, 5);
    sub.expect_message("yes", "y", 0);
    sub.expect_nothing();
}

#[test]
fn mqtt_4_3_3_13_broker_finishes_the_flow_of_an_expired_message() {
    let world = World::new();
    let mut publ = world.connect(V5, "pub");
    publ.send(publish("t", "x").qos(2, 1).prop(prop::message_expiry(1)));
    publ.expect_ack(Kind::PubRec, 1);
    world.advance(secs(5));
    publ.send(pubrel(1));
    publ.expect_ack_with(Kind::PubComp, 1, 0);
}

#[test]
fn mqtt_4_4_0_2_broker_takes_a_failing_acknowledgement_as_one() {
    let (world, mut sub, mut publ) = pair();
    for (qos, code) in [(1, 0x80), (1, 0x97), (2, 0x80), (2, 0x97)] {
        publ.publish("t", "x", qos);
        let id = sub.next_publish().id();
        match qos {
            1 => sub.send(puback(id).reason(code)),
            _ => sub.send(pubrec(id).reason(code)),
        }
    }
    sub.expect_alive();
    sub.cut();
    world.connect_with(V5, Connect::keep(V5, "sub")).expect_nothing();
}

/// A client with this Receive Maximum, and so many messages on their way to it.
fn window(maximum: u16, messages: u8) -> Peer {
    let world = World::new();
    let mut sub = world.connect_with(V5, Connect::new("sub").prop(prop::receive_maximum(maximum)));
    sub.subscribe("t", 2);
    let mut publ = world.connect(V5, "pub");
    (0..messages).for_each(|n| publ.publish("t", "x", 1 + n % 2));
    sub
}

#[test]
fn mqtt_4_9_0_1_broker_begins_with_the_receive_maximum_as_quota() {
    for maximum in [1, 2, 5, 20] {
        let sent = window(maximum, 30).drain().len();
        assert!((1..=usize::from(maximum)).contains(&sent));
    }
}

#[test]
fn mqtt_4_9_0_2_broker_sends_one_more_per_acknowledgement() {
    let mut sub = window(3, 30);
    let mut flying = sub.drain();
    assert_eq!(flying.len(), 3);
    for _ in 0..20 {
        let seen = flying.remove(0);
        match seen.qos() {
            1 => sub.send(puback(seen.id())),
            _ => {
                sub.send(pubrec(seen.id()));
                sub.expect(pubrel(seen.id()));
                sub.expect_nothing(); // PUBREC frees nothing
                sub.send(pubcomp(seen.id()));
            }
        }
        flying.push(sub.next_publish());
        sub.expect_nothing();
    }
}

#[test]
fn mqtt_4_9_0_3_broker_answers_everything_at_quota_0() {
    let mut sub = window(1, 10);
    let held = sub.next_publish();
    sub.expect_alive();
    sub.publish("elsewhere", "in", 2);
    sub.publish("elsewhere", "in", 1);
    sub.subscribe("more", 1);
    sub.unsubscribe("more");
    assert_eq!(held.payload(), b"x");
}

#[test]
fn v5_u55_broker_widens_no_window_for_surplus_acknowledgements() {
    let mut sub = window(2, 30);
    let flying = sub.drain();
    for id in 100..110 {
        sub.send(puback(id));
        sub.send(pubcomp(id));
    }
    for seen in &flying {
        match seen.qos() {
            1 => sub.send(puback(seen.id())),
            _ => {
                sub.send(pubrec(seen.id()).reason(0x80));
            }
        }
    }
    let more = sub.drain();
    assert_eq!(more.iter().filter(|seen| seen.kind() == Kind::Publish).count(), 2);
}

#[test]
fn v5_u50_broker_frees_id_and_quota_on_a_failing_pubrec() {
    let mut sub = window(1, 10);
    let first = sub.next_publish();
    sub.send(puback(first.id()));
    for _ in 0..5 {
        let seen = sub.next_publish();
        match seen.qos() {
            1 => sub.send(puback(seen.id())),
            _ => sub.send(pubrec(seen.id()).reason(0x97)),
        }
    }
    sub.next_publish();
    sub.expect_nothing();
}
