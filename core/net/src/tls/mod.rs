//! TLS, with rustls and ring.
//!
//! Nothing is set up for the whole process. A connection keeps no buffers while it is idle:
//! records are decrypted from, and encrypted into, the buffers of the loop.

mod certificate;
mod client;
mod error;
mod load;
mod roots;
mod server;
mod session;
mod source;
mod suites;
mod verify;

pub use certificate::Certificate;
pub use client::TlsClientOptions;
pub use error::{TlsConfigError, TlsError};
pub use load::{Load, Loaded, TlsClient, TlsServer};
pub use roots::Roots;
pub use server::{ClientCertificates, KeyPair, TlsServerOptions};
pub(crate) use session::{RECORD_MAX, RECORD_OVERHEAD, Session};
pub use source::{Source, SourceError};
pub use suites::TlsVersions;
pub use verify::Verification;
