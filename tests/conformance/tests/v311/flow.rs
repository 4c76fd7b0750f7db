//! Chapter 4: operational behaviour.

use crate::duty::{disconnect, order, publish as duty, qos, session, topic};

same! { V311;
    mqtt_4_1_0_1_broker_keeps_state_over_the_whole_session: session::broker_keeps_state_over_the_whole_session;
    mqtt_4_1_0_2_broker_keeps_state_while_connected: session::broker_keeps_state_while_connected;
    mqtt_4_3_1_1_broker_sends_qos_0_plainly: qos::broker_sends_qos_0_plainly;
    mqtt_4_3_2_1_broker_sends_qos_1_by_the_rules: qos::broker_sends_qos_1_by_the_rules;
    mqtt_4_3_2_2_broker_receives_qos_1_by_the_rules: qos::broker_receives_qos_1_by_the_rules;
    mqtt_4_3_3_1_broker_sends_qos_2_by_the_rules: qos::broker_sends_qos_2_by_the_rules;
    mqtt_4_3_3_2_broker_receives_qos_2_by_the_rules: qos::broker_receives_qos_2_by_the_rules;
    mqtt_4_4_0_1_broker_sends_again_on_resumption: qos::broker_sends_again_on_resumption_only;
    mqtt_4_5_0_1_broker_adds_a_message_to_every_matching_session: session::broker_adds_a_message_to_every_matching_session;
    mqtt_4_6_0_5_broker_orders_every_topic: order::broker_delivers_in_order;
    mqtt_4_6_0_6_broker_follows_the_ordering_rules: order::broker_follows_the_ordering_rules;
    mqtt_4_7_1_1_broker_closes_on_wildcards_in_topics: duty::broker_closes_on_wildcards_in_topics;
    mqtt_4_7_1_2_broker_wants_multi_level_wildcards_alone_and_last: topic::broker_wants_multi_level_wildcards_alone_and_last;
    mqtt_4_7_1_3_broker_wants_single_level_wildcards_alone: topic::broker_wants_single_level_wildcards_alone;
    mqtt_4_7_2_1_broker_hides_dollar_topics_from_wildcards: topic::broker_hides_dollar_topics_from_wildcards;
    mqtt_4_7_3_1_broker_wants_at_least_one_character: topic::broker_wants_at_least_one_character;
    mqtt_4_7_3_2_broker_closes_on_nul_in_topics_and_filters: topic::broker_closes_on_nul_in_topics_and_filters;
    mqtt_4_7_3_3_broker_takes_topics_of_65535_bytes: topic::broker_takes_topics_of_65535_bytes;
    mqtt_4_7_3_4_broker_matches_without_normalising: topic::broker_matches_without_normalising;
    mqtt_4_8_0_1_broker_closes_only_the_offending_connection: disconnect::broker_closes_only_the_offending_connection;
    mqtt_7_1_1_1_broker_takes_a_stream_of_bytes: disconnect::broker_takes_a_stream_of_bytes;
    mqtt_7_1_1_1_broker_waits_for_the_rest_of_a_packet: disconnect::broker_waits_for_the_rest_of_a_packet;
}
