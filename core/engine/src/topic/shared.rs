//! Shared subscriptions. MQTT 5.0 §4.8.2.

use foldhash::fast::FixedState;

use super::roster::{Keyed, Roster};
use super::{SessionKey, Subscriber};

/// A session's part in a shared subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The session and its options.
    pub subscriber: Subscriber,
    /// Whether it has a Network Connection.
    pub online: bool,
}

impl Keyed for Member {
    type Key = SessionKey;

    fn key(&self) -> &SessionKey {
        &self.subscriber.session
    }
}

/// The members of one shared subscription.
#[derive(Debug)]
pub struct Group {
    /// A number that no other group of this index has had (until 2^32 have been).
    pub id: u32,
    /// Its members: first those that are online, then the others. Beyond that the order depends
    /// on the history of the group alone.
    pub members: Roster<Member>,
    online: u32,
    name: Box<str>,
}

impl Keyed for Group {
    type Key = str;

    fn key(&self) -> &str {
        &self.name
    }
}

impl Group {
    pub(super) fn new(id: u32, name: &str) -> Group {
        Group { id, members: Roster::default(), online: 0, name: name.into() }
    }

    /// Its ShareName.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The members that are online.
    pub fn online(&self) -> &[Member] {
        &self.members[..self.online as usize]
    }

    /// Adds a member, or replaces what it was; whether it is new.
    pub(super) fn join(
        &mut self,
        subscriber: Subscriber,
        online: bool,
        hasher: &FixedState,
    ) -> bool {
        if let Some(at) = self.members.find(&subscriber.session, hasher) {
            self.members.item_mut(at).subscriber = subscriber;
            self.move_to(at, online, hasher);
            return false;
        }
        self.members.push(Member { subscriber, online: false }, hasher);
        self.move_to(self.members.len() - 1, online, hasher);
        true
    }

    /// Removes a member; whether there was one.
    pub(super) fn leave(&mut self, session: SessionKey, hasher: &FixedState) -> bool {
        let Some(at) = self.members.find(&session, hasher) else { return false };
        let at = self.move_to(at, false, hasher);
        self.members.swap_remove(at, hasher);
        true
    }

    /// Notes that a member came or went, if it is one.
    pub(super) fn set_online(&mut self, session: SessionKey, online: bool, hasher: &FixedState) {
        if let Some(at) = self.members.find(&session, hasher) {
            self.move_to(at, online, hasher);
        }
    }

    /// Moves the member at `at` to where it belongs; returns its new place.
    fn move_to(&mut self, at: usize, online: bool, hasher: &FixedState) -> usize {
        let member = self.members.item_mut(at);
        if member.online == online {
            return at;
        }
        member.online = online;
        let to = if online { self.online } else { self.online - 1 };
        self.online = if online { to + 1 } else { to };
        self.members.swap(at, to as usize, hasher);
        to as usize
    }
}
