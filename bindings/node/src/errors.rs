//! What goes wrong, as JavaScript sees it: an Error whose `code` is `MQTT_` and the status.

use std::error::Error as _;

use libmqtt_runtime::tls::TlsError;
use libmqtt_runtime::{BrokerError, ClientError, LayerError, Status};
use napi_derive::napi;

/// The code of an error: that of Node-API, or one of ours.
pub struct Code(String);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<napi::Status> for Code {
    fn from(status: napi::Status) -> Code {
        Code(status.as_ref().to_owned())
    }
}

impl From<Status> for Code {
    fn from(status: Status) -> Code {
        Code(code_of(status))
    }
}

/// What the addon's functions return.
pub type Result<T> = core::result::Result<T, napi::Error<Code>>;

/// `QueueFull` as `MQTT_QUEUE_FULL`.
pub(crate) fn code_of(status: Status) -> String {
    let mut code = "MQTT".to_owned();
    for letter in status.name().chars() {
        if letter.is_ascii_uppercase() {
            code.push('_');
        }
        code.push(letter.to_ascii_uppercase());
    }
    code
}

/// The error with all of its causes in words.
pub(crate) fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        cause = next.source();
    }
    words
}

/// The code and the words that Node has for what went wrong with TLS, where it has any.
pub(crate) fn of_layer(error: &LayerError) -> Option<(&'static str, &'static str)> {
    let error = match error {
        LayerError::Tls(error) => error,
        LayerError::Closed => {
            return Some(("ECONNRESET", "Client network socket disconnected before it was secure"));
        }
        _ => return None,
    };
    Some(match error {
        TlsError::Expired => ("CERT_HAS_EXPIRED", "certificate has expired"),
        TlsError::NotYetValid => ("CERT_NOT_YET_VALID", "certificate is not yet valid"),
        TlsError::OtherHost => {
            ("ERR_TLS_CERT_ALTNAME_INVALID", "Hostname/IP does not match certificate's altnames")
        }
        TlsError::UnknownIssuer => {
            ("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify the first certificate")
        }
        TlsError::SelfSigned => ("DEPTH_ZERO_SELF_SIGNED_CERT", "self-signed certificate"),
        TlsError::Revoked => ("CERT_REVOKED", "certificate revoked"),
        TlsError::RevocationUnknown => ("UNABLE_TO_GET_CRL", "unable to get certificate CRL"),
        TlsError::WrongUsage => ("INVALID_PURPOSE", "unsuitable certificate purpose"),
        TlsError::BadCertificate(_) => ("CERT_REJECTED", "certificate rejected"),
        TlsError::CertificateDemanded => {
            ("ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", "tlsv13 alert certificate required")
        }
        TlsError::NotTls => ("ERR_SSL_WRONG_VERSION_NUMBER", "wrong version number"),
        TlsError::NoCertificate
        | TlsError::CertificateRefused(_)
        | TlsError::Incompatible(_)
        | TlsError::Alert(_)
        | TlsError::Other(_) => return None,
    })
}

/// A client's error.
pub(crate) fn client(error: ClientError) -> napi::Error<Code> {
    napi::Error::new(error.status().into(), words(&error))
}

/// A broker's error.
pub(crate) fn broker(error: BrokerError) -> napi::Error<Code> {
    let mut words = words(&error);
    if let BrokerError::Listen { .. } = error
        && let Some(source) =
            error.source().and_then(|source| source.downcast_ref::<std::io::Error>())
        && let Some(name) = crate::client::errno_name(source)
    {
        words = format!("{name}: {words}");
    }
    napi::Error::new(error.status().into(), words)
}

/// An error of Node-API.
pub(crate) fn napi(error: napi::Error) -> napi::Error<Code> {
    napi::Error::new(error.status.into(), error.reason.clone())
}

/// Something that the program gave and that cannot be used.
pub(crate) fn argument(words: impl Into<String>) -> napi::Error<Code> {
    napi::Error::new(Status::BadArgument.into(), words.into())
}

/// One of the stable statuses.
#[napi(object)]
pub struct StatusInfo {
    /// Its number.
    pub number: i32,
    /// The code of its errors.
    pub code: String,
    /// What it means.
    pub message: String,
}

/// Every status.
#[napi]
pub fn statuses() -> Vec<StatusInfo> {
    Status::ALL
        .iter()
        .map(|&status| StatusInfo {
            number: status.code(),
            code: code_of(status),
            message: status.message().to_owned(),
        })
        .collect()
}
