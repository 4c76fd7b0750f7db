//! The loop that serves clients over sockets.
//!
//! A turn: wait; take the inbox; then serve each client that has something, be it a socket, a
//! deadline or a call of the program: read its socket once, do what its engine says, call the
//! program with its events, write what there is. A client that has more is served again in the
//! next turn, after the others.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use libmqtt_engine::Instant;
use libmqtt_engine::client::{Client as Machine, Closed};
use libmqtt_locks::{Condvar, Mutex, PoisonError};
use libmqtt_net::tls::{TlsClient, TlsClientOptions, Verification};
use libmqtt_net::{Address, Dial, Dialled, LayerError, Link, Poll, ResolveError, Resolver, Route};
use slab::Slab;

use crate::client::{
    Client, ClientError, ClientOptions, Control, Core, Drive, Driver, Network, NetworkError, Server,
};
use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::log::{Level, Log};
use crate::pace::Pace;
use crate::timers::Timers;

const WAKER: usize = 0;
const POLL_BATCH: usize = 256;
const BUFFER: usize = 64 * 1024;
/// Writes to one client in one turn.
const WRITES_MAX: usize = 16;
/// How long the last handle waits for the thread.
const GRACE: Duration = Duration::from_secs(1);

/// The loop that serves clients: one thread, any number of clients. Cloning copies a handle, and
/// each client has one too; the thread ends when the last has gone.
#[derive(Clone)]
pub struct Runtime {
    shared: Arc<Handle>,
}

impl Runtime {
    /// Starts the thread.
    pub fn new() -> Result<Runtime, ClientError> {
        Runtime::with_log(Log::default())
    }

    /// Starts the thread; what it has to say goes to `log`.
    pub fn with_log(log: Log) -> Result<Runtime, ClientError> {
        let (mut served, runtime) = Loop::new(false, log.clone())?;
        let when_ended = runtime.shared.ended.clone();
        thread::Builder::new().name("mqtt-clients".into()).spawn(move || {
            served.lane.inbox.own();
            // A panic can only come from a callback or from a fault of ours.
            match catch_unwind(AssertUnwindSafe(|| served.run())) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => log.write(Level::Error, format_args!("client loop: {error}")),
                Err(_) => log.write(Level::Error, format_args!("client loop panicked")),
            }
            // What callbacks do with their last events is theirs: they may panic again.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                served.end();
                drop(served);
            }));
            *when_ended.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            when_ended.1.notify_all();
        })?;
        Ok(runtime)
    }

    pub(crate) fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Has the loop drive this client.
    pub(crate) fn add(&self, core: Arc<Core>, network: Network) {
        let note = Note::Add(core, Box::new(network));
        if let Err(note) = self.shared.lane.inbox.push(note) {
            note.give_up();
        }
    }
}

impl core::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// The loop that serves clients, for a program that runs it itself.
///
/// The thread that makes it is the one to run it: callbacks are called there, and calls that wait
/// fail there with [`ClientError::WouldDeadlock`]. To fit it into a loop of the program's own, wait
/// until its descriptor is readable or [`OwnLoop::timeout`] has passed, then call
/// [`OwnLoop::process`]. Dropping it ends its clients.
pub struct OwnLoop {
    served: Loop,
    runtime: Runtime,
}

impl OwnLoop {
    /// A loop without clients.
    pub fn new() -> Result<OwnLoop, ClientError> {
        let (mut served, runtime) = Loop::new(true, Log::default())?;
        served.lane.inbox.own();
        // From now on, what is left in the inbox makes the descriptor readable.
        served.take_inbox();
        Ok(OwnLoop { served, runtime })
    }

    /// What other threads, and callbacks, make clients with.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Whether this is the thread that is to run it.
    pub fn is_this_thread(&self) -> bool {
        self.served.lane.is_this_thread()
    }

    /// A client of this loop, made on its thread. It does nothing yet.
    pub fn client(&mut self, options: ClientOptions) -> Result<Client, ClientError> {
        let client = Client::new(&self.runtime, options)?;
        // Taken up at once, so that it knows its thread.
        let mut notes = core::mem::take(&mut self.served.notes);
        self.served.lane.inbox.take(&mut self.served.notes, false);
        notes.append(&mut self.served.notes);
        notes.into_iter().for_each(|note| self.served.take_note(note));
        Ok(client)
    }

    /// Serves every client that has something, once, and before that waits for at most `timeout`
    /// (none: for ever) until one has.
    pub fn process(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.served.turn(timeout)?;
        self.served.take_inbox();
        Ok(())
    }

    /// How long [`OwnLoop::process`] may be put off while the descriptor is not readable; none:
    /// for ever.
    pub fn timeout(&self) -> Option<Duration> {
        self.served.patience()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for OwnLoop {
    /// A descriptor that is readable when there is something to process, be it to read or to
    /// write. It belongs to the loop.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.served.poll.as_raw_fd()
    }
}

impl Drop for OwnLoop {
    fn drop(&mut self) {
        self.served.end();
    }
}

impl core::fmt::Debug for OwnLoop {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OwnLoop").finish_non_exhaustive()
    }
}

struct Handle {
    lane: Arc<Lane>,
    clock: Clock,
    ended: Arc<(Mutex<bool>, Condvar)>,
}

impl Drop for Handle {
    /// All clients have closed by now, and what they had to say is before this in the inbox.
    fn drop(&mut self) {
        if self.lane.inbox.push(Note::Stop).is_err() || self.lane.is_this_thread() {
            return;
        }
        let ended = self.ended.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A callback that blocks may keep the thread longer: it ends on its own then.
        drop(self.ended.1.wait_timeout_while(ended, GRACE, |ended| !*ended));
    }
}

/// The way to the loop.
struct Lane {
    inbox: Inbox<Note>,
}

impl Drive for Lane {
    fn wake(&self, key: usize) {
        // A loop that has ended has abandoned its clients.
        drop(self.inbox.push(Note::Serve(key)));
    }

    fn is_this_thread(&self) -> bool {
        self.inbox.is_own()
    }
}

enum Note {
    Add(Arc<Core>, Box<Network>),
    Serve(usize),
    /// For the attempt with this number of the client with this key.
    Resolved(usize, u32, Result<Vec<std::net::SocketAddr>, ResolveError>),
    Stop,
}

impl Note {
    /// Nobody will read it.
    fn give_up(self) {
        if let Note::Add(core, _) = self {
            core.abandon();
        }
    }
}

enum Conn {
    None,
    /// With the way from there.
    Resolving(Box<Route>),
    Dialling(Box<Dial>),
    Open(Link),
}

struct Entry {
    core: Arc<Core>,
    network: Box<Network>,
    conn: Conn,
    /// Where the connection leads or is to lead.
    server: Arc<str>,
    /// Counts attempts.
    attempt: u32,
    armed: Option<Instant>,
    /// It is in the list of those to serve.
    listed: bool,
    readable: bool,
    closing: bool,
    full: bool,
    /// The engine wants what comes.
    reads: bool,
}

impl Entry {
    /// Its socket is full.
    fn wait_writable(&mut self) {
        self.full = true;
        self.core.set_writable(false);
    }
}

struct Loop {
    lane: Arc<Lane>,
    poll: Poll,
    resolver: Resolver,
    clock: Clock,
    clients: Slab<Entry>,
    timers: Timers,
    to_serve: VecDeque<usize>,
    buffer: Box<[u8]>,
    out: Vec<u8>,
    events: VecDeque<libmqtt_engine::client::Event>,
    notes: Vec<Note>,
    /// Packets that have come in this turn.
    packets: u64,
    log: Log,
    over: bool,
}

impl Loop {
    /// A loop and the handle on it, which waits for its thread to end unless it has `ended`.
    fn new(ended: bool, log: Log) -> Result<(Loop, Runtime), ClientError> {
        let poll = Poll::new(POLL_BATCH)?;
        let lane = Arc::new(Lane { inbox: Inbox::new(poll.waker(WAKER)?) });
        let clock = Clock::new();
        let ended = Arc::new((Mutex::new(ended), Condvar::new()));
        let handle = Handle { lane: lane.clone(), clock, ended };
        let served = Loop {
            lane,
            poll,
            resolver: Resolver::new(),
            clock,
            clients: Slab::new(),
            timers: Timers::default(),
            to_serve: VecDeque::new(),
            buffer: vec![0; BUFFER].into(),
            out: Vec::new(),
            events: VecDeque::new(),
            notes: Vec::new(),
            packets: 0,
            log,
            over: false,
        };
        Ok((served, Runtime { shared: Arc::new(handle) }))
    }

    fn run(&mut self) -> io::Result<()> {
        let mut pace = Pace::default();
        while !(self.over && self.clients.is_empty()) {
            let now = self.turn(None)?;
            if self.to_serve.is_empty()
                && let Some(pause) = pace.after_turn(now, self.packets)
            {
                thread::sleep(pause);
            }
        }
        Ok(())
    }

    /// Takes what was left for the loop. If that is nothing, what comes will wake it.
    fn take_inbox(&mut self) {
        if self.notes.is_empty() {
            self.lane.inbox.take(&mut self.notes, self.to_serve.is_empty());
        }
    }

    /// How long the loop may sleep; none: until something comes.
    fn patience(&self) -> Option<Duration> {
        if !self.to_serve.is_empty() || !self.notes.is_empty() {
            return Some(Duration::ZERO);
        }
        self.timers.next().map(|until| until.since(self.clock.now()))
    }

    /// Nobody is served any more.
    fn end(&mut self) {
        self.resolver.close();
        self.lane.inbox.close().into_iter().for_each(Note::give_up);
        for entry in self.clients.drain() {
            entry.core.abandon();
        }
    }

    /// Returns when it has begun to work.
    fn turn(&mut self, at_most: Option<Duration>) -> io::Result<Instant> {
        self.packets = 0;
        self.take_inbox();
        self.poll.wait(self.patience().into_iter().chain(at_most).min())?;
        self.lane.inbox.awake();
        let now = self.clock.now();
        self.note_ready();
        let mut notes = core::mem::take(&mut self.notes);
        for note in notes.drain(..) {
            self.take_note(note);
        }
        self.notes = notes;
        while let Some(key) = self.timers.pop(now) {
            if let Some(entry) = self.clients.get_mut(key) {
                entry.armed = None;
            }
            self.list(key);
        }
        for _ in 0..self.to_serve.len() {
            let Some(key) = self.to_serve.pop_front() else { break };
            self.serve(now, key);
        }
        Ok(now)
    }

    fn list(&mut self, key: usize) {
        if let Some(entry) = self.clients.get_mut(key)
            && !entry.listed
        {
            entry.listed = true;
            self.to_serve.push_back(key);
        }
    }

    fn note_ready(&mut self) {
        for ready in self.poll.ready().filter(|ready| ready.key != WAKER) {
            let key = ready.key - 1;
            let Some(entry) = self.clients.get_mut(key) else { continue };
            entry.readable |= ready.readable;
            entry.closing |= ready.closing;
            if ready.writable && entry.full {
                entry.full = false;
                entry.core.set_writable(true);
            }
            if !entry.listed {
                entry.listed = true;
                self.to_serve.push_back(key);
            }
        }
    }

    fn take_note(&mut self, note: Note) {
        match note {
            Note::Add(core, network) => {
                let key = self.clients.insert(Entry {
                    core: core.clone(),
                    network,
                    conn: Conn::None,
                    server: "".into(),
                    attempt: 0,
                    armed: None,
                    listed: false,
                    readable: false,
                    closing: false,
                    full: false,
                    reads: true,
                });
                core.driven_by(Driver { drive: self.lane.clone(), key });
                self.list(key);
            }
            Note::Serve(key) => self.list(key),
            Note::Resolved(key, attempt, found) => self.resolved(key, attempt, found),
            Note::Stop => self.over = true,
        }
    }

    fn serve(&mut self, now: Instant, key: usize) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        entry.listed = false;
        self.advance_dial(now, key);
        self.read(now, key);
        self.pay(now, key);
        for _ in 0..WRITES_MAX {
            let Some(entry) = self.clients.get(key) else { return };
            let core = entry.core.clone();
            let mut turn = core.turn(now, &mut self.out, &mut self.events);
            let called = turn.callback.is_some();
            if let Some(news) = turn.store.take() {
                core.tell_store(&self.log, &news);
            }
            core.call(&mut turn, &mut self.events);
            let Some(entry) = self.clients.get_mut(key) else { return };
            entry.reads = turn.reads;
            self.timers.arm(&mut entry.armed, turn.timeout, key);
            if turn.closed {
                self.clients.remove(key);
                return;
            }
            match turn.control {
                Some(Control::Dial(server)) => self.dial(now, key, server),
                Some(Control::Close) => self.hang_up(key),
                None if self.out.is_empty() => {
                    if !called {
                        return self.go_on_reading(key);
                    }
                }
                None => self.write(now, key, turn.epoch),
            }
        }
        self.list(key);
    }

    /// Lists a client again that has more to read.
    fn go_on_reading(&mut self, key: usize) {
        let Some(entry) = self.clients.get(key) else { return };
        if entry.readable && entry.reads && matches!(entry.conn, Conn::Open(_)) {
            self.list(key);
        }
    }

    fn read(&mut self, now: Instant, key: usize) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        let Conn::Open(link) = &mut entry.conn else { return };
        if !entry.readable || !entry.reads {
            return;
        }
        match link.read(&mut self.buffer) {
            Ok(0) => self.lose(now, key, Closed::Peer, None),
            Ok(count) => {
                entry.readable = link.has_more(count == BUFFER) || entry.closing;
                if link.owes() {
                    entry.wait_writable();
                }
                self.packets += entry.core.data(now, &self.buffer[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                entry.readable = link.has_more(false);
                if link.owes() {
                    entry.wait_writable();
                }
            }
            Err(error) => self.lose(now, key, Closed::Failed, Some(failed(error))),
        }
    }

    /// Writes what the layers of a link owe, if there is room again.
    fn pay(&mut self, now: Instant, key: usize) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        let Conn::Open(link) = &mut entry.conn else { return };
        if entry.full || !link.owes() {
            return;
        }
        match link.write(&[], &mut self.buffer) {
            Ok(_) if link.owes() => entry.wait_writable(),
            Ok(_) => {}
            Err(error) => self.lose(now, key, Closed::Failed, Some(failed(error))),
        }
    }

    /// Writes what was copied out.
    fn write(&mut self, now: Instant, key: usize, epoch: u32) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        let Conn::Open(link) = &mut entry.conn else { return };
        match link.write(&[&self.out], &mut self.buffer) {
            Ok(count) => {
                if link.is_full(count < self.out.len()) {
                    entry.wait_writable();
                }
                entry.core.sent(now, epoch, count);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => entry.wait_writable(),
            Err(error) => {
                // A peer that has closed may have said why before.
                let told = link.read(&mut self.buffer).err();
                let told = told.filter(|told| LayerError::of(told).is_some());
                self.lose(now, key, Closed::Failed, Some(failed(told.unwrap_or(error))));
            }
        }
    }

    fn lose(&mut self, now: Instant, key: usize, cause: Closed, failure: Option<NetworkError>) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        entry.conn = Conn::None;
        let failure = failure.map(|failure| (entry.server.clone(), failure));
        entry.core.lost(now, cause, failure);
        self.list(key);
    }

    /// The engine ends the connection, or the attempt: its last bytes go out as far as they can.
    fn hang_up(&mut self, key: usize) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        entry.attempt = entry.attempt.wrapping_add(1);
        if let Conn::Open(mut link) = core::mem::replace(&mut entry.conn, Conn::None) {
            // What the socket does not take now is lost, as the engine knows.
            if !self.out.is_empty() {
                let _ = link.write(&[&self.out], &mut self.buffer);
            }
            if link.is_layered() {
                let _ = link.finish();
            }
        }
    }

    fn dial(&mut self, now: Instant, key: usize, text: Arc<str>) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        entry.attempt = entry.attempt.wrapping_add(1);
        // A reference of a server may leave out how to reach the other: as itself, then.
        let listed =
            |machine: &Machine| machine.config().servers.iter().any(|server| **server == *text);
        let server = match entry.server.parse() {
            Ok(before) if !entry.core.look(listed) => Server::like(&text, &before),
            _ => text.parse::<Server>(),
        };
        entry.server = match &server {
            Ok(server) => server.to_string().into(),
            Err(_) => text,
        };
        let server = match server {
            Ok(server) => server,
            Err(error) => {
                let failure = NetworkError::Reference(error);
                return self.lose(now, key, Closed::Failed, Some(failure));
            }
        };
        if let Err(failure) = self.prepare_tls(key, &server) {
            return self.lose(now, key, Closed::Failed, Some(failure));
        }
        let Some(entry) = self.clients.get_mut(key) else { return };
        let route = entry.network.route(&server);
        if let Some(address) = server.unix_address() {
            return self.dial_at(key, &[address], route);
        }
        let (host, port) = match &route.proxy {
            Some((proxy, ..)) => (proxy.host.clone(), proxy.port),
            None => (server.host.to_string(), server.port),
        };
        entry.conn = Conn::Resolving(Box::new(route));
        let (attempt, lane) = (entry.attempt, self.lane.clone());
        self.resolver.resolve(&host, port, move |found| {
            // A loop that has ended wants no answer.
            drop(lane.inbox.push(Note::Resolved(key, attempt, found)));
        });
    }

    /// Sees to it that there is TLS for a server that wants it, with files as they are now, and
    /// says aloud what is not checked.
    fn prepare_tls(&mut self, key: usize, server: &Server) -> Result<(), NetworkError> {
        let Some(entry) = self.clients.get_mut(key) else { return Ok(()) };
        if !server.scheme.is_secure() {
            return Ok(());
        }
        let tls = match &entry.network.tls {
            Some(tls) => tls,
            None => {
                let tls = TlsClient::new(TlsClientOptions::default()).map_err(NetworkError::Tls)?;
                entry.network.tls.insert(tls)
            }
        };
        if let Some(Err(error)) = tls.reload_if_changed() {
            self.log
                .write(Level::Error, format_args!("{error}; what was read before stays in force"));
        }
        let what = match tls.options().verification {
            Verification::Full => return Ok(()),
            Verification::AnyHostName => "whom the certificate is for",
            Verification::Nothing => "the certificate",
        };
        self.log.write(
            Level::Warn,
            format_args!("connecting to {server} WITHOUT checking {what}: anyone can pose as it"),
        );
        Ok(())
    }

    fn resolved(
        &mut self,
        key: usize,
        attempt: u32,
        found: Result<Vec<std::net::SocketAddr>, ResolveError>,
    ) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        if entry.attempt != attempt {
            return;
        }
        let Conn::Resolving(route) = core::mem::replace(&mut entry.conn, Conn::None) else {
            return;
        };
        match found {
            Ok(addresses) => {
                let addresses: Vec<Address> = addresses.into_iter().map(Address::Ip).collect();
                self.dial_at(key, &addresses, *route);
            }
            Err(error) => {
                let failure = NetworkError::Resolve(Arc::new(error));
                self.lose(self.clock.now(), key, Closed::Failed, Some(failure));
            }
        }
    }

    fn dial_at(&mut self, key: usize, addresses: &[Address], route: Route) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        let patience = entry.core.look(|machine| machine.config().connect_timeout);
        let deadline = std::time::Instant::now() + patience;
        let dial = Dial::new(addresses, entry.network.tcp, route, key + 1, deadline);
        entry.conn = Conn::Dialling(Box::new(dial));
        self.list(key);
    }

    fn advance_dial(&mut self, now: Instant, key: usize) {
        let Some(entry) = self.clients.get_mut(key) else { return };
        let Conn::Dialling(dial) = &mut entry.conn else { return };
        match dial.advance(&self.poll, std::time::Instant::now(), &mut self.buffer) {
            Dialled::Pending => {
                let until = self.clock.at(dial.until());
                self.timers.arm(&mut entry.armed, Some(until), key);
            }
            Dialled::Open(link) => {
                entry.conn = Conn::Open(link);
                (entry.readable, entry.closing, entry.full) = (true, false, false);
                entry.core.opened(now);
            }
            Dialled::Failed(error) => {
                let failure = NetworkError::of(error, NetworkError::Dial);
                self.lose(now, key, Closed::Failed, Some(failure));
            }
        }
    }
}

fn failed(error: io::Error) -> NetworkError {
    NetworkError::of(error, NetworkError::Failed)
}
