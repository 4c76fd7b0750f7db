//! Queues longer than memory should hold: their later part is in the store alone.
//!
//! A message that is stored for a durable session, while much waits for it or for all sessions, is
//! not kept in memory: what is left of it is where it is stored and how large it is. From then on
//! all that follows goes the same way, so the order stays. As the client reads what is in memory,
//! pages of rows are asked for (`BrokerOutput::Fetch`) and come back by `handle_rows`.
//!
//! Messages of shared subscriptions stay in memory: they may have to go to another member.

use core::sync::atomic::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use libmqtt_codec::QoS;

use super::Shard;
use super::deliver::Tables;
use super::parcel::{Identifiers, Queued, Stored, Terms};
use super::persist::{Persist, Row};
use super::session::Session;
use crate::store::{Body, MessageRow, OwedRow, RowId};
use crate::{Instant, Message};

/// Messages of one page at most, and about how many bytes.
const PAGE: usize = 1024;
const PAGE_BYTES: usize = 256 * 1024;

/// The part of a queue that is in the store alone, in order.
#[derive(Debug, Default)]
pub(super) struct Spilled {
    stubs: VecDeque<Stub>,
    bytes: usize,
    /// How many of the first have been asked for.
    asked: usize,
}

/// A message that is in the store alone.
#[derive(Debug)]
struct Stub {
    row: RowId,
    /// The row of the message itself, if it has one of its own.
    body: RowId,
    size: u32,
}

impl Spilled {
    fn pop(&mut self) -> Option<Stub> {
        let stub = self.stubs.pop_front()?;
        self.bytes -= stub.size as usize;
        self.asked = self.asked.saturating_sub(1);
        Some(stub)
    }
}

impl Stub {
    fn row(&self) -> Row {
        Row { id: self.row, body: self.body, celled: false }
    }
}

impl Session {
    /// Messages that wait for it, and their bytes, in memory or not.
    pub(super) fn waiting(&self) -> (usize, usize) {
        match &self.spilled {
            None => (self.queue.len(), self.queue_bytes),
            Some(spilled) => {
                (self.queue.len() + spilled.stubs.len(), self.queue_bytes + spilled.bytes)
            }
        }
    }

    /// Settles all that is in the store alone, with a session that ends.
    pub(super) fn settle_spilled(&self, persist: &mut Persist) {
        for stub in self.spilled.iter().flat_map(|spilled| &spilled.stubs) {
            persist.settle(self.sid, None, stub.row());
        }
    }
}

impl Tables {
    /// Leaves a message to the store alone, if that has it and memory should not; false: it is to
    /// be kept.
    pub(super) fn spill(&mut self, index: u32, queued: &Queued) -> bool {
        let config = &self.shared.config;
        let Some(session) = self.sessions.at_mut(index) else { return false };
        if queued.row.is_none() || queued.terms.group != 0 || !session.is_durable() {
            return false;
        }
        let much = session.queue_bytes > config.queue_memory_max
            || (!session.queue.is_empty() && self.shared.resident() > config.memory_max);
        if !much && session.spilled.is_none() {
            return false;
        }
        let size = queued.size();
        let spilled = session.spilled.get_or_insert_default();
        let stub = Stub { row: queued.row.id, body: queued.row.body, size: size as u32 };
        spilled.bytes += size;
        spilled.stubs.push_back(stub);
        let awaited = session.link.is_some();
        self.stats.queued_messages += 1;
        self.stats.queued_bytes += size as u64;
        self.shared.take_on(size, awaited);
        self.shared.totals.spilled.fetch_add(size, Ordering::Relaxed);
        true
    }

    /// Takes the first message that is in the store alone.
    fn unspill(&mut self, index: u32) -> Option<Stub> {
        let session = self.sessions.at_mut(index)?;
        let stub = session.spilled.as_mut()?.pop()?;
        if session.spilled.as_ref().is_some_and(|spilled| spilled.stubs.is_empty()) {
            session.spilled = None;
        }
        let awaited = session.link.is_some();
        self.forget_stub(&stub, awaited);
        Some(stub)
    }

    fn forget_stub(&mut self, stub: &Stub, awaited: bool) {
        self.forget(stub.size as usize, awaited);
        self.shared.totals.spilled.fetch_sub(stub.size as usize, Ordering::Relaxed);
    }

    /// Forgets all of a session that has been taken out.
    pub(super) fn forget_spilled(&mut self, session: &Session) {
        for stub in session.spilled.iter().flat_map(|spilled| &spilled.stubs) {
            self.forget_stub(stub, false);
        }
    }

    /// Drops the first message that is in the store alone; false if there is none.
    pub(super) fn drop_spilled(&mut self, index: u32) -> bool {
        let Some(stub) = self.unspill(index) else { return false };
        self.settle(index, None, stub.row());
        true
    }

    /// Asks for a page of what is in the store alone, if a session will soon need it.
    pub(super) fn ask(&mut self, index: u32) {
        let generation = self.sessions.generation(index);
        let Some(session) = self.sessions.at_mut(index) else { return };
        let Some(spilled) = &mut session.spilled else { return };
        if spilled.asked > 0 || session.queue.len() > PAGE / 4 {
            return;
        }
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for stub in spilled.stubs.iter().take(PAGE) {
            if bytes > PAGE_BYTES {
                break;
            }
            bytes += stub.size as usize;
            spilled.asked += 1;
            rows.push(stub.row);
            rows.extend(Some(stub.body).filter(|body| *body != RowId(0)));
        }
        self.fetches.push_back(rows);
        self.asking.push_back((index, generation));
    }
}

impl Shard {
    /// Input: the rows of the oldest `BrokerOutput::Fetch` that was not answered yet.
    pub fn handle_rows(&mut self, now: Instant, rows: &[(RowId, Bytes)]) {
        self.reap();
        let Some((index, generation)) = self.tables.asking.pop_front() else { return };
        let Some(session) = self.tables.sessions.get_mut(index, generation) else { return };
        let asked = session.spilled.as_mut().map_or(0, |spilled| spilled.asked);
        let value = |wanted: RowId| rows.iter().find(|(row, _)| *row == wanted);
        let mut at = 0;
        for _ in 0..asked {
            let Some(stub) = self.tables.unspill(index) else { break };
            // They come in order; one that was dropped meanwhile is passed over.
            let found = rows[at..].iter().position(|(row, _)| *row == stub.row);
            at += found.unwrap_or(0);
            let body = || value(stub.body).map(|(_, bytes)| &bytes[..]);
            let read = found.and_then(|_| self.read_owed(now, &rows[at].1, body));
            match read {
                Some(queued) => {
                    let queued = Queued { row: stub.row(), ..queued };
                    self.tables.push_back(index, queued);
                }
                None => {
                    // Nothing but a damaged file can do that.
                    self.tables.stats.publish_dropped += 1;
                    self.tables.settle(index, None, stub.row());
                }
            }
        }
        if let Some(spilled) =
            self.tables.sessions.at_mut(index).and_then(|session| session.spilled.as_mut())
        {
            spilled.asked = 0;
        }
        self.tables.pump(now, index);
    }

    fn read_owed<'a>(
        &self,
        now: Instant,
        value: &'a [u8],
        body: impl Fn() -> Option<&'a [u8]>,
    ) -> Option<Queued> {
        let Ok(Body::Owed(OwedRow { qos, retain, group, identifiers, what, .. })) =
            Body::read(value)
        else {
            return None;
        };
        let MessageRow { expires, message } = match what {
            Ok(message) => message,
            Err(_) => match Body::read(body()?) {
                Ok(Body::Message(message)) => message,
                _ => return None,
            },
        };
        debug_assert!(qos > QoS::AtMostOnce);
        let persist = self.tables.persist.as_ref()?;
        let stored = Stored {
            message: Message::copy(&message),
            expires_at: expires.map(|at| persist.instant(now, at)),
        };
        let identifiers = identifiers.to_vec().iter().collect::<Identifiers>();
        let terms = Terms { qos, retain, group, identifiers };
        Some(Queued { stored: Arc::new(stored), terms, retained: false, row: Row::default() })
    }
}
