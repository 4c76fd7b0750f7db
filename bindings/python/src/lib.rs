//! The native module `libmqtt._native`: thin, private; `python/libmqtt` is the public face.
//!
//! No native thread ever runs Python code or takes the interpreter's lock. Native threads put
//! what has happened into queues (`hub`, `questions`), and Python threads or event loops
//! take it out in batches: so an interpreter that is ending has nobody to wait for but threads
//! of its own.
#![forbid(unsafe_code)]

mod bell;
mod broker;
mod client;
mod convert;
mod errors;
mod hub;
mod message;
mod options;
mod process;
mod properties;
mod publication;
mod questions;

use pyo3::prelude::*;

/// The native core of libmqtt.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::broker::Broker;
    #[pymodule_export]
    use super::client::Client;
    #[pymodule_export]
    use super::convert::{topic_matches, versions};
    #[pymodule_export]
    use super::errors::{reasons, statuses};
    #[pymodule_export]
    use super::message::{Connected, Disconnected, Message};
    #[pymodule_export]
    use super::process::{after_fork, run_cli, shut_down};
    #[pymodule_export]
    use super::properties::Properties;
    #[pymodule_export]
    use super::publication::Publication;
    #[pymodule_export]
    use super::questions::{ClientInfo, Question};
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
