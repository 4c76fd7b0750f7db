//! The subscriptions of all sessions, by Topic Filter.

use libmqtt_codec::TopicFilter;

use super::{Group, SessionKey, Subscriber};

/// What [`Index::matches`] finds.
#[derive(Clone, Copy, Debug)]
pub enum Hit<'a> {
    /// An ordinary subscription: its session gets the message.
    Subscriber(&'a Subscriber),
    /// A shared subscription: one of its members gets the message.
    Group(&'a Group),
}

/// Topic Filters and who subscribed to them.
#[derive(Debug)]
pub struct Index {}

impl Index {
    /// An empty index. `seed` keeps hash collisions from being foreseen.
    pub fn new(seed: u64) -> Index {
        let _ = seed;
        Index {}
    }

    /// Adds or replaces a subscription; whether it is new. `online` matters to shared ones.
    pub fn subscribe(&mut self, filter: TopicFilter<'_>, subscriber: Subscriber, online: bool) -> bool {
        let _ = (filter, subscriber, online);
        unimplemented!()
    }

    /// Removes a subscription; whether there was one.
    pub fn unsubscribe(&mut self, filter: TopicFilter<'_>, session: SessionKey) -> bool {
        let _ = (filter, session);
        unimplemented!()
    }

    /// Notes that a member of a shared subscription came or went.
    pub fn set_online(&mut self, filter: TopicFilter<'_>, session: SessionKey, online: bool) {
        let _ = (filter, session, online);
        unimplemented!()
    }

    /// Calls `each` for every subscription and group whose filter matches `topic`, in an order
    /// that depends only on the history of this index.
    pub fn matches(&self, topic: &str, each: &mut dyn FnMut(Hit<'_>)) {
        let _ = (topic, each);
        unimplemented!()
    }

    /// Number of subscriptions, shared ones counted once per member.
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Whether there is no subscription.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
