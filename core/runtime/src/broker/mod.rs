//! A broker on threads of its own.

mod options;

use core::net::SocketAddr;
use core::time::Duration;

use libmqtt_engine::broker::{ShardId, Stats};
use libmqtt_engine::codec::Reason;
use libmqtt_engine::{Message, Ticket, Verdict};

pub use options::{BrokerError, BrokerOptions, HooksFactory};

/// A broker that runs: one thread per shard, until it is stopped or dropped.
///
/// Every method may be called from any thread, also inside hooks.
pub struct Broker {}

impl Broker {
    /// Opens the listeners and starts the threads. On return, clients can connect.
    pub fn start(options: BrokerOptions) -> Result<Broker, BrokerError> {
        let _ = options;
        unimplemented!()
    }

    /// Where it listens, in the order of the options; port 0 has become the real one.
    pub fn addresses(&self) -> &[SocketAddr] {
        unimplemented!()
    }

    /// The port of the first listener; none without listeners.
    pub fn port(&self) -> Option<u16> {
        self.addresses().first().map(SocketAddr::port)
    }

    /// Publishes as the host program: no hook is asked, messages of one thread keep their order.
    ///
    /// Returns before subscribers have it. `Err(Busy)` when 64 MiB of such messages wait.
    pub fn publish(&self, message: &Message) -> Result<(), BrokerError> {
        let _ = message;
        unimplemented!()
    }

    /// Counters of the whole broker, at most a turn of its loops old.
    pub fn stats(&self) -> Stats {
        unimplemented!()
    }

    /// Ends the connection of this client, if there is one, for `reason`; soon after the return.
    pub fn disconnect(&self, client_id: &str, reason: Reason) {
        let _ = (client_id, reason);
        unimplemented!()
    }

    /// Stops accepting, tells every client (5.0: Server shutting down), sends what still waits
    /// for them for as long as `deadline` allows, closes everything and ends the threads.
    ///
    /// Called again, it waits for the first call. Inside a hook it only asks: the broker stops
    /// after the hook has returned. Dropping the broker stops it with a deadline of one second.
    pub fn stop(&self, deadline: Duration) {
        let _ = deadline;
        unimplemented!()
    }
}

/// How the hooks of one shard answer what they have put off with [`Verdict::Later`]. Cloned
/// freely, used from any thread.
#[derive(Clone, Debug)]
pub struct Answers {
    shard: ShardId,
}

impl Answers {
    /// The shard whose hooks these are.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// The answer to the question with this ticket. An answer to what no longer waits is ignored.
    pub fn answer(&self, ticket: Ticket, verdict: Verdict) {
        let _ = (ticket, verdict);
        unimplemented!()
    }
}
