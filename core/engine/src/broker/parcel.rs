//! A message on its way through the broker.

use core::time::Duration;
use std::sync::Arc;

use libmqtt_codec::{Properties, PropertiesBuf, Property, PropertyId, Publish, QoS};

use super::persist::Row;
use crate::store::RowId;
use crate::topic::SessionKey;
use crate::{Instant, Message};

/// A message that outlives the packet that brought it: retained, queued, in flight, or on its way
/// to another shard.
#[derive(Debug)]
pub(super) struct Stored {
    /// Without Topic Alias, Message Expiry Interval and Subscription Identifier.
    pub(super) message: Message,
    pub(super) expires_at: Option<Instant>,
}

impl Stored {
    pub(super) fn expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    pub(super) fn size(&self) -> usize {
        self.message.size() + size_of::<Stored>()
    }
}

/// A message while it is routed: borrowed from its packet, and stored only when someone needs it
/// to last.
pub(super) struct Parcel<'a> {
    /// Its topic is resolved; its properties are as in [`Stored::message`].
    pub(super) publish: Publish<'a>,
    pub(super) expires_at: Option<Instant>,
    stored: Option<Arc<Stored>>,
    /// Several sessions of this shard may get it.
    pub(super) many: bool,
    /// Its row, if it has one of its own.
    pub(super) body: Option<RowId>,
}

impl<'a> Parcel<'a> {
    /// A message received at `now`. `scratch` takes the properties that are passed on, if they
    /// differ from those received.
    pub(super) fn new(
        publish: &Publish<'a>,
        now: Instant,
        scratch: &'a mut PropertiesBuf,
    ) -> Parcel<'a> {
        let mut publish = *publish;
        let mut expires_at = None;
        if !publish.properties.is_empty() {
            expires_at = publish
                .properties
                .message_expiry_interval()
                .map(|seconds| now + Duration::from_secs(seconds.into()));
            if expires_at.is_some() || publish.properties.topic_alias().is_some() {
                *scratch = publish.properties.into();
                scratch.remove(PropertyId::MessageExpiryInterval);
                scratch.remove(PropertyId::TopicAlias);
                publish.properties = scratch.view();
            }
        }
        Parcel::forwarded(publish, expires_at)
    }

    pub(super) fn from_stored(stored: &'a Arc<Stored>) -> Parcel<'a> {
        Parcel {
            publish: stored.message.view(),
            expires_at: stored.expires_at,
            stored: Some(Arc::clone(stored)),
            many: false,
            body: None,
        }
    }

    /// A message from another shard, whose properties are as in [`Stored::message`].
    pub(super) fn forwarded(publish: Publish<'a>, expires_at: Option<Instant>) -> Parcel<'a> {
        Parcel { publish, expires_at, stored: None, many: false, body: None }
    }

    pub(super) fn is_stored(&self) -> bool {
        self.stored.is_some()
    }

    fn store(&self) -> Stored {
        Stored { message: Message::copy(&self.publish), expires_at: self.expires_at }
    }

    /// The message made to last; made once however many need it.
    pub(super) fn stored(&mut self) -> &Arc<Stored> {
        if self.stored.is_none() {
            self.stored = Some(Arc::new(self.store()));
        }
        self.stored.as_ref().expect("it was just put there")
    }
}

/// Subscription Identifiers of the subscriptions that matched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Identifiers {
    #[default]
    None,
    One(u32),
    Many(Arc<[u32]>),
}

impl Identifiers {
    pub(super) fn as_slice(&self) -> &[u32] {
        match self {
            Identifiers::None => &[],
            Identifiers::One(id) => core::slice::from_ref(id),
            Identifiers::Many(ids) => ids,
        }
    }

    /// The identifier of one subscription; 0: it has none.
    pub(super) fn one(id: u32) -> Identifiers {
        if id == 0 { Identifiers::None } else { Identifiers::One(id) }
    }
}

impl<'a> FromIterator<&'a u32> for Identifiers {
    fn from_iter<I: IntoIterator<Item = &'a u32>>(ids: I) -> Identifiers {
        let ids: Vec<u32> = ids.into_iter().copied().collect();
        match ids[..] {
            [] => Identifiers::None,
            [id] => Identifiers::One(id),
            _ => Identifiers::Many(ids.into()),
        }
    }
}

/// Whose messages a target is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Audience {
    /// Everybody's.
    All,
    /// Everybody's but its own: No Local.
    Others,
    /// Its own only.
    Own,
}

/// A session that gets a message, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) session: SessionKey,
    /// The highest QoS of the matching subscriptions.
    pub(super) qos: QoS,
    pub(super) audience: Audience,
    pub(super) retain_as_published: bool,
    /// Whether what it is owed is stored.
    pub(super) durable: bool,
    /// The shared subscription it came through; 0 for none.
    pub(super) group: u32,
    pub(super) identifiers: Identifiers,
}

/// How one session gets one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) group: u32,
    pub(super) identifiers: Identifiers,
}

/// A message that waits for a session, or is in flight to it.
#[derive(Clone, Debug)]
pub(super) struct Queued {
    pub(super) stored: Arc<Stored>,
    pub(super) terms: Terms,
    /// It is the retained message of its topic, whose bytes count there.
    pub(super) retained: bool,
    pub(super) row: Row,
}

impl Queued {
    pub(super) fn new(parcel: &mut Parcel<'_>, terms: Terms) -> Queued {
        Queued { stored: Arc::clone(parcel.stored()), terms, retained: false, row: Row::default() }
    }

    /// Bytes that it counts against its session's bounds and the broker's.
    pub(super) fn size(&self) -> usize {
        if self.retained { size_of::<Queued>() } else { self.stored.size() }
    }
}

/// The properties of an outgoing PUBLISH: those passed on and those of this hop.
pub(super) fn outgoing_properties<'a>(
    parcel: &Parcel<'a>,
    now: Instant,
    identifiers: &Identifiers,
    alias: Option<u16>,
    scratch: &'a mut PropertiesBuf,
) -> Properties<'a> {
    if parcel.expires_at.is_none() && *identifiers == Identifiers::None && alias.is_none() {
        return parcel.publish.properties;
    }
    *scratch = parcel.publish.properties.into();
    let mut push = |property| {
        // The values are in range and none of them is there already.
        let pushed = scratch.push(property);
        debug_assert!(pushed.is_ok(), "{property:?}: {pushed:?}");
    };
    if let Some(at) = parcel.expires_at {
        // Rounded up: a message is not sent with 0 before it has expired.
        let left = at.since(now).as_millis().div_ceil(1000);
        // v5 [MQTT-3.3.2-6]
        push(Property::MessageExpiryInterval(left.try_into().unwrap_or(u32::MAX)));
    }
    for &id in identifiers.as_slice() {
        push(Property::SubscriptionIdentifier(id)); // v5 [MQTT-3.3.4-3] [MQTT-3.3.4-4]
    }
    if let Some(alias) = alias {
        push(Property::TopicAlias(alias));
    }
    scratch.view()
}
