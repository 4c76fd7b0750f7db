//! A broker on threads of its own.

mod accept;
mod bus;
mod crew;
mod facts;
mod gather;
mod links;
mod load;
mod local;
#[cfg(all(test, loom))]
mod models;
mod options;
mod shard;

use core::time::Duration;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use libmqtt_engine::broker::{Shard, ShardId, Shared, Stats, restore};
use libmqtt_engine::codec::Reason;
use libmqtt_engine::store::Store;
use libmqtt_engine::{Message, NoHooks, Ticket, UnixTime, Verdict};
use libmqtt_locks::{Mutex, PoisonError};
use libmqtt_net::tls::TlsServer;
use libmqtt_net::{Acceptor, Address, Listener, Poll};

use crate::auth::{Guard, Guarded};
use crate::client::{Client, ClientOptions, Core};
use crate::clock::Clock;
use crate::inbox::Inbox;
use crate::log::Level;
use crate::store::{DiskStore, Durability, Persistence, Wake};
use accept::Doors;
use bus::{Bus, Note};
use crew::{Crew, Dismissal, Worker};
pub use options::{BrokerError, BrokerOptions, HooksFactory};
use shard::{ShardLoop, WAKER};

/// Sockets reported by one wait.
const POLL_BATCH: usize = 1024;
/// How long the threads may take to end after their deadline: they are cut off in between only
/// by hooks that block, which hooks must not.
const GRACE: Duration = Duration::from_secs(1);
/// A frame of WebSocket may have several packets, so it may be so large however small these must be.
const FRAME_MAX_LEAST: u64 = 64 * 1024;

/// A broker that runs, until it is stopped or dropped: one thread serves all shards while there is
/// little to do, each has its own when there is much.
///
/// Every method may be called from any thread, also inside hooks.
pub struct Broker {
    bus: Arc<Bus>,
    addresses: Vec<Address>,
    /// Of each, what its URLs begin with.
    schemes: Vec<&'static str>,
    tls: Vec<TlsServer>,
    guard: Arc<Guard>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Broker {
    /// Opens the listeners and starts the threads. On return, clients can connect.
    pub fn start(options: BrokerOptions) -> Result<Broker, BrokerError> {
        let shards = match options.shards {
            Some(shards) => shards,
            None => thread::available_parallelism().map_or(1, |cores| cores.get().min(128)) as u16,
        };
        if !(1..=128).contains(&shards) {
            return Err(BrokerError::Shards(shards));
        }
        let is_local = |address: &Address| address.ip().is_none_or(|ip| ip.ip().is_loopback());
        let local = options.listeners.iter().all(|listener| is_local(&listener.address));
        let guard = Arc::new(Guard::open(&options.policy, local)?);
        let mut acceptors: Vec<Vec<Acceptor>> = (0..shards).map(|_| Vec::new()).collect();
        let mut addresses = Vec::new();
        for (number, listener) in options.listeners.iter().enumerate() {
            let mut listener = listener.clone();
            if let Some(web_socket) = &mut listener.web_socket {
                let packet_max = u64::from(options.config.maximum_packet_size);
                web_socket.frame_max.get_or_insert(packet_max.max(FRAME_MAX_LEAST));
            }
            let acceptor = Acceptor::open(&listener).map_err(|source| {
                let address = listener.address.clone();
                BrokerError::Listen { address, source }
            })?;
            addresses.push(acceptor.address().clone());
            acceptors[number % usize::from(shards)].push(acceptor);
        }
        let mut polls = Vec::new();
        let mut inboxes = Vec::new();
        for _ in 0..shards {
            let poll = Poll::new(POLL_BATCH)?;
            inboxes.push(Inbox::new(poll.waker(WAKER)?));
            polls.push(poll);
        }
        let mut config = options.config;
        if let Some(persistence) = &options.persistence {
            let gathers = persistence.durability.gathers();
            config.store_queue_bytes_max = config.store_queue_bytes_max.max(gathers);
        }
        let shared = Shared::new(config, shards, random()?);
        let bus = Arc::new(Bus::new(shared, Clock::new(), options.log, inboxes));
        let mut machines = Vec::new();
        for which in (0..shards).map(ShardId) {
            let answers = Answers { shard: which, bus: bus.clone() };
            let hooks = match &options.hooks {
                Some(factory) => factory(answers.clone()),
                None => Box::new(NoHooks),
            };
            let hooks = match guard.is_open() {
                true => hooks,
                false => Box::new(Guarded::new(guard.clone(), hooks, answers)),
            };
            let now = bus.clock.now();
            machines.push(Shard::new(bus.shared.clone(), which, hooks, random()?, now));
        }
        let mut stores = match &options.persistence {
            Some(persistence) => bus.restore(persistence, &mut machines)?,
            None => Vec::new(),
        }
        .into_iter();
        let schemes = options.listeners.iter().map(Listener::scheme).collect();
        let tls = options.listeners.iter().filter_map(|listener| listener.tls.clone()).collect();
        let threads = Mutex::new(Vec::new());
        let broker = Broker { bus, addresses, schemes, tls, guard, threads };
        let mut loops = Vec::new();
        for (shard, (poll, acceptors)) in machines.into_iter().zip(polls.into_iter().zip(acceptors))
        {
            let (which, bus) = (shard.id(), broker.bus.clone());
            let doors = Doors::new(acceptors, &poll, bus.log.clone())?;
            loops.push(ShardLoop::new(which, bus, shard, stores.next(), poll, doors));
        }
        // Dropped by whoever has it last, here if a thread cannot be started.
        let dismissal = Dismissal(Arc::new(Crew::new(shards)));
        for number in 1..shards {
            broker.spawn(number, &dismissal.0, Worker::help)?;
        }
        let crew = dismissal.0.clone();
        broker.spawn(0, &crew, move |worker| {
            worker.lead(loops);
            drop(dismissal);
        })?;
        Ok(broker)
    }

    fn spawn(
        &self,
        number: u16,
        crew: &Arc<Crew>,
        work: impl FnOnce(Worker) + Send + 'static,
    ) -> Result<(), BrokerError> {
        let (bus, crew) = (self.bus.clone(), crew.clone());
        self.bus.thread_begins();
        let name = format!("mqtt-broker-{number}");
        let spawned = thread::Builder::new().name(name).spawn(move || {
            work(Worker::new(number, bus.clone(), crew));
            bus.thread_ends();
        });
        match spawned {
            Ok(thread) => {
                self.threads().push(thread);
                Ok(())
            }
            Err(error) => {
                self.bus.thread_ends();
                Err(error.into())
            }
        }
    }

    /// Where it listens, in the order of the options; port 0 has become the real one.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// The same as URLs that clients take: `mqtts://127.0.0.1:8883`, `unix:/run/mqtt.sock`. One
    /// of WebSocket has no path.
    pub fn urls(&self) -> Vec<String> {
        let url = |(scheme, address): (&&str, &Address)| match address {
            Address::Ip(address) => format!("{scheme}://{address}"),
            address => format!("{scheme}:{address}"),
        };
        self.schemes.iter().zip(&self.addresses).map(url).collect()
    }

    /// The port of the first listener that has one; none without any.
    pub fn port(&self) -> Option<u16> {
        self.addresses().iter().find_map(Address::ip).map(|address| address.port())
    }

    /// Publishes as the host program: no hook is asked, messages of one thread keep their order.
    ///
    /// Returns before subscribers have it. `Err(Busy)` when 64 MiB of such messages wait.
    pub fn publish(&self, message: &Message) -> Result<(), BrokerError> {
        self.bus.publish(message)
    }

    /// A client within the process: joined to the broker by memory, with a full session and no
    /// socket. Its servers are not looked at; its callbacks are called on a thread of the broker and
    /// must not block. It does nothing yet: `connect` or `start` it.
    pub fn client(&self, options: ClientOptions) -> Result<Client, BrokerError> {
        let mut config = options.config;
        config.servers = vec!["this broker".into()];
        let core = Core::new(config, options.events_max, random()?, self.bus.clock);
        if let Some(persistence) = &options.persistence {
            core.keep(persistence)?;
        }
        let core = Arc::new(core);
        self.bus.join(core.clone())?;
        Ok(Client::driven(core))
    }

    /// Counters of the whole broker, at most a turn of its loops old.
    pub fn stats(&self) -> Stats {
        self.bus.shared.stats()
    }

    /// Ends the connection of this client, if there is one, for `reason`; soon after the return.
    pub fn disconnect(&self, client_id: &str, reason: Reason) {
        self.bus.disconnect(client_id, reason);
    }

    /// Reads the files of the policy and of TLS again, on the calling thread. Passwords and
    /// certificates count for connections to come; access rights count at once, also for clients
    /// that are connected.
    ///
    /// `Err`: a file is of no use. What was read before stays in force in its place, which the log
    /// says too; the other files count.
    pub fn reload(&self) -> Result<(), BrokerError> {
        let mut result = self.guard.reload(&self.bus.log).map_err(BrokerError::from);
        self.bus.rights_changed();
        for tls in &self.tls {
            let reloaded = tls.reload();
            accept::tell_reloaded(&self.bus.log, &reloaded);
            result = result.and(reloaded.map_err(BrokerError::from));
        }
        result
    }

    /// Whether all its threads run. They end by `stop`, or when a hook has panicked.
    pub fn is_running(&self) -> bool {
        !self.bus.is_stopping()
    }

    /// Stops accepting, tells every client (5.0: Server shutting down), sends what still waits
    /// for them for as long as `deadline` allows, closes everything and ends the threads.
    ///
    /// Called again, it waits for the first call. Inside a hook it only asks: the broker stops
    /// after the hook has returned. Dropping the broker stops it with a deadline of one second.
    pub fn stop(&self, deadline: Duration) {
        self.bus.stop(deadline);
        let this = thread::current().id();
        if self.threads().iter().any(|thread| thread.thread().id() == this) {
            return;
        }
        if self.bus.wait(deadline + GRACE) {
            // Taken out first: joining under the lock would hold up a second caller in a hook.
            let threads = core::mem::take(&mut *self.threads());
            for thread in threads {
                // Its panics are caught inside.
                let _ = thread.join();
            }
        }
    }

    fn threads(&self) -> libmqtt_locks::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop(Duration::from_secs(1));
    }
}

impl core::fmt::Debug for Broker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Broker").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// How the hooks of one shard answer what they have put off with [`Verdict::Later`]. Cloned
/// freely, used from any thread.
#[derive(Clone)]
pub struct Answers {
    shard: ShardId,
    bus: Arc<Bus>,
}

impl Answers {
    /// The shard whose hooks these are.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// The answer to the question with this ticket. An answer to what no longer waits is ignored.
    pub fn answer(&self, ticket: Ticket, verdict: Verdict) {
        self.bus.send(self.shard, Note::Verdict(ticket, verdict));
    }
}

impl core::fmt::Debug for Answers {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Answers").field("shard", &self.shard).finish_non_exhaustive()
    }
}

impl Bus {
    /// Opens the file of sessions and messages, gives the shards what is in it, and returns a
    /// handle of it for each.
    fn restore(
        self: &Arc<Bus>,
        persistence: &Persistence,
        shards: &mut [Shard],
    ) -> Result<Vec<Box<dyn Store>>, BrokerError> {
        let path = persistence.path();
        let failed = |source| BrokerError::Store { path: path.clone(), source };
        let wake = |shard: &Shard| -> Wake {
            let (bus, which) = (self.clone(), shard.id());
            Box::new(move || bus.send(which, Note::Stored))
        };
        let wakes = shards.iter().map(wake).collect();
        let mut stores =
            DiskStore::open_for(&path, persistence.durability, wakes).map_err(failed)?;
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (now, unix) = (self.clock.now(), UnixTime(since_1970.as_millis() as u64));
        let sync = persistence.durability == Durability::Sync;
        shards.iter_mut().for_each(|shard| shard.persist(now, unix, sync));
        let Some(first) = stores.first_mut() else { return Ok(Vec::new()) };
        restore(shards, first, now).map_err(failed)?;
        Ok(stores.into_iter().map(|store| -> Box<dyn Store> { Box::new(store) }).collect())
    }

    /// A shard's thread has come to grief.
    fn fail(&self, which: ShardId, what: core::fmt::Arguments<'_>) {
        self.log.write(
            Level::Error,
            format_args!("shard {} ended, so the broker stops: {what}", which.0),
        );
        self.stop(Duration::ZERO);
    }
}

/// Random bits from the system.
pub(crate) fn random() -> io::Result<u64> {
    getrandom::u64().map_err(|error| io::Error::other(error.to_string()))
}
