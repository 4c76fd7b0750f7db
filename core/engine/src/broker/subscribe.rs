//! SUBSCRIBE and UNSUBSCRIBE. MQTT 5.0 §3.8 to §3.11.

use libmqtt_codec::{
    Frame, Packet, PacketType, QoS, Reason, RetainHandling, SubAck, Subscribe, Subscription,
    TopicFilter, UnsubAck, Unsubscribe, Version,
};

use super::auth::denial;
use super::explain::STORE_FAILS;
use super::link::{Question, Waiting};
use super::persist::After;
use super::publish::{TOO_MANY_LEVELS, levels};
use super::shard::Next;
use super::{LinkId, Shard};
use crate::topic::{SessionKey, Subscriber};
use crate::{Instant, Ticket, Verdict};

/// Why a filter is refused.
const MALFORMED: &str = "it is no topic filter: a wildcard stands alone in a level, # in the last";

/// What became of one filter of a SUBSCRIBE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    reason: Reason,
    /// Retained messages are due.
    retained: bool,
    /// Why it was refused, if its Reason Code does not say it.
    why: &'static str,
}

impl Grant {
    fn refused(reason: Reason, why: &'static str) -> Grant {
        Grant { reason, retained: false, why }
    }
}

impl Shard {
    /// A SUBSCRIBE has come.
    pub(super) fn handle_subscribe(
        &mut self,
        now: Instant,
        link: LinkId,
        subscribe: &Subscribe<'_>,
        frame: &Frame<'_>,
    ) -> Next {
        match self.go_on_subscribe(now, link, subscribe, Vec::new(), None) {
            Ok(next) => next,
            Err((grants, ticket)) => {
                let waiting = Waiting::new(Question::Subscribe(grants), frame, None);
                self.wait(link, waiting, ticket)
            }
        }
    }

    /// Goes on with a SUBSCRIBE whose first filters have been handled; `answer` is the hook's
    /// late answer for the next one. `Err`: a hook will answer later for one more.
    pub(super) fn go_on_subscribe(
        &mut self,
        now: Instant,
        link: LinkId,
        subscribe: &Subscribe<'_>,
        mut grants: Vec<Grant>,
        mut answer: Option<Verdict>,
    ) -> Result<Next, (Vec<Grant>, Ticket)> {
        let Some(found) = self.tables.links.get(link.index, link.generation) else {
            return Ok(Next::Stop);
        };
        let (session, version) = (found.session, found.version);
        let before = self.changes();
        // Checked once, before the first filter.
        if grants.is_empty()
            && let Err(reason) = self.check_subscribe(version, subscribe)
        {
            return Ok(self.refuse(now, link, reason, ""));
        }
        let identifier = subscribe.properties.subscription_identifiers().next().unwrap_or(0);
        for subscription in subscribe.subscriptions.iter().skip(grants.len()) {
            let grant = match self.check_filter(session, &subscription) {
                Err((reason, why)) => Grant::refused(reason, why),
                Ok(filter) => {
                    let ticket = self.ticket(link);
                    let verdict = match answer.take() {
                        Some(verdict) => verdict,
                        None => {
                            let Some(session) = self.tables.sessions.at(session) else {
                                return Ok(Next::Stop);
                            };
                            let client = &session.client;
                            self.hooks.authorise_subscribe(ticket, client, &subscription)
                        }
                    };
                    match verdict {
                        Verdict::Allow | Verdict::AllowWith(_) => {
                            self.subscribe(session, filter, &subscription, identifier)
                        }
                        Verdict::Later => return Err((grants, ticket)),
                        verdict => Grant::refused(denial(&verdict, PacketType::SubAck), ""),
                    }
                }
            };
            grants.push(grant);
        }
        self.write_suback(link, before, version, subscribe, &grants);
        for (subscription, grant) in subscribe.subscriptions.iter().zip(&grants) {
            if grant.retained
                && let Ok(filter) = TopicFilter::new(subscription.filter)
            {
                let qos = subscription.options.qos.min(self.shared.config.maximum_qos);
                self.send_retained(now, session, filter, qos, identifier);
            }
        }
        self.tables.pump(now, session);
        Ok(Next::Go)
    }

    /// Rules whose breach ends the connection.
    fn check_subscribe(&self, version: Version, subscribe: &Subscribe<'_>) -> Result<(), Reason> {
        let config = &self.shared.config;
        if subscribe.subscriptions.count() > config.subscriptions_max {
            return Err(Reason::QuotaExceeded);
        }
        if !config.subscription_identifiers
            && subscribe.properties.subscription_identifiers().next().is_some()
        {
            return Err(Reason::SubscriptionIdentifiersNotSupported); // v5-U27
        }
        for subscription in subscribe.subscriptions.iter() {
            let Ok(filter) = TopicFilter::new(subscription.filter) else { continue };
            if filter.share_name().is_some() {
                if !config.shared_subscriptions {
                    return Err(Reason::SharedSubscriptionsNotSupported); // v5-U28
                }
                if subscription.options.no_local {
                    return Err(Reason::ProtocolError); // v5 [MQTT-3.8.3-4]
                }
            }
            // A 3.x client has not been told: only the filter is refused.
            let told = version == Version::V5;
            if told && filter.has_wildcard() && !config.wildcard_subscriptions {
                return Err(Reason::WildcardSubscriptionsNotSupported); // v5-U26
            }
        }
        Ok(())
    }

    /// Rules whose breach refuses one filter.
    fn check_filter<'a>(
        &self,
        session: u32,
        subscription: &Subscription<'a>,
    ) -> Result<TopicFilter<'a>, (Reason, &'static str)> {
        // v5 [MQTT-4.7.1-1] [MQTT-4.7.1-2] v311 [MQTT-4.7.1-2] [MQTT-4.7.1-3]
        let filter = TopicFilter::new(subscription.filter)
            .map_err(|_| (Reason::TopicFilterInvalid, MALFORMED))?;
        // What cannot be stored is refused, where it would have to be.
        if self.is_failing()
            && self.tables.sessions.at(session).is_some_and(|session| session.is_durable())
        {
            return Err((Reason::QuotaExceeded, STORE_FAILS));
        }
        if levels(filter.filter()) > self.shared.config.topic_levels_max {
            return Err((Reason::TopicFilterInvalid, TOO_MANY_LEVELS));
        }
        if filter.has_wildcard() && !self.shared.config.wildcard_subscriptions {
            return Err((Reason::WildcardSubscriptionsNotSupported, "")); // v311 [MQTT-3.8.3-2]
        }
        let config = &self.shared.config;
        let Some(session) = self.tables.sessions.at(session) else { return Ok(filter) };
        let long = session.filter_bytes + subscription.filter.len();
        let shared = filter.share_name().is_some();
        let why = match () {
            () if session.filters.len() >= config.subscriptions_max => "too many subscriptions",
            () if long > config.subscription_bytes_max => "subscriptions take too many bytes",
            () if shared && session.shares >= config.shared_subscriptions_max => {
                "too many shared subscriptions"
            }
            () => return Ok(filter),
        };
        match session.filters.contains(subscription.filter) {
            true => Ok(filter),
            false => Err((Reason::QuotaExceeded, why)),
        }
    }

    /// Makes or replaces a subscription. v5 [MQTT-3.8.4-3] v311 [MQTT-3.8.4-3]
    fn subscribe(
        &mut self,
        index: u32,
        filter: TopicFilter<'_>,
        subscription: &Subscription<'_>,
        identifier: u32,
    ) -> Grant {
        let mut options = subscription.options;
        options.qos = options.qos.min(self.shared.config.maximum_qos); // v5 [MQTT-3.2.2-10]
        let generation = self.tables.sessions.generation(index);
        let key = SessionKey { shard: self.which, index, generation };
        let Some(session) = self.tables.sessions.at_mut(index) else {
            return Grant::refused(Reason::UnspecifiedError, "");
        };
        let shared = filter.share_name().is_some();
        let durable = session.is_durable();
        let subscriber = Subscriber::new(key, options, identifier, durable);
        let (new, group) = {
            let mut subscriptions = self.shared.index_mut();
            let new = subscriptions.subscribe(filter, subscriber, true);
            self.shared.index_changed();
            (new, if durable { subscriptions.group(filter) } else { 0 })
        };
        if let Some(persist) = self.tables.persist.as_mut().filter(|_| durable) {
            persist.subscribe(session.sid, filter.as_str(), &subscriber, group);
        }
        if new {
            session.filters.insert(filter.as_str().into());
            session.filter_bytes += filter.as_str().len();
            session.shares += usize::from(shared);
        }
        self.hooks.subscribed(&session.client, subscription);
        // v5 [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] v311 [MQTT-3.3.1-6]
        let retained = !shared
            && match options.retain_handling {
                RetainHandling::Send => true,
                RetainHandling::SendIfNew => new,
                RetainHandling::DoNotSend => false,
            };
        let reason = match options.qos {
            QoS::AtMostOnce => Reason::Success,
            QoS::AtLeastOnce => Reason::GrantedQoS1,
            QoS::ExactlyOnce => Reason::GrantedQoS2,
        };
        Grant { reason, retained, why: "" }
    }

    /// v5 [MQTT-3.8.4-1] [MQTT-3.8.4-6] [MQTT-3.9.3-1] v311 [MQTT-3.8.4-1] [MQTT-3.8.4-5]
    fn write_suback(
        &mut self,
        link: LinkId,
        before: u64,
        version: Version,
        subscribe: &Subscribe<'_>,
        grants: &[Grant],
    ) {
        let codes: Vec<u8> = subscribe
            .subscriptions
            .iter()
            .zip(grants)
            .map(|(subscription, grant)| match version {
                Version::V5 => grant.reason as u8,
                // 3.1 has no failure code: it grants what was asked for and delivers nothing.
                Version::V31 if grant.reason.is_error() => subscription.options.qos as u8,
                _ if grant.reason.is_error() => Reason::UnspecifiedError as u8,
                _ => grant.reason as u8,
            })
            .collect();
        // With several filters it explains the first that has something to explain.
        let why = grants.iter().map(|grant| grant.why).find(|why| !why.is_empty());
        let told = self.explanation(link, why.unwrap_or(""));
        let suback =
            SubAck { packet_id: subscribe.packet_id, properties: told.view(), codes: &codes };
        self.answer_with(link, After::Changes(before), &Packet::SubAck(suback));
    }

    /// v5 [MQTT-3.10.4-1] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6]
    /// v311 [MQTT-3.10.4-1] [MQTT-3.10.4-4] [MQTT-3.10.4-5] [MQTT-3.10.4-6]
    pub(super) fn handle_unsubscribe(
        &mut self,
        link: LinkId,
        unsubscribe: &Unsubscribe<'_>,
    ) -> Next {
        let Some(found) = self.tables.links.get(link.index, link.generation) else {
            return Next::Stop;
        };
        let index = found.session;
        let before = self.changes();
        let generation = self.tables.sessions.generation(index);
        let key = SessionKey { shard: self.which, index, generation };
        let Some(session) = self.tables.sessions.at_mut(index) else { return Next::Stop };
        let mut codes = Vec::new();
        for text in unsubscribe.filters.iter() {
            let reason = match TopicFilter::new(text) {
                Err(_) => Reason::TopicFilterInvalid,
                Ok(filter) if session.filters.remove(text) => {
                    session.filter_bytes -= text.len();
                    session.shares -= usize::from(filter.share_name().is_some());
                    self.shared.index_mut().unsubscribe(filter, key);
                    if let Some(persist) =
                        self.tables.persist.as_mut().filter(|_| session.is_durable())
                    {
                        persist.unsubscribe(session.sid, text);
                    }
                    self.hooks.unsubscribed(&session.client, text);
                    Reason::Success
                }
                Ok(_) => Reason::NoSubscriptionExisted,
            };
            codes.push(reason as u8);
        }
        self.shared.index_changed();
        let malformed = codes.contains(&(Reason::TopicFilterInvalid as u8));
        let told = self.explanation(link, if malformed { MALFORMED } else { "" });
        let unsuback =
            UnsubAck { packet_id: unsubscribe.packet_id, properties: told.view(), codes: &codes };
        self.answer_with(link, After::Changes(before), &Packet::UnsubAck(unsuback));
        Next::Go
    }

    /// Notes in the session's shared subscriptions that it came or went.
    pub(super) fn set_online(&mut self, index: u32, online: bool) {
        let generation = self.tables.sessions.generation(index);
        let key = SessionKey { shard: self.which, index, generation };
        let Some(session) = self.tables.sessions.at(index) else { return };
        let shared: Vec<TopicFilter<'_>> = session
            .filters
            .iter()
            .filter(|text| text.starts_with("$share/"))
            .filter_map(|text| TopicFilter::new(text).ok())
            .collect();
        let mut subscriptions = self.shared.index_mut();
        for filter in shared {
            subscriptions.set_online(filter, key, online);
        }
        self.shared.index_changed();
    }
}
