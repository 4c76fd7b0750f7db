//! SUBSCRIBE and UNSUBSCRIBE, and subscribing again. MQTT 5.0 §3.8 to §3.11.
//!
//! A request is kept until its answer has come. When the connection is lost before that, it is
//! sent again on the next one: subscribing twice does no harm.

use std::collections::VecDeque;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use libmqtt_codec::{
    Carrier, EncodeError, FiltersBuf, Packet, PacketId, PacketType, Properties, PropertiesBuf,
    Property, Reason, Side, Subscribe, Subscription, SubscriptionOptions, SubscriptionsBuf,
    TopicError, TopicFilter, Unsubscribe, Version,
};

use super::{Answer, Answers, Client, Event, Limits, Outcome, State, Token, Violation};
use crate::Instant;

/// Bytes of filters put into one SUBSCRIBE when subscribing again.
const RESTORE_BYTES: usize = 8 * 1024;

/// Why the client does not subscribe or unsubscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// There is no filter.
    #[error("no topic filter is given")]
    Empty,
    /// This filter, counted from 0, is none.
    #[error("topic filter {0} {1}")]
    Filter(usize, TopicError),
    /// No Local is not for Shared Subscriptions. v5 [MQTT-3.8.3-4]
    #[error("no local is set for a shared subscription")]
    NoLocalOnShared,
    /// The version does not have it, or something is too long or not valid.
    #[error("request cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
    /// The connected server does not take it: wildcards, shared subscriptions, identifiers, size.
    #[error("server does not take it: {0}")]
    Server(Reason),
    /// Too many requests wait for their answers.
    #[error("too many requests are waiting")]
    TooMany,
    /// `disconnect` was called.
    #[error("client is disconnecting")]
    Disconnecting,
}

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The program.
    Program,
    /// The client, as the Session was lost.
    Restore,
    /// The client, for replies to requests.
    Reply,
}

enum Body {
    Subscribe(SubscriptionsBuf),
    Unsubscribe(FiltersBuf),
}

struct Request {
    token: Token,
    purpose: Purpose,
    /// Sent on this connection, with this identifier.
    id: Option<PacketId>,
    body: Body,
    properties: PropertiesBuf,
}

/// Requests without answer, in the order in which they were made.
#[derive(Default)]
pub(super) struct Requests {
    list: VecDeque<Request>,
}

impl Requests {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn connection_lost(&mut self) {
        for request in &mut self.list {
            request.id = None;
        }
    }
}

/// What the client is subscribed to.
#[derive(Debug, Default)]
pub(super) struct Subscribed {
    filters: HashMap<Box<str>, Entry, FixedState>,
    made: u64,
}

#[derive(Debug)]
struct Entry {
    /// The order in which they were made.
    made: u64,
    options: SubscriptionOptions,
    identifier: Option<u32>,
}

impl Subscribed {
    pub(super) fn clear(&mut self) {
        *self = Subscribed::default();
    }

    fn add(&mut self, subscription: &Subscription<'_>, identifier: Option<u32>) {
        self.made += 1;
        let entry = Entry { made: self.made, options: subscription.options, identifier };
        self.filters.insert(subscription.filter.into(), entry);
    }
}

impl Client {
    /// Command: subscribes. A Subscription Identifier and User Properties go into `properties`.
    ///
    /// Without a connection the request waits for one. The outcome has a Reason Code per filter.
    pub fn subscribe(
        &mut self,
        now: Instant,
        wanted: &[Subscription<'_>],
        properties: Properties<'_>,
    ) -> Result<Token, SubscribeError> {
        let _ = now;
        let mut filters = SubscriptionsBuf::new();
        for (at, subscription) in wanted.iter().enumerate() {
            let filter = self.check_filter(at, subscription.filter)?;
            if filter.share_name().is_some() && subscription.options.no_local {
                return Err(SubscribeError::NoLocalOnShared); // v5 [MQTT-3.8.3-4]
            }
            filters.push(*subscription)?;
        }
        self.ask(Purpose::Program, Body::Subscribe(filters), properties)
    }

    /// Command: unsubscribes. User Properties go into `properties`.
    ///
    /// Without a connection the request waits for one. The outcome has a Reason Code per filter.
    pub fn unsubscribe(
        &mut self,
        now: Instant,
        filters: &[&str],
        properties: Properties<'_>,
    ) -> Result<Token, SubscribeError> {
        let _ = now;
        let mut unwanted = FiltersBuf::new();
        for (at, filter) in filters.iter().enumerate() {
            self.check_filter(at, filter)?;
            unwanted.push(filter)?;
        }
        self.ask(Purpose::Program, Body::Unsubscribe(unwanted), properties)
    }

    /// v5 [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    fn check_filter<'a>(
        &self,
        at: usize,
        filter: &'a str,
    ) -> Result<TopicFilter<'a>, SubscribeError> {
        let checked = match self.version() {
            Version::V5 => TopicFilter::new(filter),
            _ => TopicFilter::unshared(filter),
        };
        checked.map_err(|error| SubscribeError::Filter(at, error))
    }

    fn ask(
        &mut self,
        purpose: Purpose,
        body: Body,
        properties: Properties<'_>,
    ) -> Result<Token, SubscribeError> {
        if matches!(self.state, State::Leaving { .. } | State::Online { goodbye: Some(_), .. }) {
            return Err(SubscribeError::Disconnecting);
        }
        if self.requests.list.len() >= self.config.requests_max {
            return Err(SubscribeError::TooMany);
        }
        let packet_type = match &body {
            Body::Subscribe(filters) if filters.view().count() == 0 => {
                return Err(SubscribeError::Empty); // v5 [MQTT-3.8.3-2] v311 [MQTT-3.8.3-3]
            }
            Body::Unsubscribe(filters) if filters.view().count() == 0 => {
                return Err(SubscribeError::Empty); // v5 [MQTT-3.10.3-2] v311 [MQTT-3.10.3-2]
            }
            Body::Subscribe(_) => PacketType::Subscribe,
            Body::Unsubscribe(_) => PacketType::Unsubscribe,
        };
        let carrier = Carrier::Packet(packet_type);
        Properties::decode(properties.as_bytes(), carrier, Side::Client)
            .map_err(EncodeError::Invalid)?;
        let properties = properties.into();
        let mut request = Request { token: Token::NONE, purpose, id: None, body, properties };
        let len = with_packet(&request, PacketId::MIN, |p| p.encoded_len(self.version()))?;
        if self.is_connected() {
            check_limits(&request, &self.wire.limits).map_err(SubscribeError::Server)?;
            if len > self.wire.limits.maximum_packet_size as usize {
                return Err(SubscribeError::Server(Reason::PacketTooLarge));
            }
        }
        if purpose == Purpose::Program {
            request.token = self.token();
        }
        let token = request.token;
        self.requests.list.push_back(request);
        self.send_requests();
        Ok(token)
    }

    /// Sends every request that was not sent on this connection.
    pub(super) fn send_requests(&mut self) {
        if !self.is_connected() {
            return;
        }
        let mut at = 0;
        while let Some(request) = self.requests.list.get_mut(at) {
            if request.id.is_some() {
                at += 1;
                continue;
            }
            // v5 [MQTT-2.2.1-3] v311 [MQTT-2.3.1-1] [MQTT-2.3.1-2]
            let Some(id) = self.session.outbound.reserve() else { return };
            let wire = &mut self.wire;
            let sent = check_limits(request, &wire.limits)
                .and_then(|()| with_packet(request, id, |packet| wire.packet(packet)));
            match sent {
                Ok(()) => {
                    request.id = Some(id);
                    at += 1;
                }
                Err(reason) => {
                    self.session.outbound.release(id);
                    if let Some(request) = self.requests.list.remove(at) {
                        self.refuse(request, Outcome::Unsendable(reason), reason);
                    }
                }
            }
        }
    }

    /// A whole request came to nothing.
    fn refuse(&mut self, request: Request, outcome: Outcome, reason: Reason) {
        match request.purpose {
            Purpose::Program => self.finish(request.token, outcome),
            Purpose::Reply => self.fail_replies(&outcome),
            Purpose::Restore => {
                if let Body::Subscribe(filters) = &request.body {
                    for lost in filters.view().iter() {
                        self.events.push(Event::SubscriptionLost(lost.filter.into(), reason));
                    }
                }
            }
        }
    }

    /// SUBACK or UNSUBACK has come.
    pub(super) fn on_answer(
        &mut self,
        now: Instant,
        id: PacketId,
        properties: Properties<'_>,
        mut reasons: Vec<Reason>,
        subscribed: bool,
    ) {
        let Some(at) = self.requests.list.iter().position(|request| request.id == Some(id)) else {
            return self.violation(now, Reason::ProtocolError, Violation::Answer);
        };
        let (fits, wanted) = match &self.requests.list[at].body {
            Body::Subscribe(filters) => (subscribed, filters.view().count()),
            Body::Unsubscribe(filters) => (!subscribed, filters.view().count()),
        };
        if !subscribed && !self.wire.version.has_properties() {
            reasons = vec![Reason::Success; wanted];
        }
        if !fits || reasons.len() != wanted {
            return self.violation(now, Reason::ProtocolError, Violation::Answer);
        }
        self.session.outbound.release(id);
        let Some(request) = self.requests.list.remove(at) else { return };
        self.note(&request, &reasons);
        match request.purpose {
            Purpose::Program => {
                let answers = Answers { reasons, properties: properties.into() };
                let outcome = if subscribed { Outcome::Subscribed } else { Outcome::Unsubscribed };
                self.finish(request.token, outcome(answers));
            }
            Purpose::Reply => {
                if let Some(&reason) = reasons.iter().find(|reason| reason.is_error()) {
                    let answer = Answer::new(reason, properties);
                    self.fail_replies(&Outcome::Refused(answer));
                }
            }
            Purpose::Restore => {}
        }
        // An identifier is free, which another request or message may have waited for.
        self.send_requests();
        self.pump(now);
        self.say_goodbye_if_done(now);
    }

    /// Remembers what is to be subscribed again.
    fn note(&mut self, request: &Request, reasons: &[Reason]) {
        let subscribed = &mut self.session.subscribed;
        match &request.body {
            Body::Subscribe(filters) => {
                let properties = request.properties.view();
                let identifier = properties.subscription_identifiers().next();
                for (subscription, &reason) in filters.view().iter().zip(reasons) {
                    if !reason.is_error() {
                        if self.config.resubscribe && request.purpose != Purpose::Reply {
                            subscribed.add(&subscription, identifier);
                        }
                    } else if request.purpose == Purpose::Restore {
                        let lost = Event::SubscriptionLost(subscription.filter.into(), reason);
                        self.events.push(lost);
                    }
                }
            }
            Body::Unsubscribe(filters) => {
                for (filter, reason) in filters.view().iter().zip(reasons) {
                    if !reason.is_error() {
                        subscribed.filters.remove(filter);
                    }
                }
            }
        }
    }

    /// The server has no Session: subscribes again, before all other requests.
    pub(super) fn restore_subscriptions(&mut self) {
        // Those on their way were for the Session before; what they asked for may be asked again.
        let mut restored = Vec::new();
        self.requests.list.retain(|request| {
            if let (Purpose::Restore, Body::Subscribe(filters)) = (request.purpose, &request.body) {
                let identifier = request.properties.view().subscription_identifiers().next();
                let filters = filters.view().iter();
                restored.extend(filters.map(|s| (0, s.filter.into(), s.options, identifier)));
            }
            request.purpose == Purpose::Program
        });
        for (filter, entry) in core::mem::take(&mut self.session.subscribed.filters) {
            restored.push((entry.made, filter, entry.options, entry.identifier));
        }
        restored.sort_by_key(|(made, ..)| *made);
        let mut batches: Vec<(Option<u32>, usize, SubscriptionsBuf)> = Vec::new();
        for (_, filter, options, identifier) in restored {
            let subscription = Subscription { filter: &filter, options };
            let size = filter.len() + 3;
            match batches.last_mut() {
                Some((same, bytes, batch))
                    if *same == identifier && *bytes + size <= RESTORE_BYTES =>
                {
                    *bytes += size;
                    let _ = batch.push(subscription);
                }
                _ => {
                    let mut batch = SubscriptionsBuf::new();
                    let _ = batch.push(subscription);
                    batches.push((identifier, size, batch));
                }
            }
        }
        for (identifier, _, batch) in batches.into_iter().rev() {
            let mut properties = PropertiesBuf::new();
            if let Some(identifier) = identifier {
                let _ = properties.push(Property::SubscriptionIdentifier(identifier));
            }
            self.requests.list.push_front(Request {
                token: Token::NONE,
                purpose: Purpose::Restore,
                id: None,
                body: Body::Subscribe(batch),
                properties,
            });
        }
        self.restore_replies();
    }

    /// Subscribes to the topic for replies, before all other requests.
    pub(super) fn subscribe_replies(&mut self, topic: &str) {
        let options =
            SubscriptionOptions { qos: libmqtt_codec::QoS::AtLeastOnce, ..Default::default() };
        let mut filters = SubscriptionsBuf::new();
        let _ = filters.push(Subscription { filter: topic, options });
        self.requests.list.push_front(Request {
            token: Token::NONE,
            purpose: Purpose::Reply,
            id: None,
            body: Body::Subscribe(filters),
            properties: PropertiesBuf::new(),
        });
        self.send_requests();
    }

    pub(super) fn abandon_requests(&mut self) {
        for request in core::mem::take(&mut self.requests.list) {
            if let (Purpose::Restore, Body::Subscribe(filters)) = (request.purpose, &request.body) {
                // Still to be restored, if the client connects again.
                let wanted = filters.view().count();
                self.note(&request, &vec![Reason::Success; wanted]);
            }
            self.finish(request.token, Outcome::Abandoned);
        }
    }
}

/// Whether the server takes it, its size aside.
fn check_limits(request: &Request, limits: &Limits) -> Result<(), Reason> {
    if !limits.subscription_identifiers
        && request.properties.view().subscription_identifiers().next().is_some()
    {
        return Err(Reason::SubscriptionIdentifiersNotSupported);
    }
    let Body::Subscribe(filters) = &request.body else { return Ok(()) };
    for subscription in filters.view().iter() {
        let Ok(filter) = TopicFilter::new(subscription.filter) else { continue };
        if filter.share_name().is_some() && !limits.shared_subscriptions {
            return Err(Reason::SharedSubscriptionsNotSupported);
        }
        if filter.has_wildcard() && !limits.wildcard_subscriptions {
            return Err(Reason::WildcardSubscriptionsNotSupported);
        }
    }
    Ok(())
}

/// Calls `f` with the request as a packet.
fn with_packet<R>(request: &Request, id: PacketId, f: impl FnOnce(&Packet<'_>) -> R) -> R {
    let properties = request.properties.view();
    f(&match &request.body {
        Body::Subscribe(filters) => Packet::Subscribe(Subscribe {
            packet_id: id,
            properties,
            subscriptions: filters.view(),
        }),
        Body::Unsubscribe(filters) => {
            Packet::Unsubscribe(Unsubscribe { packet_id: id, properties, filters: filters.view() })
        }
    })
}
