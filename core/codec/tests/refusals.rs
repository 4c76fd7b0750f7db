//! What the encoders refuse, and what they leave out.

use libmqtt_codec::{
    Ack, AckKind, Auth, ConnAck, Connect, DecodeError, Disconnect, EncodeError, FiltersBuf, Packet,
    PacketId, PacketType, Properties, PropertiesBuf, Property, PropertyId, Publish, QoS, Reason,
    RetainHandling, SubAck, Subscribe, Subscription, SubscriptionOptions, Subscriptions,
    SubscriptionsBuf, TopicError, UnsubAck, Unsubscribe, Version, Will,
};
use libmqtt_oracles::hex;
use {Version::V5, Version::V31, Version::V311};

const ID: PacketId = PacketId::MIN;
const PUBLISH: Publish<'static> = Publish {
    dup: false,
    qos: QoS::AtMostOnce,
    retain: false,
    topic: "x",
    packet_id: None,
    properties: Properties::EMPTY,
    payload: b"",
};
const CONNECT: Connect<'static> = Connect {
    version: V5,
    clean_start: true,
    keep_alive_s: 0,
    client_id: "x",
    will: None,
    user_name: None,
    password: None,
    properties: Properties::EMPTY,
};
const WILL: Will<'static> = Will {
    topic: "x",
    payload: b"",
    qos: QoS::AtMostOnce,
    retain: false,
    properties: Properties::EMPTY,
};

fn encode(packet: &Packet<'_>, version: Version) -> Result<Vec<u8>, EncodeError> {
    let mut out = b"before".to_vec();
    let result = packet.encode(version, &mut out);
    assert_eq!(packet.encoded_len(version), result.map(|()| out.len() - 6));
    assert_eq!(&out[..6], b"before");
    assert!(result.is_ok() || out.len() == 6, "after an error nothing was appended");
    result.map(|()| out[6..].to_vec())
}

fn refused(packet: Packet<'_>, version: Version, error: impl Into<EncodeError>) {
    assert_eq!(encode(&packet, version), Err(error.into()), "{version:?}");
}

fn written(packet: Packet<'_>, version: Version, wire: &str) {
    assert_eq!(encode(&packet, version), Ok(hex(wire)), "{version:?} {packet:?}");
}

fn properties(all: &[Property<'_>]) -> PropertiesBuf {
    let mut buf = PropertiesBuf::new();
    all.iter().for_each(|&property| buf.push(property).unwrap());
    buf
}

fn subscriptions(filter: &str, options: SubscriptionOptions) -> SubscriptionsBuf {
    let mut buf = SubscriptionsBuf::new();
    buf.push(Subscription { filter, options }).unwrap();
    buf
}

#[test]
fn a_field_of_65535_bytes_is_the_longest() {
    let fits = "x".repeat(65_535);
    let over = "x".repeat(65_536);
    for (text, result) in [(&fits, Ok(())), (&over, Err(EncodeError::FieldTooLong))] {
        let bytes = text.as_bytes();
        let sent = |packet| encode(&packet, V5).map(drop);
        assert_eq!(sent(Packet::Publish(Publish { topic: text, ..PUBLISH })), result);
        assert_eq!(sent(Packet::Connect(Connect { client_id: text, ..CONNECT })), result);
        assert_eq!(sent(Packet::Connect(Connect { user_name: Some(text), ..CONNECT })), result);
        assert_eq!(sent(Packet::Connect(Connect { password: Some(bytes), ..CONNECT })), result);
        let will = Some(Will { payload: bytes, ..WILL });
        assert_eq!(sent(Packet::Connect(Connect { will, ..CONNECT })), result);
        let mut buf = PropertiesBuf::new();
        assert_eq!(buf.push(Property::ReasonString(text)), result);
        assert_eq!(buf.push(Property::CorrelationData(bytes)), result);
        assert_eq!(buf.push(Property::UserProperty("x", text)), result);
        assert_eq!(buf.push(Property::UserProperty(text, "x")), result);
        assert_eq!(FiltersBuf::new().push(text), result);
        let subscription = Subscription { filter: text, options: Default::default() };
        assert_eq!(SubscriptionsBuf::new().push(subscription), result);
    }
    let will = Some(Will { topic: &over, ..WILL });
    refused(Packet::Connect(Connect { will, ..CONNECT }), V5, EncodeError::FieldTooLong);
}

#[test]
fn a_packet_larger_than_mqtt_allows_is_refused() {
    let payload = vec![0; 268_435_456 - 4];
    let largest = Publish { payload: &payload[1..], ..PUBLISH };
    assert_eq!(largest.encoded_len(V5), Ok(268_435_460));
    let over = Publish { payload: &payload, ..PUBLISH };
    refused(Packet::Publish(over), V5, EncodeError::PacketTooLarge);
}

#[test]
fn packet_identifier_and_qos_go_together() {
    let with = Publish { packet_id: Some(ID), ..PUBLISH };
    let without = Publish { qos: QoS::AtLeastOnce, ..PUBLISH };
    for version in [V31, V311, V5] {
        refused(Packet::Publish(with), version, EncodeError::PacketId);
        refused(Packet::Publish(without), version, EncodeError::PacketId);
    }
}

#[test]
fn a_publish_that_its_receiver_would_refuse_is_refused() {
    let topic = |topic, version, error| {
        refused(Packet::Publish(Publish { topic, ..PUBLISH }), version, error);
    };
    topic("a/+", V5, DecodeError::TopicName(TopicError::Wildcard));
    topic("a long topic that ends in #", V311, DecodeError::TopicName(TopicError::Wildcard));
    topic("+ begins a long topic name", V311, DecodeError::TopicName(TopicError::Wildcard));
    topic("a\0b", V5, DecodeError::TextHasNul);
    topic("", V311, DecodeError::TopicName(TopicError::Empty));
    topic("", V5, DecodeError::EmptyTopicWithoutAlias);
    let dup = Publish { dup: true, ..PUBLISH };
    refused(Packet::Publish(dup), V5, DecodeError::DupAtQos0);
    refused(Packet::Publish(dup), V311, DecodeError::DupAtQos0);
    written(Packet::Publish(dup), V31, "38 03 0001 78");
}

#[test]
fn a_property_that_has_no_place_in_a_packet_is_refused() {
    let buf = properties(&[Property::TopicAlias(1)]);
    let alias = buf.view();
    let not_allowed = DecodeError::PropertyNotAllowed(PropertyId::TopicAlias);
    let no_properties = Properties::EMPTY;
    let subscriptions = subscriptions("x", SubscriptionOptions::default());
    let mut filters = FiltersBuf::new();
    filters.push("x").unwrap();
    let (subscriptions, filters) = (subscriptions.view(), filters.view());
    let will = Some(Will { properties: alias, ..WILL });
    let method = properties(&[Property::AuthenticationMethod("x"), Property::TopicAlias(1)]);
    let reason = Reason::Success;
    for packet in [
        Packet::Connect(Connect { properties: alias, ..CONNECT }),
        Packet::Connect(Connect { will, ..CONNECT }),
        Packet::ConnAck(ConnAck { session_present: false, reason, properties: alias }),
        Packet::Ack(Ack { properties: alias, ..Ack::new(AckKind::PubRec, ID) }),
        Packet::Subscribe(Subscribe { packet_id: ID, properties: alias, subscriptions }),
        Packet::SubAck(SubAck { packet_id: ID, properties: alias, codes: &[0] }),
        Packet::Unsubscribe(Unsubscribe { packet_id: ID, properties: alias, filters }),
        Packet::UnsubAck(UnsubAck { packet_id: ID, properties: alias, codes: &[0] }),
        Packet::Disconnect(Disconnect { reason, properties: alias }),
        Packet::Auth(Auth { reason, properties: method.view() }),
    ] {
        refused(packet, V5, not_allowed);
    }
    written(
        Packet::Publish(Publish { properties: alias, topic: "", ..PUBLISH }),
        V5,
        "30 06 0000 03 23 0001",
    );
    // Two identifiers suit a PUBLISH, not a SUBSCRIBE.
    let twice =
        properties(&[Property::SubscriptionIdentifier(1), Property::SubscriptionIdentifier(1)]);
    let repeated = DecodeError::PropertyRepeated(PropertyId::SubscriptionIdentifier);
    let properties = twice.view();
    refused(
        Packet::Subscribe(Subscribe { packet_id: ID, properties, subscriptions }),
        V5,
        repeated,
    );
    written(Packet::Publish(Publish { properties, ..PUBLISH }), V5, "30 08 0001 78 04 0B01 0B01");
    // Bytes that nobody checked.
    let properties = Properties::assume_checked(&[0x01]);
    refused(Packet::Publish(Publish { properties, ..PUBLISH }), V5, DecodeError::Truncated);
    assert!(encode(&Packet::Publish(Publish { properties: no_properties, ..PUBLISH }), V5).is_ok());
}

#[test]
fn a_property_with_a_forbidden_value_is_refused_and_changes_nothing() {
    let mut buf = properties(&[Property::ReceiveMaximum(1)]);
    let before = buf.clone();
    for (property, error) in [
        (Property::ReceiveMaximum(1), DecodeError::PropertyRepeated(PropertyId::ReceiveMaximum)),
        (Property::MaximumPacketSize(0), DecodeError::PropertyValue(PropertyId::MaximumPacketSize)),
        (Property::MaximumQoS(2), DecodeError::PropertyValue(PropertyId::MaximumQoS)),
        (
            Property::SubscriptionIdentifier(0),
            DecodeError::PropertyValue(PropertyId::SubscriptionIdentifier),
        ),
        (
            Property::SubscriptionIdentifier(268_435_456),
            DecodeError::PropertyValue(PropertyId::SubscriptionIdentifier),
        ),
        (
            Property::AssignedClientIdentifier(""),
            DecodeError::PropertyValue(PropertyId::AssignedClientIdentifier),
        ),
        (Property::TopicAlias(0), DecodeError::TopicAliasZero),
        (Property::ResponseTopic("a/#"), DecodeError::ResponseTopic(TopicError::Wildcard)),
        (Property::ReasonString("\0"), DecodeError::TextHasNul),
        (Property::UserProperty("x", "\0"), DecodeError::TextHasNul),
    ] {
        assert_eq!(buf.push(property), Err(error.into()));
        assert_eq!(buf, before);
    }
    let zero = Property::ReceiveMaximum(0);
    let forbidden = DecodeError::PropertyValue(PropertyId::ReceiveMaximum);
    assert_eq!(buf.set(zero), Err(forbidden.into()));
    assert_eq!(buf, before);
    assert_eq!(buf.push(Property::SubscriptionIdentifier(268_435_455)), Ok(()));
}

#[test]
fn a_reason_code_that_has_no_place_in_a_packet_is_refused() {
    let (reason, properties) = (Reason::KeepAliveTimeout, Properties::EMPTY);
    let code = |packet| DecodeError::ReasonCode(packet, 0x8D);
    for version in [V311, V5] {
        let connack = ConnAck { session_present: false, reason, properties };
        refused(Packet::ConnAck(connack), version, code(PacketType::ConnAck));
        let ack = Ack { reason, ..Ack::new(AckKind::PubRel, ID) };
        refused(Packet::Ack(ack), version, code(PacketType::PubRel));
        let suback = SubAck { packet_id: ID, properties, codes: &[0, 0x8D] };
        refused(Packet::SubAck(suback), version, code(PacketType::SubAck));
    }
    let unsuback = UnsubAck { packet_id: ID, properties, codes: &[0x8D] };
    refused(Packet::UnsubAck(unsuback), V5, code(PacketType::UnsubAck));
    let disconnect = Disconnect { reason: Reason::Banned, properties };
    let banned = DecodeError::ReasonCode(PacketType::Disconnect, 0x8A);
    refused(Packet::Disconnect(disconnect), V5, banned);
    let method = self::properties(&[Property::AuthenticationMethod("x")]);
    refused(Packet::Auth(Auth { reason, properties: method.view() }), V5, code(PacketType::Auth));
}

#[test]
fn a_packet_that_lacks_what_it_must_have_is_refused() {
    let properties = Properties::EMPTY;
    let subscriptions = Subscriptions::default();
    let subscribe = Packet::Subscribe(Subscribe { packet_id: ID, properties, subscriptions });
    let filters = FiltersBuf::new();
    let filters = filters.view();
    let unsubscribe = Packet::Unsubscribe(Unsubscribe { packet_id: ID, properties, filters });
    let suback = Packet::SubAck(SubAck { packet_id: ID, properties, codes: &[] });
    let unsuback = Packet::UnsubAck(UnsubAck { packet_id: ID, properties, codes: &[] });
    for version in [V311, V5] {
        refused(subscribe, version, DecodeError::NoSubscriptions);
        refused(unsubscribe, version, DecodeError::NoFilters);
        refused(suback, version, DecodeError::NoReasonCodes);
    }
    refused(unsuback, V5, DecodeError::NoReasonCodes);
    written(unsuback, V311, "B0 02 0001");
    let auth = Auth { reason: Reason::ContinueAuthentication, properties };
    refused(Packet::Auth(auth), V5, DecodeError::AuthenticationMethodMissing);
    let data = self::properties(&[Property::AuthenticationData(b"x")]);
    let connect = Connect { properties: data.view(), ..CONNECT };
    refused(Packet::Connect(connect), V5, DecodeError::AuthenticationDataWithoutMethod);
    let connack = ConnAck { session_present: true, reason: Reason::Banned, properties };
    refused(Packet::ConnAck(connack), V5, DecodeError::SessionPresentOnRefusal);
    for topic in ["", "#"] {
        let error = if topic.is_empty() { TopicError::Empty } else { TopicError::Wildcard };
        let will = Some(Will { topic, ..WILL });
        refused(Packet::Connect(Connect { will, ..CONNECT }), V5, DecodeError::TopicName(error));
    }
    let shared = Subscription {
        filter: "$share/g/t",
        options: SubscriptionOptions { no_local: true, ..Default::default() },
    };
    let no_local = DecodeError::NoLocalOnShared.into();
    assert_eq!(SubscriptionsBuf::new().push(shared), Err(no_local));
    let ordinary = Subscription { filter: "$shared/t", ..shared };
    assert_eq!(SubscriptionsBuf::new().push(ordinary), Ok(()));
}

#[test]
fn what_an_older_version_cannot_say_is_refused_where_it_matters() {
    let method = properties(&[Property::AuthenticationMethod("x")]);
    let auth = Auth { reason: Reason::ContinueAuthentication, properties: method.view() };
    let password = Connect { version: V311, password: Some(b"x"), ..CONNECT };
    let disconnect = |reason| Disconnect { reason, properties: Properties::EMPTY };
    for version in [V31, V311] {
        refused(Packet::Auth(auth), version, EncodeError::NotInVersion);
        let connect = Connect { version, ..password };
        refused(Packet::Connect(connect), version, EncodeError::NotInVersion);
        for reason in [Reason::DisconnectWithWill, Reason::ServerShuttingDown] {
            refused(Packet::Disconnect(disconnect(reason)), version, EncodeError::NotInVersion);
        }
        written(Packet::Disconnect(disconnect(Reason::Success)), version, "E0 00");
        for options in [
            SubscriptionOptions { no_local: true, ..Default::default() },
            SubscriptionOptions { retain_as_published: true, ..Default::default() },
            SubscriptionOptions {
                retain_handling: RetainHandling::SendIfNew,
                ..Default::default()
            },
        ] {
            let buf = subscriptions("x", options);
            let (properties, subscriptions) = (Properties::EMPTY, buf.view());
            let subscribe = Subscribe { packet_id: ID, properties, subscriptions };
            refused(Packet::Subscribe(subscribe), version, EncodeError::NotInVersion);
        }
    }
    written(
        Packet::Connect(Connect { version: V5, ..password }),
        V5,
        "10 11 0004 4D515454 05 42 0000 00 0001 78 0001 78",
    );
}

#[test]
fn what_an_older_version_cannot_say_is_left_out_where_it_does_not_matter() {
    let user = properties(&[Property::UserProperty("a", "b")]);
    let properties = user.view();
    for version in [V31, V311] {
        written(Packet::Publish(Publish { properties, ..PUBLISH }), version, "30 03 0001 78");
        let ack =
            Ack { properties, reason: Reason::NotAuthorized, ..Ack::new(AckKind::PubAck, ID) };
        written(Packet::Ack(ack), version, "40 02 0001");
        let reason = Reason::NotAuthorized;
        let connack = ConnAck { session_present: false, reason, properties };
        written(Packet::ConnAck(connack), version, "20 02 00 05");
        let unsuback = UnsubAck { packet_id: ID, properties, codes: &[0x11] };
        written(Packet::UnsubAck(unsuback), version, "B0 02 0001");
    }
    let present = ConnAck { session_present: true, reason: Reason::Success, properties };
    written(Packet::ConnAck(present), V311, "20 02 01 00");
    written(Packet::ConnAck(present), V31, "20 02 00 00");
    let suback = SubAck { packet_id: ID, properties, codes: &[0, 2, 0x80, 0x8F] };
    written(Packet::SubAck(suback), V311, "90 06 0001 00 02 80 80");
    written(Packet::SubAck(suback), V31, "90 06 0001 00 02 00 00");
    let will = Some(Will { properties, ..WILL });
    let connect = Connect { version: V311, properties, will, ..CONNECT };
    written(Packet::Connect(connect), V5, "10 12 0004 4D515454 04 06 0000 0001 78 0001 78 0000");
}

#[test]
fn acknowledgements_are_as_short_as_can_be() {
    let ack = Ack::new(AckKind::PubRel, ID);
    written(Packet::Ack(ack), V5, "62 02 0001");
    let reason = Reason::PacketIdentifierNotFound;
    written(Packet::Ack(Ack { reason, ..ack }), V5, "62 03 0001 92");
    let text = properties(&[Property::ReasonString("x")]);
    let properties = text.view();
    written(Packet::Ack(Ack { properties, ..ack }), V5, "62 08 0001 00 04 1F 0001 78");
    written(
        Packet::Disconnect(Disconnect { reason: Reason::Success, properties }),
        V5,
        "E0 06 00 04 1F 0001 78",
    );
}

#[test]
fn a_publish_is_encoded_once_for_many_receivers() {
    let packet_id = PacketId::new(0x0102);
    let publish = Publish { qos: QoS::AtLeastOnce, packet_id, payload: b"hello", ..PUBLISH };
    for version in [V31, V311, V5] {
        let mut whole = b"before".to_vec();
        let at = publish.encode(version, &mut whole).unwrap();
        assert_eq!(whole[6 + at..][..2], [0x01, 0x02]);
        let mut head = Vec::new();
        assert_eq!(publish.encode_head(version, &mut head), Ok(at));
        assert_eq!([&head[..], b"hello"].concat(), whole[6..]);
        assert_eq!(publish.encoded_len(version), Ok(head.len() + 5));
    }
}
