//! The subscriptions of all sessions, by Topic Filter.

use foldhash::fast::FixedState;
use libmqtt_codec::TopicFilter;

use super::audience::{Audience, Reach};
use super::tree::{ROOT, Tree};
use super::walk::{Pending, follow};
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
///
/// The filters are in a tree, and a topic walks it from the root: from each node reached at most
/// two ways lead on, the topic's next level and `+`. So the cost of a match depends on the
/// filters that agree with a beginning of the topic, not on how many there are. A filter with one
/// subscriber costs about 80 bytes and its text; subscribing and unsubscribing take the same time
/// however many sessions share a filter.
pub struct Index {
    tree: Tree<Audience>,
    len: usize,
    next_group: u32,
    hasher: FixedState,
}

impl Index {
    /// An empty index. `seed` keeps hash collisions from being foreseen.
    pub fn new(seed: u64) -> Index {
        let hasher = FixedState::with_seed(seed);
        Index { tree: Tree::new(hasher.clone()), len: 0, next_group: 1, hasher }
    }

    /// Adds or replaces a subscription; whether it is new. `online` matters to shared ones.
    pub fn subscribe(
        &mut self,
        filter: TopicFilter<'_>,
        subscriber: Subscriber,
        online: bool,
    ) -> bool {
        let (path, reach) = split(filter);
        let node = path.map_or(ROOT, |path| self.tree.insert(path));
        let audience = self.tree.value_mut(node);
        let new = match filter.share_name() {
            None => audience.add(reach, subscriber, &self.hasher),
            Some(name) => {
                let who = (subscriber, online);
                let (new, new_group) =
                    audience.join(reach, name, self.next_group, who, &self.hasher);
                self.next_group = self.next_group.wrapping_add(u32::from(new_group));
                new
            }
        };
        self.len += usize::from(new);
        new
    }

    /// Adds a subscription that was stored, whose session is not online. If it is shared, `group`
    /// is the number that its group had.
    pub fn restore(&mut self, filter: TopicFilter<'_>, subscriber: Subscriber, group: u32) {
        let next = self.next_group;
        self.next_group = group.max(1);
        self.subscribe(filter, subscriber, false);
        self.next_group = next.max(group.wrapping_add(1));
    }

    /// The number of a shared subscription's group; 0 if there is none.
    pub fn group(&mut self, filter: TopicFilter<'_>) -> u32 {
        let Some(name) = filter.share_name() else { return 0 };
        let (path, reach) = split(filter);
        let Some(node) = path.map_or(Some(ROOT), |path| self.tree.find(path)) else { return 0 };
        self.tree.value_mut(node).group_id(reach, name, &self.hasher)
    }

    /// Removes a subscription; whether there was one.
    pub fn unsubscribe(&mut self, filter: TopicFilter<'_>, session: SessionKey) -> bool {
        let (path, reach) = split(filter);
        let Some(node) = path.map_or(Some(ROOT), |path| self.tree.find(path)) else {
            return false;
        };
        let audience = self.tree.value_mut(node);
        let found = match filter.share_name() {
            None => audience.remove(reach, session, &self.hasher),
            Some(name) => audience.leave(reach, name, session, &self.hasher),
        };
        if found {
            self.len -= 1;
            self.tree.prune(node);
        }
        found
    }

    /// Notes that a member of a shared subscription came or went.
    pub fn set_online(&mut self, filter: TopicFilter<'_>, session: SessionKey, online: bool) {
        let Some(name) = filter.share_name() else { return };
        let (path, reach) = split(filter);
        if let Some(node) = path.map_or(Some(ROOT), |path| self.tree.find(path)) {
            self.tree.value_mut(node).set_online(reach, name, session, online, &self.hasher);
        }
    }

    /// Calls `each` for every subscription and group whose filter matches `topic`, in an order
    /// that depends only on the history of this index.
    ///
    /// The order is: of two filters that differ first in a level, one with `#` there comes first,
    /// then one that ends there, then one with a name, then one with `+`. The subscribers of one
    /// filter come before its groups, both in order of subscribing, except that the last takes
    /// the place of one that left.
    pub fn matches(&self, topic: &str, each: &mut dyn FnMut(Hit<'_>)) {
        self.walk(topic, each);
    }

    /// As [`Index::matches`]; returns the number of nodes it looked at.
    pub(super) fn walk(&self, topic: &str, each: &mut dyn FnMut(Hit<'_>)) -> usize {
        let tree = &self.tree;
        let mut path = tree.path(topic);
        let mut pending = Pending::new();
        // A wildcard in the first level matches no name that begins with `$`.
        // v5 [MQTT-4.7.2-1] v311 [MQTT-4.7.2-1]
        let mut wild = !topic.starts_with('$');
        let mut looked = 0;
        let mut reached = Some((ROOT, 0));
        while let Some((node, at)) = reached {
            looked += 1;
            let audience = tree.value(node);
            if wild {
                audience.visit(Reach::Below, each);
            }
            if path.is_over(at) {
                audience.visit(Reach::Here, each);
                reached = pending.pop();
                continue;
            }
            let enter = |child| follow(tree.run(child), &path, at).map(|after| (child, after));
            let by_plus = tree.plus(node).filter(|_| wild).and_then(enter);
            let by_name = tree.child(node, &mut path, at);
            let by_name = by_name
                .and_then(|child| follow(tree.run(child), &path, at).map(|after| (child, after)));
            reached = match (by_name, by_plus) {
                (Some(name), Some((child, after))) => {
                    pending.push(child, after);
                    Some(name)
                }
                (one, other) => one.or(other).or_else(|| pending.pop()),
            };
            wild = true;
        }
        looked
    }

    /// Number of subscriptions, shared ones counted once per member.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no subscription.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        self.tree.check()
    }
}

impl core::fmt::Debug for Index {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Index").field("len", &self.len).finish_non_exhaustive()
    }
}

/// The path of a filter without a last `#`, `None` for the root.
fn split(filter: TopicFilter<'_>) -> (Option<&str>, Reach) {
    // `a/#` matches `a` too, so the parent is the place for it. MQTT 5.0 §4.7.1.2
    match filter.filter() {
        "#" => (None, Reach::Below),
        text => match text.strip_suffix("/#") {
            Some(path) => (Some(path), Reach::Below),
            None => (Some(text), Reach::Here),
        },
    }
}
