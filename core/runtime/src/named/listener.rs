//! Listeners by URL and named options.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use ipnet::IpNet;

use super::{OptionError, TlsOptions, flag, number, unknown, word, wrong};
use crate::client::Server;
use crate::tls::ClientCertificates;
use crate::web::WebSocketServer;
use crate::{CertificateUser, Durability, Listener, ProxyVersions, page};

/// A listener, by its URL and options with names.
///
/// The URL is `mqtt://ADDRESS:PORT`, `mqtts://…`, `ws://…`, `wss://…`, `unix:PATH` or
/// `unix:@NAME`. The address is an IP address or `localhost`, which is 127.0.0.1; port 0 is any
/// free port. A listener of WebSocket with a path in its URL serves that path alone.
///
/// | name | value |
/// |------|-------|
/// | `certificate_user` | whether clients' certificates, which must then be required, say who they are: `no`, `common_name`, `subject` |
/// | `proxy_protocol` | a proxy in front sends headers of the PROXY protocol: `1`, `2`, `any` |
/// | `trusted_proxy` | address or network of a proxy that is believed, in those and in `X-Forwarded-For`; each adds |
/// | `origin` | WebSocket: pages whose scripts may connect, `https://example.org`; each adds; none: all |
/// | `head_bytes_max` | WebSocket: of the head of a request (8192) |
/// | `page` | WebSocket: serve the page that shows the broker in a browser (`false`) |
/// | `backlog` | connections that may wait to be accepted (1024) |
/// | `v6_only` | IPv6: whether IPv4 peers are kept out; not set: as the system does |
/// | `no_delay` | TCP_NODELAY (`true`) |
#[derive(Clone, Debug)]
pub struct ListenerOptions {
    listener: Listener,
}

const USERS: &[(&str, CertificateUser)] = &[
    ("no", CertificateUser::No),
    ("common_name", CertificateUser::CommonName),
    ("subject", CertificateUser::Subject),
];
const PROXIES: &[(&str, ProxyVersions)] =
    &[("1", ProxyVersions::V1), ("2", ProxyVersions::V2), ("any", ProxyVersions::Both)];

impl ListenerOptions {
    /// A listener at a URL, with TLS if that wants it; its files are read.
    pub fn new(url: &str, tls: Option<&TlsOptions>) -> Result<ListenerOptions, OptionError> {
        let refuse = |why: &str| wrong("listener", format_args!("'{url}': {why}"));
        let place = Server::read(url, true).map_err(|error| refuse(&error.to_string()))?;
        let mut listener = match place.unix_address() {
            Some(_) => Listener::unix(&place.host),
            None => {
                let address = match &*place.host {
                    "localhost" => Ipv4Addr::LOCALHOST.into(),
                    host => host.parse::<IpAddr>().map_err(|_| refuse("no IP address"))?,
                };
                Listener::new(SocketAddr::new(address, place.port))
            }
        };
        if place.scheme.is_web_socket() {
            if place.path.contains('?') {
                return Err(refuse("a listener's path has no query"));
            }
            let path = url.ends_with(&*place.path).then(|| place.path.to_string());
            listener.web_socket = Some(WebSocketServer { path, ..WebSocketServer::default() });
        }
        listener.tls = match (place.scheme.is_secure(), tls) {
            (true, Some(tls)) => Some(tls.server()?),
            (true, None) => return Err(refuse("it needs TLS with a certificate and its key")),
            (false, Some(_)) => return Err(refuse("TLS is for mqtts and wss")),
            (false, None) => None,
        };
        Ok(ListenerOptions { listener })
    }

    /// Sets an option.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), OptionError> {
        let listener = &mut self.listener;
        match name {
            "certificate_user" => listener.certificate_user = word(name, value, USERS)?,
            "proxy_protocol" => listener.proxy = Some(word(name, value, PROXIES)?),
            "trusted_proxy" => {
                let one = || value.parse::<IpAddr>().map(IpNet::from).ok();
                let network = value.parse().ok().or_else(one);
                let network =
                    network.ok_or_else(|| wrong(name, format_args!("'{value}' is no address")))?;
                listener.proxies.push(network);
                if let Some(web_socket) = &mut listener.web_socket {
                    web_socket.trusted_proxies.push(network);
                }
            }
            "backlog" => listener.backlog = number(name, value)?,
            "v6_only" => listener.v6_only = Some(flag(name, value)?),
            "no_delay" => listener.tcp.no_delay = flag(name, value)?,
            "origin" => self.web_socket(name)?.origins.push(value.to_owned()),
            "head_bytes_max" => self.web_socket(name)?.head_max = number(name, value)?,
            "page" => {
                let on = flag(name, value)?;
                let web_socket = self.web_socket(name)?;
                web_socket.resources = if on { page::resources() } else { Default::default() };
            }
            _ => return Err(unknown(name)),
        }
        Ok(())
    }

    fn web_socket(&mut self, name: &str) -> Result<&mut WebSocketServer, OptionError> {
        let found = self.listener.web_socket.as_mut();
        found.ok_or_else(|| wrong(name, "it is for a listener of WebSocket"))
    }

    /// The listener, if the options go together.
    pub fn listener(&self) -> Result<Listener, OptionError> {
        let mut listener = self.listener.clone();
        let demanded = listener
            .tls
            .as_ref()
            .is_some_and(|tls| tls.options().client_certificates == ClientCertificates::Required);
        // A proxy may tell of a certificate that it has seen.
        if listener.certificate_user != CertificateUser::No && !demanded && listener.proxy.is_none()
        {
            return Err(wrong("certificate_user", "it wants client_certificates required"));
        }
        if !listener.proxies.is_empty() && listener.proxy.is_none() && listener.web_socket.is_none()
        {
            return Err(wrong("trusted_proxy", "it wants proxy_protocol or WebSocket"));
        }
        if let Some(web_socket) = &mut listener.web_socket
            && !web_socket.resources.is_empty()
            && web_socket.origins.is_empty()
        {
            // Scripts of other pages must not connect by default where a browser is expected.
            web_socket.origins = page::origins();
        }
        Ok(listener)
    }
}

/// When what is stored is on disk: `sync`, `off`, or a time like `250ms`.
pub fn durability(name: &str, value: &str) -> Result<Durability, OptionError> {
    match value.strip_suffix("ms") {
        Some(count) => Ok(Durability::Interval(Duration::from_millis(number(name, count)?))),
        None => word(name, value, &[("sync", Durability::Sync), ("off", Durability::Off)]).map_err(
            |_| {
                wrong(name, format_args!("'{value}' is neither sync nor off nor a time like 250ms"))
            },
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str, options: &[(&str, &str)]) -> Result<Listener, String> {
        let read = || {
            let mut listener = ListenerOptions::new(url, None)?;
            options.iter().try_for_each(|(name, value)| listener.set(name, value))?;
            listener.listener()
        };
        read().map_err(|error: OptionError| error.to_string())
    }

    #[test]
    fn a_url_says_where_and_how() {
        let at = |url: &str| {
            let listener = of(url, &[]).unwrap();
            let path = listener.web_socket.as_ref().and_then(|web| web.path.clone());
            (listener.scheme(), listener.address.to_string(), path)
        };
        assert_eq!(at("mqtt://127.0.0.1:0"), ("mqtt", "127.0.0.1:0".into(), None));
        assert_eq!(at("localhost:7"), ("mqtt", "127.0.0.1:7".into(), None));
        assert_eq!(at("ws://[::1]:0"), ("ws", "[::1]:0".into(), None));
        assert_eq!(at("ws://0.0.0.0/mqtt"), ("ws", "0.0.0.0:80".into(), Some("/mqtt".into())));
        assert_eq!(at("unix:/run/m.sock"), ("unix", "/run/m.sock".into(), None));
        assert_eq!(at("unix:@m"), ("unix", "@m".into(), None));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        let refused = |url: &str, options: &[(&str, &str)], wanted: &str| {
            let error = of(url, options).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        };
        refused("mqtts://127.0.0.1:0", &[], "needs TLS");
        refused("mqtt://example.org:0", &[], "no IP address");
        refused("http://127.0.0.1", &[], "scheme");
        refused("ws://127.0.0.1:0/x?y", &[], "query");
        refused(
            "mqtt://127.0.0.1:0",
            &[("page", "true")],
            "page: it is for a listener of WebSocket",
        );
        refused("mqtt://127.0.0.1:0", &[("certificate_user", "subject")], "required");
        refused("mqtt://127.0.0.1:0", &[("trusted_proxy", "10.0.0.0/8")], "proxy_protocol");
        refused("mqtt://127.0.0.1:0", &[("trusted_proxy", "x")], "'x' is no address");
        refused("mqtt://127.0.0.1:0", &[("backlog", "-1")], "no number");
        refused("mqtt://127.0.0.1:0", &[("websockets", "true")], "no option 'websockets'");
        let plain = ListenerOptions::new("mqtt://127.0.0.1:0", Some(&TlsOptions::default()));
        assert!(plain.unwrap_err().to_string().contains("TLS is for mqtts and wss"));
    }

    #[test]
    fn the_page_is_served_when_asked_and_to_its_own_scripts() {
        assert!(of("ws://127.0.0.1:0", &[]).unwrap().web_socket.unwrap().resources.is_empty());
        let with = of("ws://127.0.0.1:0", &[("page", "true")]).unwrap().web_socket.unwrap();
        assert!(!with.resources.is_empty() && with.origins == page::origins());
        let told = [("page", "true"), ("origin", "https://example.org")];
        let told = of("ws://127.0.0.1:0", &told).unwrap().web_socket.unwrap();
        assert_eq!(told.origins, ["https://example.org"]);
    }

    #[test]
    fn durability_is_read() {
        assert_eq!(durability("d", "sync").unwrap(), Durability::Sync);
        let quarter = Durability::Interval(Duration::from_millis(250));
        assert_eq!(durability("d", "250ms").unwrap(), quarter);
        assert!(durability("d", "often").unwrap_err().to_string().contains("neither sync"));
    }
}
