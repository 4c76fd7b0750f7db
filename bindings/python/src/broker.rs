//! The broker as Python's own class sees it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libmqtt_runtime::conf::{self, ConfError, Embedded, Settings};
use libmqtt_runtime::{Address, Broker as Native, BrokerOptions, HooksFactory, Level};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::client::Client;
use crate::convert;
use crate::errors;
use crate::message::Message;
use crate::options::{self, ClientOptions, Spec};
use crate::process::{self, Own};
use crate::questions::{self, PythonHooks, Question, Questions, Waiting, Wanted};

/// The native core of a broker.
#[pyclass(frozen, module = "libmqtt._native", weakref)]
pub(crate) struct Broker {
    native: Own<Arc<Native>>,
    questions: Arc<Questions>,
}

/// Where a broker is told where to listen.
#[derive(FromPyObject)]
enum Place {
    Listeners(Vec<Spec>),
    File(PathBuf),
}

fn listening_at(specs: &[Spec]) -> PyResult<BrokerOptions> {
    let listeners: PyResult<_> = specs.iter().map(options::listener).collect();
    Ok(BrokerOptions { listeners: listeners?, ..BrokerOptions::default() })
}

/// What a file in mosquitto's format says.
fn told_by(path: &Path) -> Result<BrokerOptions, ConfError> {
    let mut settings = Settings::default();
    settings.read(path, &mut Embedded)?;
    settings.check()?;
    Ok(BrokerOptions {
        listeners: settings.listeners()?,
        policy: settings.policy(),
        shards: settings.shards,
        persistence: settings.persistence(),
        config: settings.config,
        ..BrokerOptions::default()
    })
}

/// The names of hooks as flags.
fn wanted(hooks: &[String]) -> PyResult<Wanted> {
    let mut wanted = Wanted::default();
    for hook in hooks {
        match hook.as_str() {
            "authenticate" => wanted.authenticate = true,
            "authorise" => wanted.authorise = true,
            "connect" => wanted.connect = true,
            "disconnect" => wanted.disconnect = true,
            "publish" => wanted.publish = true,
            "subscribe" => wanted.subscribe = true,
            "unsubscribe" => wanted.unsubscribe = true,
            _ => return Err(errors::argument(format!("there is no hook '{hook}'"))),
        }
    }
    Ok(wanted)
}

#[pymethods]
impl Broker {
    #[new]
    fn new(
        py: Python<'_>,
        place: Place,
        shards: Option<u16>,
        hooks: Vec<String>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Broker> {
        let mut settings = match place {
            Place::Listeners(specs) => listening_at(&specs)?,
            Place::File(path) => told_by(&path).map_err(errors::conf)?,
        };
        let questions = Arc::new(Questions::new(Waiting::default()));
        let wanted = wanted(&hooks)?;
        settings.shards = shards.or(settings.shards);
        options::broker(&mut settings, options)?;
        if wanted.authenticate {
            if settings.policy.password_file.is_some() {
                let why = "a password file and the hook authenticate exclude each other";
                return Err(errors::argument(why));
            }
            settings.policy.anonymous = Some(true); // the program decides
        }
        if !hooks.is_empty() {
            let questions = questions.clone();
            let factory: HooksFactory = Arc::new(move |answers| {
                Box::new(PythonHooks { wanted, answers, questions: questions.clone() })
            });
            settings.hooks = Some(factory);
        }
        let options = |listeners| BrokerOptions { listeners, ..settings.clone() };
        let given_up = |address: &Address, error: &io::Error| {
            settings.log.write(Level::Warn, format_args!("not listening on {address}: {error}"));
        };
        let listeners = settings.listeners.clone();
        let native = process::detached(py, || conf::start(listeners, options, given_up))?;
        Ok(Broker { native: Own::new(Arc::new(native.map_err(errors::broker)?)), questions })
    }

    /// Where it listens.
    #[getter]
    fn addresses(&self) -> PyResult<Vec<(String, u16)>> {
        let addresses = self.native.get()?.addresses().iter();
        let addresses = addresses.filter_map(Address::ip);
        Ok(addresses.map(|address| (address.ip().to_string(), address.port())).collect())
    }

    /// The same as URLs, Unix sockets too.
    #[getter]
    fn urls(&self) -> PyResult<Vec<String>> {
        Ok(self.native.get()?.urls())
    }

    /// Reads files again.
    fn reload(&self, py: Python<'_>) -> PyResult<()> {
        let native = self.native.get()?.clone();
        process::detached(py, move || native.reload())?.map_err(errors::broker)
    }

    /// Whether it runs.
    #[getter]
    fn running(&self) -> PyResult<bool> {
        Ok(self.native.get()?.is_running())
    }

    /// Publishes as the host program.
    fn publish(&self, message: &Bound<'_, Message>) -> PyResult<()> {
        self.native.get()?.publish(&message.get().content).map_err(errors::broker)
    }

    /// Its counters, by name.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.native.get()?.stats();
        let counters = [
            ("connections", stats.connections),
            ("connections_total", stats.connections_total),
            ("sessions", stats.sessions),
            ("subscriptions", stats.subscriptions),
            ("retained", stats.retained),
            ("retained_bytes", stats.retained_bytes),
            ("packets_received", stats.packets_received),
            ("packets_sent", stats.packets_sent),
            ("bytes_received", stats.bytes_received),
            ("bytes_sent", stats.bytes_sent),
            ("publish_received", stats.publish_received),
            ("publish_sent", stats.publish_sent),
            ("publish_dropped", stats.publish_dropped),
            ("queued_messages", stats.queued_messages),
            ("queued_bytes", stats.queued_bytes),
        ];
        let dict = PyDict::new(py);
        for (name, value) in counters {
            dict.set_item(name, value)?;
        }
        dict.set_item("hook_calls_dropped", self.questions.lock().state.dropped)?;
        Ok(dict)
    }

    /// Ends the connection of a client.
    fn disconnect(&self, client_id: &str, reason: u8) -> PyResult<()> {
        self.native.get()?.disconnect(client_id, convert::reason(reason)?);
        Ok(())
    }

    /// A client within the process.
    fn client(&self, py: Python<'_>, options: &Bound<'_, PyDict>) -> PyResult<Client> {
        let options = ClientOptions::read(Vec::new(), options)?;
        if let Some(name) = options.of_socket {
            let why = format!("{name}: a client in the broker's process has no socket");
            return Err(errors::argument(why));
        }
        let (broker, settings) = (self.native.get()?, options.native.clone());
        let native = process::detached(py, || broker.client(settings))?;
        Ok(Client::over(native.map_err(errors::broker)?, &options))
    }

    /// Ends it within `deadline` seconds, and a second more.
    fn stop(&self, py: Python<'_>, deadline: f64) -> PyResult<()> {
        // In a forked child there is nothing to stop.
        let Ok(native) = self.native.get().cloned() else { return Ok(()) };
        let questions = self.questions.clone();
        let deadline = convert::seconds(deadline)?;
        let stop = move || {
            native.stop(deadline);
            let mut waiting = questions.lock();
            waiting.state.closed = true;
            questions.ring(waiting);
        };
        if deadline.is_zero() {
            // It is over soon, and perhaps the interpreter is.
            stop();
            return Ok(());
        }
        std::thread::Builder::new().name("mqtt-broker-stop".into()).spawn(stop)?;
        process::wait(py, None, |patience| {
            self.questions.find(patience, |waiting| waiting.closed.then_some(()))
        })?;
        Ok(())
    }

    /// From now on an event loop takes the questions: threads find none.
    fn hand_over(&self) {
        let mut questions = self.questions.lock();
        questions.state.handed_over = true;
        // Not for the event loop, which looks by itself.
        questions.armed = false;
        self.questions.ring(questions);
    }

    /// Takes questions, waiting for the first. Empty when the broker was stopped, or they were
    /// handed over.
    fn take_questions(&self, py: Python<'_>, max: usize) -> PyResult<Vec<Question>> {
        questions::take(py, &self.questions, max)
    }

    /// Takes questions without waiting. If there are none, the bell will ring.
    fn take_questions_or_arm(&self, max: usize) -> Vec<Question> {
        let mut questions = self.questions.lock();
        let taken = questions.state.take(max);
        questions.armed |= taken.is_none();
        taken.unwrap_or_default()
    }

    /// The descriptor of the bell.
    fn descriptor(&self) -> PyResult<i32> {
        Ok(self.questions.descriptor()?)
    }

    /// Waits for the bell in a thread. Returns whether the broker still runs.
    fn wait_for_bell(&self, py: Python<'_>) -> PyResult<bool> {
        let found = process::wait(py, None, |patience| {
            self.questions.find_rung(patience, |waiting| waiting.closed)
        })?;
        Ok(found == Some(true))
    }

    /// Silences the bell until it rings again.
    fn hush(&self) {
        self.questions.hush();
    }
}
