//! Options by name, for the faces of other languages: what a listener or TLS can be told, each
//! option with one name and one meaning everywhere.

mod listener;
mod tls;

pub use listener::{ListenerOptions, durability};
pub use tls::TlsOptions;

use core::str::FromStr;

use crate::Status;
use crate::client::tls_config_status;
use crate::tls::TlsConfigError;

/// Why an option cannot be obeyed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OptionError {
    /// There is no option of this name.
    #[error("there is no option '{0}'")]
    Unknown(String),
    /// Its value is wrong, or does not go with the others.
    #[error("{name}: {why}")]
    Value {
        /// The option.
        name: String,
        /// What is wrong with its value.
        why: String,
    },
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
}

impl OptionError {
    /// Its stable number.
    pub fn status(&self) -> Status {
        match self {
            OptionError::Unknown(_) => Status::NotFound,
            OptionError::Value { .. } => Status::BadArgument,
            OptionError::Tls(error) => tls_config_status(error),
        }
    }
}

fn wrong(name: &str, why: impl ToString) -> OptionError {
    OptionError::Value { name: name.to_owned(), why: why.to_string() }
}

fn unknown(name: &str) -> OptionError {
    OptionError::Unknown(name.to_owned())
}

/// One of a few words.
fn word<T: Copy>(name: &str, value: &str, words: &[(&str, T)]) -> Result<T, OptionError> {
    let found = words.iter().find(|(word, _)| *word == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        wrong(name, format_args!("'{value}' is not one of {}", known.join(", ")))
    })
}

/// `true` or `false`.
fn flag(name: &str, value: &str) -> Result<bool, OptionError> {
    word(name, value, &[("true", true), ("false", false)])
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, OptionError> {
    value.parse().map_err(|_| wrong(name, format_args!("'{value}' is no number that it can be")))
}
