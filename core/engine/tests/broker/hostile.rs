//! Clients that mean harm.

use libmqtt_engine::broker::BrokerConfig;
use libmqtt_engine::codec::{Connect, Version};

use super::cluster::{Cluster, client};

#[test]
fn a_second_connect_is_told_a_protocol_error_whatever_is_in_it() {
    let mut good = Vec::new();
    client("again").encode(&mut good).unwrap();
    let connects: [&[u8]; 3] =
        [&good, b"\x10\x0D\0\x04MQTT\x09\x02\0\0\0\0\x01c", b"\x10\x08\0\x04KLMN\x05\x02"];
    for connect in connects {
        let mut cluster = Cluster::new(1, BrokerConfig::default());
        let again = cluster.connect(Connect { version: Version::V5, ..client("again") });
        assert_eq!(cluster.received(again), ["ConnAck"]);
        cluster.send_bytes(again, connect);
        assert!(cluster.is_closed(again));
        assert_eq!(cluster.received(again), ["Disconnect"], "{connect:02x?}");
    }
}
