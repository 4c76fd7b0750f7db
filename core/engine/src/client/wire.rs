//! Bytes on their way to the server, and what the server takes.

use std::collections::VecDeque;

use libmqtt_codec::{
    Ack, AckKind, MAX_PACKET_SIZE, Packet, PacketId, Properties, Publish, QoS, Reason, Version,
};

use super::{Limits, Token};
use crate::session::{AliasOut, AliasUse};

/// With room for more bytes than this, the buffer is given back when it has become empty.
const KEEP_CAPACITY: usize = 256 * 1024;

/// The output of one Network Connection.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) version: Version,
    pub(super) limits: Limits,
    alias: AliasOut,
    out: Vec<u8>,
    /// Bytes of `out` that were written.
    start: usize,
    /// Bytes written and removed from `out`, ever.
    gone: u64,
    /// The position behind the last packet that was told to those who watch.
    told: u64,
    /// Packets whose writing somebody waits for, by the position behind them.
    marks: VecDeque<(u64, Token)>,
    /// For properties that get a Topic Alias.
    scratch: Vec<u8>,
}

impl Limits {
    /// Those of a server of which nothing is known.
    pub(super) const NONE: Limits = Limits {
        keep_alive_s: 0,
        session_expiry_s: 0,
        receive_maximum: u16::MAX,
        maximum_packet_size: MAX_PACKET_SIZE,
        maximum_qos: QoS::ExactlyOnce,
        retain: true,
        topic_alias_maximum: 0,
        wildcard_subscriptions: true,
        subscription_identifiers: true,
        shared_subscriptions: true,
    };

    /// Whether the server takes this message, the packet's size aside.
    pub(super) fn check(&self, publish: &Publish<'_>) -> Result<(), Reason> {
        if publish.qos > self.maximum_qos {
            return Err(Reason::QoSNotSupported); // v5 [MQTT-3.2.2-11]
        }
        if publish.retain && !self.retain {
            return Err(Reason::RetainNotSupported); // v5 [MQTT-3.2.2-14]
        }
        Ok(())
    }
}

impl Wire {
    pub(super) fn new() -> Wire {
        Wire {
            version: Version::V5,
            limits: Limits::NONE,
            alias: AliasOut::new(0),
            out: Vec::new(),
            start: 0,
            gone: 0,
            told: 0,
            marks: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// Begins a Network Connection, of which nothing is known yet.
    pub(super) fn open(&mut self, version: Version) {
        self.version = version;
        self.limits = Limits::NONE;
        self.alias = AliasOut::new(0);
        self.gone += self.out.len() as u64;
        self.out.clear();
        self.start = 0;
    }

    /// CONNACK has told what the server takes.
    pub(super) fn accept(&mut self, limits: Limits) {
        self.limits = limits;
        self.alias = AliasOut::new(limits.topic_alias_maximum);
    }

    /// What waits to be written.
    pub(super) fn outgoing(&self) -> &[u8] {
        &self.out[self.start..]
    }

    /// The position behind the last packet.
    fn end(&self) -> u64 {
        self.gone + self.out.len() as u64
    }

    /// `bytes` were written. Answers whether nothing is left.
    pub(super) fn sent(&mut self, bytes: usize) -> bool {
        self.start = (self.start + bytes).min(self.out.len());
        if self.start < self.out.len() {
            // Moved at most once for as many bytes as were written.
            if self.start >= 64 * 1024 && self.start * 2 >= self.out.len() {
                self.out.drain(..self.start);
                self.gone += self.start as u64;
                self.start = 0;
            }
            return false;
        }
        self.gone += self.out.len() as u64;
        self.start = 0;
        if self.out.capacity() > KEEP_CAPACITY {
            self.out = Vec::new();
        } else {
            self.out.clear();
        }
        true
    }

    /// The packets that were appended since the last call.
    pub(super) fn untold(&mut self) -> &[u8] {
        let from = self.told.max(self.gone) - self.gone;
        self.told = self.end();
        &self.out[from as usize..]
    }

    /// The next packet that was written and whose writing somebody waits for.
    pub(super) fn written(&mut self) -> Option<Token> {
        let &(position, token) = self.marks.front()?;
        if position > self.gone + self.start as u64 {
            return None;
        }
        self.marks.pop_front();
        Some(token)
    }

    /// A packet that will never be known to have been written.
    pub(super) fn lost(&mut self) -> Option<Token> {
        self.marks.pop_front().map(|(_, token)| token)
    }

    /// Remembers that somebody waits for the last packet to be written.
    pub(super) fn mark(&mut self, token: Token) {
        if token != Token::NONE {
            self.marks.push_back((self.end(), token));
        }
    }

    /// Appends a packet other than PUBLISH.
    pub(super) fn packet(&mut self, packet: &Packet<'_>) -> Result<(), Reason> {
        let before = self.out.len();
        if packet.encode(self.version, &mut self.out).is_err() {
            return Err(Reason::ImplementationSpecificError);
        }
        // v5 [MQTT-3.2.2-15]
        if self.out.len() - before > self.limits.maximum_packet_size as usize {
            self.out.truncate(before);
            return Err(Reason::PacketTooLarge);
        }
        Ok(())
    }

    /// Appends a packet that is encoded already.
    pub(super) fn raw(&mut self, packet: &[u8]) {
        self.out.extend_from_slice(packet);
    }

    /// Appends an acknowledgement.
    pub(super) fn ack(&mut self, kind: AckKind, packet_id: PacketId, reason: Reason) {
        let ack = Ack { kind, packet_id, reason, properties: Properties::EMPTY };
        // It has at most five bytes; a server that takes less cannot be told anything.
        let _ = self.packet(&Packet::Ack(ack));
    }

    /// Whether the server takes a packet as large as this PUBLISH. v5 [MQTT-3.2.2-15]
    pub(super) fn fits(&self, publish: &Publish<'_>) -> bool {
        let maximum = self.limits.maximum_packet_size as usize;
        upper_len(publish) <= maximum
            || publish.encoded_len(self.version).is_ok_and(|len| len <= maximum)
    }

    /// Appends a PUBLISH that `fits`.
    pub(super) fn publish(&mut self, publish: &Publish<'_>) -> Result<(), Reason> {
        let mut publish = *publish;
        let mut alone = [0x23, 0, 0];
        if upper_len(&publish) <= self.limits.maximum_packet_size as usize {
            let (alias, topic) = match self.alias.assign(publish.topic) {
                AliasUse::Name => (0, publish.topic),
                AliasUse::Define(alias) => (alias, publish.topic),
                AliasUse::Known(alias) => (alias, ""),
            };
            if alias != 0 {
                publish.topic = topic;
                alone[1..].copy_from_slice(&alias.to_be_bytes());
                publish.properties = if publish.properties.is_empty() {
                    Properties::assume_checked(&alone)
                } else {
                    self.scratch.clear();
                    self.scratch.extend_from_slice(publish.properties.as_bytes());
                    self.scratch.extend_from_slice(&alone);
                    Properties::assume_checked(&self.scratch)
                };
            }
        }
        match publish.encode(self.version, &mut self.out) {
            Ok(_) => Ok(()),
            Err(_) => Err(Reason::ImplementationSpecificError),
        }
    }
}

/// Not less than the encoded length, a Topic Alias included.
fn upper_len(publish: &Publish<'_>) -> usize {
    publish.topic.len() + publish.properties.as_bytes().len() + publish.payload.len() + 16
}
