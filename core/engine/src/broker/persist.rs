//! What a shard has made durable, and what waits for that.
//!
//! Every change of what must survive is added to the batch that is being gathered, which goes out
//! with the shard's next outputs. An answer that depends on it (PUBACK, PUBREC, PUBREL, PUBCOMP,
//! SUBACK, UNSUBACK, CONNACK, and the first PUBLISH at QoS 2) is held until `handle_persisted` has
//! come for that batch. The answers of one link keep their order; nothing else waits: messages at
//! QoS 0 and 1 go out at once.
//!
//! A message for sessions of another shard goes there in a batch of messages with a number
//! (`PeerBatch`), which both shards give to what they have stored on its account. As a store makes
//! batches with a number in common durable in one step, the publisher's shard need only wait for
//! its own.
//!
//! A retained message is written by the shard that is its topic's home, with the value that the
//! common store of retained messages has by then: so what was set last is what is on disk,
//! whichever shards have set it.
//!
//! While nothing can be stored, QoS 1 and 2 messages are refused, as are new durable sessions and
//! subscriptions. What was submitted before stays submitted, in order, and so the store and memory
//! agree again when it works again.

use core::ops::Range;
use std::collections::VecDeque;
use std::sync::Arc;

use libmqtt_codec::{Ack, AckKind, Packet, PacketId, Reason, Version};

use super::explain::{STORE_FAILS, fitting};
use super::parcel::{Parcel, Terms};
use super::peer::PeerBatch;
use super::session::{NEVER, Session};
use super::shard::Next;
use super::{LinkId, Shard, Shared};
use crate::store::{
    Batch, Ends, FlightCell, Identifiers, Key, MessageRow, OwedRow, Position, RowId, SessionCell,
    SubscriptionCell, WillCell,
};
use crate::topic::Subscriber;
use crate::{Instant, UnixTime};

/// Numbers of rows that a shard takes at a time.
const BLOCK: u64 = 1024;

/// Where a message that waits for a session is stored; by default nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    pub(super) id: RowId,
    /// The row of the message itself, if other rows share it.
    pub(super) body: RowId,
    /// Its flow has a cell.
    pub(super) celled: bool,
}

impl Row {
    pub(super) fn is_none(self) -> bool {
        self.id == RowId(0)
    }
}

/// Something that waits until a batch is durable.
#[derive(Debug)]
struct Hold {
    until: u64,
    link: LinkId,
    what: Held,
}

#[derive(Debug)]
enum Held {
    Ack(AckKind, PacketId, Reason),
    /// Another packet, encoded.
    Packet(Box<[u8]>),
    /// The first PUBLISH of a flow at QoS 2.
    Publish(PacketId),
    /// Everything, from CONNACK on.
    Open,
}

#[derive(Debug)]
pub(super) struct Persist {
    shared: Arc<Shared>,
    which: u16,
    /// Whether answers wait.
    sync: bool,
    /// A moment in both times.
    moment: (Instant, UnixTime),
    batch: Batch,
    /// Topics whose retained message is to be stored.
    topics: Vec<Box<str>>,
    /// The position of the batch that is being gathered.
    next: u64,
    durable: u64,
    /// Rises with every change.
    changes: u64,
    holds: VecDeque<Hold>,
    rows: Range<u64>,
    joins: u64,
    /// Batches that are not durable, and their sizes.
    waiting: VecDeque<(u64, usize)>,
    waiting_bytes: usize,
    pub(super) failing: bool,
}

impl Persist {
    fn new(shared: Arc<Shared>, which: u16, now: Instant, unix: UnixTime, sync: bool) -> Persist {
        Persist {
            shared,
            which,
            sync,
            moment: (now, unix),
            batch: Batch::default(),
            topics: Vec::new(),
            next: 1,
            durable: 0,
            changes: 0,
            holds: VecDeque::new(),
            rows: 0..0,
            joins: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            failing: false,
        }
    }

    /// Wall time at a moment.
    pub(super) fn unix(&self, at: Instant) -> UnixTime {
        let (instant, unix) = self.moment;
        let ahead = at.since(instant).as_millis() as u64;
        let behind = instant.since(at).as_millis() as u64;
        UnixTime((unix.0.saturating_add(ahead)).saturating_sub(behind))
    }

    /// The moment of a wall time; `now` if that is over.
    pub(super) fn instant(&self, now: Instant, at: UnixTime) -> Instant {
        let left = at.0.saturating_sub(self.unix(now).0);
        now + core::time::Duration::from_millis(left)
    }

    /// How many changes there have been.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The batch that what has happened so far depends on.
    fn mark(&self) -> u64 {
        let gathering =
            !self.batch.is_empty() || !self.batch.joins().is_empty() || !self.topics.is_empty();
        if gathering { self.next } else { self.next - 1 }
    }

    /// Whether what has happened so far is not durable, and answers wait for that.
    fn is_behind(&self) -> bool {
        self.sync && self.mark() > self.durable
    }

    /// Bytes that are on their way to the store.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    fn gathered(&mut self) -> &mut Batch {
        self.changes += 1;
        &mut self.batch
    }

    /// A number for a row.
    pub(super) fn new_row(&mut self) -> RowId {
        if self.rows.is_empty() {
            let start = self.shared.take_rows(BLOCK);
            self.rows = start..start + BLOCK;
        }
        self.rows.start += 1;
        RowId(self.rows.start - 1)
    }

    /// Stores a message that a session is owed.
    pub(super) fn owe(
        &mut self,
        sid: RowId,
        parcel: &mut Parcel<'_>,
        terms: &Terms,
        packet_id: Option<PacketId>,
    ) -> Row {
        let message = MessageRow {
            expires: parcel.expires_at.map(|at| self.unix(at)),
            message: parcel.publish,
        };
        let what = if parcel.many {
            let body = match parcel.body {
                Some(body) => body,
                None => {
                    let body = self.new_row();
                    self.gathered().write_row(body, |out| message.put_row(out));
                    parcel.body = Some(body);
                    body
                }
            };
            self.shared.share_body(body);
            Err(body)
        } else {
            Ok(message)
        };
        let id = self.new_row();
        let row = Row { id, body: *what.as_ref().err().unwrap_or(&RowId(0)), celled: false };
        let owed = OwedRow {
            sid,
            qos: terms.qos,
            retain: terms.retain,
            group: terms.group,
            packet_id,
            identifiers: Identifiers::Known(terms.identifiers.as_slice()),
            what,
        };
        self.gathered().write_row(id, |out| owed.put(out));
        row
    }

    /// Stores that the message of a row was sent, or that its PUBREC has come.
    pub(super) fn fly(&mut self, sid: RowId, id: PacketId, row: &mut Row, released: bool) {
        row.celled = true;
        let cell = FlightCell { row: row.id, released };
        self.gathered().write_cell(Key::Flight(sid, id), |out| cell.put(out));
    }

    /// A flow whose row is gone was loaded.
    pub(super) fn land(&mut self, sid: RowId, id: PacketId) {
        self.gathered().remove_cell(Key::Flight(sid, id));
    }

    /// A message is owed no more; `id` if it was in flight.
    pub(super) fn settle(&mut self, sid: RowId, id: Option<PacketId>, row: Row) {
        if row.is_none() {
            return;
        }
        self.gathered().delete_row(row.id);
        if let Some(id) = id.filter(|_| row.celled) {
            self.gathered().remove_cell(Key::Flight(sid, id));
        }
        // A crash may find this row there without the body. Then it was settled before.
        if row.body != RowId(0) && self.shared.release_body(row.body) {
            self.gathered().delete_row(row.body);
        }
    }

    /// A row that belongs to nobody was loaded.
    pub(super) fn delete_row(&mut self, row: RowId) {
        self.gathered().delete_row(row);
    }

    /// A cell that belongs to nobody was loaded.
    pub(super) fn delete_cell(&mut self, key: &[u8]) {
        self.gathered().delete_cell(key);
    }

    pub(super) fn incoming(&mut self, sid: RowId, id: PacketId, awaited: bool) {
        let key = Key::Incoming(sid, id);
        match awaited {
            true => self.gathered().write_cell(key, |out| out.push(1)),
            false => self.gathered().remove_cell(key),
        }
    }

    pub(super) fn subscribe(
        &mut self,
        sid: RowId,
        filter: &str,
        subscriber: &Subscriber,
        group: u32,
    ) {
        let (options, identifier) = (subscriber.options, subscriber.identifier());
        let cell = SubscriptionCell { options, identifier, group };
        self.gathered().write_cell(Key::Subscription(sid, filter), |out| cell.put(out));
    }

    pub(super) fn unsubscribe(&mut self, sid: RowId, filter: &str) {
        self.gathered().remove_cell(Key::Subscription(sid, filter));
    }

    /// Stores what there is to say of a session as such.
    pub(super) fn session(&mut self, session: &Session) {
        let ends = match (session.link, session.ends_at) {
            (Some(_), _) => Ends::Connected,
            (None, None) => Ends::Never,
            (None, Some(at)) => Ends::At(self.unix(at)),
        };
        let client = &session.client;
        let cell = SessionCell {
            client_id: &client.client_id,
            user_name: client.user_name.as_deref(),
            version: client.version,
            expiry_s: session.expiry_s,
            ends,
        };
        self.gathered().write_cell(Key::Session(session.sid), |out| cell.put(out));
    }

    /// Stores a session's will, or that it has none.
    pub(super) fn will(&mut self, session: &mut Session) {
        let key = Key::Will(session.sid);
        match &session.will {
            Some(will) => {
                let due = will.due.map(|at| self.unix(at));
                let cell = WillCell { delay_s: will.delay_s, due, message: will.message.view() };
                self.gathered().write_cell(key, |out| cell.put(out));
                session.will_stored = true;
            }
            None if session.will_stored => {
                self.gathered().remove_cell(key);
                session.will_stored = false;
            }
            None => {}
        }
    }

    /// Removes what a session was owed and had subscribed to.
    pub(super) fn empty(&mut self, session: &mut Session) {
        let sid = session.sid;
        for (id, kept) in session.outbound.iter() {
            if let Some(queued) = kept {
                self.settle(sid, Some(id), queued.row);
            }
        }
        session.outbound.values_mut().flatten().for_each(|queued| queued.row = Row::default());
        for queued in &mut session.queue {
            self.settle(sid, None, core::mem::take(&mut queued.row));
        }
        for id in session.inbound.iter() {
            self.incoming(sid, id, false);
        }
        for filter in &session.filters {
            self.unsubscribe(sid, filter);
        }
    }

    /// Removes a session and all it has.
    pub(super) fn end(&mut self, session: &mut Session) {
        if session.expiry_s > 0 || session.was_durable {
            self.empty(session);
        }
        session.settle_spilled(self);
        session.will = None;
        self.will(session);
        self.gathered().remove_cell(Key::Session(session.sid));
        session.sid = RowId(0);
    }

    /// The retained message of a topic has changed, whose home is this shard.
    pub(super) fn retain(&mut self, topic: &str) {
        self.changes += 1;
        self.topics.push(topic.into());
    }

    /// Has what is stored for the messages of a batch become durable together with what its
    /// receiver stores.
    pub(super) fn join(&mut self, batch: &mut PeerBatch) {
        self.changes += 1;
        if batch.join == 0 {
            self.joins += 1;
            batch.join = (u64::from(self.which) + 1) << 48 | self.joins;
            self.batch.join(batch.join);
        }
    }

    /// A batch of messages comes from another shard, which waits for what is stored for it.
    pub(super) fn joined(&mut self, number: u64) {
        self.changes += 1;
        self.batch.join(number);
    }

    /// What has gathered, if anything has.
    pub(super) fn take(&mut self) -> Option<Batch> {
        let mut topics = core::mem::take(&mut self.topics);
        if !topics.is_empty() {
            topics.sort_unstable();
            topics.dedup();
            let shared = Arc::clone(&self.shared);
            let retained = shared.retained();
            for topic in &topics {
                let key = Key::Retained(topic);
                match retained.get(topic) {
                    None => self.batch.remove_cell(key),
                    Some(stored) => {
                        let expires = stored.expires_at.map(|at| self.unix(at));
                        let row = MessageRow { expires, message: stored.message.view() };
                        self.batch.write_cell(key, |out| row.put(out));
                    }
                }
            }
        }
        if self.batch.is_empty() && self.batch.joins().is_empty() {
            return None;
        }
        let batch = core::mem::take(&mut self.batch).at(Position(self.next));
        self.waiting.push_back((self.next, batch.size()));
        self.waiting_bytes += batch.size();
        self.next += 1;
        Some(batch)
    }

    /// All up to this batch is durable.
    fn done(&mut self, position: Position) {
        self.durable = self.durable.max(position.0);
        while let Some((_, size)) = self.waiting.pop_front_if(|(at, _)| *at <= self.durable) {
            self.waiting_bytes -= size;
        }
    }

    /// Has a session's PUBLISH at QoS 2 wait until its Packet Identifier is durable; false if it
    /// need not.
    pub(super) fn hold_publish(&mut self, link: LinkId, id: PacketId) -> bool {
        if !self.sync {
            return false;
        }
        self.holds.push_back(Hold { until: self.mark(), link, what: Held::Publish(id) });
        true
    }
}

/// When an answer may be given.
#[derive(Clone, Copy, Debug)]
pub(super) enum After {
    /// When what has changed since there were so many changes is durable.
    Changes(u64),
    /// When all that has happened is durable.
    Everything,
}

impl Shard {
    /// Command: from now on all that must survive goes out as `BrokerOutput::Persist`. To be
    /// called before the shard's first input. `unix` is the time of day at `now`; with `sync`,
    /// answers that depend on what is stored wait for `handle_persisted`.
    pub fn persist(&mut self, now: Instant, unix: UnixTime, sync: bool) {
        let shared = Arc::clone(&self.shared);
        let persist = Persist::new(shared, self.which, now, unix, sync);
        self.tables.persist = Some(Box::new(persist));
    }

    /// Input: all batches up to this one are durable.
    pub fn handle_persisted(&mut self, now: Instant, up_to: Position) {
        self.reap();
        let Some(persist) = &mut self.tables.persist else { return };
        persist.failing = false;
        persist.done(up_to);
        while let Some(persist) = &mut self.tables.persist
            && let Some(hold) = persist.holds.pop_front_if(|hold| hold.until <= persist.durable)
        {
            self.let_go(now, hold);
        }
        self.relieve(now);
    }

    /// Input: nothing can be stored at present. What was handed out stays handed out; when it has
    /// become durable after all, `handle_persisted` says so.
    pub fn handle_store_failed(&mut self, now: Instant) {
        self.reap();
        let Some(persist) = &mut self.tables.persist else { return };
        persist.failing = true;
        let is_receipt =
            |hold: &Hold| matches!(hold.what, Held::Ack(AckKind::PubAck | AckKind::PubRec, ..));
        let holds = core::mem::take(&mut persist.holds);
        let (receipts, rest) = holds.into_iter().partition::<VecDeque<_>, _>(is_receipt);
        persist.holds = rest;
        for hold in receipts {
            let Held::Ack(kind, id, _) = hold.what else { continue };
            let link = hold.link;
            let Some(found) = self.tables.links.get_mut(link.index, link.generation) else {
                continue;
            };
            found.holds -= 1;
            // At QoS 2 the message has been taken: to refuse it now would have it come twice. When
            // it comes again in the same session it is known.
            if found.version != Version::V5 || kind == AckKind::PubRec {
                self.refuse(now, link, Reason::QuotaExceeded, STORE_FAILS);
                continue;
            }
            let _ = self.refuse_publish(now, link, Ack::new(kind, id));
        }
    }

    /// Whether nothing can be stored at present.
    pub(super) fn is_failing(&self) -> bool {
        self.tables.persist.as_ref().is_some_and(|persist| persist.failing)
    }

    /// How many changes of what is stored there have been.
    pub(super) fn changes(&self) -> u64 {
        self.tables.persist.as_ref().map_or(0, |persist| persist.changes())
    }

    /// Does what has waited.
    fn let_go(&mut self, now: Instant, hold: Hold) {
        let link = hold.link;
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else { return };
        match hold.what {
            Held::Ack(kind, id, reason) => {
                found.holds -= 1;
                self.tables.write_ack(link.index, Ack { reason, ..Ack::new(kind, id) });
            }
            Held::Packet(packet) => {
                found.holds -= 1;
                if let Some(out) = self.tables.outbox(link.index) {
                    out.extend_from_slice(&packet);
                    self.tables.stats.packets_sent += 1;
                }
            }
            Held::Publish(id) => self.tables.publish_held(now, link, id),
            Held::Open => {
                found.corked = false;
                found.announced = false;
                self.tables.announce(link.index);
            }
        }
    }

    /// Has everything for a link wait that has happened so far, from its CONNACK on.
    pub(super) fn cork(&mut self, link: LinkId) {
        let Some(persist) = &mut self.tables.persist else { return };
        if !persist.is_behind() {
            return;
        }
        persist.holds.push_back(Hold { until: persist.mark(), link, what: Held::Open });
        if let Some(found) = self.tables.links.get_mut(link.index, link.generation) {
            found.corked = true;
        }
    }

    /// Whether an answer to a link has to wait: for what it depends on, or for earlier ones.
    fn waits(&self, link: LinkId, after: After) -> Option<u64> {
        let persist = self.tables.persist.as_ref()?;
        if !persist.is_behind() {
            return None;
        }
        let waits = match after {
            After::Changes(before) => persist.changes != before,
            After::Everything => true,
        };
        let behind = || {
            let found = self.tables.links.get(link.index, link.generation);
            found.is_some_and(|found| found.holds > 0)
        };
        (waits || behind()).then(|| persist.mark())
    }

    fn hold(&mut self, link: LinkId, until: u64, what: Held) {
        let found = self.tables.links.get_mut(link.index, link.generation);
        if let (Some(persist), Some(found)) = (&mut self.tables.persist, found) {
            found.holds += 1;
            persist.holds.push_back(Hold { until, link, what });
        }
    }

    /// Writes an acknowledgement, or has it wait, then without what explains it.
    #[inline]
    pub(super) fn answer(&mut self, link: LinkId, after: After, ack: Ack<'_>) {
        if self.tables.persist.is_some()
            && let Some(until) = self.waits(link, after)
        {
            self.hold(link, until, Held::Ack(ack.kind, ack.packet_id, ack.reason));
            return;
        }
        self.tables.write_ack(link.index, ack);
    }

    /// Writes another answer, or has it wait.
    pub(super) fn answer_with(&mut self, link: LinkId, after: After, packet: &Packet<'_>) {
        let Some(until) = self.waits(link, after) else {
            return self.tables.write_packet(link.index, packet);
        };
        let Some(found) = self.tables.links.get(link.index, link.generation) else { return };
        let mut bytes = Vec::new();
        let version = found.version;
        if fitting(packet, version, found.packet_max)
            .is_some_and(|packet| packet.encode(version, &mut bytes).is_ok())
        {
            self.hold(link, until, Held::Packet(bytes.into()));
        }
    }

    /// Notes that a message at QoS 2 has come, whose PUBREL is awaited.
    pub(super) fn await_release(&mut self, index: u32, id: PacketId) {
        let Some(session) = self.tables.sessions.at_mut(index) else { return };
        session.inbound.receive(id); // v5 [MQTT-4.3.3-9]
        if let Some(persist) = &mut self.tables.persist
            && session.is_durable()
        {
            persist.incoming(session.sid, id, true);
        }
    }

    /// PUBREL has come, or is not due any more; whether it was awaited.
    pub(super) fn take_release(&mut self, index: u32, id: PacketId) -> bool {
        let Some(session) = self.tables.sessions.at_mut(index) else { return false };
        let known = session.inbound.release(id);
        if let Some(persist) = &mut self.tables.persist
            && session.is_durable()
            && known
        {
            persist.incoming(session.sid, id, false);
        }
        known
    }

    /// Stores a session that a client has come to, as far as it will outlive the connection.
    pub(super) fn store_session(&mut self, index: u32) {
        let Some(session) = self.tables.sessions.at_mut(index) else { return };
        let Some(persist) = &mut self.tables.persist else { return };
        let durable = session.expiry_s > 0;
        if session.was_durable && !durable {
            persist.empty(session); // it ends with this connection, whenever that is
        }
        session.was_durable = durable;
        if durable || session.will.is_some() {
            if session.sid == RowId(0) {
                session.sid = persist.new_row();
            }
            persist.session(session);
            persist.will(session);
        } else if session.sid != RowId(0) {
            persist.end(session);
        }
    }

    /// Stores that a session has lost its client.
    pub(super) fn store_departure(&mut self, index: u32) {
        let Some(session) = self.tables.sessions.at_mut(index) else { return };
        let Some(persist) = &mut self.tables.persist else { return };
        if session.sid != RowId(0) {
            persist.session(session);
            persist.will(session);
        }
    }

    /// The retained message of a topic has changed; with `waited`, an answer waits for it.
    pub(super) fn store_retained(&mut self, topic: &str, waited: bool) {
        let Some(persist) = &mut self.tables.persist else { return };
        if topic.starts_with("$SYS/") {
            return; // made anew all the time
        }
        let home = self.shared.home(topic);
        if home == self.which {
            persist.retain(topic);
            return;
        }
        self.peers.push_retained(home, topic, Some(&mut **persist).filter(|_| waited));
    }

    /// Whether publishers have to wait because too much is on its way to the store.
    pub(super) fn is_store_clogged(&self) -> bool {
        self.tables.persist.as_ref().is_some_and(|persist| {
            persist.waiting_bytes() > self.shared.config.store_queue_bytes_max
        })
    }

    /// A QoS 1 or 2 message cannot be stored: tells a client that can be told, closes the others.
    pub(super) fn refuse_publish(&mut self, now: Instant, link: LinkId, ack: Ack<'_>) -> Next {
        let Some(found) = self.tables.links.get(link.index, link.generation) else {
            return Next::Stop;
        };
        if found.version != Version::V5 {
            return self.refuse(now, link, Reason::QuotaExceeded, STORE_FAILS);
        }
        let told = self.explanation(link, STORE_FAILS);
        let ack = Ack { reason: Reason::QuotaExceeded, properties: told.view(), ..ack };
        self.tables.write_ack(link.index, ack);
        Next::Go
    }
}

impl Session {
    /// Whether it is stored with all it has.
    pub(super) fn is_durable(&self) -> bool {
        self.sid != RowId(0) && self.expiry_s > 0
    }

    /// When it ends if its client leaves now.
    pub(super) fn end_after(&self, now: Instant) -> Option<Instant> {
        (self.expiry_s != NEVER)
            .then(|| now + core::time::Duration::from_secs(self.expiry_s.into()))
    }
}
