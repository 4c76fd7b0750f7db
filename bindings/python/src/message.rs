//! Messages, and what is told about connections.

use std::fmt::Write;

use libmqtt_runtime::engine::client::{self, AckId, Received, response_to};
use libmqtt_runtime::{Message as Content, NetworkError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyString, PyTuple};

use crate::convert;
use crate::errors;
use crate::properties::Properties;

/// Bytes of a payload that `repr` shows.
const SHOWN: usize = 48;

/// An Application Message; immutable.
#[pyclass(frozen, module = "libmqtt")]
pub(crate) struct Message {
    pub(crate) content: Content,
    dup: bool,
    pub(crate) ack: Option<AckId>,
    topic: PyOnceLock<Py<PyString>>,
    payload: PyOnceLock<Py<PyBytes>>,
}

impl Message {
    pub(crate) fn new(content: Content, dup: bool, ack: Option<AckId>) -> Message {
        Message { content, dup, ack, topic: PyOnceLock::new(), payload: PyOnceLock::new() }
    }
}

impl From<Received> for Message {
    fn from(received: Received) -> Message {
        Message::new(received.message, received.dup, received.ack)
    }
}

/// A message made of its parts.
pub(crate) fn build(
    topic: &str,
    payload: &Bound<'_, PyAny>,
    qos: u8,
    retain: bool,
    properties: Option<&Properties>,
) -> PyResult<Content> {
    let qos = convert::qos(qos)?;
    let section = properties.map(|p| p.section.view()).unwrap_or_default();
    convert::with_payload(payload, |payload| {
        Content::build(topic, payload, qos, retain, section)
            .map_err(|error| errors::argument(error.to_string()))
    })
}

#[pymethods]
impl Message {
    #[new]
    #[pyo3(signature = (topic, payload = None, qos = 0, retain = false, properties = None))]
    fn make(
        topic: &str,
        payload: Option<&Bound<'_, PyAny>>,
        qos: u8,
        retain: bool,
        properties: Option<&Bound<'_, Properties>>,
        py: Python<'_>,
    ) -> PyResult<Message> {
        let none = py.None().into_bound(py);
        let properties = properties.map(Bound::get);
        let content = build(topic, payload.unwrap_or(&none), qos, retain, properties)?;
        Ok(Message::new(content, false, None))
    }

    /// The Topic Name.
    #[getter]
    fn topic(&self, py: Python<'_>) -> Py<PyString> {
        let make = || PyString::new(py, self.content.topic()).unbind();
        self.topic.get_or_init(py, make).clone_ref(py)
    }

    /// The payload.
    #[getter]
    fn payload(&self, py: Python<'_>) -> Py<PyBytes> {
        let make = || PyBytes::new(py, self.content.payload()).unbind();
        self.payload.get_or_init(py, make).clone_ref(py)
    }

    /// The payload as text; UnicodeDecodeError if it is none.
    #[getter]
    fn text<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.payload(py).into_bound(py).call_method0("decode")
    }

    /// The Quality of Service.
    #[getter]
    fn qos(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::qos_to_py(py, self.content.qos())
    }

    /// Whether it is to be kept, or was kept before.
    #[getter]
    fn retain(&self) -> bool {
        self.content.retain()
    }

    /// Whether the sender had tried to send it before.
    #[getter]
    fn dup(&self) -> bool {
        self.dup
    }

    /// Its properties; empty before MQTT 5.0.
    #[getter]
    fn properties(&self) -> Properties {
        Properties { section: self.content.properties().into() }
    }

    /// The reply to this message, if it is a request: to its Response Topic, with its Correlation
    /// Data, at its QoS. None if it has no Response Topic.
    #[pyo3(signature = (payload = None))]
    fn reply(
        &self,
        payload: Option<&Bound<'_, PyAny>>,
        py: Python<'_>,
    ) -> PyResult<Option<Message>> {
        let none = py.None().into_bound(py);
        convert::with_payload(payload.unwrap_or(&none), |payload| {
            Ok(response_to(&self.content, payload).map(|reply| Message::new(reply, false, None)))
        })
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Message>().is_ok_and(|other| other.get().content == self.content)
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        (self.topic(py), self.payload(py)).into_pyobject(py)?.hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let payload = self.content.payload();
        let shown = PyBytes::new(py, &payload[..payload.len().min(SHOWN)]).repr()?;
        let topic = PyString::new(py, self.content.topic()).repr()?;
        let mut text = format!("Message(topic={topic}, payload={shown}");
        // Writing to a String does not fail.
        if payload.len() > SHOWN {
            let _ = write!(text, "... of {} bytes", payload.len());
        }
        let _ = write!(text, ", qos={}", self.content.qos() as u8);
        if self.retain() {
            text.push_str(", retain=True");
        }
        if !self.content.properties().is_empty() {
            let properties = Py::new(py, self.properties())?;
            let _ = write!(text, ", properties={}", properties.bind(py).repr()?);
        }
        text.push(')');
        Ok(text)
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let qos = self.content.qos() as u8;
        (self.topic(py), self.payload(py), qos, self.retain(), self.properties()).into_pyobject(py)
    }
}

/// What the server said when it accepted the connection.
#[pyclass(frozen, module = "libmqtt")]
pub(crate) struct Connected {
    said: client::Connected,
}

impl Connected {
    pub(crate) fn new(said: client::Connected) -> Connected {
        Connected { said }
    }
}

#[pymethods]
impl Connected {
    /// Whether the server went on with the Session.
    #[getter]
    fn session_present(&self) -> bool {
        self.said.session_present
    }

    /// Whether messages and subscriptions of an earlier connection of this client were lost.
    #[getter]
    fn session_lost(&self) -> bool {
        self.said.session_lost
    }

    /// The version that is spoken.
    #[getter]
    fn version(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::version_to_py(py, self.said.version)
    }

    /// The Client Identifier, given or assigned.
    #[getter]
    fn client_id(&self) -> &str {
        &self.said.client_id
    }

    /// Seconds between packets of the client at most; 0: no limit.
    #[getter]
    fn keep_alive_s(&self) -> u16 {
        self.said.limits.keep_alive_s
    }

    /// Seconds that the Session outlives the connection.
    #[getter]
    fn session_expiry_s(&self) -> u32 {
        self.said.limits.session_expiry_s
    }

    /// Messages at QoS 1 and 2 that may wait for their acknowledgement.
    #[getter]
    fn receive_maximum(&self) -> u16 {
        self.said.limits.receive_maximum
    }

    /// The largest packet that the server takes.
    #[getter]
    fn maximum_packet_size(&self) -> u32 {
        self.said.limits.maximum_packet_size
    }

    /// The highest QoS of a message that the server takes.
    #[getter]
    fn maximum_qos(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::qos_to_py(py, self.said.limits.maximum_qos)
    }

    /// Whether messages may be retained.
    #[getter]
    fn retain_available(&self) -> bool {
        self.said.limits.retain
    }

    /// Whether filters may have wildcards.
    #[getter]
    fn wildcard_subscriptions(&self) -> bool {
        self.said.limits.wildcard_subscriptions
    }

    /// Whether subscriptions may have identifiers.
    #[getter]
    fn subscription_identifiers(&self) -> bool {
        self.said.limits.subscription_identifiers
    }

    /// Whether subscriptions may be shared.
    #[getter]
    fn shared_subscriptions(&self) -> bool {
        self.said.limits.shared_subscriptions
    }

    /// All properties of CONNACK.
    #[getter]
    fn properties(&self) -> Properties {
        self.said.properties.clone().into()
    }

    fn __repr__(&self) -> String {
        format!(
            "Connected(client_id={:?}, session_present={}, version={})",
            self.said.client_id,
            if self.said.session_present { "True" } else { "False" },
            self.said.version.level(),
        )
    }
}

/// How a connection, or an attempt to make one, has ended.
#[pyclass(frozen, module = "libmqtt")]
pub(crate) struct Disconnected {
    ended: client::Disconnected,
    failure: Option<(std::sync::Arc<str>, NetworkError)>,
}

impl Disconnected {
    pub(crate) fn new(
        ended: client::Disconnected,
        failure: Option<(std::sync::Arc<str>, NetworkError)>,
    ) -> Disconnected {
        Disconnected { ended, failure }
    }
}

#[pymethods]
impl Disconnected {
    /// Why, as an exception that may be raised.
    #[getter]
    fn error(&self, py: Python<'_>) -> Py<PyAny> {
        errors::ended(&self.ended, self.failure.clone()).into_value(py).into_any()
    }

    /// Whether the program itself has ended it.
    #[getter]
    fn requested(&self) -> bool {
        self.ended.cause == client::Cause::Requested
    }

    /// Whether there was a connection, and not just an attempt.
    #[getter]
    fn was_connected(&self) -> bool {
        self.ended.was_connected
    }

    /// Seconds until the next attempt; None if there will be none.
    #[getter]
    fn retry_in(&self) -> Option<f64> {
        self.ended.retry_in.map(|delay| delay.as_secs_f64())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let error = self.error(py).into_bound(py).str()?.repr()?;
        let retry = self.retry_in().map_or("None".into(), |delay| format!("{delay:.3}"));
        Ok(format!("Disconnected({error}, retry_in={retry})"))
    }
}
