//! What a broker's shards ask and tell JavaScript: they put it into a queue, wake the event loop
//! and go on. Until the answer comes only the client that it is about waits.

use std::collections::VecDeque;
use std::sync::Arc;

use libmqtt_locks::{Mutex, PoisonError};
use libmqtt_runtime::engine::ClientInfo as Who;
use libmqtt_runtime::{
    Answers, Authenticate, Hooks, Message, Publish, Reason, Step, Subscription, Ticket, Verdict,
};

use crate::wake::Wake;

/// Things told that may wait; what comes then is dropped, and counted. What is asked is bounded
/// by the clients.
const TOLD_MAX: usize = 100_000;

/// Which hooks there are.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) authenticate: bool,
    pub(crate) authorise_publish: bool,
    pub(crate) authorise_subscribe: bool,
    pub(crate) connect: bool,
    pub(crate) disconnect: bool,
    pub(crate) publish: bool,
    pub(crate) subscribe: bool,
    pub(crate) unsubscribe: bool,
}

/// What a question is about.
pub(crate) enum About {
    Authenticate {
        step: Step,
        password: Option<Vec<u8>>,
        method: Option<String>,
        data: Option<Vec<u8>>,
    },
    /// May it publish this?
    Publish(Message),
    /// May it subscribe to this filter, with this QoS?
    Subscribe(Box<str>, u8),
    Connected,
    Disconnected(Reason),
    Published(Message),
    Subscribed(Box<str>, u8),
    Unsubscribed(Box<str>),
}

/// Something that a broker asks or tells.
pub(crate) struct Question {
    pub(crate) client: Option<Who>,
    pub(crate) about: About,
    pub(crate) asked: Option<(Answers, Ticket)>,
}

#[derive(Default)]
struct Waiting {
    list: VecDeque<Question>,
    told: usize,
    dropped: u64,
}

/// The queue between shards and the event loop.
pub(crate) struct Questions {
    waiting: Mutex<Waiting>,
    wake: Wake,
}

impl Questions {
    pub(crate) fn new(wake: Wake) -> Questions {
        Questions { waiting: Mutex::default(), wake }
    }

    fn lock(&self) -> libmqtt_locks::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up to `max`.
    pub(crate) fn take(&self, max: usize) -> Vec<Question> {
        let mut waiting = self.lock();
        let count = waiting.list.len().min(max);
        let taken: Vec<Question> = waiting.list.drain(..count).collect();
        waiting.told -= taken.iter().filter(|question| question.asked.is_none()).count();
        let more = !waiting.list.is_empty();
        drop(waiting);
        if more {
            self.wake.call();
        }
        taken
    }

    /// Things told that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn push(&self, question: Question) {
        let mut waiting = self.lock();
        if question.asked.is_none() {
            if waiting.told >= TOLD_MAX {
                waiting.dropped += 1;
                return;
            }
            waiting.told += 1;
        }
        let first = waiting.list.is_empty();
        waiting.list.push_back(question);
        drop(waiting);
        if first {
            self.wake.call();
        }
    }
}

/// The hooks of a shard.
pub(crate) struct NodeHooks {
    pub(crate) wanted: Wanted,
    pub(crate) answers: Answers,
    pub(crate) questions: Arc<Questions>,
}

impl NodeHooks {
    fn ask(&self, client: &Who, ticket: Ticket, about: About) -> Verdict {
        let asked = Some((self.answers.clone(), ticket));
        self.questions.push(Question { client: Some(client.clone()), about, asked });
        Verdict::Later
    }

    fn tell(&self, client: Option<&Who>, about: About) {
        self.questions.push(Question { client: client.cloned(), about, asked: None });
    }
}

impl Hooks for NodeHooks {
    fn authenticate(&mut self, ticket: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        if !self.wanted.authenticate {
            return match attempt.method {
                None => Verdict::Allow,
                Some(_) => Verdict::Deny(Reason::BadAuthenticationMethod),
            };
        }
        let about = About::Authenticate {
            step: attempt.step,
            password: attempt.password.map(Into::into),
            method: attempt.method.map(Into::into),
            data: attempt.data.map(Into::into),
        };
        self.ask(attempt.client, ticket, about)
    }

    fn authorise_publish(
        &mut self,
        ticket: Ticket,
        client: &Who,
        publish: &Publish<'_>,
    ) -> Verdict {
        if !self.wanted.authorise_publish {
            return Verdict::Allow;
        }
        self.ask(client, ticket, About::Publish(Message::copy(publish)))
    }

    fn authorise_subscribe(
        &mut self,
        ticket: Ticket,
        client: &Who,
        subscription: &Subscription<'_>,
    ) -> Verdict {
        if !self.wanted.authorise_subscribe {
            return Verdict::Allow;
        }
        let qos = subscription.options.qos as u8;
        self.ask(client, ticket, About::Subscribe(subscription.filter.into(), qos))
    }

    fn connected(&mut self, client: &Who) {
        if self.wanted.connect {
            self.tell(Some(client), About::Connected);
        }
    }

    fn disconnected(&mut self, client: &Who, reason: Reason) {
        if self.wanted.disconnect {
            self.tell(Some(client), About::Disconnected(reason));
        }
    }

    fn published(&mut self, client: Option<&Who>, publish: &Publish<'_>) {
        if self.wanted.publish {
            self.tell(client, About::Published(Message::copy(publish)));
        }
    }

    fn subscribed(&mut self, client: &Who, subscription: &Subscription<'_>) {
        if self.wanted.subscribe {
            let qos = subscription.options.qos as u8;
            self.tell(Some(client), About::Subscribed(subscription.filter.into(), qos));
        }
    }

    fn unsubscribed(&mut self, client: &Who, filter: &str) {
        if self.wanted.unsubscribe {
            self.tell(Some(client), About::Unsubscribed(filter.into()));
        }
    }
}
