//! Chapters 3.8 to 3.14: SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, DISCONNECT.

use libmqtt_conformance::Version::V311;
use libmqtt_conformance::wire::{Kind, subscribe};
use libmqtt_conformance::{Rules, World};
use libmqtt_engine::codec::Reason;

use crate::duty::{
    disconnect, header, keep_alive, subscribe as duty, text, unsubscribe as undo, will,
};

same! { V311;
    mqtt_3_8_1_1_broker_closes_on_wrong_subscribe_flags: header::broker_closes_on_wrong_subscribe_flags;
    mqtt_3_8_3_1_broker_closes_on_ill_formed_filter: text::broker_closes_on_ill_formed_filter;
    mqtt_3_8_3_2_broker_without_wildcards_refuses_them: duty::broker_without_wildcards_refuses_them;
    mqtt_3_8_3_3_broker_closes_on_subscribe_without_filter: duty::broker_closes_on_subscribe_without_filter;
    mqtt_3_8_3_4_broker_closes_on_reserved_bits_and_qos_3: duty::broker_closes_on_reserved_option_bits;
    mqtt_3_8_4_1_broker_answers_subscribe: duty::broker_answers_subscribe;
    mqtt_3_8_4_2_broker_answers_with_the_same_id: crate::duty::ids::broker_answers_with_the_same_id;
    mqtt_3_8_4_3_broker_replaces_without_interruption: duty::broker_replaces_without_interruption;
    mqtt_3_8_4_4_broker_answers_several_filters_with_one_suback: duty::broker_answers_several_filters_with_one_suback;
    mqtt_3_8_4_5_broker_gives_a_code_per_filter: duty::broker_gives_a_code_per_filter;
    mqtt_3_8_4_6_broker_delivers_at_the_lower_qos: duty::broker_delivers_at_the_lower_qos;
    mqtt_3_9_3_1_broker_keeps_the_order_of_filters: duty::broker_gives_a_code_per_filter;
    mqtt_3_10_1_1_broker_closes_on_wrong_unsubscribe_flags: header::broker_closes_on_wrong_unsubscribe_flags;
    mqtt_3_10_3_1_broker_closes_on_ill_formed_filter: text::broker_closes_on_ill_formed_filter;
    mqtt_3_10_3_2_broker_closes_on_unsubscribe_without_filter: undo::broker_closes_on_unsubscribe_without_filter;
    mqtt_3_10_4_1_broker_compares_filters_literally: undo::broker_compares_filters_literally;
    mqtt_3_10_4_2_broker_adds_nothing_after_unsubscribe: undo::broker_adds_nothing_after_unsubscribe;
    mqtt_3_10_4_3_broker_completes_what_it_began: undo::broker_completes_what_it_began;
    mqtt_3_10_4_4_broker_answers_unsubscribe: undo::broker_answers_unsubscribe;
    mqtt_3_10_4_5_broker_answers_unsubscribe_of_nothing: undo::broker_answers_unsubscribe_of_nothing;
    mqtt_3_10_4_6_broker_answers_several_filters_with_one_unsuback: undo::broker_answers_several_filters_with_one_unsuback;
    mqtt_3_12_4_1_broker_answers_ping: keep_alive::broker_answers_ping;
    mqtt_3_14_1_1_broker_publishes_the_will_after_a_wrong_disconnect: will::broker_publishes_the_will_after_a_wrong_disconnect;
    mqtt_3_14_4_2_broker_ignores_what_follows_disconnect: disconnect::broker_closes_after_disconnect;
    mqtt_3_14_4_3_broker_discards_the_will_on_disconnect: will::broker_discards_the_will_on_disconnect;
}

#[test]
fn mqtt_3_9_3_2_broker_uses_only_the_codes_of_suback() {
    for reason in Reason::ALL.iter().copied().filter(|reason| reason.is_error()) {
        let world = World::ruled(Rules::default().deny_subscribe("no", reason), |_| {});
        let mut peer = world.connect(V311, "c");
        peer.send(
            subscribe(1)
                .filter("no", 2)
                .filter("a", 0)
                .filter("b", 1)
                .filter("c", 2)
                .filter("a#", 0),
        );
        assert_eq!(peer.next_of(Kind::SubAck).payload(), [0x80, 0, 1, 2, 0x80]);
    }
}
