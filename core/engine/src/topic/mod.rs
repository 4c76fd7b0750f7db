//! Who gets a message, and which messages are kept.

mod audience;
mod index;
mod retained;
mod roster;
mod run;
mod shared;
#[cfg(test)]
mod tests;
mod tree;
mod walk;

pub use index::{Hit, Index};
pub use retained::Retained;
pub use roster::Roster;
pub use shared::{Group, Member};

use libmqtt_codec::SubscriptionOptions;

/// Names a session of the broker: the shard that is its home and its place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// The session's home.
    pub shard: u16,
    /// Its place in the home's table.
    pub index: u32,
    /// Tells it from a session that had the place before.
    pub generation: u32,
}

/// One session's subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Whose it is.
    pub session: SessionKey,
    /// Its options.
    pub options: SubscriptionOptions,
    /// The Subscription Identifier, which has 28 bits, and [`DURABLE`].
    tag: u32,
}

/// What the session is owed is stored.
const DURABLE: u32 = 1 << 31;

impl Subscriber {
    /// A subscription with this Subscription Identifier (0: none), of a session that what it is
    /// owed is stored for, or not.
    pub fn new(
        session: SessionKey,
        options: SubscriptionOptions,
        identifier: u32,
        durable: bool,
    ) -> Subscriber {
        let tag = identifier & !DURABLE | if durable { DURABLE } else { 0 };
        Subscriber { session, options, tag }
    }

    /// Its Subscription Identifier; 0 for none.
    pub fn identifier(&self) -> u32 {
        self.tag & !DURABLE
    }

    /// Whether what the session is owed is stored.
    pub fn is_durable(&self) -> bool {
        self.tag & DURABLE > 0
    }
}
