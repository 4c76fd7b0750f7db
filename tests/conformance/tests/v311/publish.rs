//! Chapters 3.3 and 3.6: PUBLISH, PUBREL.

use libmqtt_conformance::Version::V311;
use libmqtt_conformance::wire::{Kind, publish, pubrel};
use libmqtt_conformance::{Rules, World};
use libmqtt_engine::codec::Reason;

use crate::duty::{header, publish as duty, retain};

same! { V311;
    mqtt_3_3_1_1_broker_sets_dup_when_it_sends_again: duty::broker_sets_dup_when_it_sends_again;
    mqtt_3_3_1_2_broker_never_sets_dup_at_qos_0: duty::broker_never_sets_dup_at_qos_0;
    mqtt_3_3_1_2_broker_closes_on_dup_at_qos_0: duty::broker_closes_on_dup_at_qos_0;
    mqtt_3_3_1_3_broker_does_not_pass_dup_on: duty::broker_does_not_pass_dup_on;
    mqtt_3_3_1_4_broker_closes_on_qos_3: header::broker_closes_on_qos_3;
    mqtt_3_3_1_5_broker_keeps_the_last_retained_message: retain::broker_keeps_the_last_retained_message;
    mqtt_3_3_1_6_broker_sends_every_matching_retained_message: retain::broker_sends_every_matching_retained_message;
    mqtt_3_3_1_7_broker_replaces_a_retained_message_at_qos_0: retain::broker_replaces_a_retained_message_at_qos_0;
    mqtt_3_3_1_8_broker_marks_what_a_new_subscription_brings: retain::broker_marks_what_a_new_subscription_brings;
    mqtt_3_3_1_9_broker_clears_retain_for_established_subscriptions: retain::broker_clears_retain_for_established_subscriptions;
    mqtt_3_3_1_10_broker_forwards_and_deletes_on_an_empty_retained_message: retain::broker_forwards_and_deletes_on_an_empty_retained_message;
    mqtt_3_3_1_11_broker_stores_no_empty_message: retain::broker_stores_no_empty_message;
    mqtt_3_3_1_12_broker_leaves_retained_messages_to_retained_publishes: retain::broker_leaves_retained_messages_to_retained_publishes;
    mqtt_3_3_2_1_broker_sends_the_topic_first: duty::broker_sends_the_topic_first;
    mqtt_3_3_2_2_broker_closes_on_wildcards_in_topics: duty::broker_closes_on_wildcards_in_topics;
    mqtt_3_3_2_3_broker_delivers_what_matches: duty::broker_delivers_what_matches;
    mqtt_3_3_2_3_broker_agrees_with_the_topic_vectors: crate::duty::topic::broker_agrees_with_the_topic_vectors;
    mqtt_3_3_4_1_broker_answers_by_qos: duty::broker_answers_by_qos;
    mqtt_3_3_5_1_broker_delivers_at_the_highest_qos_of_overlapping_filters: duty::broker_delivers_at_the_highest_qos_of_overlapping_filters;
    mqtt_3_6_1_1_broker_closes_on_wrong_pubrel_flags: header::broker_closes_on_wrong_pubrel_flags;
}

/// A PUBLISH that is not allowed is acknowledged all the same, or the client thrown out; nobody
/// gets it.
#[test]
fn mqtt_3_3_5_2_broker_acknowledges_or_closes_when_it_does_not_allow() {
    let world = World::ruled(Rules::default().deny_publish("no", Reason::NotAuthorized), |_| {});
    let mut sub = world.connect(V311, "sub");
    sub.subscribe("#", 0);
    for qos in 0..3 {
        let mut peer = world.connect(V311, "c");
        peer.send(publish("no", "x").qos(qos, 1).retain());
        match (qos, peer.poll()) {
            (0, None) => {}
            (1, Some(seen)) => assert_eq!((seen.kind(), seen.id()), (Kind::PubAck, 1)),
            (2, Some(seen)) => {
                assert_eq!((seen.kind(), seen.id()), (Kind::PubRec, 1));
                peer.send(pubrel(1));
                peer.expect_ack(Kind::PubComp, 1);
            }
            (_, None) => peer.expect_closed(),
            (_, Some(seen)) => panic!("{seen:?} came"),
        }
    }
    sub.expect_nothing();
    let mut late = world.connect(V311, "late");
    late.subscribe("#", 0);
    late.expect_nothing();
}
