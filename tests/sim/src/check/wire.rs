//! The rules that one end of one Network Connection must keep, seen from that end.

use std::collections::{BTreeMap, VecDeque};

use libmqtt_codec::{
    AckKind, ConnAck, Connect, Packet, PacketId, Progress, Publish, QoS, Reason, Side, Version,
    frame,
};

/// Decodes the one packet that `bytes` hold.
pub(crate) fn decode(bytes: &[u8], version: Version, from: Side) -> Result<Packet<'_>, String> {
    match frame(bytes, u32::MAX) {
        Ok(Progress::Packet(found)) if found.len == bytes.len() => {
            found.decode(version, from).map_err(|error| format!("malformed: {error}"))
        }
        other => Err(format!("no whole packet: {other:?}")),
    }
}

/// What a Packet Identifier that this end gave stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Publish1,
    Publish2,
    /// PUBREL is under way; whether its PUBLISH went over this connection.
    Released(bool),
    Subscribe(usize),
    Unsubscribe(usize),
}

/// What one end has sent and heard on one connection.
#[derive(Debug)]
pub(crate) struct Wire {
    local: Side,
    version: Version,
    connect_seen: bool,
    connack_seen: bool,
    resumed: bool,
    goodbye: Option<&'static str>,
    ids: BTreeMap<u16, Use>,
    window: u32,
    owed_puback: VecDeque<PacketId>,
    owed_pubrec: VecDeque<PacketId>,
    owed_pubcomp: Vec<PacketId>,
    owed_suback: BTreeMap<u16, usize>,
    owed_unsuback: BTreeMap<u16, usize>,
    released: Vec<PacketId>,
    pings: usize,
    aliases_out: BTreeMap<u16, String>,
    alias_out_max: u16,
    aliases_in: BTreeMap<u16, String>,
    peer_packet_max: usize,
    qos_max: u8,
    retain_ok: bool,
    /// An own bound on unacknowledged messages, below what the peer allows.
    inflight_max: u32,
}

impl Wire {
    pub(crate) fn new(local: Side, inflight_max: u32) -> Wire {
        Wire {
            local,
            version: Version::V5,
            connect_seen: false,
            connack_seen: false,
            resumed: false,
            goodbye: None,
            ids: BTreeMap::new(),
            window: 65_535,
            owed_puback: VecDeque::new(),
            owed_pubrec: VecDeque::new(),
            owed_pubcomp: Vec::new(),
            owed_suback: BTreeMap::new(),
            owed_unsuback: BTreeMap::new(),
            released: Vec::new(),
            pings: 0,
            aliases_out: BTreeMap::new(),
            alias_out_max: 0,
            aliases_in: BTreeMap::new(),
            peer_packet_max: usize::MAX,
            qos_max: 2,
            retain_ok: true,
            inflight_max,
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// This end has sent `packet`. The topic behind an alias is put into `topic`.
    pub(crate) fn sent(&mut self, bytes: usize, packet: &Packet<'_>) -> Result<String, String> {
        if let Some(why) = self.goodbye {
            return Err(format!("sent after {why}"));
        }
        if bytes > self.peer_packet_max {
            return Err(format!(
                "{bytes} bytes, but the peer's Maximum Packet Size is {}",
                self.peer_packet_max
            ));
        }
        self.in_turn(packet)?;
        let mut topic = String::new();
        match packet {
            Packet::Connect(connect) => self.connect(connect),
            Packet::ConnAck(connack) => {
                self.connack(connack);
                if connack.reason.is_error() {
                    self.goodbye = Some("a refusing CONNACK");
                }
            }
            Packet::Publish(publish) => topic = self.sent_publish(publish)?,
            Packet::Ack(ack) => self.sent_ack(ack.kind, ack.packet_id)?,
            Packet::Subscribe(subscribe) => {
                let count = subscribe.subscriptions.iter().count();
                self.take_id(subscribe.packet_id, Use::Subscribe(count))?;
            }
            Packet::Unsubscribe(unsubscribe) => {
                let count = unsubscribe.filters.iter().count();
                self.take_id(unsubscribe.packet_id, Use::Unsubscribe(count))?;
            }
            Packet::SubAck(suback) => {
                let owed = self.owed_suback.remove(&suback.packet_id.get());
                if owed != Some(suback.codes.len()) {
                    return Err(format!("SUBACK with {} codes, owed {owed:?}", suback.codes.len()));
                }
            }
            Packet::UnsubAck(unsuback) => {
                let owed = self.owed_unsuback.remove(&unsuback.packet_id.get());
                let codes = unsuback.reasons().count();
                match owed {
                    None => return Err("UNSUBACK that nobody asked for".into()),
                    Some(owed) if self.version == Version::V5 && owed != codes => {
                        return Err(format!("UNSUBACK with {codes} codes for {owed} filters"));
                    }
                    _ => {}
                }
            }
            Packet::PingResp => {
                self.pings = self.pings.checked_sub(1).ok_or("PINGRESP without PINGREQ")?;
            }
            Packet::PingReq => {}
            Packet::Disconnect(_) => {
                if self.local == Side::Server && self.version != Version::V5 {
                    return Err("DISCONNECT from the broker before 5.0".into());
                }
                self.goodbye = Some("DISCONNECT");
            }
            Packet::Auth(_) => {
                if self.version != Version::V5 {
                    return Err("AUTH before 5.0".into());
                }
            }
        }
        Ok(topic)
    }

    fn in_turn(&self, packet: &Packet<'_>) -> Result<(), String> {
        let opening = matches!(
            (self.local, packet),
            (Side::Client, Packet::Connect(_)) | (Side::Server, Packet::ConnAck(_))
        );
        let opened = match self.local {
            Side::Client => self.connect_seen,
            Side::Server => self.connack_seen,
        };
        match (opening, opened) {
            (true, true) => Err("sent twice on one connection".into()),
            (false, false) if !matches!(packet, Packet::Auth(_)) => {
                Err("sent before the opening packet".into())
            }
            (true, false) if self.local == Side::Server && !self.connect_seen => {
                Err("CONNACK without CONNECT".into())
            }
            _ => Ok(()),
        }
    }

    fn sent_publish(&mut self, publish: &Publish<'_>) -> Result<String, String> {
        let topic = resolve(&mut self.aliases_out, self.alias_out_max, publish)?;
        if publish.qos as u8 > self.qos_max {
            return Err(format!("{:?} above the announced Maximum QoS", publish.qos));
        }
        if publish.retain && !self.retain_ok {
            return Err("RETAIN, which the broker does not offer".into());
        }
        if let Some(id) = publish.packet_id {
            let kind = if publish.qos == QoS::AtLeastOnce { Use::Publish1 } else { Use::Publish2 };
            self.take_id(id, kind)?;
            // v5 [MQTT-3.3.4-7] [MQTT-3.3.4-9]: what was published before this connection and only
            // waits for PUBCOMP does not count.
            let counts =
                |what: &&Use| matches!(what, Use::Publish1 | Use::Publish2 | Use::Released(true));
            if self.ids.values().filter(counts).count() > self.window as usize {
                return Err(format!("more than {} unacknowledged messages", self.window));
            }
            if publish.dup && !self.resumed {
                return Err("DUP on a connection that resumed nothing".into());
            }
        }
        Ok(topic)
    }

    fn take_id(&mut self, id: PacketId, what: Use) -> Result<(), String> {
        match self.ids.insert(id.get(), what) {
            None => Ok(()),
            Some(old) => Err(format!("Packet Identifier {id} for {what:?}, in use for {old:?}")),
        }
    }

    fn sent_ack(&mut self, kind: AckKind, id: PacketId) -> Result<(), String> {
        let in_order = |owed: &mut VecDeque<PacketId>| {
            let front = owed.pop_front();
            if front == Some(id) {
                Ok(())
            } else {
                Err(format!("{kind:?} {id}, but the next one owed is {front:?}"))
            }
        };
        match kind {
            AckKind::PubAck => in_order(&mut self.owed_puback),
            AckKind::PubRec => in_order(&mut self.owed_pubrec),
            AckKind::PubRel => {
                let known = self.released.iter().position(|&other| other == id);
                match known {
                    Some(at) => drop(self.released.remove(at)),
                    None if !self.resumed => return Err(format!("PUBREL {id} without PUBREC")),
                    None => {}
                }
                let here = self.ids.contains_key(&id.get());
                self.ids.insert(id.get(), Use::Released(here));
                Ok(())
            }
            AckKind::PubComp => match self.owed_pubcomp.iter().position(|&other| other == id) {
                Some(at) => {
                    self.owed_pubcomp.remove(at);
                    Ok(())
                }
                None => Err(format!("PUBCOMP {id} that nobody asked for")),
            },
        }
    }

    /// This end has heard `packet`. Faults in it are the other end's.
    pub(crate) fn received(&mut self, packet: &Packet<'_>) -> String {
        let mut topic = String::new();
        match packet {
            Packet::Connect(connect) => self.connect(connect),
            Packet::ConnAck(connack) => self.connack(connack),
            Packet::Publish(publish) => {
                topic = resolve(&mut self.aliases_in, u16::MAX, publish).unwrap_or_default();
                match (publish.qos, publish.packet_id) {
                    (QoS::AtLeastOnce, Some(id)) => self.owed_puback.push_back(id),
                    (QoS::ExactlyOnce, Some(id)) => self.owed_pubrec.push_back(id),
                    _ => {}
                }
            }
            Packet::Ack(ack) => self.received_ack(ack.kind, ack.packet_id, ack.reason),
            Packet::Subscribe(subscribe) => {
                let count = subscribe.subscriptions.iter().count();
                self.owed_suback.insert(subscribe.packet_id.get(), count);
            }
            Packet::Unsubscribe(unsubscribe) => {
                let count = unsubscribe.filters.iter().count();
                self.owed_unsuback.insert(unsubscribe.packet_id.get(), count);
            }
            Packet::SubAck(suback) => drop(self.ids.remove(&suback.packet_id.get())),
            Packet::UnsubAck(unsuback) => drop(self.ids.remove(&unsuback.packet_id.get())),
            Packet::PingReq => self.pings += 1,
            Packet::PingResp | Packet::Disconnect(_) | Packet::Auth(_) => {}
        }
        topic
    }

    fn received_ack(&mut self, kind: AckKind, id: PacketId, reason: Reason) {
        let known = self.ids.get(&id.get()).copied();
        let ends = match kind {
            AckKind::PubAck => known == Some(Use::Publish1),
            AckKind::PubRec if reason.is_error() => known == Some(Use::Publish2),
            AckKind::PubRec => {
                self.released.push(id);
                false
            }
            AckKind::PubRel => {
                self.owed_pubcomp.push(id);
                return;
            }
            AckKind::PubComp => matches!(known, Some(Use::Released(_))),
        };
        if ends {
            self.ids.remove(&id.get());
        }
    }

    fn connect(&mut self, connect: &Connect<'_>) {
        self.connect_seen = true;
        self.version = connect.version;
        if self.local == Side::Server {
            self.limits(connect.properties);
        }
    }

    fn connack(&mut self, connack: &ConnAck<'_>) {
        self.connack_seen = true;
        // 3.1 cannot say whether a session was resumed.
        self.resumed = connack.session_present || self.version == Version::V31;
        if self.local == Side::Client {
            self.limits(connack.properties);
            self.qos_max = connack.properties.maximum_qos().unwrap_or(2);
            self.retain_ok = connack.properties.retain_available().unwrap_or(true);
        }
    }

    fn limits(&mut self, properties: libmqtt_codec::Properties<'_>) {
        let allowed = u32::from(properties.receive_maximum().unwrap_or(u16::MAX));
        self.window = allowed.min(self.inflight_max);
        self.alias_out_max = properties.topic_alias_maximum().unwrap_or(0);
        self.peer_packet_max = properties.maximum_packet_size().map_or(usize::MAX, |n| n as usize);
    }

    /// What this end still owes; nothing may be left when all is quiet.
    pub(crate) fn debts(&self) -> Option<String> {
        let quiet = self.owed_puback.is_empty()
            && self.owed_pubrec.is_empty()
            && self.owed_pubcomp.is_empty()
            && self.owed_suback.is_empty()
            && self.owed_unsuback.is_empty()
            && self.pings <= 1; // one may be on its way
        (!quiet).then(|| {
            format!(
                "PUBACK {:?} PUBREC {:?} PUBCOMP {:?} SUBACK {:?} UNSUBACK {:?} PINGRESP {}",
                self.owed_puback,
                self.owed_pubrec,
                self.owed_pubcomp,
                self.owed_suback,
                self.owed_unsuback,
                self.pings
            )
        })
    }
}

/// The topic of a PUBLISH whose sender may use aliases 1 to `maximum`.
fn resolve(
    aliases: &mut BTreeMap<u16, String>,
    maximum: u16,
    publish: &Publish<'_>,
) -> Result<String, String> {
    match publish.properties.topic_alias() {
        None if publish.topic.is_empty() => Err("neither topic nor alias".into()),
        None => Ok(publish.topic.into()),
        Some(alias) if alias == 0 || alias > maximum => {
            Err(format!("Topic Alias {alias}, allowed are {maximum}"))
        }
        Some(alias) if publish.topic.is_empty() => {
            aliases.get(&alias).cloned().ok_or(format!("Topic Alias {alias} stands for nothing"))
        }
        Some(alias) => {
            aliases.insert(alias, publish.topic.into());
            Ok(publish.topic.into())
        }
    }
}
