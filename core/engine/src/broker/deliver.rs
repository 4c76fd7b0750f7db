//! From a message to the outboxes and queues of its receivers.

use core::sync::atomic::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use libmqtt_codec::{Ack, AckKind, Packet, PacketId, PropertiesBuf, Publish, QoS, Reason, Version};

use super::explain::fitting;
use super::link::Link;
use super::outbox::{SHARE_MIN, Spares};
use super::parcel::{Audience, Identifiers, Parcel, Queued, Target, Terms, outgoing_properties};
use super::persist::{Persist, Row};
use super::session::Session;
use super::table::Table;
use super::{LinkId, Overload, QueueFull, Shared, Stats};
use crate::Instant;
use crate::session::{AckOutcome, AliasUse, Resend};
use crate::store::RowId;
use crate::topic::SessionKey;

/// Bytes that may wait in an outbox before messages wait in the session's queue instead.
const OUTBOX_MAX: usize = 128 * 1024;

/// Bytes in an outbox from which on it is better written before more comes in.
const OUTBOX_MUCH: usize = 64 * 1024;

/// Payloads above this size may come to more than a packet can have, with all that goes with them.
const HUGE: usize = 200_000_000;

/// Links and sessions of a shard, and how messages reach them.
pub(super) struct Tables {
    pub(super) shared: Arc<Shared>,
    pub(super) links: Table<Link>,
    pub(super) sessions: Table<Session>,
    /// Links whose outbox has something new.
    pub(super) announced: Vec<LinkId>,
    /// An outbox has come to hold much since the outputs were polled.
    pub(super) much: bool,
    pub(super) stats: Stats,
    /// What is made durable, if anything is.
    pub(super) persist: Option<Box<Persist>>,
    /// Rows to ask the store for, and the sessions that wait for such, in order.
    pub(super) fetches: VecDeque<Vec<RowId>>,
    pub(super) asking: VecDeque<(u32, u32)>,
    spares: Spares,
    template: Template,
    scratch: PropertiesBuf,
}

/// The last PUBLISH that was encoded for a receiver, for the next one that gets the same.
#[derive(Debug, Default)]
struct Template {
    valid: bool,
    version: Option<Version>,
    qos: QoS,
    retain: bool,
    identifiers: Identifiers,
    bytes: Vec<u8>,
    /// Where the Packet Identifier stands.
    packet_id_at: usize,
}

impl Tables {
    pub(super) fn new(shared: Arc<Shared>) -> Tables {
        Tables {
            shared,
            links: Table::new(),
            sessions: Table::new(),
            announced: Vec::new(),
            much: false,
            stats: Stats::default(),
            persist: None,
            fetches: VecDeque::new(),
            asking: VecDeque::new(),
            spares: Spares::default(),
            template: Template::default(),
            scratch: PropertiesBuf::new(),
        }
    }

    /// A new message is about to be delivered.
    pub(super) fn begin(&mut self) {
        self.template.valid = false;
    }

    /// Notes that a link's outbox has got something.
    #[inline]
    pub(super) fn announce(&mut self, index: u32) {
        let generation = self.links.generation(index);
        if let Some(link) = self.links.at_mut(index)
            && !link.announced
        {
            link.announced = true;
            self.announced.push(LinkId { index, generation });
        }
    }

    /// A link's outbox, ready to be appended to.
    #[inline]
    pub(super) fn outbox(&mut self, index: u32) -> Option<&mut Vec<u8>> {
        self.announce(index);
        let link = self.links.at_mut(index)?;
        if !link.outbox.has_buffer() {
            link.outbox.lend(self.spares.take());
        }
        Some(link.outbox.bytes())
    }

    /// The transport took bytes. Returns whether the outbox is empty now.
    pub(super) fn sent(&mut self, index: u32, count: usize) -> bool {
        let Some(link) = self.links.at_mut(index) else { return false };
        link.outbox.sent(count);
        self.stats.bytes_sent += count as u64;
        if !link.outbox.is_empty() {
            return false;
        }
        link.announced = false;
        self.spares.keep(link.outbox.reclaim());
        true
    }

    /// Gives a routed message to one target. `origin` is the session that published it.
    #[inline]
    pub(super) fn deliver(
        &mut self,
        now: Instant,
        parcel: &mut Parcel<'_>,
        target: &Target,
        origin: Option<SessionKey>,
    ) {
        // v5 [MQTT-3.8.3-3]
        match target.audience {
            Audience::Others if origin == Some(target.session) => return,
            Audience::Own if origin != Some(target.session) => return,
            _ => {}
        }
        let terms = Terms {
            qos: parcel.publish.qos.min(target.qos), // v5 [MQTT-3.8.4-8] v311 [MQTT-3.8.4-6]
            // v5 [MQTT-3.3.1-12] [MQTT-3.3.1-13] v311 [MQTT-3.3.1-9]
            retain: target.retain_as_published && parcel.publish.retain,
            group: target.group,
            identifiers: target.identifiers.clone(),
        };
        self.send(now, target.session, parcel, terms);
    }

    /// Whether a target is still there.
    pub(super) fn is_alive(&self, session: SessionKey) -> bool {
        self.sessions.get(session.index, session.generation).is_some()
    }

    /// Sends a message to a session, or queues it.
    pub(super) fn send(
        &mut self,
        now: Instant,
        key: SessionKey,
        parcel: &mut Parcel<'_>,
        terms: Terms,
    ) {
        let Some(session) = self.sessions.get_mut(key.index, key.generation) else { return };
        let qos0 = terms.qos == QoS::AtMostOnce;
        let Some(link) = session.link else {
            if !qos0 || self.shared.config.queue_qos0_offline {
                self.enqueue(key.index, parcel, terms);
            }
            return;
        };
        // Messages of QoS 0 pass those that wait for the window, but not each other.
        let in_turn = if qos0 {
            session.queue_qos0 == 0
        } else {
            session.queue.is_empty()
                && session.spilled.is_none()
                && session.has_room(self.shared.config.queue_bytes_max)
        };
        let room = self.links.at(link).is_some_and(|link| link.outbox.len() < OUTBOX_MAX);
        if in_turn && room {
            self.write(now, link, key.index, parcel, terms, Row::default());
        } else {
            self.enqueue(key.index, parcel, terms);
        }
    }

    /// Queues a message within the session's bounds, and says whether it was kept.
    fn enqueue(&mut self, index: u32, parcel: &mut Parcel<'_>, terms: Terms) -> bool {
        let queued = Queued::new(parcel, terms);
        let config = &self.shared.config;
        let (messages_max, bytes_max) = (config.queue_messages_max, config.queue_bytes_max);
        let Some(session) = self.sessions.at(index) else { return false };
        let size = queued.size();
        let full = |session: &Session| {
            let (messages, bytes) = session.waiting();
            messages >= messages_max || bytes + size > bytes_max
        };
        let overload = self.shared.totals.backlog.load(Ordering::Relaxed)
            > config.backlog_bytes_max
            && config.overload == Overload::Drop;
        let oldest = full(session)
            && config.queue_full == QueueFull::DropOldest
            && queued.terms.qos != QoS::AtMostOnce
            && size <= bytes_max
            && messages_max > 0;
        if (full(session) || overload) && !oldest {
            self.stats.publish_dropped += 1;
            return false;
        }
        // A large one takes the place of several.
        while self.sessions.at(index).is_some_and(full) {
            self.drop_first(index);
        }
        self.keep(index, parcel, queued);
        true
    }

    /// Queues a message whatever waits already.
    pub(super) fn keep(&mut self, index: u32, parcel: &mut Parcel<'_>, mut queued: Queued) {
        let Some(session) = self.sessions.at_mut(index) else { return };
        if let Some(persist) = &mut self.persist
            && session.is_durable()
            && queued.terms.qos > QoS::AtMostOnce
        {
            queued.row = persist.owe(session.sid, parcel, &queued.terms, None);
        }
        self.take_up(index, queued);
    }

    /// Queues a message that is stored, if it has to be.
    pub(super) fn take_up(&mut self, index: u32, queued: Queued) {
        if !self.spill(index, &queued) {
            self.push_back(index, queued);
        }
    }

    /// Queues a message in memory.
    pub(super) fn push_back(&mut self, index: u32, queued: Queued) {
        let Some(session) = self.sessions.at_mut(index) else { return };
        let size = queued.size();
        let awaited = session.link.is_some();
        session.push(queued);
        self.stats.queued_messages += 1;
        self.stats.queued_bytes += size as u64;
        self.shared.take_on(size, awaited);
    }

    /// A message of this size waits no more for a session, which has a client or not.
    pub(super) fn forget(&mut self, size: usize, awaited: bool) {
        self.stats.queued_messages -= 1;
        self.stats.queued_bytes -= size as u64;
        self.shared.let_go(size, awaited);
    }

    /// Takes the first message that waits for a session.
    pub(super) fn dequeue(&mut self, index: u32) -> Option<Queued> {
        let session = self.sessions.at_mut(index)?;
        let queued = session.pop()?;
        let awaited = session.link.is_some();
        self.forget(queued.size(), awaited);
        Some(queued)
    }

    /// Drops the first message that waits for a session.
    fn drop_first(&mut self, index: u32) {
        self.stats.publish_dropped += 1;
        match self.dequeue(index) {
            Some(queued) => self.settle(index, None, queued.row),
            None => {
                self.drop_spilled(index);
            }
        }
    }

    /// A message is owed to a session no more.
    pub(super) fn settle(&mut self, index: u32, id: Option<PacketId>, row: Row) {
        if let Some(persist) = &mut self.persist
            && let Some(session) = self.sessions.at(index)
        {
            persist.settle(session.sid, id, row);
        }
    }

    /// Sends what waits for a session, as far as its window and its outbox have room.
    pub(super) fn pump(&mut self, now: Instant, index: u32) {
        loop {
            let Some(session) = self.sessions.at_mut(index) else { return };
            let Some(link) = session.link else { return };
            if self.links.at(link).is_none_or(|link| link.outbox.len() >= OUTBOX_MAX) {
                return;
            }
            if self.resend_one(now, link, index) {
                continue;
            }
            let Some(session) = self.sessions.at_mut(index) else { return };
            if session.spilled.is_some() {
                self.ask(index);
            }
            let Some(session) = self.sessions.at_mut(index) else { return };
            let Some(first) = session.queue.front() else { return };
            // Its rights may have changed while the message waited. v5 [MQTT-3.3.2-5]
            if first.stored.expired(now) || !session.may_read(first.stored.message.topic()) {
                self.drop_first(index);
                continue;
            }
            let bytes_max = self.shared.config.queue_bytes_max;
            if first.terms.qos != QoS::AtMostOnce && !session.has_room(bytes_max) {
                return;
            }
            let Some(queued) = self.dequeue(index) else { return };
            self.begin();
            let mut parcel = Parcel::from_stored(&queued.stored);
            self.write(now, link, index, &mut parcel, queued.terms, queued.row);
        }
    }

    /// Sends one flow of a resumed session again. v5 [MQTT-4.4.0-1] v311 [MQTT-4.4.0-1]
    fn resend_one(&mut self, now: Instant, link: u32, index: u32) -> bool {
        let Some(session) = self.sessions.at_mut(index) else { return false };
        match session.outbound.next_resend() {
            None => false,
            Some(Resend::PubRel(id)) => {
                self.write_ack(link, Ack::new(AckKind::PubRel, id));
                true
            }
            Some(Resend::Publish(id, _, kept)) => {
                let Some(queued) = kept.clone() else { return true };
                let allowed = session.may_read(queued.stored.message.topic());
                self.begin();
                // An expired message goes on: its first delivery has begun. v5 [MQTT-4.3.3-7]
                let mut parcel = Parcel::from_stored(&queued.stored);
                if allowed && self.fits(now, link, &parcel, &queued.terms) {
                    self.encode(now, link, &mut parcel, &queued.terms, Some(id), true);
                } else {
                    // The peer takes less than it did, or may read less; the message counts as
                    // delivered.
                    let kind = match queued.terms.qos {
                        QoS::ExactlyOnce => AckKind::PubRec,
                        _ => AckKind::PubAck,
                    };
                    self.acknowledged(index, kind, id, Reason::PacketTooLarge);
                }
                true
            }
        }
    }

    /// Writes a PUBLISH into a link's outbox; the window has room.
    fn write(
        &mut self,
        now: Instant,
        link: u32,
        index: u32,
        parcel: &mut Parcel<'_>,
        terms: Terms,
        row: Row,
    ) {
        if !self.fits(now, link, parcel, &terms) {
            return self.settle(index, None, row);
        }
        if terms.qos == QoS::AtMostOnce {
            self.encode(now, link, parcel, &terms, None, false);
            return;
        }
        let Some(session) = self.sessions.at_mut(index) else { return };
        let keep = session.expiry_s > 0 || terms.group > 0;
        let queued = keep.then(|| Queued { row, ..Queued::new(parcel, terms.clone()) });
        let size = queued.as_ref().map_or(0, Queued::size);
        session.outbound_bytes += size;
        let id = session.outbound.start(terms.qos, queued);
        if size > 0 {
            self.shared.take_on(size, true);
        }
        if self.persist.is_some() && self.take_off(link, index, parcel, &terms, id) {
            return;
        }
        self.encode(now, link, parcel, &terms, Some(id), false);
    }

    /// Stores that a message is in flight to a session. Whether its PUBLISH has to wait for that.
    fn take_off(
        &mut self,
        link: u32,
        index: u32,
        parcel: &mut Parcel<'_>,
        terms: &Terms,
        id: PacketId,
    ) -> bool {
        let Some(session) = self.sessions.at_mut(index).filter(|session| session.is_durable())
        else {
            return false;
        };
        let (Some(persist), Some(Some(queued))) = (&mut self.persist, session.outbound.get_mut(id))
        else {
            return false;
        };
        if queued.row.is_none() {
            queued.row = persist.owe(session.sid, parcel, terms, Some(id));
        } else {
            persist.fly(session.sid, id, &mut queued.row, false);
        }
        let link = LinkId { index: link, generation: self.links.generation(link) };
        terms.qos == QoS::ExactlyOnce && persist.hold_publish(link, id)
    }

    /// Sends a PUBLISH that has waited until its Packet Identifier was durable.
    pub(super) fn publish_held(&mut self, now: Instant, link: LinkId, id: PacketId) {
        let Some(found) = self.links.get(link.index, link.generation) else { return };
        let Some(session) = self.sessions.at(found.session) else { return };
        let Some(Some(queued)) = session.outbound.get(id) else { return };
        let (stored, terms) = (Arc::clone(&queued.stored), queued.terms.clone());
        self.begin();
        let mut parcel = Parcel::from_stored(&stored);
        self.encode(now, link.index, &mut parcel, &terms, Some(id), false);
    }

    /// Takes an acknowledgement of what was sent to a session.
    pub(super) fn acknowledged(
        &mut self,
        index: u32,
        kind: AckKind,
        id: PacketId,
        reason: Reason,
    ) -> AckOutcome<()> {
        let Some(session) = self.sessions.at_mut(index) else { return AckOutcome::Unknown };
        match session.outbound.handle_ack(kind, id, reason) {
            AckOutcome::Done(None) => AckOutcome::Done(()),
            AckOutcome::Done(Some(queued)) => {
                let size = queued.size();
                session.outbound_bytes -= size;
                self.shared.let_go(size, true);
                if let Some(persist) = &mut self.persist {
                    persist.settle(session.sid, Some(id), queued.row);
                }
                AckOutcome::Done(())
            }
            AckOutcome::Release => {
                if let Some(persist) = &mut self.persist
                    && session.is_durable()
                    && let Some(Some(queued)) = session.outbound.get_mut(id)
                    && !queued.row.is_none()
                {
                    persist.fly(session.sid, id, &mut queued.row, true);
                }
                AckOutcome::Release
            }
            AckOutcome::Unknown => AckOutcome::Unknown,
        }
    }

    /// Whether the PUBLISH is small enough for the peer; if not, it counts as sent.
    /// v5 [MQTT-3.1.2-24] [MQTT-3.1.2-25]
    fn fits(&mut self, now: Instant, link: u32, parcel: &Parcel<'_>, terms: &Terms) -> bool {
        let Some(to) = self.links.at(link) else { return false };
        // Only near the largest packet that there is can the properties of this hop matter.
        if to.packet_max == u32::MAX && parcel.publish.payload.len() < HUGE {
            return true;
        }
        let version = to.version;
        let packet_max = to.packet_max as usize;
        let aliases = to.extras.as_ref().is_some_and(|extras| extras.aliases_out.is_some());
        let alias = aliases.then_some(1);
        let mut scratch = PropertiesBuf::new();
        let properties = outgoing_properties(parcel, now, &terms.identifiers, alias, &mut scratch);
        let publish = Publish {
            dup: false,
            qos: terms.qos,
            packet_id: PacketId::new(1).filter(|_| terms.qos != QoS::AtMostOnce),
            properties,
            ..parcel.publish
        };
        let fits = publish.encoded_len(version).is_ok_and(|len| len <= packet_max);
        self.stats.publish_dropped += u64::from(!fits);
        fits
    }

    /// Writes a PUBLISH into a link's outbox.
    fn encode(
        &mut self,
        now: Instant,
        index: u32,
        parcel: &mut Parcel<'_>,
        terms: &Terms,
        packet_id: Option<PacketId>,
        dup: bool,
    ) {
        let Some(link) = self.links.at_mut(index) else { return };
        let version = link.version;
        let alias = match link.extras.as_mut().and_then(|extras| extras.aliases_out.as_mut()) {
            None => AliasUse::Name,
            Some(aliases) => aliases.assign(parcel.publish.topic),
        };
        let template = &mut self.template;
        let reusable = template.valid
            && !dup
            && alias == AliasUse::Name
            && template.version == Some(version)
            && template.qos == terms.qos
            && template.retain == terms.retain
            && template.identifiers == terms.identifiers;
        if !reusable {
            let (topic, alias) = match alias {
                AliasUse::Name => (parcel.publish.topic, None),
                AliasUse::Define(alias) => (parcel.publish.topic, Some(alias)),
                AliasUse::Known(alias) => ("", Some(alias)),
            };
            let publish = Publish {
                dup, // v5 [MQTT-3.3.1-1] [MQTT-3.3.1-3] v311 [MQTT-3.3.1-1] [MQTT-3.3.1-3]
                qos: terms.qos,
                retain: terms.retain,
                topic,
                packet_id,
                properties: outgoing_properties(
                    parcel,
                    now,
                    &terms.identifiers,
                    alias,
                    &mut self.scratch,
                ),
                payload: parcel.publish.payload,
            };
            template.fill(version, &publish, &terms.identifiers);
            template.valid &= !dup && alias.is_none();
        }
        let shares = parcel.publish.payload.len() >= SHARE_MIN;
        let at = template.packet_id_at;
        self.announce(index);
        let Some(link) = self.links.at_mut(index) else { return };
        if !link.outbox.has_buffer() {
            link.outbox.lend(self.spares.take());
        }
        let before = link.outbox.len();
        let out = link.outbox.bytes();
        let start = out.len();
        out.extend_from_slice(&self.template.bytes);
        if let Some(id) = packet_id {
            out[start + at..start + at + 2].copy_from_slice(&id.get().to_be_bytes());
        }
        if shares {
            link.outbox.share(parcel.stored().message.payload_bytes());
        }
        // Once as it fills, so that one whose transport takes nothing hurries nobody.
        self.much |= before < OUTBOX_MUCH && link.outbox.len() >= OUTBOX_MUCH;
        self.stats.packets_sent += 1;
        self.stats.publish_sent += 1;
    }

    /// Writes an acknowledgement into a link's outbox.
    #[inline]
    pub(super) fn write_ack(&mut self, index: u32, ack: Ack<'_>) {
        self.write_packet(index, &Packet::Ack(ack));
    }

    /// Writes a packet into a link's outbox, as far as the peer takes it.
    pub(super) fn write_packet(&mut self, index: u32, packet: &Packet<'_>) {
        let Some(link) = self.links.at(index) else { return };
        let version = link.version;
        let Some(packet) = fitting(packet, version, link.packet_max) else { return };
        let Some(out) = self.outbox(index) else { return };
        // Our own packets are within what the version can say.
        let written = packet.encode(version, out);
        debug_assert!(written.is_ok(), "{packet:?}: {written:?}");
        self.stats.packets_sent += u64::from(written.is_ok());
    }
}

impl Template {
    fn fill(&mut self, version: Version, publish: &Publish<'_>, identifiers: &Identifiers) {
        self.valid = true;
        self.version = Some(version);
        self.qos = publish.qos;
        self.retain = publish.retain;
        self.identifiers = identifiers.clone();
        self.bytes.clear();
        let written = match publish.payload.len() {
            ..SHARE_MIN => publish.encode(version, &mut self.bytes),
            _ => publish.encode_head(version, &mut self.bytes),
        };
        // What was decoded or built by us is within what the version can say.
        debug_assert!(written.is_ok(), "{written:?}");
        self.packet_id_at = written.unwrap_or(0);
    }
}
