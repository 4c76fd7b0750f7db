//! Retained messages by Topic Name. MQTT 5.0 §3.3.1.3.

use std::sync::Arc;

use libmqtt_codec::TopicFilter;

use crate::Message;

/// The last retained message of each topic.
#[derive(Debug)]
pub struct Retained {}

impl Retained {
    /// An empty store. `seed` keeps hash collisions from being foreseen.
    pub fn new(seed: u64) -> Retained {
        let _ = seed;
        Retained {}
    }

    /// Keeps `message` for its topic; returns the one kept before.
    pub fn set(&mut self, message: Arc<Message>) -> Option<Arc<Message>> {
        let _ = message;
        unimplemented!()
    }

    /// Forgets the message of `topic` and returns it.
    pub fn remove(&mut self, topic: &str) -> Option<Arc<Message>> {
        let _ = topic;
        unimplemented!()
    }

    /// Calls `each` for every message whose topic `filter` matches.
    pub fn matches(&self, filter: TopicFilter<'_>, each: &mut dyn FnMut(&Arc<Message>)) {
        let _ = (filter, each);
        unimplemented!()
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        unimplemented!()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the messages keep in memory, roughly.
    pub fn bytes(&self) -> usize {
        unimplemented!()
    }
}
