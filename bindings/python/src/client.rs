//! The client as Python's own classes see it: every call, blocking or not.

use std::sync::Arc;
use std::time::Duration;

use libmqtt_runtime::engine::client::{Disconnect, Secret};
use libmqtt_runtime::{
    Client as Native, ClientError, Outcome, Publish, Reason, RetainHandling, Status, Subscription,
    SubscriptionOptions,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::hub::{Found, Hub, Item, Standing};
use crate::message::{Connected, Disconnected, Message};
use crate::options::{self, ClientOptions};
use crate::process::{self, Own};
use crate::properties::Properties;
use crate::publication::{self, Publication};
use crate::{convert, errors};

/// The native core of a client.
#[pyclass(frozen, module = "libmqtt._native", weakref)]
pub(crate) struct Client {
    hub: Own<Arc<Hub>>,
}

/// A subscription as Python gives it: filter, QoS, No Local, Retain As Published, Retain Handling.
type Wanted = (String, u8, bool, bool, u8);

fn subscription(wanted: &Wanted) -> PyResult<Subscription<'_>> {
    let (filter, qos, no_local, retain_as_published, retain_handling) = wanted;
    let options = SubscriptionOptions {
        qos: convert::qos(*qos)?,
        no_local: *no_local,
        retain_as_published: *retain_as_published,
        retain_handling: match retain_handling {
            0 => RetainHandling::Send,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Err(errors::argument("retain_handling is not 0, 1 or 2")),
        },
    };
    Ok(Subscription { filter, options })
}

/// What an operation returns that has gone well, or the exception.
fn value(py: Python<'_>, outcome: Outcome) -> PyResult<Py<PyAny>> {
    match outcome {
        Outcome::Written => convert::reason_to_py(py, Reason::Success),
        Outcome::Acknowledged(answer) => convert::reason_to_py(py, answer.reason),
        Outcome::Subscribed(answers) | Outcome::Unsubscribed(answers) => {
            let reasons = answers.reasons.iter().map(|&r| convert::reason_to_py(py, r));
            let reasons: PyResult<Vec<_>> = reasons.collect();
            Ok(PyList::new(py, reasons?)?.into_any().unbind())
        }
        Outcome::Reply(message) => Ok(Py::new(py, Message::new(message, false, None))?.into_any()),
        outcome => Err(errors::outcome(outcome)),
    }
}

/// Messages as a list.
fn messages(py: Python<'_>, found: Found) -> PyResult<Option<Bound<'_, PyList>>> {
    match found {
        Found::Messages(messages) => {
            let list = PyList::empty(py);
            for received in messages {
                list.append(Py::new(py, Message::from(received))?)?;
            }
            Ok(Some(list))
        }
        Found::End => Ok(None),
        Found::Lost(ended, failure) => Err(errors::ended(&ended, failure)),
    }
}

/// An item as a tuple of its kind and what belongs to it.
fn item(py: Python<'_>, item: Item) -> PyResult<Bound<'_, PyTuple>> {
    match item {
        Item::Message(id, received) => ("message", id, Message::from(received)).into_pyobject(py),
        Item::Connected(said) => ("connected", Connected::new(*said)).into_pyobject(py),
        Item::Disconnected(ended, failure) => {
            ("disconnected", Disconnected::new(*ended, failure)).into_pyobject(py)
        }
        Item::Done(token, outcome) => {
            let done = intern!(py, "done");
            match value(py, outcome) {
                Ok(value) => (done, token, value, py.None()).into_pyobject(py),
                Err(error) => (done, token, py.None(), error).into_pyobject(py),
            }
        }
        Item::Room => ("room",).into_pyobject(py),
        Item::SubscriptionLost(filter, reason) => {
            let reason = convert::reason_to_py(py, reason)?;
            ("subscription_lost", &*filter, reason).into_pyobject(py)
        }
        Item::Challenge(challenge) => {
            let data = PyBytes::new(py, challenge.data.as_deref().unwrap_or_default());
            ("challenge", data).into_pyobject(py)
        }
    }
}

impl Client {
    pub(crate) fn over(native: Native, options: &ClientOptions) -> Client {
        Client {
            hub: Own::new(Hub::new(
                native,
                options.inbox_max,
                options.overflow,
                options.native.config.queue_messages_max,
            )),
        }
    }

    fn hub(&self) -> PyResult<&Arc<Hub>> {
        self.hub.get()
    }

    /// Has `publish` publish what Python gives.
    fn publishing<R>(
        topic: &str,
        payload: &Bound<'_, PyAny>,
        qos: u8,
        retain: bool,
        properties: Option<&Bound<'_, Properties>>,
        publish: impl FnOnce(&Publish<'_>) -> Result<R, ClientError>,
    ) -> PyResult<R> {
        let qos = convert::qos(qos)?;
        let properties = properties.map(|p| p.get().section.view()).unwrap_or_default();
        convert::with_payload(payload, |payload| {
            let message =
                Publish { dup: false, qos, retain, topic, packet_id: None, properties, payload };
            publish(&message).map_err(errors::client)
        })
    }

    /// Waits for an operation.
    fn finish(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        begin: impl FnOnce(&Native) -> Result<u64, ClientError>,
    ) -> PyResult<Py<PyAny>> {
        let (hub, timeout) = (self.hub()?, convert::timeout(timeout)?);
        let ticket = hub.begin(begin).map_err(errors::client)?;
        match publication::wait(py, hub, &ticket, timeout)? {
            Some(outcome) => value(py, outcome),
            None => Err(errors::client(ClientError::TimedOut)),
        }
    }
}

#[pymethods]
impl Client {
    #[new]
    fn new(py: Python<'_>, servers: Vec<String>, options: &Bound<'_, PyDict>) -> PyResult<Client> {
        let options = ClientOptions::read(servers, options)?;
        let (runtime, settings) = (process::runtime()?, options.native.clone());
        // It reads what is kept in its data directory.
        let native = process::detached(py, || Native::new(&runtime, settings))?;
        Ok(Client::over(native.map_err(errors::client)?, &options))
    }

    // The connection.

    /// Begins to connect.
    fn connect_start(&self) -> PyResult<()> {
        self.hub()?.connect().map_err(errors::client)
    }

    /// Waits until the connection stands.
    fn connect_wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Connected> {
        let (hub, timeout) = (self.hub()?, convert::timeout(timeout)?);
        let standing = process::wait(py, timeout, |patience| {
            hub.routes.find(patience, |routes| match &routes.standing {
                Standing::Unknown => None,
                standing => Some(standing.clone()),
            })
        })?;
        match standing {
            Some(Standing::Up(said)) => Ok(Connected::new(*said)),
            Some(Standing::Down(ended, failure)) => Err(errors::ended(&ended, failure)),
            Some(Standing::Closed) => Err(errors::client(ClientError::Closed)),
            Some(Standing::Unknown) | None => Err(errors::client(ClientError::TimedOut)),
        }
    }

    /// Ends the connection: within `wait` seconds what waits is sent and answered first.
    #[pyo3(signature = (wait, reason = 0, properties = None, session_expiry_s = None))]
    fn disconnect_start(
        &self,
        wait: f64,
        reason: u8,
        properties: Option<&Bound<'_, Properties>>,
        session_expiry_s: Option<u32>,
    ) -> PyResult<()> {
        let how = Disconnect {
            reason: convert::reason(reason)?,
            session_expiry_s,
            properties: properties.map(|p| p.get().section.clone()).unwrap_or_default(),
            wait: convert::seconds(wait)?,
            ..Disconnect::default()
        };
        self.hub()?.client.disconnect(how).map_err(errors::client)
    }

    /// Waits until there is no connection, and none is being made.
    fn disconnect_wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let (hub, timeout) = (self.hub()?, convert::timeout(timeout)?);
        let idle = process::wait(py, timeout, |patience| {
            hub.routes.find(patience, |routes| {
                matches!(routes.standing, Standing::Down(..) | Standing::Closed).then_some(())
            })
        })?;
        Ok(idle.is_some())
    }

    /// Ends the client within `deadline` seconds, and a second more.
    fn close(&self, py: Python<'_>, deadline: f64) -> PyResult<()> {
        let hub = self.hub()?;
        let deadline = convert::seconds(deadline)?;
        // At the interpreter's end nobody may let go of it, so it is waited for without.
        process::detached(py, || hub.close(deadline)).or_else(|_| {
            hub.close(Duration::ZERO);
            Ok(())
        })
    }

    /// Whether there is a connection that the server has accepted.
    #[getter]
    fn connected(&self) -> PyResult<bool> {
        Ok(self.hub()?.client.is_connected())
    }

    /// The Client Identifier: given, or assigned by the server, or empty.
    #[getter]
    fn client_id(&self) -> PyResult<String> {
        Ok(self.hub()?.client.client_id().to_string())
    }

    /// The version of the connection, or of the next one.
    #[getter]
    fn version(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::version_to_py(py, self.hub()?.client.version())
    }

    /// Messages that wait to be sent.
    #[getter]
    fn queued(&self) -> PyResult<usize> {
        Ok(self.hub()?.client.queued())
    }

    /// Messages at QoS 1 and 2 that wait for their acknowledgement.
    #[getter]
    fn in_flight(&self) -> PyResult<usize> {
        Ok(self.hub()?.client.in_flight())
    }

    /// Replaces User Name and Password from the next attempt to connect on.
    fn set_credentials(&self, user_name: Option<&str>, password: Option<&[u8]>) -> PyResult<()> {
        let password = password.map(Secret::from);
        self.hub()?.client.set_credentials(user_name, password).map_err(errors::client)
    }

    /// Answers a challenge.
    fn authenticate(&self, data: &[u8]) -> PyResult<()> {
        self.hub()?.client.authenticate(data).map_err(errors::client)
    }

    // Operations that a thread may wait for.

    /// Publishes.
    fn publish(
        &self,
        topic: &str,
        payload: &Bound<'_, PyAny>,
        qos: u8,
        retain: bool,
        properties: Option<&Bound<'_, Properties>>,
    ) -> PyResult<Publication> {
        let hub = self.hub()?;
        let ticket = Client::publishing(topic, payload, qos, retain, properties, |message| {
            hub.begin(|client| Ok(client.publish(message)?.as_u64()))
        })?;
        Ok(Publication::new(Own::new(hub.clone()), ticket))
    }

    /// Waits until the client takes messages again. Returns whether it does.
    fn wait_for_room(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let (hub, timeout) = (self.hub()?, convert::timeout(timeout)?);
        let _patience = crate::hub::Patience::begin(hub);
        let found = process::wait(py, timeout, |patience| hub.find_room(patience))?;
        Ok(found.is_some())
    }

    /// Subscribes, and waits for the answer.
    fn subscribe(
        &self,
        py: Python<'_>,
        wanted: Vec<Wanted>,
        properties: Option<&Bound<'_, Properties>>,
        timeout: Option<f64>,
    ) -> PyResult<Py<PyAny>> {
        let wanted: Vec<_> = wanted.iter().map(subscription).collect::<PyResult<_>>()?;
        let properties = properties.map(|p| p.get().section.view()).unwrap_or_default();
        self.finish(py, timeout, |client| Ok(client.subscribe_start(&wanted, properties)?.as_u64()))
    }

    /// Unsubscribes, and waits for the answer.
    fn unsubscribe(
        &self,
        py: Python<'_>,
        filters: Vec<String>,
        properties: Option<&Bound<'_, Properties>>,
        timeout: Option<f64>,
    ) -> PyResult<Py<PyAny>> {
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let properties = properties.map(|p| p.get().section.view()).unwrap_or_default();
        self.finish(py, timeout, |client| {
            Ok(client.unsubscribe_start(&filters, properties)?.as_u64())
        })
    }

    /// Publishes a request, and waits for the reply.
    #[allow(clippy::too_many_arguments)] // a publication and a time
    fn request(
        &self,
        py: Python<'_>,
        topic: &str,
        payload: &Bound<'_, PyAny>,
        qos: u8,
        properties: Option<&Bound<'_, Properties>>,
        timeout: f64,
    ) -> PyResult<Py<PyAny>> {
        let hub = self.hub()?;
        let patience = convert::seconds(timeout)?;
        let ticket = Client::publishing(topic, payload, qos, false, properties, |message| {
            hub.begin(|client| Ok(client.request_start(message, patience)?.as_u64()))
        })?;
        // The engine's deadline tells.
        match publication::wait(py, hub, &ticket, None)? {
            Some(outcome) => value(py, outcome),
            None => Err(errors::client(ClientError::TimedOut)),
        }
    }

    /// Waits until all that was published at QoS 1 and 2 is on disk.
    fn flush(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Py<PyAny>> {
        self.finish(py, timeout, |client| Ok(client.flush_start()?.as_u64()))
    }

    /// Acknowledges a message, or refuses it.
    #[pyo3(signature = (message, reason = 0))]
    fn acknowledge(&self, message: &Bound<'_, Message>, reason: u8) -> PyResult<()> {
        let Some(ack) = message.get().ack else {
            let text = "message waits for no acknowledgement: QoS 0, or not manual_ack";
            return Err(errors::new(Status::BadState, text, None));
        };
        self.hub()?.client.acknowledge(ack, convert::reason(reason)?).map_err(errors::client)
    }

    // Operations that an event loop awaits: their end is an item with the number they return.

    /// Publishes.
    fn publish_start(
        &self,
        topic: &str,
        payload: &Bound<'_, PyAny>,
        qos: u8,
        retain: bool,
        properties: Option<&Bound<'_, Properties>>,
    ) -> PyResult<u64> {
        let hub = self.hub()?;
        Client::publishing(topic, payload, qos, retain, properties, |message| {
            hub.begin_async(|client| Ok(client.publish(message)?.as_u64()))
        })
    }

    /// Publishes at QoS 0, with nobody interested in what becomes of it.
    fn send(
        &self,
        topic: &str,
        payload: &Bound<'_, PyAny>,
        retain: bool,
        properties: Option<&Bound<'_, Properties>>,
    ) -> PyResult<()> {
        let hub = self.hub()?;
        Client::publishing(topic, payload, 0, retain, properties, |message| {
            hub.client.send(message)
        })
    }

    /// Whether the client takes messages; if not, an item tells when it does again.
    fn ask_for_room(&self) -> PyResult<bool> {
        Ok(self.hub()?.ask_for_room())
    }

    /// Subscribes.
    fn subscribe_start(
        &self,
        wanted: Vec<Wanted>,
        properties: Option<&Bound<'_, Properties>>,
    ) -> PyResult<u64> {
        let wanted: Vec<_> = wanted.iter().map(subscription).collect::<PyResult<_>>()?;
        let properties = properties.map(|p| p.get().section.view()).unwrap_or_default();
        let begun = self
            .hub()?
            .begin_async(|client| Ok(client.subscribe_start(&wanted, properties)?.as_u64()));
        begun.map_err(errors::client)
    }

    /// Unsubscribes.
    fn unsubscribe_start(
        &self,
        filters: Vec<String>,
        properties: Option<&Bound<'_, Properties>>,
    ) -> PyResult<u64> {
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let properties = properties.map(|p| p.get().section.view()).unwrap_or_default();
        let begun = self
            .hub()?
            .begin_async(|client| Ok(client.unsubscribe_start(&filters, properties)?.as_u64()));
        begun.map_err(errors::client)
    }

    /// Publishes a request.
    fn request_start(
        &self,
        topic: &str,
        payload: &Bound<'_, PyAny>,
        qos: u8,
        properties: Option<&Bound<'_, Properties>>,
        timeout: f64,
    ) -> PyResult<u64> {
        let hub = self.hub()?;
        let patience = convert::seconds(timeout)?;
        Client::publishing(topic, payload, qos, false, properties, |message| {
            hub.begin_async(|client| Ok(client.request_start(message, patience)?.as_u64()))
        })
    }

    /// Asks when all that was published at QoS 1 and 2 is on disk.
    fn flush_start(&self) -> PyResult<u64> {
        let begun = self.hub()?.begin_async(|client| Ok(client.flush_start()?.as_u64()));
        begun.map_err(errors::client)
    }

    /// Has the socket read, whatever waits to be taken, until `end_patience`.
    fn begin_patience(&self) -> PyResult<()> {
        self.hub()?.begin_patience();
        Ok(())
    }

    /// Nobody waits for an operation any more.
    fn end_patience(&self) -> PyResult<()> {
        self.hub()?.end_patience();
        Ok(())
    }

    // Taking what has come.

    /// Opens a queue for the messages that match one of these filters.
    fn open_queue(
        &self,
        filters: Vec<String>,
        max: usize,
        overflow: &Bound<'_, PyAny>,
    ) -> PyResult<u32> {
        Ok(self.hub()?.open_queue(&filters, max, options::overflow(overflow)?))
    }

    /// Closes a queue; what is in it is dropped.
    fn close_queue(&self, queue: u32) -> PyResult<()> {
        self.hub()?.close_queue(queue);
        Ok(())
    }

    /// Messages that wait in a queue, and those that were dropped at its bound.
    fn queue_counts(&self, queue: u32) -> PyResult<(usize, u64)> {
        Ok(self.hub()?.queue_counts(queue))
    }

    /// Takes messages, waiting for the first. Empty after `timeout`, None after the last one.
    fn take<'py>(
        &self,
        py: Python<'py>,
        queue: u32,
        max: usize,
        timeout: Option<f64>,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let (hub, timeout) = (self.hub()?, convert::timeout(timeout)?);
        let found = process::wait(py, timeout, |patience| {
            hub.take(patience, |routes| routes.take(queue, max))
        })?;
        found.map_or_else(|| Ok(Some(PyList::empty(py))), |found| messages(py, found))
    }

    /// Takes messages without waiting. Empty if there are none: then the bell will ring. None
    /// after the last one.
    fn take_or_arm<'py>(
        &self,
        py: Python<'py>,
        queue: u32,
        max: usize,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let found = self.hub()?.take_or_arm(|routes| routes.take(queue, max));
        found.map_or_else(|| Ok(Some(PyList::empty(py))), |found| messages(py, found))
    }

    /// Adds a filter for which messages come as items, with the number that is returned.
    fn add_callback(&self, filter: &str) -> PyResult<u32> {
        Ok(self.hub()?.add_callback(filter))
    }

    /// Removes such a filter.
    fn remove_callback(&self, callback: u32) -> PyResult<()> {
        self.hub()?.remove_callback(callback);
        Ok(())
    }

    /// From now on, items are kept until they are taken.
    fn want_items(&self) -> PyResult<()> {
        self.hub()?.routes.lock().state.control_wanted = true;
        Ok(())
    }

    /// Takes items, waiting for the first. Empty when the client was closed.
    fn take_items<'py>(&self, py: Python<'py>, max: usize) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let hub = self.hub()?;
        let found = process::wait(py, None, |patience| {
            hub.take(patience, |routes| routes.take_control(max))
        })?;
        found.unwrap_or_default().into_iter().map(|found| item(py, found)).collect()
    }

    /// Takes items without waiting. If there are none, the bell will ring.
    fn take_items_or_arm<'py>(
        &self,
        py: Python<'py>,
        max: usize,
    ) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        let found = self.hub()?.take_or_arm(|routes| routes.take_control(max));
        found.unwrap_or_default().into_iter().map(|found| item(py, found)).collect()
    }

    /// The descriptor of the bell.
    fn descriptor(&self) -> PyResult<i32> {
        Ok(self.hub()?.routes.descriptor()?)
    }

    /// Waits for the bell in a thread, where an event loop cannot watch descriptors. Returns
    /// whether the client is still open.
    fn wait_for_bell(&self, py: Python<'_>) -> PyResult<bool> {
        let hub = self.hub()?;
        let found = process::wait(py, None, |patience| {
            hub.routes.find_rung(patience, |routes| matches!(routes.standing, Standing::Closed))
        })?;
        Ok(found == Some(true))
    }

    /// Silences the bell until it rings again.
    fn hush(&self) -> PyResult<()> {
        self.hub()?.routes.hush();
        Ok(())
    }
}
