//! What a broker's shards ask and tell Python: they put it into a queue and go on; a Python thread
//! or event loop answers. Until then only the client that it is about waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use libmqtt_locks::{Mutex, PoisonError};
use libmqtt_runtime::engine::ClientInfo as Who;
use libmqtt_runtime::{
    Answers, Authenticate, Hooks, Message as Content, Publish, Reason, Step, Subscription, Ticket,
    Verdict,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::bell::Bell;
use crate::message::Message;
use crate::{convert, errors};

/// Things told that may wait; what comes then is dropped, and counted. What is asked is bounded
/// by the clients.
const TOLD_MAX: usize = 100_000;

/// Which hooks there are.
#[derive(Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) authenticate: bool,
    pub(crate) authorise: bool,
    pub(crate) connect: bool,
    pub(crate) disconnect: bool,
    pub(crate) publish: bool,
    pub(crate) subscribe: bool,
    pub(crate) unsubscribe: bool,
}

/// What waits for Python.
#[derive(Default)]
pub(crate) struct Waiting {
    list: VecDeque<Question>,
    told: usize,
    pub(crate) dropped: u64,
    pub(crate) closed: bool,
    /// An event loop takes the questions, and threads go.
    pub(crate) handed_over: bool,
}

impl Waiting {
    /// Takes up to `max` questions. None if there are none yet.
    pub(crate) fn take(&mut self, max: usize) -> Option<Vec<Question>> {
        if self.list.is_empty() {
            return self.closed.then(Vec::new);
        }
        let count = self.list.len().min(max);
        let taken: Vec<Question> = self.list.drain(..count).collect();
        self.told -= taken.iter().filter(|question| question.asked.is_none()).count();
        Some(taken)
    }
}

/// The queue between shards and Python.
pub(crate) type Questions = Bell<Waiting>;

/// The hooks of a shard.
pub(crate) struct PythonHooks {
    pub(crate) wanted: Wanted,
    pub(crate) answers: Answers,
    pub(crate) questions: Arc<Questions>,
}

impl PythonHooks {
    fn ask(&self, kind: &'static str, client: &Who, ticket: Ticket, about: About) -> Verdict {
        let asked = Some((self.answers.clone(), ticket));
        self.push(kind, Some(client), about, asked);
        Verdict::Later
    }

    fn tell(&self, kind: &'static str, client: Option<&Who>, about: About) {
        self.push(kind, client, about, None);
    }

    fn push(
        &self,
        kind: &'static str,
        client: Option<&Who>,
        about: About,
        asked: Option<(Answers, Ticket)>,
    ) {
        let mut questions = self.questions.lock();
        let waiting = &mut questions.state;
        if asked.is_none() {
            if waiting.told >= TOLD_MAX {
                waiting.dropped += 1;
                return;
            }
            waiting.told += 1;
        }
        let asked = asked.map(|asked| Mutex::new(Some(asked)));
        waiting.list.push_back(Question { kind, client: client.cloned(), about, asked });
        self.questions.ring(questions);
    }
}

impl Hooks for PythonHooks {
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
        self.ask("authenticate", attempt.client, ticket, about)
    }

    fn authorise_publish(
        &mut self,
        ticket: Ticket,
        client: &Who,
        publish: &Publish<'_>,
    ) -> Verdict {
        if !self.wanted.authorise {
            return Verdict::Allow;
        }
        self.ask("authorise", client, ticket, About::Topic("publish", publish.topic.into()))
    }

    fn authorise_subscribe(
        &mut self,
        ticket: Ticket,
        client: &Who,
        subscription: &Subscription<'_>,
    ) -> Verdict {
        if !self.wanted.authorise {
            return Verdict::Allow;
        }
        let about = About::Topic("subscribe", subscription.filter.into());
        self.ask("authorise", client, ticket, about)
    }

    fn connected(&mut self, client: &Who) {
        if self.wanted.connect {
            self.tell("connect", Some(client), About::Nothing);
        }
    }

    fn disconnected(&mut self, client: &Who, reason: Reason) {
        if self.wanted.disconnect {
            self.tell("disconnect", Some(client), About::Reason(reason));
        }
    }

    fn published(&mut self, client: Option<&Who>, publish: &Publish<'_>) {
        if self.wanted.publish {
            self.tell("publish", client, About::Message(Content::copy(publish)));
        }
    }

    fn subscribed(&mut self, client: &Who, subscription: &Subscription<'_>) {
        if self.wanted.subscribe {
            let about = About::Topic("subscribe", subscription.filter.into());
            self.tell("subscribe", Some(client), about);
        }
    }

    fn unsubscribed(&mut self, client: &Who, filter: &str) {
        if self.wanted.unsubscribe {
            self.tell("unsubscribe", Some(client), About::Topic("unsubscribe", filter.into()));
        }
    }
}

/// What a question is about.
enum About {
    Nothing,
    Authenticate {
        step: Step,
        password: Option<Box<[u8]>>,
        method: Option<Box<str>>,
        data: Option<Box<[u8]>>,
    },
    Topic(&'static str, Box<str>),
    Message(Content),
    Reason(Reason),
}

/// Something that a broker asks, or tells.
#[pyclass(frozen, module = "libmqtt._native")]
pub(crate) struct Question {
    /// The hook that it is for.
    #[pyo3(get)]
    kind: &'static str,
    client: Option<Who>,
    about: About,
    /// How to answer, until that is done.
    asked: Option<Mutex<Option<(Answers, Ticket)>>>,
}

impl Question {
    fn say(&self, verdict: Verdict) {
        let Some(asked) = &self.asked else { return };
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((answers, ticket)) = asked {
            answers.answer(ticket, verdict);
        }
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        // Whoever waits for an answer that will not come is refused.
        self.say(Verdict::Deny(Reason::NotAuthorized));
    }
}

#[pymethods]
impl Question {
    /// The client that it is about; None for the program's own messages.
    #[getter]
    fn client(&self) -> Option<ClientInfo> {
        self.client.clone().map(|who| ClientInfo { who })
    }

    /// Whether an answer is wanted.
    #[getter]
    fn wants_answer(&self) -> bool {
        self.asked.is_some()
    }

    /// "publish", "subscribe" or "unsubscribe".
    #[getter]
    fn action(&self) -> Option<&'static str> {
        if let About::Topic(action, _) = self.about { Some(action) } else { None }
    }

    /// The topic, or the filter.
    #[getter]
    fn topic(&self) -> Option<&str> {
        if let About::Topic(_, topic) = &self.about { Some(topic) } else { None }
    }

    /// The message.
    #[getter]
    fn message(&self) -> Option<Message> {
        let About::Message(content) = &self.about else { return None };
        Some(Message::new(content.clone(), false, None))
    }

    /// The Reason Code.
    #[getter]
    fn reason(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let About::Reason(reason) = self.about else { return Ok(None) };
        convert::reason_to_py(py, reason).map(Some)
    }

    /// The Password.
    #[getter]
    fn password<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let About::Authenticate { password, .. } = &self.about else { return None };
        password.as_ref().map(|password| PyBytes::new(py, password))
    }

    /// The Authentication Method.
    #[getter]
    fn method(&self) -> Option<&str> {
        let About::Authenticate { method, .. } = &self.about else { return None };
        method.as_deref()
    }

    /// The Authentication Data.
    #[getter]
    fn data<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        let About::Authenticate { data, .. } = &self.about else { return None };
        data.as_ref().map(|data| PyBytes::new(py, data))
    }

    /// "connect", "continue" or "reauthenticate".
    #[getter]
    fn step(&self) -> Option<&'static str> {
        let About::Authenticate { step, .. } = &self.about else { return None };
        Some(match step {
            Step::Connect => "connect",
            Step::Continue => "continue",
            Step::ReAuthenticate => "reauthenticate",
        })
    }

    /// Allows it.
    fn allow(&self) {
        self.say(Verdict::Allow);
    }

    /// Allows it, with this Authentication Data.
    fn allow_with(&self, data: &[u8]) {
        self.say(Verdict::AllowWith(data.to_vec().into()));
    }

    /// Asks the client for more Authentication Data.
    fn challenge(&self, data: &[u8]) {
        self.say(Verdict::Challenge(data.to_vec().into()));
    }

    /// Refuses it.
    fn deny(&self, reason: u8) -> PyResult<()> {
        let reason = convert::reason(reason)?;
        if !reason.is_error() {
            return Err(errors::argument(format!("{reason} refuses nothing")));
        }
        self.say(Verdict::Deny(reason));
        Ok(())
    }
}

/// Takes questions, waiting for the first; none when there will be no more for threads.
pub(crate) fn take(py: Python<'_>, questions: &Questions, max: usize) -> PyResult<Vec<Question>> {
    let found = crate::process::wait(py, None, |patience: Duration| {
        questions.find(patience, |waiting| {
            if waiting.handed_over { Some(Vec::new()) } else { waiting.take(max) }
        })
    })?;
    Ok(found.unwrap_or_default())
}

/// A client as the broker knows it.
#[pyclass(frozen, module = "libmqtt")]
pub(crate) struct ClientInfo {
    who: Who,
}

#[pymethods]
impl ClientInfo {
    /// The Client Identifier, assigned or given.
    #[getter]
    fn client_id(&self) -> &str {
        &self.who.client_id
    }

    /// The User Name.
    #[getter]
    fn user_name(&self) -> Option<&str> {
        self.who.user_name.as_deref()
    }

    /// The version that it speaks.
    #[getter]
    fn version(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::version_to_py(py, self.who.version)
    }

    /// Its address and port; None for a client of a Unix socket or in the same process.
    #[getter]
    fn address(&self) -> Option<(String, u16)> {
        self.who.peer.map(|peer| (peer.ip().to_string(), peer.port()))
    }

    /// The Subject of its certificate, `CN=ada,O=Example`; None if it has shown none.
    #[getter]
    fn certificate_subject(&self) -> Option<&str> {
        self.who.identity.as_ref().map(|identity| &*identity.subject)
    }

    /// The Common Name in that.
    #[getter]
    fn certificate_name(&self) -> Option<&str> {
        self.who.identity.as_ref()?.common_name.as_deref()
    }

    /// Its certificate in DER; None if only a proxy in front has seen it.
    #[getter]
    fn certificate(&self) -> Option<&[u8]> {
        let identity = self.who.identity.as_ref()?;
        Some(&*identity.certificate).filter(|certificate| !certificate.is_empty())
    }

    fn __repr__(&self) -> String {
        let address = self.who.peer.map_or("None".into(), |peer| format!("'{peer}'"));
        format!("ClientInfo(client_id={:?}, address={address})", self.who.client_id)
    }
}
