//! Sockets for libmqtt, over mio.
//!
//! This crate moves bytes and knows no packet. Nothing in it blocks: a loop owns a [`Poll`], and
//! registers with it [`Acceptor`]s, [`Dial`]s and [`Link`]s under numbers of its choice. Readiness
//! is told once per change, so who stops before "would block" remembers that there is more.
//!
//! Readiness is a hint. An event may reach a number that was given to another link meanwhile;
//! that link is then asked in vain, and nothing else happens.
#![forbid(unsafe_code)]

mod address;
mod dial;
mod layered;
mod link;
mod listen;
mod poll;
mod proxy_header;
mod resolve;
mod socket;
mod tcp;
pub mod tls;
mod tunnel;
#[cfg(unix)]
mod unix;
pub mod web;

pub use address::Address;
pub use dial::{Dial, Dialled};
pub use layered::{CertificateUser, Facts, LayerError, Route};
pub use link::Link;
pub use listen::{Accepted, Acceptor, Listener};
pub use poll::{Poll, Ready, Waker};
pub use proxy_header::{ProxyHeader, ProxyHeaderError, ProxyVersions, proxy_header};
pub use resolve::{ResolveError, Resolver};
pub use tcp::{KeepAlive, TcpOptions};
pub use tunnel::{ProxyError, ProxyKind, ProxyServer, ProxyServerError, Tunnel};
