//! Retained messages by Topic Name. MQTT 5.0 §3.3.1.3.

use libmqtt_codec::TopicFilter;

/// The last retained message of each topic.
///
/// `V` is what the broker keeps of one message.
#[derive(Debug)]
pub struct Retained<V> {
    values: Vec<V>,
}

impl<V> Retained<V> {
    /// An empty store. `seed` keeps hash collisions from being foreseen.
    pub fn new(seed: u64) -> Retained<V> {
        let _ = seed;
        Retained { values: Vec::new() }
    }

    /// Keeps `value` for `topic`, a valid Topic Name; returns the one kept before. `bytes` is
    /// what it adds to [`Retained::bytes`].
    pub fn set(&mut self, topic: &str, value: V, bytes: usize) -> Option<V> {
        let _ = (topic, value, bytes);
        unimplemented!()
    }

    /// Forgets the message of `topic` and returns it.
    pub fn remove(&mut self, topic: &str) -> Option<V> {
        let _ = topic;
        unimplemented!()
    }

    /// The message of `topic`.
    pub fn get(&self, topic: &str) -> Option<&V> {
        let _ = topic;
        unimplemented!()
    }

    /// Calls `each` for every message whose topic `filter` matches.
    pub fn matches(&self, filter: TopicFilter<'_>, each: &mut dyn FnMut(&V)) {
        let _ = (filter, each);
        unimplemented!()
    }

    /// Looks at the next `limit` places of the store, round and round over many calls, and
    /// forgets the messages for which `keep` is false; returns how many. At most `limit`
    /// messages are looked at, and none twice in a call.
    pub fn sweep(&mut self, limit: usize, keep: &mut dyn FnMut(&V) -> bool) -> usize {
        let _ = (limit, keep);
        unimplemented!()
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sum of the `bytes` of all messages.
    pub fn bytes(&self) -> usize {
        unimplemented!()
    }
}
