//! Who subscribed to the filters of one node of the index.

use foldhash::fast::FixedState;

use super::index::Hit;
use super::roster::{Keyed, Roster};
use super::tree::Value;
use super::{Group, SessionKey, Subscriber};

/// The subscribers of a path, and of the path followed by `/#`: a `#` needs no node of its own.
/// Usually this is a single subscription, which is kept in place.
#[derive(Default)]
pub(super) enum Audience {
    #[default]
    Nobody,
    One {
        subscriber: Subscriber,
        reach: Reach,
    },
    Many(Box<[Followers; 2]>),
}

/// Which of the two filters of a node is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The path itself.
    Here,
    /// The path followed by `/#`.
    Below,
}

/// The subscribers of one filter.
#[derive(Default)]
pub(super) struct Followers {
    subscribers: Roster<Subscriber>,
    groups: Roster<Group>,
}

impl Keyed for Subscriber {
    type Key = SessionKey;

    fn key(&self) -> &SessionKey {
        &self.session
    }
}

impl Value for Audience {
    fn is_vacant(&self) -> bool {
        matches!(self, Audience::Nobody)
    }
}

impl Audience {
    /// Adds or replaces an ordinary subscription; whether it is new.
    pub(super) fn add(&mut self, reach: Reach, new: Subscriber, hasher: &FixedState) -> bool {
        match self {
            Audience::Nobody => {
                *self = Audience::One { subscriber: new, reach };
                return true;
            }
            Audience::One { subscriber, reach: same }
                if *same == reach && subscriber.session == new.session =>
            {
                *subscriber = new;
                return false;
            }
            _ => {}
        }
        let subscribers = &mut self.followers(reach, hasher).subscribers;
        match subscribers.find(&new.session, hasher) {
            Some(at) => *subscribers.item_mut(at) = new,
            None => {
                subscribers.push(new, hasher);
                return true;
            }
        }
        false
    }

    /// Removes an ordinary subscription; whether there was one.
    pub(super) fn remove(
        &mut self,
        reach: Reach,
        session: SessionKey,
        hasher: &FixedState,
    ) -> bool {
        match self {
            Audience::Nobody => false,
            Audience::One { subscriber, reach: same } => {
                let found = *same == reach && subscriber.session == session;
                if found {
                    *self = Audience::Nobody;
                }
                found
            }
            Audience::Many(both) => {
                let subscribers = &mut both[reach as usize].subscribers;
                let Some(at) = subscribers.find(&session, hasher) else { return false };
                subscribers.swap_remove(at, hasher);
                self.simplify();
                true
            }
        }
    }

    /// Adds or replaces a member of a group, which is made with `id` if there is none of this
    /// name; whether the member is new, and whether the group is.
    pub(super) fn join(
        &mut self,
        reach: Reach,
        name: &str,
        id: u32,
        (subscriber, online): (Subscriber, bool),
        hasher: &FixedState,
    ) -> (bool, bool) {
        let groups = &mut self.followers(reach, hasher).groups;
        let found = groups.find(name, hasher);
        let at = found.unwrap_or_else(|| {
            groups.push(Group::new(id, name), hasher);
            groups.len() - 1
        });
        (groups.item_mut(at).join(subscriber, online, hasher), found.is_none())
    }

    /// Removes a member of a group, and the group with its last; whether there was one.
    pub(super) fn leave(
        &mut self,
        reach: Reach,
        name: &str,
        session: SessionKey,
        hasher: &FixedState,
    ) -> bool {
        let Some((groups, at)) = self.group(reach, name, hasher) else { return false };
        let group = groups.item_mut(at);
        if !group.leave(session, hasher) {
            return false;
        }
        if group.members.is_empty() {
            groups.swap_remove(at, hasher);
            self.simplify();
        }
        true
    }

    /// Notes that a member of a group came or went, if there is one.
    pub(super) fn set_online(
        &mut self,
        reach: Reach,
        name: &str,
        session: SessionKey,
        online: bool,
        hasher: &FixedState,
    ) {
        if let Some((groups, at)) = self.group(reach, name, hasher) {
            groups.item_mut(at).set_online(session, online, hasher);
        }
    }

    /// The number of a group; 0 if there is none.
    pub(super) fn group_id(&mut self, reach: Reach, name: &str, hasher: &FixedState) -> u32 {
        self.group(reach, name, hasher).map_or(0, |(groups, at)| groups[at].id)
    }

    /// Calls `each` for the subscribers and then the groups of one of the filters.
    pub(super) fn visit(&self, reach: Reach, each: &mut dyn FnMut(Hit<'_>)) {
        match self {
            Audience::Nobody => {}
            Audience::One { subscriber, reach: same } => {
                if *same == reach {
                    each(Hit::Subscriber(subscriber));
                }
            }
            Audience::Many(both) => {
                let followers = &both[reach as usize];
                followers.subscribers.iter().for_each(|one| each(Hit::Subscriber(one)));
                followers.groups.iter().for_each(|group| each(Hit::Group(group)));
            }
        }
    }

    /// The groups of a filter, and which of them has the name.
    fn group(
        &mut self,
        reach: Reach,
        name: &str,
        hasher: &FixedState,
    ) -> Option<(&mut Roster<Group>, usize)> {
        let Audience::Many(both) = self else { return None };
        let groups = &mut both[reach as usize].groups;
        let at = groups.find(name, hasher)?;
        Some((groups, at))
    }

    /// The lists of one of the filters, made if there are none.
    fn followers(&mut self, reach: Reach, hasher: &FixedState) -> &mut Followers {
        if !matches!(self, Audience::Many(_)) {
            let mut both = Box::<[Followers; 2]>::default();
            if let Audience::One { subscriber, reach } = *self {
                both[reach as usize].subscribers.push(subscriber, hasher);
            }
            *self = Audience::Many(both);
        }
        match self {
            Audience::Many(both) => &mut both[reach as usize],
            _ => unreachable!("it has just been made so"),
        }
    }

    /// Does without lists where they are not needed any more.
    fn simplify(&mut self) {
        let Audience::Many(both) = self else { return };
        let [here, below] = &**both;
        if !here.groups.is_empty() || !below.groups.is_empty() {
            return;
        }
        *self = match (&here.subscribers[..], &below.subscribers[..]) {
            ([], []) => Audience::Nobody,
            ([one], []) => Audience::One { subscriber: *one, reach: Reach::Here },
            ([], [one]) => Audience::One { subscriber: *one, reach: Reach::Below },
            _ => return,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::tree::Tree;

    #[test]
    fn a_filter_with_one_subscriber_is_a_node_of_64_bytes_and_no_more() {
        assert_eq!(size_of::<Audience>(), 24);
        assert_eq!(Tree::<Audience>::NODE, 64);
    }
}
