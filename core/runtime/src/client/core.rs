//! A client between the threads that use it and the loop that drives it.
//!
//! Both meet under one lock, which is held only while the engine works: never during a system
//! call of the loop, never while the program's code runs. Bytes are copied out under the lock and
//! written without it; if the connection has ended in between, its `epoch` has changed, and what
//! was written counts no more.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use libmqtt_engine::Instant;
use libmqtt_engine::client::{
    Cause, Client as Machine, ClientConfig, Closed, ConnectError, Connected, Disconnect, Event,
    Outcome, Token,
};
use libmqtt_locks::{Condvar, Mutex, MutexGuard, PoisonError};

use libmqtt_engine::store::StoreError;

use super::keeper::{ClientPersistence, Keeper, KeeperError};
use super::{ClientError, NetworkError};
use crate::clock::Clock;
use crate::log::{Level, Log};

/// The program's function for events.
pub(crate) type Callback = Box<dyn FnMut(Event) + Send>;
/// The program's function for "there are events now".
pub(crate) type Ready = Arc<dyn Fn() + Send + Sync>;

/// Bytes copied out at a time.
pub(crate) const CHUNK: usize = 64 * 1024;
/// How much longer than asked a close may take at most.
const GRACE: Duration = Duration::from_secs(1);
/// Time for the last bytes of a client that is closed at once.
const LINGER: Duration = Duration::from_millis(200);

/// What the engine tells its driver.
#[derive(Debug)]
pub(crate) enum Control {
    Dial(Arc<str>),
    /// Write the bytes copied out beside it, then close.
    Close,
}

/// The loop that drives clients.
pub(crate) trait Drive: Send + Sync {
    /// Has the loop look at the client with this key.
    fn wake(&self, key: usize);
    /// Whether this is the loop's thread.
    fn is_this_thread(&self) -> bool;
}

/// Who drives a client, and under which key.
#[derive(Clone)]
pub(crate) struct Driver {
    pub(crate) drive: Arc<dyn Drive>,
    pub(crate) key: usize,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Connection,
    Token(Token),
}

/// What it has waited for.
#[derive(Debug)]
pub(crate) enum Answer {
    Connected(Box<Connected>),
    Ended(Cause),
    Done(Outcome),
}

struct Waiter {
    number: u64,
    wanted: Wanted,
    answer: Option<Answer>,
}

/// Where the callback is.
enum Calls {
    /// There is none: events are polled.
    None,
    Idle(Callback),
    /// The loop has it.
    Running,
}

pub(crate) struct State {
    pub(crate) machine: Machine,
    control: VecDeque<Control>,
    events: VecDeque<Event>,
    events_max: usize,
    /// Messages among the events, and their bytes.
    messages: usize,
    bytes: usize,
    /// Counts connections that have ended.
    epoch: u32,
    waiters: Vec<Waiter>,
    last_waiter: u64,
    /// Threads inside `next_event`.
    sleepers: usize,
    /// Who drives it; none yet, or no more.
    driver: Option<Driver>,
    /// The driver was told that there is work, or works and will look again.
    notified: bool,
    /// When the driver will look by itself.
    armed: Option<Instant>,
    /// The transport is open and takes bytes.
    writable: bool,
    /// The program wants messages.
    program_reads: bool,
    /// The driver does not read: the program wants no messages, or too many wait.
    held: bool,
    calls: Calls,
    ready: Option<Ready>,
    /// `ready` was called and the events were not taken since.
    ready_told: bool,
    /// `disconnect` was called since the last `connect`.
    leaving: bool,
    /// `close` was called: be over by then.
    close_by: Option<Instant>,
    closed: bool,
    failure: Option<(Arc<str>, NetworkError)>,
    /// What keeps messages, if anything does, until the client is closed.
    keeper: Option<Box<Keeper>>,
}

pub(crate) struct Core {
    pub(crate) clock: Clock,
    state: Mutex<State>,
    changed: Condvar,
}

/// What a driver has to do for a client.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) control: Option<Control>,
    /// Of the connection that the bytes are for.
    pub(crate) epoch: u32,
    /// Whether the transport may be read.
    pub(crate) reads: bool,
    /// When to look again.
    pub(crate) timeout: Option<Instant>,
    pub(crate) callback: Option<Callback>,
    pub(crate) ready: Option<Ready>,
    /// News of its store: it fails, or works again.
    pub(crate) store: Option<Result<(), StoreError>>,
    /// The client is over: forget it.
    pub(crate) closed: bool,
}

impl State {
    /// Sorts what the engine says. Returns whether somebody who waits has his answer.
    fn pump(&mut self) -> bool {
        if let Some(keeper) = &mut self.keeper {
            keeper.submit(&mut self.machine);
        }
        let mut answered = false;
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Dial(server) => self.control.push_back(Control::Dial(server)),
                Event::Close => self.control.push_back(Control::Close),
                event if self.waiters.is_empty() => self.push(event),
                event => match self.answer(event) {
                    None => answered = true,
                    Some(event) => self.push(event),
                },
            }
        }
        answered
    }

    fn push(&mut self, event: Event) {
        if let Event::Message(received) = &event {
            self.messages += 1;
            self.bytes += received.message.size();
        }
        self.events.push_back(event);
    }

    /// Gives the event to those who wait for it, or back.
    fn answer(&mut self, event: Event) -> Option<Event> {
        let wanted = match &event {
            Event::Connected(_) => Wanted::Connection,
            Event::Disconnected(ended) if ended.retry_in.is_none() => Wanted::Connection,
            Event::Done(token, _) => Wanted::Token(*token),
            _ => return Some(event),
        };
        let mut given = false;
        for waiter in &mut self.waiters {
            if waiter.wanted == wanted && waiter.answer.is_none() {
                given = true;
                waiter.answer = Some(match &event {
                    Event::Connected(connected) => Answer::Connected(connected.clone()),
                    Event::Disconnected(ended) => Answer::Ended(ended.cause.clone()),
                    Event::Done(_, outcome) => Answer::Done(outcome.clone()),
                    _ => return Some(event),
                });
            }
        }
        if given { None } else { Some(event) }
    }

    /// Whether the program wants more, and takes it fast enough.
    fn reads(&self) -> bool {
        let config = self.machine.config();
        self.program_reads
            && self.messages < config.inbox_messages_max
            && self.bytes < config.inbox_bytes_max
    }

    /// Whether the driver has something to do.
    fn has_work(&self) -> bool {
        let sends = self.writable && !self.machine.outgoing().is_empty();
        let tells = !self.events.is_empty()
            && (matches!(self.calls, Calls::Idle(_)) || (self.ready.is_some() && !self.ready_told));
        let due = match (self.machine.poll_timeout(), self.armed) {
            (Some(due), Some(armed)) => due < armed,
            (due, None) => due.is_some(),
            (None, Some(_)) => false,
        };
        sends || tells || due || self.held == self.reads() || !self.control.is_empty()
    }

    fn taken(&mut self, event: &Event) {
        if let Event::Message(received) = event {
            self.messages -= 1;
            self.bytes -= received.message.size();
        }
        if self.events.is_empty() {
            self.ready_told = false;
        }
    }
}

impl Core {
    pub(crate) fn new(config: ClientConfig, events_max: usize, seed: u64, clock: Clock) -> Core {
        let state = State {
            machine: Machine::new(config, seed),
            control: VecDeque::new(),
            events: VecDeque::new(),
            events_max: events_max.max(1),
            messages: 0,
            bytes: 0,
            epoch: 0,
            waiters: Vec::new(),
            last_waiter: 0,
            sleepers: 0,
            driver: None,
            // The driver begins with a look.
            notified: true,
            armed: None,
            writable: false,
            program_reads: true,
            held: false,
            calls: Calls::None,
            ready: None,
            ready_told: false,
            leaving: false,
            close_by: None,
            closed: false,
            failure: None,
            keeper: None,
        };
        Core { clock, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Has the client keep its messages. Before anything else.
    pub(crate) fn keep(&self, persistence: &ClientPersistence) -> Result<(), KeeperError> {
        let mut state = self.lock();
        let keeper = Keeper::open(persistence, &mut state.machine, self.clock.now())?;
        state.keeper = Some(Box::new(keeper));
        Ok(())
    }

    /// Whether the client keeps its messages.
    pub(crate) fn is_kept(&self) -> bool {
        self.lock().keeper.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the program runs under it; the engine does not panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // For the program's threads.

    /// Looks at the client.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Machine) -> R) -> R {
        look(&self.lock().machine)
    }

    /// Has the engine do something, and the driver what follows from it.
    pub(crate) fn command<R>(
        &self,
        command: impl FnOnce(&mut Machine, Instant) -> Result<R, ClientError>,
    ) -> Result<R, ClientError> {
        let mut state = self.lock();
        if state.closed || state.close_by.is_some() {
            return Err(ClientError::Closed);
        }
        let result = command(&mut state.machine, self.clock.now());
        self.settle(state);
        result
    }

    /// After anything that a thread of the program did: tells who has to know.
    fn settle(&self, mut state: MutexGuard<'_, State>) {
        let answered = state.pump();
        let wake = !state.notified && !state.closed && state.has_work();
        state.notified |= wake;
        let driver = state.driver.as_ref().filter(|_| wake).cloned();
        let notify = answered || (state.sleepers > 0 && !state.events.is_empty());
        drop(state);
        if notify {
            self.changed.notify_all();
        }
        if let Some(driver) = driver {
            driver.drive.wake(driver.key);
        }
    }

    /// As `command`, for what has an outcome: refused while so many wait to be taken already.
    pub(crate) fn operation(
        &self,
        command: impl FnOnce(&mut Machine, Instant) -> Result<Token, ClientError>,
    ) -> Result<Token, ClientError> {
        let mut state = self.lock();
        if state.closed || state.close_by.is_some() {
            return Err(ClientError::Closed);
        }
        if state.events.len() >= state.events_max {
            return Err(ClientError::EventsFull);
        }
        let result = command(&mut state.machine, self.clock.now());
        self.settle(state);
        result
    }

    pub(crate) fn set_reading(&self, reading: bool) {
        let mut state = self.lock();
        state.program_reads = reading;
        self.settle(state);
    }

    pub(crate) fn watch(&self, watched: bool) {
        self.lock().machine.watch(watched);
    }

    pub(crate) fn connect(&self) -> Result<(), ClientError> {
        let mut state = self.lock();
        if state.closed || state.close_by.is_some() {
            return Err(ClientError::Closed);
        }
        let result = state.machine.connect(self.clock.now());
        if result.is_ok() {
            state.leaving = false;
            state.failure = None;
        }
        self.settle(state);
        result.map_err(ClientError::from)
    }

    pub(crate) fn disconnect(&self, how: Disconnect) -> Result<(), ClientError> {
        let mut state = self.lock();
        if state.closed {
            return Err(ClientError::Closed);
        }
        let result = state.machine.disconnect(self.clock.now(), how);
        state.leaving |= result.is_ok();
        self.settle(state);
        result.map_err(ClientError::from)
    }

    /// Connects and waits for the answer.
    pub(crate) fn connect_wait(&self, timeout: Duration) -> Result<Connected, ClientError> {
        self.check_thread()?;
        if self.look(Machine::is_connected) {
            return Err(ConnectError::Busy.into());
        }
        let number = self.wait_for(Wanted::Connection);
        // An attempt that is under way is the one to wait for.
        match self.connect() {
            Ok(()) | Err(ClientError::Connect(ConnectError::Busy)) => {}
            Err(error) => {
                self.lock().waiters.retain(|waiter| waiter.number != number);
                return Err(error);
            }
        }
        match self.wait(number, timeout)? {
            Answer::Connected(connected) => Ok(*connected),
            Answer::Ended(cause) => Err(match (&cause, self.failure()) {
                (
                    Cause::Unreachable | Cause::ConnectTimeout | Cause::Failed,
                    Some((server, error)),
                ) => ClientError::Unreachable(server, error),
                _ => ClientError::NotConnected(cause),
            }),
            Answer::Done(outcome) => Err(ClientError::Failed(outcome)),
        }
    }

    /// Begins an operation and waits for its outcome.
    pub(crate) fn operation_wait(
        &self,
        timeout: Duration,
        command: impl FnOnce(&mut Machine, Instant) -> Result<Token, ClientError>,
    ) -> Result<Outcome, ClientError> {
        self.check_thread()?;
        let mut state = self.lock();
        if state.closed || state.close_by.is_some() {
            return Err(ClientError::Closed);
        }
        let token = command(&mut state.machine, self.clock.now())?;
        let number = state.wait_for(Wanted::Token(token));
        self.settle(state);
        match self.wait(number, timeout)? {
            Answer::Done(outcome) => Ok(outcome),
            Answer::Connected(_) | Answer::Ended(_) => Err(ClientError::Closed),
        }
    }

    fn wait_for(&self, wanted: Wanted) -> u64 {
        self.lock().wait_for(wanted)
    }

    fn wait(&self, number: u64, timeout: Duration) -> Result<Answer, ClientError> {
        let until = std::time::Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            let at = state.waiters.iter().position(|waiter| waiter.number == number);
            let Some(at) = at else { return Err(ClientError::Closed) };
            let left = until.saturating_duration_since(std::time::Instant::now());
            if state.waiters[at].answer.is_some() || state.closed || left.is_zero() {
                let over = if state.closed { ClientError::Closed } else { ClientError::TimedOut };
                return state.waiters.swap_remove(at).answer.ok_or(over);
            }
            state =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn check_thread(&self) -> Result<(), ClientError> {
        if self.lock().is_driven_here() { Err(ClientError::WouldDeadlock) } else { Ok(()) }
    }

    pub(crate) fn next_event(&self, timeout: Duration) -> Result<Option<Event>, ClientError> {
        let mut until = None;
        let mut state = self.lock();
        loop {
            if let Some(event) = state.events.pop_front() {
                state.taken(&event);
                self.settle(state);
                return Ok(Some(event));
            }
            if state.closed {
                return Err(ClientError::Closed);
            }
            if timeout.is_zero() {
                return Ok(None);
            }
            if state.is_driven_here() {
                return Err(ClientError::WouldDeadlock);
            }
            let now = std::time::Instant::now();
            let until = *until.get_or_insert(now + timeout);
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return Ok(None);
            }
            state.sleepers += 1;
            state =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.sleepers -= 1;
        }
    }

    pub(crate) fn drain_events(&self, events: &mut Vec<Event>, max: usize) -> usize {
        let mut state = self.lock();
        let count = state.events.len().min(max);
        events.reserve(count);
        for _ in 0..count {
            let Some(event) = state.events.pop_front() else { break };
            state.taken(&event);
            events.push(event);
        }
        self.settle(state);
        count
    }

    pub(crate) fn on_event(&self, callback: Callback) {
        let mut state = self.lock();
        let before = mem::replace(&mut state.calls, Calls::Idle(callback));
        self.settle(state);
        drop(before);
    }

    pub(crate) fn on_ready(&self, ready: Ready) {
        let mut state = self.lock();
        let before = state.ready.replace(ready);
        state.ready_told = false;
        self.settle(state);
        drop(before);
    }

    pub(crate) fn failure(&self) -> Option<(Arc<str>, NetworkError)> {
        self.lock().failure.clone()
    }

    /// Ends the client, and waits until it is over, unless that would be for ourselves.
    pub(crate) fn close(&self, deadline: Duration, wait: bool) {
        let mut state = self.lock();
        let now = self.clock.now();
        let by = now + deadline.max(LINGER);
        let earlier = state.close_by.is_none_or(|before| by < before);
        if !state.closed && earlier {
            if !state.leaving {
                let how = Disconnect {
                    wait: deadline,
                    linger: deadline.max(LINGER),
                    ..Disconnect::default()
                };
                // A goodbye without properties can always be said.
                let _ = state.machine.disconnect(now, how);
                state.leaving = true;
            }
            state.close_by = Some(by);
            state.pump();
            if !state.notified {
                state.notified = true;
                let driver = state.driver.clone();
                drop(state);
                if let Some(driver) = driver {
                    driver.drive.wake(driver.key);
                }
                state = self.lock();
            }
        }
        if !wait || state.is_driven_here() {
            return;
        }
        let patience = deadline.max(LINGER) + GRACE;
        // Bounded by itself: what is not over by then ends without us.
        let waited = self.changed.wait_timeout_while(state, patience, |state| !state.closed);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let keeper = if state.closed { state.keeper.take() } else { None };
        drop(state);
        // Writes the rest and closes the file, so that the next client finds it free.
        drop(keeper);
    }

    // For the driver.

    /// The client is driven by this one from now on, who begins with a look.
    pub(crate) fn driven_by(&self, driver: Driver) {
        let mut state = self.lock();
        if let Some(keeper) = &state.keeper {
            keeper.driven_by(&driver);
        }
        state.driver = Some(driver);
        state.notified = true;
        state.armed = None;
    }

    /// What there is to do; bytes to write are put into `out`, events for the callback into
    /// `events`.
    pub(crate) fn turn(
        &self,
        now: Instant,
        out: &mut Vec<u8>,
        events: &mut VecDeque<Event>,
    ) -> Turn {
        out.clear();
        let mut state = self.lock();
        let state = &mut *state;
        state.notified = false;
        let news = state.keeper.as_mut().and_then(|keeper| keeper.poll(&mut state.machine, now));
        if state.machine.poll_timeout().is_some_and(|due| due <= now) {
            state.machine.handle_timeout(now);
        }
        if state.close_by.is_some_and(|by| by <= now || state.machine.is_idle()) && !state.closed {
            // What was asked for since a goodbye is abandoned too.
            state.machine.close(now);
        }
        let mut answered = state.pump();
        if state.close_by.is_some() && state.machine.is_idle() && state.control.is_empty() {
            answered |= !state.closed;
            state.closed = true;
        }
        let mut turn = Turn { epoch: state.epoch, store: news, ..Turn::default() };
        if !state.events.is_empty() {
            if let Calls::Idle(_) = state.calls
                && let Calls::Idle(callback) = mem::replace(&mut state.calls, Calls::Running)
            {
                turn.callback = Some(callback);
                mem::swap(&mut state.events, events);
                (state.messages, state.bytes) = (0, 0);
            } else if state.ready.is_some() && !state.ready_told {
                turn.ready = state.ready.clone();
                state.ready_told = true;
            }
        }
        turn.control = state.control.pop_front();
        match &turn.control {
            Some(Control::Close) => {
                if state.writable {
                    out.extend_from_slice(state.machine.outgoing());
                }
                state.writable = false;
                state.epoch = state.epoch.wrapping_add(1);
            }
            Some(Control::Dial(_)) => {}
            None => {
                if state.writable {
                    let outgoing = state.machine.outgoing();
                    out.extend_from_slice(&outgoing[..outgoing.len().min(CHUNK)]);
                }
            }
        }
        turn.closed = state.closed && turn.control.is_none();
        if turn.closed
            && let Calls::Idle(_) = state.calls
            && let Calls::Idle(callback) = mem::replace(&mut state.calls, Calls::Running)
        {
            // To be dropped where no lock is held: it may own handles on this very client.
            turn.callback = Some(callback);
        }
        state.held = !state.reads();
        // While it is not heard, the server's silence means nothing.
        state.machine.set_reading(!state.held);
        turn.reads = !state.held;
        let closing = state.close_by.filter(|_| !state.closed);
        turn.timeout = state.machine.poll_timeout().into_iter().chain(closing).min();
        state.armed = turn.timeout;
        answered |= state.sleepers > 0 && !state.events.is_empty();
        if answered {
            self.changed.notify_all();
        }
        turn
    }

    /// Says aloud that the store fails, or works again.
    pub(crate) fn tell_store(&self, log: &Log, news: &Result<(), StoreError>) {
        let client_id = self.look(|machine| machine.client_id().clone());
        match news {
            Ok(()) => log.write(Level::Info, format_args!("client {client_id}: stored again")),
            Err(error) => {
                let line = format_args!("client {client_id}: cannot store, trying again: {error}");
                log.write(Level::Error, line);
            }
        }
    }

    /// Calls the program; `true` if it may have to be called again.
    pub(crate) fn call(&self, turn: &mut Turn, events: &mut VecDeque<Event>) {
        if let Some(ready) = turn.ready.take() {
            ready();
        }
        let Some(mut callback) = turn.callback.take() else { return };
        for event in events.drain(..) {
            callback(event);
        }
        let mut state = self.lock();
        if matches!(state.calls, Calls::Running) && !state.closed {
            state.calls = Calls::Idle(callback);
            return;
        }
        // Another one was set meanwhile, or there will be no more events.
        drop(state);
        drop(callback);
    }

    pub(crate) fn opened(&self, now: Instant) {
        let mut state = self.lock();
        state.writable = true;
        state.failure = None;
        state.machine.handle_open(now);
    }

    /// Returns how many packets have come to their end with it.
    pub(crate) fn data(&self, now: Instant, data: &[u8]) -> u64 {
        let machine = &mut self.lock().machine;
        let before = machine.packets_received();
        machine.handle_data(now, data);
        machine.packets_received() - before
    }

    /// The transport took these bytes of what was copied out in this epoch.
    pub(crate) fn sent(&self, now: Instant, epoch: u32, bytes: usize) {
        let mut state = self.lock();
        if state.epoch == epoch {
            state.machine.handle_sent(now, bytes);
        }
    }

    /// Whether the transport takes bytes.
    pub(crate) fn set_writable(&self, writable: bool) {
        self.lock().writable = writable;
    }

    /// The transport has closed, or could not be opened.
    pub(crate) fn lost(
        &self,
        now: Instant,
        cause: Closed,
        failure: Option<(Arc<str>, NetworkError)>,
    ) {
        let mut state = self.lock();
        state.writable = false;
        state.epoch = state.epoch.wrapping_add(1);
        if failure.is_some() {
            state.failure = failure;
        }
        state.machine.handle_closed(now, cause);
    }

    /// Nobody drives the client any more: it is over.
    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.machine.close(self.clock.now());
        state.pump();
        state.control.clear();
        state.closed = true;
        state.notified = true;
        state.driver = None;
        let calls = mem::replace(&mut state.calls, Calls::None);
        let ready = state.ready.take().filter(|_| !state.ready_told);
        let events = match calls {
            Calls::Idle(_) => mem::take(&mut state.events),
            Calls::None | Calls::Running => VecDeque::new(),
        };
        let tells = !state.events.is_empty();
        drop(state);
        self.changed.notify_all();
        if let Calls::Idle(mut callback) = calls {
            events.into_iter().for_each(&mut callback);
        }
        if let Some(ready) = ready.filter(|_| tells) {
            ready();
        }
    }
}

impl State {
    fn is_driven_here(&self) -> bool {
        self.driver.as_ref().is_some_and(|driver| driver.drive.is_this_thread())
    }

    fn wait_for(&mut self, wanted: Wanted) -> u64 {
        self.last_waiter += 1;
        self.waiters.push(Waiter { number: self.last_waiter, wanted, answer: None });
        self.last_waiter
    }
}
