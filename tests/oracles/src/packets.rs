//! Packets from decisions: mostly well-formed ones, of few names and identifiers, so that they
//! meet each other.

use libmqtt_codec::{
    Ack, AckKind, Auth, ConnAck, Connect, Disconnect, FiltersBuf, Packet, PacketId, Properties,
    PropertiesBuf, Property, Publish, QoS, Reason, RetainHandling, SubAck, Subscribe, Subscription,
    SubscriptionOptions, SubscriptionsBuf, UnsubAck, Unsubscribe, Version, Will,
};

use crate::script::Script;

pub(crate) const METHOD: &str = "m";
const TOPICS: [&str; 6] =
    ["t", "t/u", "t/u/v", "$t", "", "a/long/topic/of/more/levels/than/allowed"];
const FILTERS: [&str; 10] =
    ["t", "t/#", "#", "+/u", "$share/g/t", "$share/g/#", "$share/h/+", "t/+/v", "a#", "$SYS/#"];
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const KINDS: [AckKind; 4] = [AckKind::PubAck, AckKind::PubRec, AckKind::PubRel, AckKind::PubComp];
const REASONS: [Reason; 6] = [
    Reason::Success,
    Reason::NoMatchingSubscribers,
    Reason::UnspecifiedError,
    Reason::PacketIdentifierNotFound,
    Reason::QuotaExceeded,
    Reason::NotAuthorized,
];

fn version(script: &mut Script<'_>) -> Version {
    script.pick(&[Version::V5, Version::V311, Version::V5, Version::V31])
}

fn packet_id(script: &mut Script<'_>) -> PacketId {
    PacketId::new(u16::from(script.byte() % 8) + 1).unwrap_or(PacketId::MIN)
}

/// Each of these with some chance, where the version has properties.
fn properties(script: &mut Script<'_>, version: Version, some: &[Property<'_>]) -> PropertiesBuf {
    let mut properties = PropertiesBuf::new();
    for &property in some.iter().filter(|_| version == Version::V5) {
        if script.chance(5) {
            let _ = properties.push(property); // a second one of a kind is left out
        }
    }
    properties
}

/// Encodes a packet, sometimes with a fault. What the version cannot say becomes PINGREQ.
fn encoded(script: &mut Script<'_>, version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    if packet.encode(version, &mut wire).is_err() {
        return vec![0xC0, 0];
    }
    match script.below(24) {
        0 => {
            let at = script.below(wire.len().min(256));
            wire[at] = script.byte();
        }
        1 => {
            wire.truncate(script.below(wire.len().min(256)));
        }
        _ => {}
    }
    wire
}

/// A CONNECT, and the version it is for.
pub(crate) fn connect(script: &mut Script<'_>) -> Vec<u8> {
    let number = script.byte();
    let version = version(script);
    let properties = properties(
        script,
        version,
        &[
            Property::SessionExpiryInterval(u32::from(number)),
            Property::SessionExpiryInterval(u32::MAX),
            Property::ReceiveMaximum(u16::from(number % 4) + 1),
            Property::MaximumPacketSize(u32::from(number) + 1),
            Property::TopicAliasMaximum(u16::from(number % 4)),
            Property::RequestProblemInformation(false),
            Property::AuthenticationMethod(METHOD),
        ],
    );
    let will_properties = self::properties(
        script,
        version,
        &[Property::WillDelayInterval(9), Property::MessageExpiryInterval(5)],
    );
    let will = Will {
        topic: script.pick(&TOPICS[..4]),
        payload: script.bytes(3),
        qos: script.pick(&QOS),
        retain: script.chance(8),
        properties: will_properties.view(),
    };
    let connect = Connect {
        version,
        clean_start: script.chance(6),
        keep_alive_s: script.pick(&[0, 1, 60]),
        client_id: script.pick(&["a", "b", "c", "d", ""]),
        will: script.chance(6).then_some(will),
        user_name: script.chance(4).then_some("user"),
        password: None,
        properties: properties.view(),
    };
    encoded(script, version, &Packet::Connect(connect))
}

fn publish(script: &mut Script<'_>, version: Version, large: &[u8]) -> Vec<u8> {
    let number = script.byte();
    let properties = properties(
        script,
        version,
        &[
            Property::TopicAlias(u16::from(number % 4)),
            Property::MessageExpiryInterval(u32::from(number % 16)),
            Property::UserProperty("name", "value"),
            Property::ResponseTopic("t/answer"),
        ],
    );
    let qos = script.pick(&QOS);
    let id = packet_id(script);
    let publish = Publish {
        dup: qos > QoS::AtMostOnce && script.chance(3),
        qos,
        retain: script.chance(4),
        topic: script.pick(&TOPICS),
        packet_id: (qos > QoS::AtMostOnce).then_some(id),
        properties: properties.view(),
        payload: if script.chance(2) { large } else { script.bytes(4) },
    };
    encoded(script, version, &Packet::Publish(publish))
}

fn ack(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let reason = if version == Version::V5 { script.pick(&REASONS) } else { Reason::Success };
    let ack = Ack { reason, ..Ack::new(script.pick(&KINDS), packet_id(script)) };
    encoded(script, version, &Packet::Ack(ack))
}

fn auth(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let mut properties = PropertiesBuf::new();
    let _ = properties.push(Property::AuthenticationMethod(script.pick(&[METHOD, METHOD, "n"])));
    let reason =
        script.pick(&[Reason::ContinueAuthentication, Reason::ReAuthenticate, Reason::Success]);
    encoded(script, version, &Packet::Auth(Auth { reason, properties: properties.view() }))
}

fn disconnect(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let properties = properties(script, version, &[Property::SessionExpiryInterval(7)]);
    let reason = if version == Version::V5 {
        script.pick(&[Reason::Success, Reason::DisconnectWithWill, Reason::ServerMoved])
    } else {
        Reason::Success
    };
    encoded(
        script,
        version,
        &Packet::Disconnect(Disconnect { reason, properties: properties.view() }),
    )
}

/// Something that a client may send once it is connected, or should not.
pub(crate) fn from_client(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let large = vec![b'x'; 9000];
    match script.below(16) {
        0..=5 => publish(script, version, &large),
        6 | 7 => ack(script, version),
        8..=10 => {
            let mut subscriptions = SubscriptionsBuf::new();
            for _ in 0..script.below(4) + 1 {
                let filter = script.pick(&FILTERS);
                let options = SubscriptionOptions {
                    qos: script.pick(&QOS),
                    no_local: version == Version::V5 && script.chance(3),
                    retain_as_published: version == Version::V5 && script.chance(8),
                    retain_handling: RetainHandling::Send,
                };
                let _ = subscriptions.push(Subscription { filter, options });
            }
            let id = Property::SubscriptionIdentifier(u32::from(script.byte()) + 1);
            let properties = properties(script, version, &[id]);
            let packet_id = packet_id(script);
            let subscribe = Subscribe {
                packet_id,
                properties: properties.view(),
                subscriptions: subscriptions.view(),
            };
            encoded(script, version, &Packet::Subscribe(subscribe))
        }
        11 | 12 => {
            let mut filters = FiltersBuf::new();
            for _ in 0..script.below(3) + 1 {
                let _ = filters.push(script.pick(&FILTERS));
            }
            let unsubscribe = Unsubscribe {
                packet_id: packet_id(script),
                properties: Properties::EMPTY,
                filters: filters.view(),
            };
            encoded(script, version, &Packet::Unsubscribe(unsubscribe))
        }
        13 => encoded(script, version, &Packet::PingReq),
        14 => auth(script, version),
        _ => match script.below(3) {
            0 => disconnect(script, version),
            1 => connect(script),
            _ => from_server(script, version),
        },
    }
}

/// A CONNACK.
pub(crate) fn connack(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let number = script.byte();
    let properties = properties(
        script,
        version,
        &[
            Property::SessionExpiryInterval(u32::from(number)),
            Property::AssignedClientIdentifier("given"),
            Property::ServerKeepAlive(u16::from(number)),
            Property::ReceiveMaximum(u16::from(number % 4) + 1),
            Property::MaximumQoS(number % 2),
            Property::RetainAvailable(false),
            Property::MaximumPacketSize(u32::from(number) + 1),
            Property::TopicAliasMaximum(u16::from(number % 4)),
            Property::WildcardSubscriptionAvailable(false),
            Property::SharedSubscriptionAvailable(false),
            Property::SubscriptionIdentifierAvailable(false),
            Property::ResponseInformation("answers"),
            Property::ServerReference("two"),
            Property::AuthenticationMethod(METHOD),
        ],
    );
    let reason = match version {
        _ if script.chance(12) => Reason::Success,
        Version::V5 => script.pick(&[
            Reason::ServerBusy,
            Reason::UseAnotherServer,
            Reason::UnsupportedProtocolVersion,
        ]),
        _ => script.pick(&[Reason::ServerUnavailable, Reason::NotAuthorized]),
    };
    let connack = ConnAck {
        session_present: reason == Reason::Success && version != Version::V31 && script.chance(5),
        reason,
        properties: properties.view(),
    };
    encoded(script, version, &Packet::ConnAck(connack))
}

/// Something that a server may send behind its CONNACK, or should not.
pub(crate) fn from_server(script: &mut Script<'_>, version: Version) -> Vec<u8> {
    let large = vec![b'y'; 9000];
    let codes = [0, 1, 2, 0x80, 0x87];
    let codes: Vec<u8> = (0..script.below(3) + 1).map(|_| script.pick(&codes)).collect();
    match script.below(16) {
        0..=5 => publish(script, version, &large),
        6..=9 => ack(script, version),
        10 => {
            let packet_id = packet_id(script);
            let suback = SubAck { packet_id, properties: Properties::EMPTY, codes: &codes };
            encoded(script, version, &Packet::SubAck(suback))
        }
        11 => {
            let packet_id = packet_id(script);
            let codes: &[u8] = if version == Version::V5 { &codes } else { &[] };
            let unsuback = UnsubAck { packet_id, properties: Properties::EMPTY, codes };
            encoded(script, version, &Packet::UnsubAck(unsuback))
        }
        12 => encoded(script, version, &Packet::PingResp),
        13 => auth(script, version),
        14 => disconnect(script, version),
        _ => connack(script, version),
    }
}
