//! Retained messages by Topic Name. MQTT 5.0 §3.3.1.3.

use foldhash::fast::FixedState;
use libmqtt_codec::TopicFilter;

use super::tree::{ROOT, Tree, Value};
use super::walk::{Pending, follow};

/// The last retained message of each topic.
///
/// `V` is what the broker keeps of one message. The topics are in a tree, and a filter walks it
/// from the root; what it looks at is what a beginning of the filter matches. A message costs
/// about 80 bytes here, and its topic once more if it is long.
pub struct Retained<V> {
    tree: Tree<Kept<V>>,
    len: usize,
    bytes: usize,
    /// Where the next sweep begins.
    swept: usize,
}

struct Kept<V> {
    value: Option<V>,
    bytes: u32,
}

impl<V> Default for Kept<V> {
    fn default() -> Kept<V> {
        Kept { value: None, bytes: 0 }
    }
}

impl<V> Value for Kept<V> {
    fn is_vacant(&self) -> bool {
        self.value.is_none()
    }
}

impl<V> Retained<V> {
    /// An empty store. `seed` keeps hash collisions from being foreseen.
    pub fn new(seed: u64) -> Retained<V> {
        Retained { tree: Tree::new(FixedState::with_seed(seed)), len: 0, bytes: 0, swept: 0 }
    }

    /// Keeps `value` for `topic`, a valid Topic Name; returns the one kept before. `bytes`, which
    /// fits 32 bits, is what it adds to [`Retained::bytes`].
    pub fn set(&mut self, topic: &str, value: V, bytes: usize) -> Option<V> {
        let node = self.tree.insert(topic);
        let kept = self.tree.value_mut(node);
        self.bytes -= kept.bytes as usize;
        kept.bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.bytes += kept.bytes as usize;
        let before = kept.value.replace(value);
        self.len += usize::from(before.is_none());
        before
    }

    /// Forgets the message of `topic` and returns it.
    pub fn remove(&mut self, topic: &str) -> Option<V> {
        let node = self.tree.find(topic)?;
        self.take(node)
    }

    /// The message of `topic`.
    pub fn get(&self, topic: &str) -> Option<&V> {
        self.tree.value(self.tree.find(topic)?).value.as_ref()
    }

    /// Calls `each` for every message whose topic `filter` matches, in an order that depends only
    /// on the history of this store: a topic before those below it, and the levels that share a
    /// parent in the order in which they came.
    pub fn matches(&self, filter: TopicFilter<'_>, each: &mut dyn FnMut(&V)) {
        self.walk(filter.filter(), each);
    }

    /// As [`Retained::matches`]; returns the number of nodes it looked at.
    pub(super) fn walk(&self, filter: &str, each: &mut dyn FnMut(&V)) -> usize {
        let tree = &self.tree;
        let mut path = tree.path(filter);
        // The next child to try for a `+` at a position of the filter.
        let mut pending = Pending::new();
        let mut looked = 0;
        let mut reached = Some((ROOT, 0));
        loop {
            let Some((node, at)) = reached else {
                let Some((child, at)) = pending.pop() else { return looked };
                if let Some(sibling) = tree.next_sibling(child) {
                    pending.push(sibling, at);
                }
                looked += 1;
                if at > 0 || !is_hidden(tree.run(child)) {
                    reached = follow(tree.run(child), &path, at).map(|after| (child, after));
                }
                continue;
            };
            looked += 1;
            reached = None;
            if path.is_over(at) {
                tree.value(node).value.iter().for_each(&mut *each);
                continue;
            }
            match path.rest(at) {
                b"#" if node == ROOT => {
                    let mut child = tree.first_child(ROOT);
                    while let Some(top) = child {
                        looked += 1;
                        if !is_hidden(tree.run(top)) {
                            looked += self.visit(top, each);
                        }
                        child = tree.next_sibling(top);
                    }
                }
                b"#" => looked += self.visit(node, each),
                b"+" | [b'+', b'/', ..] => {
                    if let Some(child) = tree.first_child(node) {
                        pending.push(child, at);
                    }
                }
                _ => {
                    reached = tree.child(node, &mut path, at).and_then(|child| {
                        follow(tree.run(child), &path, at).map(|after| (child, after))
                    });
                }
            }
        }
    }

    /// Looks at the next `limit` places of the store, round and round over many calls, and
    /// forgets the messages for which `keep` is false; returns how many. At most `limit`
    /// messages are looked at, and none twice in a call. There are at most twice as many places
    /// as there have been messages at a time.
    pub fn sweep(&mut self, limit: usize, keep: &mut dyn FnMut(&V) -> bool) -> usize {
        let mut gone = 0;
        for _ in 0..limit.min(self.tree.places()) {
            if self.swept >= self.tree.places() {
                self.swept = 0;
            }
            let node = self.swept as u32;
            self.swept += 1;
            if self.tree.value(node).value.as_ref().is_some_and(|value| !keep(value)) {
                self.take(node);
                gone += 1;
            }
        }
        gone
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sum of the `bytes` of all messages.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn take(&mut self, node: u32) -> Option<V> {
        let kept = core::mem::take(self.tree.value_mut(node));
        let value = kept.value?;
        self.len -= 1;
        self.bytes -= kept.bytes as usize;
        self.tree.prune(node);
        Some(value)
    }

    /// Calls `each` for the message of a node and all below it; returns the number of nodes.
    fn visit(&self, top: u32, each: &mut dyn FnMut(&V)) -> usize {
        let mut looked = 0;
        let mut next = Some(top);
        while let Some(node) = next {
            looked += 1;
            self.tree.value(node).value.iter().for_each(&mut *each);
            next = self.tree.next_below(top, node);
        }
        looked
    }

    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        self.tree.check()
    }
}

impl<V> core::fmt::Debug for Retained<V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Retained").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Whether a filter that begins with a wildcard must not see a topic that begins like this.
fn is_hidden(run: &[u8]) -> bool {
    run.starts_with(b"$") // v5 [MQTT-4.7.2-1] v311 [MQTT-4.7.2-1]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_retained_message_is_a_node_of_56_bytes() {
        assert_eq!(Tree::<Kept<Arc<u8>>>::NODE, 56);
    }
}
