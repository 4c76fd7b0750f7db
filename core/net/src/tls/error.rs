//! What goes wrong with TLS.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

use super::SourceError;

/// Why TLS cannot be set up as it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TlsConfigError {
    /// A file is of no use.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The private key is of no kind that can be used, or belongs to another certificate.
    #[error("private key in {place}: {why}")]
    Key {
        /// Where the key is.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A certificate that is to be trusted cannot be used.
    #[error("certificate in {place}: {why}")]
    Certificate {
        /// Where it is.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// There is nothing that a peer's certificate could be checked against.
    #[error("there are no certificates to trust")]
    NoRoots,
    /// No such cipher suite.
    #[error("unknown cipher suite '{0}'")]
    Cipher(String),
    /// The cipher suites have nothing for a version.
    #[error("no cipher suite for the versions of TLS")]
    NoCipher,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Why a TLS connection has not come about, or has failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The peer's certificate, or one above it, has expired.
    #[error("certificate has expired")]
    Expired,
    /// The time of the peer's certificate, or of one above it, has not come yet.
    #[error("certificate is not valid yet")]
    NotYetValid,
    /// The server's certificate is for another host.
    #[error("certificate is for another host")]
    OtherHost,
    /// The issuer of the peer's certificate is not trusted.
    #[error("issuer of the certificate is not trusted")]
    UnknownIssuer,
    /// The peer's certificate is its own issuer, and is not trusted.
    #[error("certificate is self-signed and not trusted")]
    SelfSigned,
    /// The peer's certificate was revoked.
    #[error("certificate was revoked")]
    Revoked,
    /// Whether the peer's certificate was revoked cannot be told from the lists there are.
    #[error("no current revocation list for the certificate")]
    RevocationUnknown,
    /// The peer's certificate is not for being a server, or not for being a client.
    #[error("certificate is not for this use")]
    WrongUsage,
    /// Something else is wrong with the peer's certificate.
    #[error("certificate is not valid: {0}")]
    BadCertificate(String),
    /// The client shows no certificate, and must.
    #[error("client has shown no certificate")]
    NoCertificate,
    /// The server demands a certificate of us.
    #[error("server demands a client certificate")]
    CertificateDemanded,
    /// The peer does not accept our certificate.
    #[error("peer refuses our certificate: {0}")]
    CertificateRefused(&'static str),
    /// There is no version, cipher suite or application protocol that both have.
    #[error("peer has no TLS in common with us: {0}")]
    Incompatible(String),
    /// What came is no TLS.
    #[error("peer does not speak TLS")]
    NotTls,
    /// The peer ended it.
    #[error("peer ended TLS: {0}")]
    Alert(String),
    /// Anything else.
    #[error("TLS failed: {0}")]
    Other(String),
}

impl From<Error> for TlsError {
    fn from(error: Error) -> TlsError {
        match error {
            Error::InvalidCertificate(error) => error.into(),
            Error::NoCertificatesPresented => TlsError::NoCertificate,
            Error::AlertReceived(alert) => alert.into(),
            Error::PeerIncompatible(why) => TlsError::Incompatible(format!("{why:?}")),
            Error::NoApplicationProtocol => {
                TlsError::Incompatible("no application protocol (ALPN)".into())
            }
            Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge,
            ) => TlsError::NotTls,
            error => TlsError::Other(error.to_string()),
        }
    }
}

impl From<CertificateError> for TlsError {
    fn from(error: CertificateError) -> TlsError {
        use CertificateError as E;
        match error {
            E::Expired | E::ExpiredContext { .. } => TlsError::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => TlsError::NotYetValid,
            E::NotValidForName | E::NotValidForNameContext { .. } => TlsError::OtherHost,
            E::UnknownIssuer => TlsError::UnknownIssuer,
            E::Revoked => TlsError::Revoked,
            E::UnknownRevocationStatus
            | E::ExpiredRevocationList
            | E::ExpiredRevocationListContext { .. } => TlsError::RevocationUnknown,
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => TlsError::WrongUsage,
            E::Other(other) => match other.0.downcast_ref::<TlsError>() {
                Some(error) => error.clone(),
                None => TlsError::BadCertificate(other.to_string()),
            },
            error => TlsError::BadCertificate(error.to_string()),
        }
    }
}

impl From<AlertDescription> for TlsError {
    fn from(alert: AlertDescription) -> TlsError {
        use AlertDescription as A;
        match alert {
            A::CertificateRequired => TlsError::CertificateDemanded,
            A::CertificateExpired => TlsError::CertificateRefused("it has expired"),
            A::CertificateRevoked => TlsError::CertificateRefused("it was revoked"),
            A::UnknownCA => TlsError::CertificateRefused("its issuer is not trusted"),
            A::BadCertificate => TlsError::CertificateRefused("it is not valid"),
            A::UnsupportedCertificate => TlsError::CertificateRefused("it is not for this use"),
            A::CertificateUnknown => TlsError::CertificateRefused("it is not accepted"),
            A::HandshakeFailure | A::ProtocolVersion | A::NoApplicationProtocol => {
                TlsError::Incompatible(format!("alert {alert:?}"))
            }
            alert => TlsError::Alert(format!("alert {alert:?}")),
        }
    }
}
