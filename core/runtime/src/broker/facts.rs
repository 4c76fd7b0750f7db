//! What is known of peers.

use core::fmt;
use core::net::SocketAddr;
use std::sync::Arc;

use libmqtt_engine::broker::LinkInfo;
use libmqtt_engine::{Identity, UserName};
use libmqtt_net::tls::Certificate;
use libmqtt_net::{CertificateUser, Facts, Link};

/// What is known of a peer after the handshakes.
pub(super) fn info(link: &Link, facts: Facts) -> LinkInfo {
    let user_name = match facts.user {
        CertificateUser::No => UserName::OfConnect,
        CertificateUser::CommonName => UserName::CommonName,
        CertificateUser::Subject => UserName::Subject,
    };
    let certificate = match facts.certificate {
        Some(certificate) => Some(certificate),
        None if user_name == UserName::OfConnect => None,
        None => Some(Certificate::default()),
    };
    let identity = certificate.map(|certificate| {
        Arc::new(Identity {
            subject: certificate.subject,
            common_name: certificate.common_name,
            certificate: certificate.der,
            user_name,
        })
    });
    LinkInfo { peer: facts.client.or_else(|| link.peer()), identity }
}

/// Where a peer is, for the log.
pub(super) struct Place(pub(super) Option<SocketAddr>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("a Unix socket"),
        }
    }
}
