//! A broker under test, wherever it is.

mod engine;
mod rules;
mod tcp;

use core::time::Duration;
use std::rc::Rc;

use libmqtt_engine::Message;
use libmqtt_engine::broker::{BrokerConfig, Stats};
use libmqtt_engine::codec::{Reason, Version};

use crate::wire::{Connect, Wire};
use crate::{Peer, Transport};
pub use rules::Rules;
use rules::SharedRules;

/// The variable of the environment that says of how many shards each broker is; 1 without it.
const SHARDS: &str = "LIBMQTT_CONFORMANCE_SHARDS";

/// The variable of the environment that says where the broker is: nothing: an engine on virtual
/// time; `tcp`: one of ours behind TCP, for each test its own; HOST:PORT: somebody's.
pub const BROKER: &str = "LIBMQTT_CONFORMANCE_BROKER";

/// How a test begins to say why it cannot be made of the broker that it was given.
pub const NOT_APPLICABLE: &str = "not applicable: ";

fn shards() -> u16 {
    std::env::var(SHARDS).map_or(1, |text| text.parse().expect("a number of shards"))
}

/// Where a broker is, and how to get at it.
trait Stage {
    /// A connection on which nothing has been sent.
    fn open(&self) -> Box<dyn Transport>;
    fn advance(&self, span: Duration);
    fn publish(&self, message: &Message);
    fn disconnect(&self, id: &str, reason: Reason);
    fn shut_down(&self);
    fn stats(&self) -> Stats;
}

/// A broker, its clock, and the far ends of its links. Clones are the same broker.
#[derive(Clone)]
pub struct World(Rc<dyn Stage>);

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    /// With everything as it comes, but for the `$SYS` topics, which are off.
    pub fn new() -> World {
        match std::env::var(BROKER) {
            Ok(place) if place != "tcp" => World(Rc::new(tcp::Foreign::at(&place))),
            _ => World::ruled(Rules::default(), |_| {}),
        }
    }

    /// With another configuration.
    pub fn with(change: impl FnOnce(&mut BrokerConfig)) -> World {
        World::ruled(Rules::default(), change)
    }

    /// With rules and another configuration.
    pub fn ruled(rules: Rules, change: impl FnOnce(&mut BrokerConfig)) -> World {
        let mut config = BrokerConfig { sys_interval: Duration::ZERO, ..BrokerConfig::default() };
        change(&mut config);
        let rules = SharedRules::new(rules);
        match std::env::var(BROKER).as_deref() {
            Err(_) => World(Rc::new(engine::Virtual::start(rules, config))),
            Ok("tcp") => World(Rc::new(tcp::Own::start(rules, config))),
            Ok(_) => panic!("{NOT_APPLICABLE}it wants a broker of a certain configuration"),
        }
    }

    /// A connection on which nothing has been sent.
    pub fn open(&self, version: Version) -> Peer {
        Peer::new(version, self.0.open())
    }

    /// A client that has connected with Clean Start 1 and nothing else.
    pub fn connect(&self, version: Version, id: &str) -> Peer {
        self.connect_with(version, Connect::new(id))
    }

    /// A client that has connected with this CONNECT, and been accepted.
    pub fn connect_with(&self, version: Version, connect: impl Wire) -> Peer {
        let mut peer = self.open(version);
        peer.send(connect);
        peer.expect_accepted();
        peer
    }

    /// Lets time pass, timers and all.
    pub fn advance(&self, span: Duration) {
        self.0.advance(span);
    }

    /// The host program publishes.
    pub fn publish(&self, message: &Message) {
        self.0.publish(message);
    }

    /// The host program ends a client's connection.
    pub fn disconnect(&self, id: &str, reason: Reason) {
        self.0.disconnect(id, reason);
    }

    /// The broker stops.
    pub fn shut_down(&self) {
        self.0.shut_down();
    }

    /// Its counters.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}
