//! Loading: what was stored becomes sessions, subscriptions and messages again.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use libmqtt_codec::{PacketId, TopicFilter};

use super::parcel::{Identifiers, Queued, Stored, Terms};
use super::persist::Row;
use super::session::{Session, Will};
use super::{Shard, Shared};
use crate::session::Inflight;
use crate::store::{
    Body, Ends, FlightCell, Key, Loaded, MessageRow, OwedRow, RowId, SessionCell, Store,
    StoreError, SubscriptionCell, WillCell,
};
use crate::topic::{SessionKey, Subscriber};
use crate::{ClientInfo, Instant, Message};

/// Command: gives the shards of a broker what was stored before. To be called once, after
/// `persist` of each shard and before any input; the shards have outputs afterwards.
///
/// Sessions that were connected count as having lost their client at `now`. Deadlines are those
/// that they would have been; what has expired goes. Hooks are asked for the rights of each session.
/// `Err` when the store cannot be read, or has
/// something in it that makes no sense; the shards are of no use then.
pub fn restore(
    shards: &mut [Shard],
    store: &mut dyn Store,
    now: Instant,
) -> Result<(), StoreError> {
    let Some(first) = shards.first() else { return Ok(()) };
    let shared = Arc::clone(&first.shared);
    let hasher = FixedState::with_seed(shared.seed);
    let mut loading = Loading {
        shared,
        now,
        cells: HashMap::with_hasher(hasher.clone()),
        homes: HashMap::with_hasher(hasher.clone()),
        bodies: HashMap::with_hasher(hasher.clone()),
        used: HashSet::with_hasher(hasher),
        strays: Vec::new(),
        last: RowId(0),
        in_rows: false,
    };
    let mut result = Ok(());
    store.load(&mut |loaded| {
        if result.is_ok() {
            result = loading.take(shards, loaded);
        }
    })?;
    result?;
    if !loading.in_rows {
        loading.settle_cells(shards)?;
    }
    shards.iter_mut().for_each(Shard::rights_changed);
    loading.finish(shards);
    Ok(())
}

/// The cells of a session, until its session is made.
#[derive(Default)]
struct Cells {
    session: Option<Box<[u8]>>,
    will: Option<Box<[u8]>>,
    filters: Vec<(Box<str>, SubscriptionCell)>,
    incoming: Vec<PacketId>,
    flights: Vec<(PacketId, FlightCell)>,
}

/// Where a session has come to be, and its flows.
struct Home {
    shard: usize,
    index: u32,
    connected: bool,
    /// Which of its rows are in flight: identifier, released.
    flights: HashMap<RowId, (PacketId, bool), FixedState>,
    flows: Vec<Inflight<Option<Queued>>>,
}

struct Loading {
    shared: Arc<Shared>,
    now: Instant,
    cells: HashMap<RowId, Cells, FixedState>,
    homes: HashMap<RowId, Home, FixedState>,
    bodies: HashMap<RowId, Arc<Stored>, FixedState>,
    used: HashSet<RowId, FixedState>,
    /// Rows of sessions that are not there.
    strays: Vec<RowId>,
    /// The last number in use.
    last: RowId,
    in_rows: bool,
}

impl Loading {
    fn take(&mut self, shards: &mut [Shard], loaded: Loaded<'_>) -> Result<(), StoreError> {
        match loaded {
            Loaded::Cell(key, value) => self.cell(shards, key, value),
            Loaded::Row(row, value) => {
                if !self.in_rows {
                    self.in_rows = true;
                    self.settle_cells(shards)?;
                }
                self.last = self.last.max(row);
                match Body::read(value)? {
                    Body::Message(message) => {
                        let stored = self.stored(shards, message);
                        self.bodies.insert(row, Arc::new(stored));
                    }
                    Body::Owed(owed) => self.owed(shards, row, owed)?,
                    Body::Outgoing(_) => return Err(StoreError::Record("row")),
                }
                Ok(())
            }
        }
    }

    /// What is known of a session.
    fn of(&mut self, sid: RowId) -> &mut Cells {
        self.last = self.last.max(sid);
        self.cells.entry(sid).or_default()
    }

    fn cell(&mut self, shards: &mut [Shard], key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        match Key::read(key)? {
            Key::Meta => {}
            Key::Session(sid) => self.of(sid).session = Some(value.into()),
            Key::Will(sid) => self.of(sid).will = Some(value.into()),
            Key::Incoming(sid, id) => self.of(sid).incoming.push(id),
            Key::Flight(sid, id) => self.of(sid).flights.push((id, FlightCell::read(value)?)),
            Key::Subscription(sid, filter) => {
                let cell = SubscriptionCell::read(value)?;
                self.of(sid).filters.push((filter.into(), cell));
            }
            Key::Retained(topic) => {
                let stored = self.stored(shards, MessageRow::read(value)?);
                if stored.expired(self.now) {
                    let home = usize::from(self.shared.home(topic));
                    if let Some(persist) = &mut shards[home].tables.persist {
                        persist.delete_cell(key);
                    }
                } else {
                    let size = stored.size();
                    self.shared.retained_mut().set(topic, Arc::new(stored), size);
                }
            }
        }
        Ok(())
    }

    fn stored(&self, shards: &[Shard], row: MessageRow<'_>) -> Stored {
        let persist = shards[0].tables.persist.as_ref();
        let expires_at =
            row.expires.and_then(|at| persist.map(|persist| persist.instant(self.now, at)));
        Stored { message: Message::copy(&row.message), expires_at }
    }

    /// Makes the sessions.
    fn settle_cells(&mut self, shards: &mut [Shard]) -> Result<(), StoreError> {
        let mut all: Vec<(RowId, Cells)> = self.cells.drain().collect();
        all.sort_unstable_by_key(|(sid, _)| *sid);
        for (sid, cells) in all {
            self.session(shards, sid, &cells)?;
        }
        self.shared.index_changed();
        Ok(())
    }

    fn session(
        &mut self,
        shards: &mut [Shard],
        sid: RowId,
        cells: &Cells,
    ) -> Result<(), StoreError> {
        let Some(value) = &cells.session else {
            // The store keeps together what was put together.
            return Err(StoreError::Record("part of a session"));
        };
        let stored = SessionCell::read(value)?;
        let which = self.shared.home(stored.client_id);
        let shard = &mut shards[usize::from(which)];
        let client = ClientInfo {
            client_id: stored.client_id.into(),
            user_name: stored.user_name.map(Into::into),
            version: stored.version,
            peer: None,
            identity: None,
        };
        let mut session = Session::new(client, self.shared.seed);
        session.sid = sid;
        session.expiry_s = stored.expiry_s;
        session.was_durable = stored.expiry_s > 0;
        let persist = shard.tables.persist.as_ref();
        let instant = |at| persist.map_or(self.now, |persist| persist.instant(self.now, at));
        session.ends_at = match stored.ends {
            Ends::Connected => session.end_after(self.now),
            Ends::Never => None,
            Ends::At(at) => Some(instant(at)),
        };
        if let Some(value) = &cells.will {
            let will = WillCell::read(value)?;
            session.will = Some(Box::new(Will {
                message: Message::copy(&will.message),
                delay_s: will.delay_s,
                due: will.due.map(instant),
            }));
            session.will_stored = true;
        }
        for id in &cells.incoming {
            session.inbound.receive(*id);
        }
        let filters: Vec<_> = cells
            .filters
            .iter()
            .filter_map(|(text, cell)| Some((TopicFilter::new(text).ok()?, cell)))
            .collect();
        for (filter, _) in &filters {
            session.filters.insert(filter.as_str().into());
            session.filter_bytes += filter.as_str().len();
            session.shares += usize::from(filter.share_name().is_some());
        }
        let index = shard.insert_session(session);
        let generation = shard.tables.sessions.generation(index);
        let key = SessionKey { shard: which, index, generation };
        let mut subscriptions = self.shared.index_mut();
        for (filter, cell) in filters {
            let subscriber =
                Subscriber::new(key, cell.options, cell.identifier, stored.expiry_s > 0);
            subscriptions.restore(filter, subscriber, cell.group);
        }
        let mut flights = HashMap::with_hasher(self.homes.hasher().clone());
        for (id, cell) in &cells.flights {
            flights.insert(cell.row, (*id, cell.released));
        }
        let connected = stored.ends == Ends::Connected;
        let shard = usize::from(which);
        self.homes.insert(sid, Home { shard, index, connected, flights, flows: Vec::new() });
        Ok(())
    }

    /// A message that a session is owed.
    fn owed(
        &mut self,
        shards: &mut [Shard],
        row: RowId,
        owed: OwedRow<'_>,
    ) -> Result<(), StoreError> {
        let Some(home) = self.homes.get_mut(&owed.sid) else {
            self.strays.push(row);
            return Ok(());
        };
        let tables = &mut shards[home.shard].tables;
        let Some(persist) = &mut tables.persist else { return Ok(()) };
        let (stored, body) = match owed.what {
            Ok(message) => {
                let expires_at = message.expires.map(|at| persist.instant(self.now, at));
                let message = Message::copy(&message.message);
                (Arc::new(Stored { message, expires_at }), RowId(0))
            }
            Err(body) => {
                let Some(stored) = self.bodies.get(&body) else {
                    // The last that shared it was settled, this one too.
                    self.strays.push(row);
                    return Ok(());
                };
                self.used.insert(body);
                self.shared.share_body(body);
                (Arc::clone(stored), body)
            }
        };
        let identifiers = owed.identifiers.to_vec();
        let terms = Terms {
            qos: owed.qos,
            retain: owed.retain,
            group: owed.group,
            identifiers: identifiers.iter().collect::<Identifiers>(),
        };
        let flight = home.flights.remove(&row);
        let celled = flight.is_some();
        let row = Row { id: row, body, celled };
        let queued = Queued { stored, terms, retained: false, row };
        match flight.or(owed.packet_id.map(|id| (id, false))) {
            None => tables.take_up(home.index, queued),
            Some((id, released)) => {
                let qos = queued.terms.qos;
                home.flows.push(Inflight { id, qos, released, kept: Some(queued) });
            }
        }
        Ok(())
    }

    fn finish(self, shards: &mut [Shard]) {
        self.shared.rows_after(self.last.0);
        // A body was for sessions of one shard; its row may be deleted by any.
        let unused = self.bodies.keys().filter(|body| !self.used.contains(*body)).copied();
        let mut strays: Vec<RowId> = unused.chain(self.strays).collect();
        strays.sort_unstable();
        if let Some(persist) = &mut shards[0].tables.persist {
            strays.into_iter().for_each(|row| persist.delete_row(row));
        }
        let mut homes: Vec<(RowId, Home)> = self.homes.into_iter().collect();
        homes.sort_unstable_by_key(|(sid, _)| *sid);
        let mut connected = Vec::new();
        for (sid, home) in homes {
            let shard = &mut shards[home.shard];
            if let Some(persist) = &mut shard.tables.persist {
                home.flights.values().for_each(|(id, _)| persist.land(sid, *id));
            }
            shard.tables.take_flows(home.index, home.flows);
            if home.connected {
                connected.push((home.shard, home.index));
            } else {
                shard.arm_session(home.index);
            }
        }
        // All are there that may get a will.
        for (shard, index) in connected {
            shards[shard].lose_client(self.now, index);
        }
    }
}

impl super::deliver::Tables {
    /// Gives a session the messages that were in flight to it.
    fn take_flows(&mut self, index: u32, flows: Vec<Inflight<Option<Queued>>>) {
        let Some(session) = self.sessions.at_mut(index) else { return };
        let bytes: usize = flows.iter().flat_map(|flow| &flow.kept).map(Queued::size).sum();
        session.outbound_bytes += bytes;
        session.outbound.restore(flows);
        self.shared.take_on(bytes, false);
    }
}

impl Shard {
    /// The client of a stored session went with the process that had it.
    fn lose_client(&mut self, now: Instant, index: u32) {
        let Some(session) = self.tables.sessions.at(index) else { return };
        if session.expiry_s == 0 {
            self.end_session(now, index);
            return;
        }
        self.begin_will(now, index);
        self.store_departure(index);
        self.arm_session(index);
    }
}
