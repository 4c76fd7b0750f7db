//! Between a client's loop and Python: sorts what the client tells into queues.
//!
//! The loop calls [`Hub::collect`], which moves all events at once, takes each lock once for all
//! of them, and wakes whoever has found nothing. Outcomes go to the [`Ticket`] that a thread may
//! wait for, or, of operations that an event loop awaits, into the control queue. Messages go to
//! every [`Queue`] and callback with a filter that matches, else to the first queue. All else
//! goes into the control queue, in order.
//!
//! A queue that is full either drops, and counts, or has the client's socket not read: but not
//! while anybody waits for an operation, whose end would come through that socket.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use libmqtt_locks::{Condvar, Mutex, MutexGuard, PoisonError};
use libmqtt_runtime::engine::client::{Cause, Challenge, Connected, Disconnected, Received};
use libmqtt_runtime::{Client, ClientError, Event, NetworkError, Outcome, Reason, TopicFilter};

use crate::bell::{Bell, Inner};
use crate::publication::Ticket;

/// Events moved at a time.
const BATCH: usize = 1024;

/// How the last network failure looked: which server, and what.
pub(crate) type Failure = Option<(Arc<str>, NetworkError)>;

/// What is told in order, apart from messages for queues.
pub(crate) enum Item {
    Connected(Box<Connected>),
    Disconnected(Box<Disconnected>, Failure),
    /// A message for the callback with this number.
    Message(u32, Received),
    /// The end of an operation that an event loop awaits.
    Done(u64, Outcome),
    /// There is room for messages again.
    Room,
    SubscriptionLost(Box<str>, Reason),
    Challenge(Box<Challenge>),
}

/// What a full queue does with one more message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// It takes it, and the socket is not read until the queue is half empty.
    Wait,
    /// The new message is dropped.
    DropNewest,
    /// The oldest is dropped.
    DropOldest,
}

/// A Topic Filter, checked.
struct Filter {
    text: Box<str>,
    wildcard: bool,
}

impl Filter {
    fn new(text: &str) -> Filter {
        // Compared as a whole if it cannot match anything else; one that is no filter matches
        // nothing.
        let checked = TopicFilter::new(text);
        let wildcard = checked.is_ok_and(|f| f.has_wildcard() || f.share_name().is_some());
        Filter { text: text.into(), wildcard }
    }

    fn matches(&self, topic: &str) -> bool {
        if self.wildcard {
            TopicFilter::new(&self.text).is_ok_and(|filter| filter.matches(topic))
        } else {
            &*self.text == topic
        }
    }
}

/// Messages that wait to be taken.
struct Queue {
    id: u32,
    filters: Vec<Filter>,
    messages: VecDeque<Received>,
    max: usize,
    overflow: Overflow,
    dropped: u64,
    /// It is why the socket is not read.
    full: bool,
    /// Somebody has asked for messages, or is sure to.
    wanted: bool,
}

impl Queue {
    fn push(&mut self, received: Received) {
        if self.messages.len() >= self.max {
            match self.overflow {
                // Not if nobody may ever come for it.
                Overflow::Wait if self.wanted => self.full = true,
                Overflow::Wait | Overflow::DropOldest => {
                    self.messages.pop_front();
                    self.dropped += 1;
                }
                Overflow::DropNewest => {
                    self.dropped += 1;
                    return;
                }
            }
        }
        self.messages.push_back(received);
    }
}

/// How the client's connection stands.
#[derive(Clone)]
pub(crate) enum Standing {
    /// Nothing was said since `connect` was called, or ever.
    Unknown,
    Up(Box<Connected>),
    /// The last attempt has ended, and there will be no other.
    Down(Box<Disconnected>, Failure),
    Closed,
}

/// What consumers take.
pub(crate) struct Routes {
    pub(crate) standing: Standing,
    pub(crate) control: VecDeque<Item>,
    callbacks: Vec<(u32, Filter)>,
    queues: Vec<Queue>,
    last_id: u32,
    /// Messages for callbacks in `control`, and whether they keep the socket from being read.
    calls: usize,
    calls_full: bool,
    calls_max: usize,
    /// Somebody takes from `control`.
    pub(crate) control_wanted: bool,
}

/// What a consumer finds in a queue.
pub(crate) enum Found {
    Messages(Vec<Received>),
    /// There are no more messages: the client was closed or told to disconnect.
    End,
    /// There are no more messages: the connection was lost for good.
    Lost(Box<Disconnected>, Failure),
}

impl Routes {
    fn queue(&mut self, id: u32) -> Option<&mut Queue> {
        self.queues.iter_mut().find(|queue| queue.id == id)
    }

    fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }

    /// Gives a message to all who want it.
    fn deliver(&mut self, received: Received) {
        let topic = received.message.topic();
        let mut given = false;
        for (id, filter) in &self.callbacks {
            if filter.matches(topic) {
                given = true;
                self.calls += 1;
                self.control.push_back(Item::Message(*id, received.clone()));
            }
        }
        self.calls_full |= self.calls >= self.calls_max;
        let alone = self.callbacks.is_empty() && self.queues.len() == 1;
        let Some((first, others)) = self.queues.split_first_mut() else { return };
        for queue in others {
            if queue.filters.iter().any(|filter| filter.matches(topic)) {
                given = true;
                queue.push(received.clone());
            }
        }
        if !given {
            // Somebody will come for it, if there is nothing else to come for.
            first.wanted |= alone;
            first.push(received);
        }
    }

    fn is_full(&self) -> bool {
        self.calls_full || self.queues.iter().any(|queue| queue.full)
    }

    /// Takes up to `max` messages. None if there are none yet.
    pub(crate) fn take(&mut self, id: u32, max: usize) -> Option<Found> {
        let Some(queue) = self.queue(id) else { return Some(Found::End) };
        queue.wanted = true;
        if queue.messages.is_empty() {
            return match &self.standing {
                Standing::Unknown | Standing::Up(_) => None,
                Standing::Closed => Some(Found::End),
                Standing::Down(ended, failure) => Some(if ended.cause == Cause::Requested {
                    Found::End
                } else {
                    Found::Lost(ended.clone(), failure.clone())
                }),
            };
        }
        let count = queue.messages.len().min(max);
        let taken = queue.messages.drain(..count).collect();
        queue.full &= queue.messages.len() > queue.max / 2;
        Some(Found::Messages(taken))
    }

    /// Takes up to `max` items that are told in order. None if there are none yet.
    pub(crate) fn take_control(&mut self, max: usize) -> Option<Vec<Item>> {
        self.control_wanted = true;
        if self.control.is_empty() {
            return matches!(self.standing, Standing::Closed).then(Vec::new);
        }
        let count = self.control.len().min(max);
        let taken: Vec<Item> = self.control.drain(..count).collect();
        self.calls -= taken.iter().filter(|item| matches!(item, Item::Message(..))).count();
        self.calls_full &= self.calls > self.calls_max / 2;
        Some(taken)
    }
}

/// Who is told of the end of an operation.
enum Wanting {
    Thread(Arc<Ticket>),
    EventLoop,
}

/// Tokens are numbers that rise one by one: they need no hashing.
#[derive(Default)]
struct TokenHasher(u64);

impl Hasher for TokenHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 << 8) | u64::from(byte);
        }
    }

    fn write_u64(&mut self, token: u64) {
        // The upper bits count too.
        self.0 = token.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

/// Operations under way, by token.
type Operations = HashMap<u64, Wanting, BuildHasherDefault<TokenHasher>>;

/// A client, and what it has told.
pub(crate) struct Hub {
    pub(crate) client: Client,
    pub(crate) routes: Bell<Routes>,
    operations: Mutex<Operations>,
    events: Mutex<Vec<Event>>,
    /// Threads and event loops that wait for an operation.
    patient: AtomicUsize,
    room: Room,
}

/// For those who wait until the client takes messages again.
#[derive(Default)]
struct Room {
    /// Messages that may wait at most.
    queue_max: usize,
    /// Who waits: threads, and an event loop.
    wanted: Mutex<(usize, bool)>,
    changed: Condvar,
}

/// While it lives, the socket is read whatever waits.
pub(crate) struct Patience<'a> {
    hub: &'a Hub,
}

impl<'a> Patience<'a> {
    pub(crate) fn begin(hub: &'a Hub) -> Patience<'a> {
        hub.begin_patience();
        Patience { hub }
    }
}

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        self.hub.end_patience();
    }
}

impl Hub {
    /// Takes over what this client tells. The first queue holds `max` messages, the client's own
    /// `queue_max`.
    pub(crate) fn new(
        client: Client,
        max: usize,
        overflow: Overflow,
        queue_max: usize,
    ) -> Arc<Hub> {
        let first = Queue {
            id: 0,
            filters: Vec::new(),
            messages: VecDeque::new(),
            max,
            overflow,
            dropped: 0,
            full: false,
            wanted: false,
        };
        let routes = Routes {
            standing: Standing::Unknown,
            control: VecDeque::new(),
            callbacks: Vec::new(),
            queues: vec![first],
            last_id: 0,
            calls: 0,
            calls_full: false,
            calls_max: max,
            control_wanted: false,
        };
        let hub = Arc::new(Hub {
            client,
            routes: Bell::new(routes),
            operations: Mutex::default(),
            events: Mutex::default(),
            patient: AtomicUsize::new(0),
            room: Room { queue_max, ..Room::default() },
        });
        let weak = Arc::downgrade(&hub);
        hub.client.on_ready(move || {
            if let Some(hub) = weak.upgrade() {
                hub.collect();
            }
        });
        hub
    }

    fn operations(&self) -> MutexGuard<'_, Operations> {
        // Nothing panics while it is held.
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves all events to where they are waited for. Called by the client's loop.
    fn collect(&self) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        while self.client.drain_events(&mut events, BATCH) > 0 {
            self.sort(&mut events);
        }
    }

    fn sort(&self, events: &mut Vec<Event>) {
        let mut operations = None;
        let mut routes = None;
        let mut ended = false;
        for event in events.drain(..) {
            if let Event::Done(token, outcome) = event {
                ended = true;
                let operations = operations.get_or_insert_with(|| self.operations());
                match operations.remove(&token.as_u64()) {
                    Some(Wanting::Thread(ticket)) => ticket.resolve(outcome),
                    Some(Wanting::EventLoop) => {
                        let routes = routes.get_or_insert_with(|| self.routes.lock());
                        routes.state.control.push_back(Item::Done(token.as_u64(), outcome));
                    }
                    None => {}
                }
                continue;
            }
            let routes = &mut routes.get_or_insert_with(|| self.routes.lock()).state;
            let item = match event {
                Event::Message(received) => {
                    routes.deliver(received);
                    continue;
                }
                Event::Connected(connected) => {
                    routes.standing = Standing::Up(connected.clone());
                    Item::Connected(connected)
                }
                Event::Disconnected(ended) => {
                    let failure = self.client.network_error();
                    if ended.retry_in.is_none() && !matches!(routes.standing, Standing::Closed) {
                        routes.standing = Standing::Down(ended.clone(), failure.clone());
                    } else if let Standing::Up(_) = routes.standing {
                        routes.standing = Standing::Unknown;
                    }
                    Item::Disconnected(ended, failure)
                }
                Event::SubscriptionLost(filter, reason) => Item::SubscriptionLost(filter, reason),
                Event::Challenge(challenge) => Item::Challenge(challenge),
                // The driver keeps these to itself, and no client is watched.
                Event::Dial(_)
                | Event::Close
                | Event::Done(..)
                | Event::PacketSent(_)
                | Event::PacketReceived(_) => continue,
            };
            if routes.control_wanted {
                routes.control.push_back(item);
            }
        }
        drop(operations);
        if ended {
            self.make_room(&mut routes);
        }
        if let Some(routes) = routes {
            self.pause(routes.state.is_full());
            self.routes.ring(routes);
        }
    }

    // Operations.

    /// Begins an operation whose end a thread may wait for.
    pub(crate) fn begin(
        &self,
        begin: impl FnOnce(&Client) -> Result<u64, ClientError>,
    ) -> Result<Arc<Ticket>, ClientError> {
        let ticket = Arc::new(Ticket::default());
        // Held meanwhile, so that the end cannot come before the token is known.
        let mut operations = self.operations();
        let token = begin(&self.client)?;
        operations.insert(token, Wanting::Thread(ticket.clone()));
        Ok(ticket)
    }

    /// Begins an operation whose end comes as an item.
    pub(crate) fn begin_async(
        &self,
        begin: impl FnOnce(&Client) -> Result<u64, ClientError>,
    ) -> Result<u64, ClientError> {
        let mut operations = self.operations();
        let token = begin(&self.client)?;
        operations.insert(token, Wanting::EventLoop);
        Ok(token)
    }

    // Waiting for room.

    /// Whether the client's queue has fallen to half of what it was at least.
    fn make_room<'a>(&'a self, routes: &mut Option<MutexGuard<'a, Inner<Routes>>>) {
        let mut wanted = self.room.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if *wanted == (0, false) || self.client.queued() > self.low_mark() {
            return;
        }
        if wanted.1 {
            wanted.1 = false;
            let routes = routes.get_or_insert_with(|| self.routes.lock());
            routes.state.control.push_back(Item::Room);
        }
        drop(wanted);
        self.room.changed.notify_all();
    }

    fn low_mark(&self) -> usize {
        self.room.queue_max / 2
    }

    /// A step of waiting until there is room.
    pub(crate) fn find_room(&self, patience: Duration) -> Option<()> {
        let mut wanted = self.room.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if self.client.queued() <= self.low_mark() {
            return Some(());
        }
        if patience.is_zero() {
            return None;
        }
        wanted.0 += 1;
        let waited = self.room.changed.wait_timeout(wanted, patience);
        let (mut wanted, _) = waited.unwrap_or_else(PoisonError::into_inner);
        wanted.0 -= 1;
        drop(wanted);
        (self.client.queued() <= self.low_mark()).then_some(())
    }

    /// Whether there is room; if not, an item will tell.
    pub(crate) fn ask_for_room(&self) -> bool {
        let mut wanted = self.room.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.client.queued() <= self.low_mark();
        wanted.1 |= !room;
        room
    }

    // Back-pressure.

    fn pause(&self, full: bool) {
        let patient = self.patient.load(Ordering::SeqCst) > 0;
        self.client.set_reading(!full || patient);
    }

    pub(crate) fn begin_patience(&self) {
        if self.patient.fetch_add(1, Ordering::SeqCst) == 0 {
            self.client.set_reading(true);
        }
    }

    pub(crate) fn end_patience(&self) {
        if self.patient.fetch_sub(1, Ordering::SeqCst) == 1 {
            let routes = self.routes.lock();
            self.pause(routes.state.is_full());
        }
    }

    /// Looks for messages or items with `take`, and reads the socket again if that made room.
    pub(crate) fn take<R>(
        &self,
        patience: Duration,
        take: impl Fn(&mut Routes) -> Option<R>,
    ) -> Option<R> {
        self.routes.find(patience, |routes| {
            let before = routes.is_full();
            let taken = take(routes);
            if before && !routes.is_full() {
                self.client.set_reading(true);
            }
            taken
        })
    }

    /// As `take`, for an event loop: it is woken when it has found nothing.
    pub(crate) fn take_or_arm<R>(&self, take: impl Fn(&mut Routes) -> Option<R>) -> Option<R> {
        let mut routes = self.routes.lock();
        let before = routes.state.is_full();
        let taken = take(&mut routes.state);
        if before && !routes.state.is_full() {
            self.client.set_reading(true);
        }
        routes.armed |= taken.is_none();
        taken
    }

    // Queues and callbacks.

    pub(crate) fn open_queue(&self, filters: &[String], max: usize, overflow: Overflow) -> u32 {
        let routes = &mut self.routes.lock().state;
        let id = routes.next_id();
        routes.queues.push(Queue {
            id,
            filters: filters.iter().map(|filter| Filter::new(filter)).collect(),
            messages: VecDeque::new(),
            max: max.max(1),
            overflow,
            dropped: 0,
            full: false,
            wanted: true,
        });
        id
    }

    pub(crate) fn close_queue(&self, id: u32) {
        let mut routes = self.routes.lock();
        routes.state.queues.retain(|queue| queue.id == 0 || queue.id != id);
        self.pause(routes.state.is_full());
        self.routes.ring(routes);
    }

    /// Messages that wait in a queue, and that were dropped at its bound.
    pub(crate) fn queue_counts(&self, id: u32) -> (usize, u64) {
        let routes = &mut self.routes.lock().state;
        routes.queue(id).map_or((0, 0), |queue| (queue.messages.len(), queue.dropped))
    }

    pub(crate) fn add_callback(&self, filter: &str) -> u32 {
        let routes = &mut self.routes.lock().state;
        let id = routes.next_id();
        routes.callbacks.push((id, Filter::new(filter)));
        id
    }

    pub(crate) fn remove_callback(&self, id: u32) {
        self.routes.lock().state.callbacks.retain(|(callback, _)| *callback != id);
    }

    // The connection.

    /// Begins to connect, unless that is done or under way.
    pub(crate) fn connect(&self) -> Result<(), ClientError> {
        use libmqtt_runtime::engine::client::ConnectError;
        {
            let routes = &mut self.routes.lock().state;
            if let Standing::Down(..) = routes.standing {
                routes.standing = Standing::Unknown;
            }
        }
        match self.client.start() {
            Err(ClientError::Connect(ConnectError::Busy)) => Ok(()),
            result => result,
        }
    }

    /// Ends the client. Whoever waits is told.
    pub(crate) fn close(&self, deadline: Duration) {
        self.client.close(deadline);
        self.collect();
        for (_, wanting) in self.operations().drain() {
            if let Wanting::Thread(ticket) = wanting {
                ticket.resolve(Outcome::Abandoned);
            }
        }
        let mut routes = self.routes.lock();
        routes.state.standing = Standing::Closed;
        self.routes.ring(routes);
        self.room.changed.notify_all();
    }
}
