//! The options that say how a server is reached: TLS, WebSocket, a Unix socket, a proxy.

use libmqtt_runtime::tls::{
    KeyPair, Roots, TlsClient, TlsClientOptions, TlsVersions, Verification,
};
use libmqtt_runtime::{ClientOptions, ProxyServer, Scheme, Server};

use crate::args::Args;
use crate::exit::Failure;

/// The port of TLS, which means TLS.
const TLS_PORT: u16 = 8883;

/// How a server is reached.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    /// Of `-L`.
    pub(crate) url_scheme: Option<Scheme>,
    ca_file: Option<String>,
    ca_folder: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    ciphers: Vec<String>,
    versions: Option<TlsVersions>,
    alpn: Vec<Vec<u8>>,
    system_roots: bool,
    any_host_name: bool,
    web_socket: bool,
    web_path: Option<String>,
    headers: Vec<(String, String)>,
    unix: Option<String>,
    proxy: Option<ProxyServer>,
}

impl Reach {
    /// Takes the option if it is one of these; whether it is.
    pub(crate) fn option(&mut self, option: &str, args: &mut Args) -> Result<bool, Failure> {
        match option {
            "--cafile" => self.ca_file = Some(args.text()?),
            "--capath" => self.ca_folder = Some(args.text()?),
            "--cert" => self.certificate = Some(args.text()?),
            "--key" => self.key = Some(args.text()?),
            "--ciphers" => self.ciphers = args.text()?.split(':').map(str::to_owned).collect(),
            "--tls-version" => {
                let version = args.text()?;
                self.versions = Some(match version.as_str() {
                    "tlsv1.2" => TlsVersions::Both,
                    "tlsv1.3" => TlsVersions::V13,
                    other => {
                        return Err(args.wrong(format!("'{other}' is neither tlsv1.2 nor tlsv1.3")));
                    }
                });
            }
            "--tls-alpn" => self.alpn = vec![args.text()?.into_bytes()],
            "--tls-use-os-certs" => self.system_roots = true,
            "--insecure" => self.any_host_name = true,
            "--ws" => self.web_socket = true,
            "--ws-path" => {
                let path = args.text()?;
                if !path.starts_with('/') {
                    return Err(args.wrong("a path starts with '/'"));
                }
                self.web_path = Some(path);
            }
            "--ws-header" => {
                let header = args.text()?;
                let Some((name, value)) = header.split_once(':') else {
                    return Err(args.wrong(format!("'{header}' is not NAME: VALUE")));
                };
                self.headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            "--unix" => self.unix = Some(args.text()?),
            "--proxy" => {
                let proxy = args.text()?;
                self.proxy = Some(proxy.parse().map_err(|error| args.wrong(error))?);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Completes options with the way to the server at this host and port.
    pub(crate) fn apply(
        &self,
        options: &mut ClientOptions,
        host: &str,
        port: Option<u16>,
    ) -> Result<(), Failure> {
        let scheme = self.scheme(port)?;
        let server = match &self.unix {
            Some(path) => Server::unix(path),
            None => Server {
                scheme,
                port: port.unwrap_or(scheme.port()),
                path: match (&self.web_path, scheme.is_web_socket()) {
                    (_, false) => "".into(),
                    (None, true) => "/mqtt".into(),
                    (Some(path), true) => path.as_str().into(),
                },
                ..Server::new(host, 0)
            },
        };
        if scheme.is_secure() {
            let tls = TlsClient::new(self.tls()?);
            options.tls = Some(tls.map_err(|error| Failure::usage(error.to_string()))?);
        }
        options.servers = vec![server];
        options.web_socket.headers.clone_from(&self.headers);
        options.proxy.clone_from(&self.proxy);
        Ok(())
    }

    /// What is spoken, by what was asked for.
    fn scheme(&self, port: Option<u16>) -> Result<Scheme, Failure> {
        let of_url = self.url_scheme.unwrap_or(Scheme::Mqtt);
        let secure = of_url.is_secure() || self.wants_tls() || port == Some(TLS_PORT);
        let web_socket = of_url.is_web_socket() || self.web_socket;
        if !web_socket && (self.web_path.is_some() || !self.headers.is_empty()) {
            return Err(Failure::usage("--ws-path and --ws-header need --ws"));
        }
        if self.unix.is_some() {
            return match (secure || web_socket, &self.proxy) {
                (false, None) => Ok(Scheme::Unix),
                _ => Err(Failure::usage("--unix goes with neither TLS nor --ws nor --proxy")),
            };
        }
        Ok(match (secure, web_socket) {
            (false, false) => Scheme::Mqtt,
            (true, false) => Scheme::Mqtts,
            (false, true) => Scheme::Ws,
            (true, true) => Scheme::Wss,
        })
    }

    /// Whether an option was given that makes sense only with TLS.
    fn wants_tls(&self) -> bool {
        self.ca_file.is_some()
            || self.ca_folder.is_some()
            || self.certificate.is_some()
            || self.key.is_some()
            || !self.ciphers.is_empty()
            || self.versions.is_some()
            || !self.alpn.is_empty()
            || self.system_roots
            || self.any_host_name
    }

    fn tls(&self) -> Result<TlsClientOptions, Failure> {
        let named = self.ca_file.is_some() || self.ca_folder.is_some();
        let roots = Roots {
            system: self.system_roots || !named,
            sources: self.ca_file.iter().map(Into::into).collect(),
            folders: self.ca_folder.iter().map(Into::into).collect(),
        };
        let mut options = TlsClientOptions::new(roots);
        options.key_pair = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some(KeyPair::new(certificate, key)),
            (None, None) => None,
            _ => return Err(Failure::usage("--cert and --key belong together")),
        };
        if self.any_host_name {
            options.verification = Verification::AnyHostName;
        }
        options.versions = self.versions.unwrap_or_default();
        options.ciphers.clone_from(&self.ciphers);
        options.alpn.clone_from(&self.alpn);
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use libmqtt_runtime::ClientConfig;

    use super::*;
    use crate::args::{Word, words};

    fn read(line: &str, port: Option<u16>) -> Result<ClientOptions, Failure> {
        let mut args = Args::new(words(line));
        let mut reach = Reach::default();
        while let Some(word) = args.next()? {
            match &word {
                Word::Option(option) if reach.option(option, &mut args)? => {}
                _ => return Err(word.unknown()),
            }
        }
        let mut options = ClientOptions::from(ClientConfig::default());
        reach.apply(&mut options, "h", port)?;
        Ok(options)
    }

    #[test]
    fn what_is_asked_for_says_what_is_spoken() {
        let check = |line: &str, port, wanted: &str| {
            let options = read(line, port).unwrap();
            assert_eq!(options.servers[0].to_string(), wanted, "{line}");
            assert_eq!(options.tls.is_some(), options.servers[0].scheme.is_secure(), "{line}");
        };
        check("", None, "h:1883");
        check("", Some(7), "h:7");
        check("", Some(8883), "mqtts://h:8883");
        check("--tls-use-os-certs", None, "mqtts://h:8883");
        check("--insecure", Some(7), "mqtts://h:7");
        check("--ws", None, "ws://h:80/mqtt");
        check("--ws --ws-path /x --tls-version tlsv1.3", None, "wss://h:443/x");
        check("--unix /run/m.sock", None, "unix:/run/m.sock");
        check("--proxy socks5h://u:p@p", None, "h:1883");
    }

    #[test]
    fn the_host_name_is_checked_unless_told() {
        let verification = |line| read(line, None).unwrap().tls.unwrap().options().verification;
        assert_eq!(verification("--tls-use-os-certs"), Verification::Full);
        assert_eq!(verification("--tls-use-os-certs --insecure"), Verification::AnyHostName);
    }

    #[test]
    fn mistakes_are_named() {
        let refused = |line: &str, wanted: &str| {
            let message = read(line, None).unwrap_err().message;
            assert!(message.contains(wanted), "{line}: {message}");
        };
        refused("--cafile /nowhere", "cannot read /nowhere: ");
        refused("--cert x", "--cert and --key belong together");
        refused("--tls-version tlsv1.1", "--tls-version: 'tlsv1.1' is neither");
        refused("--ciphers RC4", "unknown cipher suite 'RC4'");
        refused("--ws-path /x", "--ws-path and --ws-header need --ws");
        refused("--ws --ws-header x", "'x' is not NAME: VALUE");
        refused("--unix /x --ws", "--unix goes with neither TLS");
        refused("--proxy p:1", "--proxy: a proxy is http://, socks5://");
    }
}
