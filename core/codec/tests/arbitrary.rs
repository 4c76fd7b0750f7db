//! The oracles over bytes that nobody wrote by hand: random ones, spoilt packets of the corpus, and
//! packets made of random parts.

use libmqtt_codec::{
    Ack, AckKind, Packet, PacketId, Properties, PropertiesBuf, Property, PropertyId, Publish, QoS,
    Reason, Side, Subscribe, Subscription, SubscriptionOptions, SubscriptionsBuf, Version,
};
use libmqtt_oracles::{hex, round_trips, stream_holds, table};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn versions() -> impl Strategy<Value = Version> {
    select(vec![Version::V31, Version::V311, Version::V5])
}

fn sides() -> impl Strategy<Value = Side> {
    select(vec![Side::Client, Side::Server])
}

/// A packet with a right Remaining Length and anything behind it.
fn framed() -> impl Strategy<Value = Vec<u8>> {
    let flags = select(vec![0, 0, 0, 2, 2, 4, 0xA, 0xF]);
    (0..16u8, flags, vec(any::<u8>(), 0..120)).prop_map(|(kind, flags, body)| {
        [&[kind << 4 | flags, body.len() as u8][..], &body].concat()
    })
}

/// A packet of the corpus with a few bytes changed, removed or added; its length made right again
/// where that takes one byte.
fn spoilt() -> impl Strategy<Value = Vec<u8>> {
    let corpus: Vec<_> = table("packets.csv").iter().map(|r| hex(r.cell("bytes_hex"))).collect();
    let small = corpus.into_iter().filter(|wire| wire.len() < 100).collect::<Vec<_>>();
    let edit = (any::<Index>(), 0..3, any::<u8>());
    (select(small), vec(edit, 0..4), any::<bool>()).prop_map(|(mut wire, edits, mend)| {
        for (at, what, byte) in edits {
            let at = at.index(wire.len());
            match what {
                0 => wire[at] = byte,
                1 if wire.len() > 2 => drop(wire.remove(at)),
                _ => wire.insert(at, byte),
            }
        }
        if mend {
            wire[1] = (wire.len() - 2) as u8;
        }
        wire
    })
}

fn text() -> impl Strategy<Value = String> {
    "[a-z0-9/é日😀+# ]{0,12}"
}

fn topics() -> impl Strategy<Value = String> {
    "[a-z0-9/é日😀$ ]{1,40}"
}

/// Some properties that a Server may put into a PUBLISH, in any order.
fn publish_properties() -> impl Strategy<Value = PropertiesBuf> {
    let part = (0..9, any::<u32>(), text(), topics());
    vec(part, 0..8).prop_map(|parts| {
        let mut buf = PropertiesBuf::new();
        for (which, number, text, topic) in &parts {
            let property = match which {
                0 => Property::PayloadFormatIndicator(number % 2 == 0),
                1 => Property::MessageExpiryInterval(*number),
                2 => Property::ContentType(text),
                3 => Property::ResponseTopic(topic),
                4 => Property::CorrelationData(text.as_bytes()),
                5 => Property::TopicAlias(*number as u16 | 1),
                6 => Property::SubscriptionIdentifier(1 + number % 268_435_455),
                _ => Property::UserProperty(text, topic),
            };
            let fits = buf.push(property).is_ok();
            assert!(fits || *which < 6, "{property:?} may be repeated");
        }
        buf
    })
}

fn ids() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|id| PacketId::new(id).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_bytes_are_a_stream_or_an_error(
        input in vec(any::<u8>(), 0..200), version in versions(), from in sides()
    ) {
        stream_holds(&input, version, from);
    }

    #[test]
    fn any_body_is_a_packet_or_an_error(
        input in framed(), version in versions(), from in sides()
    ) {
        stream_holds(&input, version, from);
    }

    #[test]
    fn any_spoilt_packet_is_a_packet_or_an_error(
        input in spoilt(), version in versions(), from in sides()
    ) {
        stream_holds(&input, version, from);
    }

    #[test]
    fn any_publish_that_is_written_is_read_back(
        topic in topics(), payload in vec(any::<u8>(), 0..300), properties in publish_properties(),
        qos in 0..3u8, retain: bool, dup: bool, id in ids(), version in versions()
    ) {
        let qos = QoS::from_u8(qos).unwrap();
        let above = qos > QoS::AtMostOnce;
        let publish = Publish {
            dup: dup && above,
            qos,
            retain,
            topic: &topic,
            packet_id: above.then_some(id),
            properties: if version == Version::V5 { properties.view() } else { Properties::EMPTY },
            payload: &payload,
        };
        round_trips(&Packet::Publish(publish), version, Side::Server);
    }

    #[test]
    fn any_acknowledgement_that_is_written_is_read_back(
        kind in 0..4usize, id in ids(), text in text(), reason in select(Reason::ALL), full: bool
    ) {
        use AckKind::*;
        let kind = [PubAck, PubRec, PubRel, PubComp][kind];
        let mut properties = PropertiesBuf::new();
        if full {
            properties.push(Property::ReasonString(&text)).unwrap();
        }
        let ack = Ack { kind, packet_id: id, reason, properties: properties.view() };
        let allowed = reason.allowed_in(kind.packet_type(), Side::Server);
        prop_assert_eq!(ack.encoded_len(Version::V5).is_ok(), allowed);
        if allowed {
            round_trips(&Packet::Ack(ack), Version::V5, Side::Server);
        }
    }

    #[test]
    fn any_subscribe_that_is_written_is_read_back(
        filters in vec((text(), 0..3u8, any::<bool>()), 1..6), id in ids(), version in versions()
    ) {
        let mut subscriptions = SubscriptionsBuf::new();
        for (filter, qos, retain_as_published) in &filters {
            let options = SubscriptionOptions {
                qos: QoS::from_u8(*qos).unwrap(),
                retain_as_published: *retain_as_published && version == Version::V5,
                ..Default::default()
            };
            subscriptions.push(Subscription { filter, options }).unwrap();
        }
        let view = subscriptions.view();
        prop_assert_eq!(view.count(), filters.len());
        prop_assert!(view.iter().map(|s| s.filter).eq(filters.iter().map(|(f, ..)| f.as_str())));
        let packet = Subscribe { packet_id: id, properties: Properties::EMPTY, subscriptions: view };
        round_trips(&Packet::Subscribe(packet), version, Side::Client);
    }

    #[test]
    fn removing_a_property_leaves_the_others_in_their_order(
        properties in publish_properties(), which in select(PropertyId::ALL)
    ) {
        let mut left = properties.clone();
        left.remove(which);
        let others = properties.view().iter().filter(|property| property.id() != which);
        prop_assert!(left.view().iter().eq(others));
    }
}
