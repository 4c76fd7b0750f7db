//! What a client keeps beyond its process: messages at QoS 1 and 2, and the state of their flows.
//!
//! With [`Client::restore`] every message that `publish` takes at QoS 1 or 2 becomes a row, its
//! flow a cell, and what comes at QoS 2 a cell until PUBREL. The changes gather in a batch, which
//! is an output: the driver makes it durable and says [`Client::handle_persisted`]. What must not
//! come before that is held, in order:
//!
//! - A PUBLISH at QoS 2, as its Packet Identifier must be known after a crash. One at QoS 1 leaves
//!   at once, unless it would overtake one at QoS 2.
//! - PUBREL, lest the PUBLISH be sent again to a server that has forgotten its identifier.
//! - PUBREC, and before it the message itself: after a crash it is not handed over again. With
//!   manual acknowledgement the program gets the message at once, and what it acknowledges does
//!   not come again after a crash; what it does not, comes again.
//! - PUBCOMP, lest the identifier be taken for known when the server uses it again.
//!
//! So a message is safe when its row is durable, which [`Client::flush`] tells; or, of course, when
//! the server has acknowledged it. What is at QoS 0 is not kept.
//!
//! A client that begins with a store goes on with its Session: it sends again with DUP what was in
//! flight, then what had waited, in the order in which it was published. When the server has no
//! Session any more, `lost_session` says what becomes of what was in flight. Message Expiry
//! Intervals go on meanwhile. Ending the client abandons tokens, but no stored message.

use std::collections::VecDeque;

use libmqtt_codec::{
    AckKind, PacketId, PropertiesBuf, Property, PropertyId, Publish, QoS, Reason, Version,
};

use super::queue::Pending;
use super::{CleanStart, Client, ClientConfig, Kept, Outcome, Token};
use crate::session::{Inflight, Outbound};
use crate::store::{
    Batch, Body, Ends, FlightCell, Key, Loaded, MessageRow, OutgoingRow, Position, RowId,
    SessionCell, Store, StoreError,
};
use crate::{Instant, Message, UnixTime};

/// Bytes on their way to the store beyond which nothing more is sent at QoS 1 and 2.
const CLOGGED: usize = 1024 * 1024;

/// Why nothing can be flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlushError {
    /// The client keeps its messages in memory.
    #[error("client has no persistence")]
    NoPersistence,
}

/// Where a message is stored, if it is: twice the number of its row, and 1 if its flow has a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row(u64);

impl Row {
    fn of(id: RowId, celled: bool) -> Row {
        Row(id.0 << 1 | u64::from(celled))
    }

    fn id(self) -> RowId {
        RowId(self.0 >> 1)
    }

    fn is_celled(self) -> bool {
        self.0 & 1 > 0
    }

    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Something that waits until a batch is durable.
#[derive(Debug)]
enum Held {
    /// With DUP or not.
    Publish(PacketId, bool),
    Ack(AckKind, PacketId, Reason),
    /// With DUP or not, for the program.
    Message(Message, bool, PacketId),
}

#[derive(Debug)]
pub(super) struct Persist {
    /// Whether anything waits.
    sync: bool,
    /// A moment in both times.
    moment: (Instant, UnixTime),
    sid: RowId,
    /// What the cell of the session says: whether there is one, and its expiry.
    session: Option<(bool, u32)>,
    last_row: u64,
    batch: Batch,
    /// The position of the batch that is being gathered.
    next: u64,
    durable: u64,
    /// Batches that are not durable, and their sizes.
    waiting: VecDeque<(u64, usize)>,
    waiting_bytes: usize,
    holds: VecDeque<(u64, Held)>,
    /// Messages for the program among them, and their bytes.
    held_messages: usize,
    held_bytes: usize,
    flushes: VecDeque<(u64, Token)>,
    /// One of these is new.
    hurry: bool,
    failing: bool,
}

impl Persist {
    fn new(now: Instant, unix: UnixTime, sync: bool) -> Persist {
        Persist {
            sync,
            moment: (now, unix),
            sid: RowId(0),
            session: None,
            last_row: 0,
            batch: Batch::default(),
            next: 1,
            durable: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            holds: VecDeque::new(),
            held_messages: 0,
            held_bytes: 0,
            flushes: VecDeque::new(),
            hurry: false,
            failing: false,
        }
    }

    /// Wall time at a moment that is not past.
    fn unix(&self, at: Instant) -> UnixTime {
        let (instant, unix) = self.moment;
        UnixTime(unix.0.saturating_add(at.since(instant).as_millis() as u64))
    }

    fn new_row(&mut self) -> RowId {
        self.last_row += 1;
        RowId(self.last_row)
    }

    /// Stores a message, as sent if it has an identifier.
    pub(super) fn put(
        &mut self,
        publish: &Publish<'_>,
        expires: Option<Instant>,
        id: Option<PacketId>,
    ) -> Row {
        let row = self.new_row();
        let expires = expires.map(|at| self.unix(at));
        let sent = id.map(|id| (self.sid, id));
        let outgoing = OutgoingRow { sent, message: MessageRow { expires, message: *publish } };
        self.batch.write_row(row, |out| outgoing.put(out));
        Row::of(row, false)
    }

    /// Stores that a message is in flight, or that its PUBREC has come.
    pub(super) fn fly(&mut self, row: &mut Row, id: PacketId, released: bool) {
        *row = Row::of(row.id(), true);
        let cell = FlightCell { row: row.id(), released };
        self.batch.write_cell(Key::Flight(self.sid, id), |out| cell.put(out));
    }

    /// A message is done with; `id` if it was in flight.
    pub(super) fn settle(&mut self, row: Row, id: Option<PacketId>) {
        if row.is_none() {
            return;
        }
        self.batch.delete_row(row.id());
        if let Some(id) = id.filter(|_| row.is_celled()) {
            self.batch.remove_cell(Key::Flight(self.sid, id));
        }
    }

    /// Stores that the PUBREL of a received message is awaited, or not any more.
    pub(super) fn incoming(&mut self, id: PacketId, awaited: bool) {
        let key = Key::Incoming(self.sid, id);
        if awaited {
            self.batch.write_cell(key, |out| out.push(1));
        } else {
            self.batch.remove_cell(key);
        }
    }

    /// The batch that what has happened so far depends on.
    fn mark(&self) -> u64 {
        if self.batch.is_empty() { self.next - 1 } else { self.next }
    }

    /// Whether what has happened so far is not durable, and has to be.
    pub(super) fn is_behind(&self) -> bool {
        self.sync && self.mark() > self.durable
    }

    /// Whether a PUBLISH has to wait: itself, or behind others.
    pub(super) fn holds_back(&self, qos: QoS) -> bool {
        (qos == QoS::ExactlyOnce && self.is_behind()) || !self.holds.is_empty()
    }

    /// Whether too much is on its way to the store.
    pub(super) fn is_clogged(&self) -> bool {
        self.waiting_bytes > CLOGGED
    }

    /// Messages for the program that are held, and their bytes.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.held_messages, self.held_bytes)
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing
    }

    pub(super) fn hold_publish(&mut self, id: PacketId, dup: bool) {
        self.holds.push_back((self.mark(), Held::Publish(id, dup)));
    }

    fn hold_message(&mut self, message: Message, dup: bool, id: PacketId) {
        self.held_messages += 1;
        self.held_bytes += message.size();
        self.holds.push_back((self.mark(), Held::Message(message, dup, id)));
    }

    /// What need not wait any more; with `all`, every message for the program.
    fn release(&mut self, all: bool) -> Option<Held> {
        let due = |(until, held): &(u64, Held)| {
            if all { matches!(held, Held::Message(..)) } else { *until <= self.durable }
        };
        let at = if all { self.holds.iter().position(due)? } else { 0 };
        if !self.holds.get(at).is_some_and(due) {
            return None;
        }
        let (_, held) = self.holds.remove(at)?;
        if let Held::Message(message, ..) = &held {
            self.held_messages -= 1;
            self.held_bytes -= message.size();
        }
        Some(held)
    }

    /// The connection has ended: what was to be sent will be made anew.
    pub(super) fn connection_lost(&mut self) {
        self.holds.retain(|(_, held)| matches!(held, Held::Message(..)));
    }

    /// The Session is over, with these flows and these messages that awaited PUBREL.
    pub(super) fn end_session(
        &mut self,
        flows: &mut Outbound<Kept>,
        incoming: impl Iterator<Item = PacketId>,
    ) {
        let sid = self.sid;
        for (id, _) in flows.iter().filter(|(_, kept)| kept.row.is_celled()) {
            self.batch.remove_cell(Key::Flight(sid, id));
        }
        flows.values_mut().for_each(|kept| kept.row = Row::of(kept.row.id(), false));
        incoming.for_each(|id| self.batch.remove_cell(Key::Incoming(sid, id)));
        self.batch.remove_cell(Key::Session(sid));
        // Identifiers in rows are those of another session from now on.
        self.sid = self.new_row();
        self.session = None;
    }

    /// Stores whether the server may have a Session, and how long it lasts.
    fn put_session(&mut self, client_id: &str, version: Version, known: bool, expiry_s: u32) {
        if self.session.replace((known, expiry_s)) == Some((known, expiry_s)) {
            return;
        }
        let ends = if known { Ends::Connected } else { Ends::At(UnixTime(0)) };
        let cell = SessionCell { client_id, user_name: None, version, expiry_s, ends };
        self.batch.write_cell(Key::Session(self.sid), |out| cell.put(out));
    }

    fn take_batch(&mut self) -> Option<Batch> {
        if self.batch.is_empty() {
            return None;
        }
        let position = self.next;
        self.next += 1;
        let batch = core::mem::take(&mut self.batch);
        self.waiting.push_back((position, batch.size()));
        self.waiting_bytes += batch.size();
        Some(batch.at(Position(position)))
    }

    fn reached(&mut self, up_to: u64) {
        self.failing = false;
        self.durable = self.durable.max(up_to);
        while let Some((_, size)) = self.waiting.pop_front_if(|(at, _)| *at <= self.durable) {
            self.waiting_bytes -= size;
        }
    }

    fn flushed(&mut self, all: bool) -> Option<Token> {
        let (_, token) = self.flushes.pop_front_if(|(at, _)| all || *at <= self.durable)?;
        Some(token)
    }
}

impl Client {
    /// Command: has the client keep its messages at QoS 1 and 2 in a store, beginning with what
    /// the store has of an earlier client with its Client Identifier, which must not be empty. To
    /// be called before anything else. `unix` is the wall time of `now`. With `sync`, what needs
    /// it waits for `handle_persisted`; without, a crash may cost or repeat what was not durable.
    ///
    /// From now on the drain rule has one more part: give each batch of `poll_batch` to the store.
    ///
    /// `Err` when the store cannot be read, is another client's, or has something in it that makes
    /// no sense; the client is of no use then.
    pub fn restore(
        &mut self,
        store: &mut dyn Store,
        now: Instant,
        unix: UnixTime,
        sync: bool,
    ) -> Result<(), StoreError> {
        let mut loading = Loading::default();
        let mut result = Ok(());
        store.load(&mut |loaded| {
            if result.is_ok() {
                result = loading.take(loaded);
            }
        })?;
        result?;
        let mut persist = Persist::new(now, unix, sync);
        persist.last_row = loading.last;
        if let Some(session) = loading.session {
            if session.client_id != *self.client_id {
                let whose = format!("it is the file of client '{}'", session.client_id);
                return Err(StoreError::Medium(whose));
            }
            persist.sid = session.sid;
            persist.session = Some((session.known, session.expiry_s));
            (self.session.known, self.session.expiry_s) = (session.known, session.expiry_s);
        } else {
            persist.sid = persist.new_row();
        }
        let sid = persist.sid;
        for (of, id) in loading.incoming {
            if of == sid {
                self.session.inbound.receive(id);
            } else {
                persist.batch.remove_cell(Key::Incoming(of, id));
            }
        }
        loading.flights.sort_unstable_by_key(|(_, _, cell)| cell.row);
        let mut used = vec![false; loading.flights.len()];
        let mut flows = Vec::new();
        let mut ids = Vec::new();
        for (row, sent, qos, message, expires) in loading.rows {
            let cell = loading.flights.binary_search_by_key(&row, |(_, _, cell)| cell.row).ok();
            let cell = cell.filter(|&at| loading.flights[at].0 == sid);
            let sent = sent.filter(|(of, _)| *of == sid).map(|(_, id)| (id, false));
            let flight = match cell {
                Some(at) => {
                    used[at] = true;
                    Some((loading.flights[at].1, loading.flights[at].2.released))
                }
                None => sent,
            };
            let place = Row::of(row, cell.is_some());
            let left = expires.map(|at| at.0.saturating_sub(unix.0));
            match flight {
                Some((id, released)) => {
                    // It has to be sent again, or the server would wait; with what is left.
                    let message = match left {
                        Some(left) => expiring(&message, left.div_ceil(1000).max(1)),
                        None => message,
                    };
                    ids.push(id);
                    let kept = Kept { message, token: Token::NONE, row: place };
                    flows.push(Inflight { id, qos, released, kept });
                }
                None if left == Some(0) => persist.settle(place, None),
                None => {
                    let left = left.map(core::time::Duration::from_millis);
                    let expires = left.map(|left| now + left);
                    let token = Token::NONE;
                    self.queue.push(Pending { message, token, expires, row: place });
                }
            }
        }
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(StoreError::Record("flow"));
        }
        for ((of, id, _), _) in loading.flights.iter().zip(used).filter(|(_, used)| !used) {
            persist.batch.remove_cell(Key::Flight(*of, *id));
        }
        self.session.outbound.restore(flows);
        self.persist = Some(Box::new(persist));
        self.store_session();
        Ok(())
    }

    /// Output: changes to be made durable with a store, in order. Only after `restore`.
    pub fn poll_batch(&mut self) -> Option<Batch> {
        self.persist.as_mut()?.take_batch()
    }

    /// Output: whether what `poll_batch` has given is to be made durable now, as `flush` was called
    /// since the last time; for drivers that would let it gather.
    pub fn poll_flush(&mut self) -> bool {
        self.persist.as_mut().is_some_and(|persist| core::mem::take(&mut persist.hurry))
    }

    /// Input: batches up to this one are durable.
    pub fn handle_persisted(&mut self, now: Instant, up_to: Position) {
        let Some(persist) = &mut self.persist else { return };
        persist.reached(up_to.0);
        while let Some(held) = self.persist.as_mut().and_then(|persist| persist.release(false)) {
            self.let_go(held);
        }
        while let Some(token) = self.persist.as_mut().and_then(|persist| persist.flushed(false)) {
            self.finish(token, Outcome::Written);
        }
        self.pump(now);
        self.say_goodbye_if_done(now);
    }

    /// Input: nothing can be stored at present. Until `handle_persisted` comes again, `publish`
    /// refuses messages at QoS 1 and 2; what was taken before stays, and what waits to be durable
    /// goes on waiting, but for `flush`.
    pub fn handle_store_failed(&mut self, _now: Instant) {
        let Some(persist) = &mut self.persist else { return };
        persist.failing = true;
        while let Some(token) = self.persist.as_mut().and_then(|persist| persist.flushed(true)) {
            self.finish(token, Outcome::NotStored);
        }
    }

    /// Command: asks to be told when all that was published before at QoS 1 and 2 is durable, and
    /// what the program has acknowledged at QoS 2: the outcome is Written then, or NotStored when
    /// nothing can be stored at present.
    pub fn flush(&mut self) -> Result<Token, FlushError> {
        if self.persist.is_none() {
            return Err(FlushError::NoPersistence);
        }
        let token = self.token();
        let Some(persist) = &mut self.persist else { return Err(FlushError::NoPersistence) };
        let mark = persist.mark();
        if persist.failing {
            self.finish(token, Outcome::NotStored);
        } else if mark <= persist.durable {
            self.finish(token, Outcome::Written);
        } else {
            persist.flushes.push_back((mark, token));
            persist.hurry = true;
        }
        Ok(token)
    }

    fn let_go(&mut self, held: Held) {
        match held {
            Held::Publish(id, dup) => {
                let Some(kept) = self.session.outbound.get(id) else { return };
                let publish = Publish { dup, packet_id: Some(id), ..kept.message.view() };
                let qos = publish.qos;
                if let Err(reason) = self.wire.publish(&publish) {
                    self.unsendable(id, qos, reason);
                }
            }
            Held::Ack(kind, id, reason) => self.wire.ack(kind, id, reason),
            Held::Message(message, dup, id) => self.deliver(message, dup, Some(id), None),
        }
    }

    /// Sends an acknowledgement, when what it says is durable.
    pub(super) fn answer(&mut self, kind: AckKind, id: PacketId, reason: Reason) {
        if let Some(persist) = &mut self.persist
            && kind != AckKind::PubAck
            && persist.is_behind()
        {
            let until = persist.mark();
            persist.holds.push_back((until, Held::Ack(kind, id, reason)));
            return;
        }
        self.wire.ack(kind, id, reason);
    }

    /// Hands a message at QoS 2 to the program, when it is durable that it came.
    pub(super) fn deliver_once(&mut self, message: Message, dup: bool, id: PacketId) {
        if let Some(persist) = &mut self.persist {
            persist.incoming(id, true);
            if persist.is_behind() {
                return persist.hold_message(message, dup, id);
            }
        }
        self.deliver(message, dup, Some(id), None);
    }

    /// Starts the flow of a stored message, or of one that is to be stored, and sends it when it
    /// may leave.
    pub(super) fn transmit_stored(
        &mut self,
        publish: &Publish<'_>,
        kept: Option<Message>,
        token: Token,
        mut row: Row,
        expires: Option<Instant>,
    ) {
        let message = kept.unwrap_or_else(|| Message::copy(publish));
        let id = self.session.outbound.start(publish.qos, Kept { message, token, row });
        let Some(persist) = &mut self.persist else { return };
        if row.is_none() {
            row = persist.put(publish, expires, Some(id));
        } else {
            persist.fly(&mut row, id, false);
        }
        if let Some(kept) = self.session.outbound.get_mut(id) {
            kept.row = row;
        }
        if persist.holds_back(publish.qos) {
            return persist.hold_publish(id, false);
        }
        if let Err(reason) = self.wire.publish(&Publish { packet_id: Some(id), ..*publish }) {
            self.unsendable(id, publish.qos, reason);
        }
    }

    /// A message is done with; `id` if it was in flight.
    pub(super) fn settle_row(&mut self, row: Row, id: Option<PacketId>) {
        if let Some(persist) = &mut self.persist {
            persist.settle(row, id);
        }
    }

    /// PUBREC has come.
    pub(super) fn store_release(&mut self, id: PacketId) {
        if let Some(persist) = &mut self.persist
            && let Some(kept) = self.session.outbound.get_mut(id)
        {
            persist.fly(&mut kept.row, id, true);
        }
    }

    /// Stores whether the server may have a Session, if that has changed.
    pub(super) fn store_session(&mut self) {
        if let Some(persist) = &mut self.persist {
            let (version, session) = (self.wire.version, &self.session);
            persist.put_session(&self.client_id, version, session.known, session.expiry_s);
        }
    }

    /// Nothing more will come: what was held for the program need not wait, and must not be lost.
    pub(super) fn hand_over(&mut self) {
        while let Some(held) = self.persist.as_mut().and_then(|persist| persist.release(true)) {
            self.let_go(held);
        }
    }
}

impl ClientConfig {
    /// Whether it wants a Session that outlives its connection, as stored messages need one.
    pub fn is_lasting(&self) -> bool {
        self.session_expiry_s > 0 && self.clean_start != CleanStart::Always
    }
}

/// The message with this Message Expiry Interval.
fn expiring(message: &Message, seconds: u64) -> Message {
    let mut properties = PropertiesBuf::from(message.properties());
    properties.remove(PropertyId::MessageExpiryInterval);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    // There is room where one was taken out.
    let _ = properties.push(Property::MessageExpiryInterval(seconds));
    message.clone().with_properties(&properties)
}

struct StoredSession {
    sid: RowId,
    client_id: String,
    known: bool,
    expiry_s: u32,
}

type StoredRow = (RowId, Option<(RowId, PacketId)>, QoS, Message, Option<UnixTime>);

/// What a store has.
#[derive(Default)]
struct Loading {
    session: Option<StoredSession>,
    incoming: Vec<(RowId, PacketId)>,
    flights: Vec<(RowId, PacketId, FlightCell)>,
    rows: Vec<StoredRow>,
    /// The last number in use.
    last: u64,
}

impl Loading {
    fn take(&mut self, loaded: Loaded<'_>) -> Result<(), StoreError> {
        match loaded {
            Loaded::Cell(key, value) => match Key::read(key)? {
                Key::Meta => {}
                Key::Session(sid) => {
                    let SessionCell { client_id, ends, expiry_s, .. } = SessionCell::read(value)?;
                    let (client_id, known) = (client_id.into(), ends == Ends::Connected);
                    self.session = Some(StoredSession { sid, client_id, known, expiry_s });
                    self.last = self.last.max(sid.0);
                }
                Key::Incoming(sid, id) => self.incoming.push((sid, id)),
                Key::Flight(sid, id) => self.flights.push((sid, id, FlightCell::read(value)?)),
                _ => return Err(StoreError::Record("key")),
            },
            Loaded::Row(row, value) => {
                let Body::Outgoing(OutgoingRow { sent, message }) = Body::read(value)? else {
                    return Err(StoreError::Record("row"));
                };
                let MessageRow { expires, message } = message;
                self.last = self.last.max(row.0);
                self.rows.push((row, sent, message.qos, Message::copy(&message), expires));
            }
        }
        Ok(())
    }
}
