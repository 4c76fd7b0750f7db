//! Rules that have no id.

use crate::duty::{connack, connect, disconnect, header, keep_alive, qos, retain, topic};

same! { V311;
    v311_u01_broker_closes_on_five_byte_length: header::broker_closes_on_five_byte_length;
    v311_u02_broker_closes_on_reserved_types: header::broker_closes_on_reserved_types;
    v311_u02_broker_closes_on_packets_that_only_a_server_sends: disconnect::broker_closes_on_packets_that_only_a_server_sends;
    v311_u03_broker_takes_any_bytes_as_password: connect::broker_takes_any_bytes_as_password;
    v311_u04_broker_waits_for_connect_only_so_long: header::broker_waits_for_connect_only_so_long;
    v311_u05_broker_refuses_wrong_credentials: connect::broker_refuses_wrong_credentials;
    v311_u06_broker_handles_packets_pipelined_behind_connect: connect::broker_handles_packets_pipelined_behind_connect;
    v311_u07_broker_leaves_the_other_flags_0: connack::broker_leaves_the_other_flags_0;
    v311_u08_broker_uses_only_the_codes_of_connack: connack::broker_uses_only_the_codes_of_connack;
    v311_u09_broker_forwards_the_deleting_message_without_retain: retain::broker_forwards_the_deleting_message_without_retain;
    v311_u11_broker_never_closes_at_keep_alive_0: keep_alive::broker_never_closes_at_keep_alive_0;
    v311_u12_broker_sends_again_on_resumption_only: qos::broker_sends_again_on_resumption_only;
    v311_u13_broker_keeps_sys_topics_to_itself: topic::broker_keeps_sys_topics_to_itself;
    v311_u14_broker_closes_only_the_offending_connection: disconnect::broker_closes_only_the_offending_connection;
}
