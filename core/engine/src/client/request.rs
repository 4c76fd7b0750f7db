//! Request and response. MQTT 5.0 §4.10.
//!
//! The first request subscribes to a topic of the client's own. A request carries that topic as
//! Response Topic and its token as Correlation Data; the message that brings both back ends it.
//! A reply that comes too late is dropped.

use core::time::Duration;
use std::collections::VecDeque;

use libmqtt_codec::{PropertiesBuf, Property, PropertyId, Publish, QoS, TopicName};

use super::{Client, Outcome, PublishError, Token};
use crate::{Instant, Message};

/// Why no request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Only 5.0 has Response Topics.
    #[error("requests need mqtt 5.0")]
    NotInVersion,
    /// Too many requests wait for their replies.
    #[error("too many requests are waiting")]
    TooMany,
    /// The message cannot be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

#[derive(Debug)]
struct Waiting {
    token: Token,
    deadline: Instant,
    /// Its publishing has come to an end.
    published: bool,
    /// Its outcome was told.
    settled: bool,
}

/// Requests, in order of their tokens, until they are both published and settled.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// The Response Topic, once there was a request.
    topic: Option<Box<str>>,
    waiting: VecDeque<Waiting>,
    /// No request times out before.
    next_deadline: Option<Instant>,
}

impl Replies {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.next_deadline
    }

    fn find(&self, token: Token) -> Option<usize> {
        self.waiting.binary_search_by_key(&token, |waiting| waiting.token).ok()
    }

    fn remove_if_over(&mut self, at: usize) {
        if self.waiting[at].published && self.waiting[at].settled {
            self.waiting.remove(at);
        }
    }

    /// Whether this outcome of an operation is not to be told, as the operation was the publishing
    /// of a request.
    pub(super) fn takes(&mut self, token: Token, outcome: &Outcome) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let Some(at) = self.find(token) else { return false };
        let waiting = &mut self.waiting[at];
        let told = match outcome {
            Outcome::Reply(_) | Outcome::TimedOut => core::mem::replace(&mut waiting.settled, true),
            Outcome::Written | Outcome::Acknowledged(_) => {
                waiting.published = true;
                true
            }
            _ => {
                waiting.published = true;
                core::mem::replace(&mut waiting.settled, true)
            }
        };
        self.remove_if_over(at);
        told
    }

    /// The request that this message answers; [`Token::NONE`] if it answers one that is over.
    pub(super) fn answered_by(&self, message: &Message) -> Option<Token> {
        if message.topic() != self.topic.as_deref()? {
            return None;
        }
        let open = |token: &Token| self.find(*token).is_some_and(|at| !self.waiting[at].settled);
        let data = message.properties().correlation_data();
        let token = data.and_then(|data| Some(Token(u64::from_be_bytes(data.try_into().ok()?))));
        Some(token.filter(open).unwrap_or(Token::NONE))
    }

    /// Requests whose outcome was not told.
    fn open(&self) -> Vec<Token> {
        self.waiting.iter().filter(|waiting| !waiting.settled).map(|w| w.token).collect()
    }
}

impl Client {
    /// Command: publishes a message and waits for a reply to it. Response Topic and Correlation
    /// Data are set. The outcome is Reply, TimedOut, or why the message came to nothing.
    pub fn request(
        &mut self,
        now: Instant,
        message: &Publish<'_>,
        timeout: Duration,
    ) -> Result<Token, RequestError> {
        if !self.version().has_properties() {
            return Err(RequestError::NotInVersion);
        }
        if self.replies.waiting.len() >= self.config.requests_max {
            return Err(RequestError::TooMany);
        }
        let new = self.replies.topic.is_none();
        let topic = match &self.replies.topic {
            Some(topic) => topic.clone(),
            None => self.new_response_topic(),
        };
        let token = self.token();
        let mut properties = PropertiesBuf::from(message.properties);
        properties.remove(PropertyId::ResponseTopic);
        properties.remove(PropertyId::CorrelationData);
        let data = token.as_u64().to_be_bytes();
        properties
            .push(Property::ResponseTopic(&topic))
            .and_then(|()| properties.push(Property::CorrelationData(&data)))
            .map_err(|_| PublishError::TooLarge)?;
        let deadline = now + timeout;
        let waiting = Waiting { token, deadline, published: false, settled: false };
        self.replies.waiting.push_back(waiting);
        self.replies.next_deadline = super::earlier(self.replies.next_deadline, Some(deadline));
        if new {
            // Before the message, so that the reply finds the subscription.
            self.replies.topic = Some(topic.clone());
            self.subscribe_replies(&topic);
            if self.replies.topic.is_none() {
                self.replies.waiting.pop_back();
                return Ok(token); // The server takes no such subscription; the outcome says so.
            }
        }
        let publish = Publish { properties: properties.view(), ..*message };
        if let Err(error) = self.submit(now, &publish, token) {
            self.replies.waiting.pop_back();
            return Err(error.into());
        }
        Ok(token)
    }

    /// A topic that no other client uses.
    fn new_response_topic(&mut self) -> Box<str> {
        let (a, b) = (self.random.next_u64(), self.random.next_u64());
        let base = self.response_information.as_deref().unwrap_or("reply");
        let topic = format!("{}/{a:016x}{b:016x}", base.trim_end_matches('/'));
        if TopicName::new(&topic).is_ok() {
            topic.into()
        } else {
            format!("reply/{a:016x}{b:016x}").into()
        }
    }

    /// The server has lost the Session.
    pub(super) fn restore_replies(&mut self) {
        if self.replies.open().is_empty() {
            self.replies.topic = None;
        } else if let Some(topic) = self.replies.topic.clone() {
            self.subscribe_replies(&topic);
        }
    }

    /// The subscription for replies cannot be made: every request fails.
    pub(super) fn fail_replies(&mut self, outcome: &Outcome) {
        self.replies.topic = None;
        for token in self.replies.open() {
            self.settle(token, outcome.clone());
        }
    }

    /// Ends the requests whose time is up.
    pub(super) fn expire_replies(&mut self, now: Instant) {
        if self.replies.next_deadline.is_none_or(|at| at > now) {
            return;
        }
        let late: Vec<Token> = self
            .replies
            .waiting
            .iter()
            .filter(|waiting| !waiting.settled && waiting.deadline <= now)
            .map(|waiting| waiting.token)
            .collect();
        for token in late {
            self.settle(token, Outcome::TimedOut);
        }
        let open = self.replies.waiting.iter().filter(|waiting| !waiting.settled);
        self.replies.next_deadline = open.map(|waiting| waiting.deadline).min();
    }

    pub(super) fn abandon_replies(&mut self) {
        self.replies.topic = None;
        for token in self.replies.open() {
            self.settle(token, Outcome::Abandoned);
        }
        self.replies.waiting.clear();
        self.replies.next_deadline = None;
    }

    /// Tells the outcome of a request whose publishing may not have ended.
    fn settle(&mut self, token: Token, outcome: Outcome) {
        if let Some(at) = self.replies.find(token) {
            self.replies.waiting[at].settled = true;
            self.replies.remove_if_over(at);
            self.events.push(super::Event::Done(token, outcome));
        }
    }
}

/// The reply to a message that was a request: to its Response Topic, with its Correlation Data,
/// at its QoS. None if it has no Response Topic.
pub fn response_to(request: &Message, payload: &[u8]) -> Option<Message> {
    let asked = request.properties();
    let topic = asked.response_topic()?;
    let mut properties = PropertiesBuf::new();
    if let Some(data) = asked.correlation_data() {
        properties.push(Property::CorrelationData(data)).ok()?;
    }
    let qos: QoS = request.qos();
    Message::build(topic, payload, qos, false, properties.view()).ok()
}
