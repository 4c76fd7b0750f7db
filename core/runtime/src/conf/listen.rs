//! Where the broker listens.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::{ConfError, ListenAt, Settings, Transport};
use crate::{Address, Broker, BrokerError, BrokerOptions, Listener};

/// Starts a broker. Where IPv6 is only a matter of course (a listener whose `v6_only` is false),
/// a machine without it is served without it, and `given_up` is told.
pub fn start(
    mut listeners: Vec<Listener>,
    options: impl Fn(Vec<Listener>) -> BrokerOptions,
    given_up: impl Fn(&Address, &io::Error),
) -> Result<Broker, BrokerError> {
    loop {
        match Broker::start(options(listeners.clone())) {
            Err(BrokerError::Listen { address, source })
                if without_ipv6(&mut listeners, &address, &source) =>
            {
                given_up(&address, &source);
            }
            result => return result,
        }
    }
}

/// Gives up the IPv6 address if nobody asked for it by name and the machine has none.
fn without_ipv6(listeners: &mut Vec<Listener>, address: &Address, error: &io::Error) -> bool {
    const NO_FAMILY: i32 = 97;
    let absent =
        matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
            || error.raw_os_error() == Some(NO_FAMILY);
    let found = listeners
        .iter()
        .position(|listener| listener.address == *address && listener.v6_only == Some(false));
    let (true, Some(at), Some(address)) = (absent, found, address.ip()) else { return false };
    if !address.is_ipv6() {
        return false;
    }
    if address.ip().is_loopback() {
        listeners.remove(at);
    } else {
        listeners[at].address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())).into();
    }
    true
}

pub(super) fn listeners(settings: &Settings) -> Result<Vec<Listener>, ConfError> {
    let port = settings.port.unwrap_or(1883);
    let mut listeners = Vec::new();
    if settings.is_local() {
        let mut v4 = Listener::new((Ipv4Addr::LOCALHOST, port).into());
        apply(&settings.transport, &mut v4)?;
        listeners.push(v4.clone());
        // Any free port would be another one for IPv6.
        if port != 0 {
            let address = Address::Ip((Ipv6Addr::LOCALHOST, port).into());
            listeners.push(Listener { address, v6_only: Some(false), ..v4 });
        }
    } else {
        if settings.port.is_some() || settings.bind.is_some() {
            let mut at = ListenAt::new(port, settings.bind.clone());
            at.transport = settings.transport.clone();
            resolve(&at, &mut listeners)?;
        }
        for at in &settings.listeners {
            resolve(at, &mut listeners)?;
        }
    }
    if let Some(port) = settings.page {
        listeners.push(crate::page::listener((Ipv4Addr::LOCALHOST, port).into()));
    }
    for listener in &mut listeners {
        listener.tcp.no_delay = settings.no_delay;
    }
    Ok(listeners)
}

fn apply(transport: &Transport, listener: &mut Listener) -> Result<(), ConfError> {
    transport.apply(listener).map_err(|error| {
        let listener = listener.address.to_string();
        ConfError::Tls { listener, error }
    })
}

fn resolve(at: &ListenAt, listeners: &mut Vec<Listener>) -> Result<(), ConfError> {
    // The files are read once, whatever number of addresses there is.
    let mut like = match at.unix() {
        Some(path) => Listener::unix(path),
        None => Listener::new((Ipv6Addr::UNSPECIFIED, at.port).into()),
    };
    apply(&at.transport, &mut like)?;
    if at.unix().is_some() {
        listeners.push(like);
        return Ok(());
    }
    let mut add = |address: IpAddr, v6_only| {
        let address = Address::Ip((address, at.port).into());
        listeners.push(Listener { address, v6_only, ..like.clone() });
    };
    let Some(host) = &at.host else {
        match at.v6 {
            None => add(Ipv6Addr::UNSPECIFIED.into(), Some(false)),
            Some(true) => add(Ipv6Addr::UNSPECIFIED.into(), Some(true)),
            Some(false) => add(Ipv4Addr::UNSPECIFIED.into(), None),
        }
        return Ok(());
    };
    let failed = |why: String| ConfError::Listen { host: host.clone(), why };
    let mut found: Vec<SocketAddr> = (host.as_str(), at.port)
        .to_socket_addrs()
        .map_err(|error| failed(error.to_string()))?
        .filter(|address| at.v6.is_none_or(|v6| address.is_ipv6() == v6))
        .collect();
    found.dedup();
    if found.is_empty() {
        return Err(failed("it has no such address".into()));
    }
    if at.port == 0 {
        found.truncate(1);
    }
    for address in found {
        add(address.ip(), Some(true).filter(|_| address.is_ipv6()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(settings: &Settings, wanted: &[&str]) {
        let found: Vec<String> =
            listeners(settings).unwrap().iter().map(|at| at.address.to_string()).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn by_default_only_loopback_is_listened_on() {
        let mut settings = Settings::default();
        check(&settings, &["127.0.0.1:1883", "[::1]:1883"]);
        settings.port = Some(7);
        check(&settings, &["127.0.0.1:7", "[::1]:7"]);
        settings.port = Some(0);
        check(&settings, &["127.0.0.1:0"]);
    }

    #[test]
    fn listeners_are_where_they_were_asked_for() {
        let mut settings = Settings { bind: Some("0.0.0.0".into()), ..Settings::default() };
        check(&settings, &["0.0.0.0:1883"]);
        let at = |port, host: Option<&str>, v6| ListenAt {
            v6,
            ..ListenAt::new(port, host.map(str::to_owned))
        };
        settings.bind = None;
        settings.listeners =
            vec![at(1, None, None), at(2, None, Some(false)), at(3, Some("::1"), None)];
        check(&settings, &["[::]:1", "0.0.0.0:2", "[::1]:3"]);
        settings.listeners = vec![at(1, Some("127.0.0.1"), Some(true))];
        assert!(listeners(&settings).is_err());
    }

    #[test]
    fn a_machine_without_ipv6_is_served_without_it() {
        let absent = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let taken = io::Error::from(io::ErrorKind::AddrInUse);
        let mut local = listeners(&Settings::default()).unwrap();
        let v6 = Address::Ip("[::1]:1883".parse().unwrap());
        assert!(!without_ipv6(&mut local, &v6, &taken));
        assert!(without_ipv6(&mut local, &v6, &absent));
        assert_eq!(local.len(), 1);
        let mut open = Vec::new();
        resolve(&ListenAt::new(1, None), &mut open).unwrap();
        let at = |text: &str| Address::Ip(text.parse().unwrap());
        assert!(without_ipv6(&mut open, &at("[::]:1"), &absent));
        assert_eq!(open[0].address, at("0.0.0.0:1"));
        let mut named = Vec::new();
        resolve(&ListenAt::new(1, Some("::1".into())), &mut named).unwrap();
        assert!(!without_ipv6(&mut named, &at("[::1]:1"), &absent));
    }
}
