//! CONNACK: what a client is told that comes in, or does not. MQTT 5.0 §3.2.

use libmqtt_codec::{
    ConnAck, Connect, DecodeError, Frame, Packet, PropertiesBuf, Property, QoS, Reason, Version,
};

use super::explain::reason_string;
use super::shard::Next;
use super::{LinkId, Shard};
use crate::ClientInfo;

impl Shard {
    /// What the CONNACK that lets a client in says to it, beyond that. Of `expiry_asked` it says
    /// something only if it is too long.
    pub(super) fn connack_properties(
        &self,
        connect: &Connect<'_>,
        client: &ClientInfo,
        expiry_asked: u32,
        data: Option<&[u8]>,
    ) -> PropertiesBuf {
        let mut properties = PropertiesBuf::new();
        if connect.version == Version::V5 {
            let config = &self.shared.config;
            let mut push = |property: Property<'_>| {
                // Only what the host program gave can be too long; it is left out then.
                let _ = properties.push(property);
            };
            if connect.client_id.is_empty() {
                // v5 [MQTT-3.1.3-7] [MQTT-3.2.2-16]
                push(Property::AssignedClientIdentifier(&client.client_id));
            }
            if expiry_asked > config.session_expiry_max_s {
                push(Property::SessionExpiryInterval(config.session_expiry_max_s));
            }
            if config.receive_maximum != u16::MAX {
                push(Property::ReceiveMaximum(config.receive_maximum.max(1)));
            }
            if config.maximum_qos < QoS::ExactlyOnce {
                push(Property::MaximumQoS(config.maximum_qos as u8)); // v5 [MQTT-3.2.2-9]
            }
            if !config.retain_available {
                push(Property::RetainAvailable(false));
            }
            push(Property::MaximumPacketSize(config.maximum_packet_size.max(1)));
            if config.topic_alias_maximum > 0 {
                push(Property::TopicAliasMaximum(config.topic_alias_maximum));
            }
            if !config.wildcard_subscriptions {
                push(Property::WildcardSubscriptionAvailable(false));
            }
            if !config.subscription_identifiers {
                push(Property::SubscriptionIdentifierAvailable(false));
            }
            if !config.shared_subscriptions {
                push(Property::SharedSubscriptionAvailable(false));
            }
            let max = config.keep_alive_max_s;
            if max > 0 && !(1..=max).contains(&connect.keep_alive_s) {
                push(Property::ServerKeepAlive(max));
            }
            // v5 [MQTT-3.1.2-28]
            if connect.properties.request_response_information() == Some(true)
                && let Some(information) = &config.response_information
            {
                push(Property::ResponseInformation(information));
            }
            // v5 [MQTT-4.12.0-5] [MQTT-4.12.0-6]
            if let Some(method) = connect.properties.authentication_method() {
                push(Property::AuthenticationMethod(method));
                if let Some(data) = data {
                    push(Property::AuthenticationData(data));
                }
            }
        }
        properties
    }

    /// Answers a CONNECT with a failure and closes.
    /// v5 [MQTT-3.2.2-6] [MQTT-3.2.2-7] v311 [MQTT-3.2.2-4] [MQTT-3.2.2-5]
    pub(super) fn refuse_connect(&mut self, link: LinkId, reason: Reason, text: &str) -> Next {
        if self.tables.links.get(link.index, link.generation).is_none() {
            return Next::Stop;
        }
        let told = reason_string(text);
        let connack = ConnAck { session_present: false, reason, properties: told.view() };
        self.tables.write_packet(link.index, &Packet::ConnAck(connack));
        self.drop_link(link, reason);
        Next::Stop
    }

    /// A CONNECT that cannot be read. v5 [MQTT-3.1.4-1] v311 [MQTT-3.1.4-1]
    pub(super) fn refuse_malformed(
        &mut self,
        link: LinkId,
        frame: &Frame<'_>,
        error: DecodeError,
    ) -> Next {
        // A client of 5.0 learns what was wrong, an older one only that it asked for a version
        // that we do not speak. v5 [MQTT-3.1.2-2] v311 [MQTT-3.1.2-2]
        let version = Connect::answer_version(frame).filter(|version| {
            *version == Version::V5 || matches!(error, DecodeError::ProtocolLevel(_))
        });
        if let Some(version) = version
            && let Some(found) = self.tables.links.get_mut(link.index, link.generation)
        {
            found.version = version;
            return self.refuse_connect(link, error.reason(), "");
        }
        self.drop_link(link, error.reason());
        Next::Stop
    }
}
