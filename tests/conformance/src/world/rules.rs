//! What a broker's host program decides.

use std::sync::{Arc, Mutex, PoisonError};

use libmqtt_engine::codec::{Publish, Reason, Subscription};
use libmqtt_engine::{Authenticate, ClientInfo, Hooks, Ticket, Verdict};

type OnAuthenticate = dyn FnMut(&Authenticate<'_>) -> Verdict + Send;
type OnTopic = dyn FnMut(&str) -> Verdict + Send;

/// What the broker's host program decides, for one test. Everything is allowed at first, but for
/// enhanced authentication.
#[derive(Default)]
pub struct Rules {
    authenticate: Option<Box<OnAuthenticate>>,
    publish: Option<Box<OnTopic>>,
    subscribe: Option<Box<OnTopic>>,
}

impl Rules {
    /// Decides CONNECT and AUTH.
    pub fn authenticate(
        mut self,
        rule: impl FnMut(&Authenticate<'_>) -> Verdict + Send + 'static,
    ) -> Rules {
        self.authenticate = Some(Box::new(rule));
        self
    }

    /// Refuses to publish to this topic.
    pub fn deny_publish(mut self, topic: &'static str, reason: Reason) -> Rules {
        self.publish = Some(Box::new(move |asked| deny(asked == topic, reason)));
        self
    }

    /// Refuses to subscribe to this filter.
    pub fn deny_subscribe(mut self, filter: &'static str, reason: Reason) -> Rules {
        self.subscribe = Some(Box::new(move |asked| deny(asked == filter, reason)));
        self
    }
}

fn deny(denied: bool, reason: Reason) -> Verdict {
    if denied { Verdict::Deny(reason) } else { Verdict::Allow }
}

/// The rules, as each shard of one broker asks them.
#[derive(Clone)]
pub(super) struct SharedRules(Arc<Mutex<Rules>>);

impl SharedRules {
    pub(super) fn new(rules: Rules) -> SharedRules {
        SharedRules(Arc::new(Mutex::new(rules)))
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Rules> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hooks for SharedRules {
    fn authenticate(&mut self, _: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        match (&mut self.rules().authenticate, attempt.method) {
            (Some(rule), _) => rule(attempt),
            (None, None) => Verdict::Allow,
            (None, Some(_)) => Verdict::Deny(Reason::BadAuthenticationMethod),
        }
    }

    fn authorise_publish(&mut self, _: Ticket, _: &ClientInfo, publish: &Publish<'_>) -> Verdict {
        self.rules().publish.as_mut().map_or(Verdict::Allow, |rule| rule(publish.topic))
    }

    fn authorise_subscribe(
        &mut self,
        _: Ticket,
        _: &ClientInfo,
        subscription: &Subscription<'_>,
    ) -> Verdict {
        self.rules().subscribe.as_mut().map_or(Verdict::Allow, |rule| rule(subscription.filter))
    }
}
