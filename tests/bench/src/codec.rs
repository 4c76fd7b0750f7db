//! Packets to bytes and back.

use libmqtt_runtime::codec::{
    Ack, AckKind, Connect, Packet, PacketId, Progress, Properties, PropertiesBuf, Property,
    Publish, QoS, Side, Subscribe, Subscription, SubscriptionOptions, SubscriptionsBuf, Version,
    frame,
};

use crate::meter::{Meter, Whose};
use crate::table::Table;

/// Packets in the buffer that is decoded.
const PACKETS: usize = 256;

/// What decoding (with framing) and encoding cost.
pub fn tables(meter: Meter) -> [Table; 2] {
    let mut decode = Table::new("decode", "packet");
    let mut encode = Table::new("encode", "packet");
    let payload = vec![b'x'; 4096];
    let publish = |qos, properties, len| Publish {
        dup: false,
        qos,
        retain: false,
        topic: "bench/topic/7/temperature",
        packet_id: PacketId::new(7).filter(|_| qos != QoS::AtMostOnce),
        properties,
        payload: &payload[..len],
    };
    let mut properties = PropertiesBuf::new();
    for property in [
        Property::MessageExpiryInterval(60),
        Property::ContentType("text/plain"),
        Property::UserProperty("key", "value"),
    ] {
        properties.push(property).expect("they are valid");
    }
    let mut subscriptions = SubscriptionsBuf::new();
    for filter in ["a/+/b", "bench/#", "$share/g/c/d", "e"] {
        let subscription = Subscription { filter, options: SubscriptionOptions::default() };
        subscriptions.push(subscription).expect("it is valid");
    }
    let (qos0, qos1) = (QoS::AtMostOnce, QoS::AtLeastOnce);
    let none = Properties::EMPTY;
    let id = PacketId::MIN;
    let connect = Connect {
        version: Version::V311,
        clean_start: true,
        keep_alive_s: 60,
        client_id: "bench-client-17",
        will: None,
        user_name: Some("ada"),
        password: Some(b"secret"),
        properties: none,
    };
    let subscribe =
        Subscribe { packet_id: id, properties: none, subscriptions: subscriptions.view() };
    let puback = Packet::Ack(Ack::new(AckKind::PubAck, id));
    for (name, version, packet) in [
        (
            "PUBLISH, QoS 0, 64 bytes, 3.1.1",
            Version::V311,
            Packet::Publish(publish(qos0, none, 64)),
        ),
        ("PUBLISH, QoS 0, 64 bytes, 5.0", Version::V5, Packet::Publish(publish(qos0, none, 64))),
        (
            "PUBLISH, QoS 1, 64 bytes, 3 properties, 5.0",
            Version::V5,
            Packet::Publish(publish(qos1, properties.view(), 64)),
        ),
        (
            "PUBLISH, QoS 0, 4096 bytes, 3.1.1",
            Version::V311,
            Packet::Publish(publish(qos0, none, 4096)),
        ),
        ("PUBACK, 3.1.1", Version::V311, puback),
        ("PUBACK, 5.0", Version::V5, puback),
        ("SUBSCRIBE, 4 filters, 5.0", Version::V5, Packet::Subscribe(subscribe)),
        ("CONNECT, 3.1.1", Version::V311, Packet::Connect(connect)),
    ] {
        let mut wire = Vec::new();
        for _ in 0..PACKETS {
            packet.encode(version, &mut wire).expect("it is valid");
        }
        let bytes = wire.len() / PACKETS;
        let cost = meter.cost(Whose::Thread, PACKETS, || {
            let mut rest = &wire[..];
            while let Ok(Progress::Packet(found)) = frame(rest, u32::MAX) {
                let decoded = found.decode(version, Side::Client);
                assert!(std::hint::black_box(decoded).is_ok());
                rest = &rest[found.len..];
            }
            assert!(rest.is_empty());
        });
        decode.add_bytes(name, cost, bytes);
        let mut out = Vec::with_capacity(wire.len());
        let cost = meter.cost(Whose::Thread, PACKETS, || {
            out.clear();
            for _ in 0..PACKETS {
                let encoded = std::hint::black_box(&packet).encode(version, &mut out);
                assert!(encoded.is_ok());
            }
            assert_eq!(std::hint::black_box(&out).len(), wire.len());
        });
        encode.add_bytes(name, cost, bytes);
    }
    [decode, encode]
}
