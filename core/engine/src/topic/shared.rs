//! Shared subscriptions. MQTT 5.0 §4.8.2.

use super::Subscriber;

/// A session's part in a shared subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The session and its options.
    pub subscriber: Subscriber,
    /// Whether it has a Network Connection.
    pub online: bool,
}

/// The members of one shared subscription.
#[derive(Debug)]
pub struct Group {
    /// A number that no other group of this index has had.
    pub id: u32,
    /// Its members in order of joining.
    pub members: Vec<Member>,
}
