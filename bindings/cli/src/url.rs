//! `-L mqtt://[USER[:PASSWORD]@]HOST[:PORT]/TOPIC`, and with mqtts, ws and wss.

use libmqtt_runtime::Scheme;

use crate::exit::Failure;

/// The parts of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) scheme: Scheme,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: Option<u16>,
    pub(crate) topic: String,
}

impl Url {
    /// Takes `text` apart. As with mosquitto's clients nothing in it is escaped.
    pub(crate) fn parse(text: &str) -> Result<Url, Failure> {
        let wrong = |why: &str| Failure::usage(format!("-L '{text}': {why}"));
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let scheme = match scheme {
            "mqtt" => Scheme::Mqtt,
            "mqtts" => Scheme::Mqtts,
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            _ => return Err(wrong("a URL starts with mqtt://, mqtts://, ws:// or wss://")),
        };
        let (server, topic) = rest.split_once('/').unwrap_or((rest, ""));
        if topic.is_empty() {
            return Err(wrong("the topic is missing: mqtt://host/topic"));
        }
        let (login, server) = match server.rsplit_once('@') {
            Some((login, server)) => (Some(login), server),
            None => (None, server),
        };
        let (user, password) = match login.map(|login| login.split_once(':').ok_or(login)) {
            None => (None, None),
            Some(Ok((user, password))) => (Some(user.to_owned()), Some(password.to_owned())),
            Some(Err(user)) => (Some(user.to_owned()), None),
        };
        let (host, port) = match server.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) =
                    bracketed.split_once(']').ok_or_else(|| wrong("']' is missing"))?;
                (host, rest.strip_prefix(':').or((!rest.is_empty()).then_some("")))
            }
            None => {
                server.split_once(':').map_or((server, None), |(host, port)| (host, Some(port)))
            }
        };
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        let number = |port: &str| port.parse().ok().filter(|&port| port != 0);
        let port = match port {
            Some(port) => Some(number(port).ok_or_else(|| wrong("that is no port"))?),
            None => None,
        };
        Ok(Url { scheme, user, password, host: host.to_owned(), port, topic: topic.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let check = |text: &str, user, password, host: &str, port, topic: &str| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let wanted = Url {
                scheme: Scheme::Mqtt,
                user: owned(user),
                password: owned(password),
                host: host.into(),
                port,
                topic: topic.into(),
            };
            assert_eq!(Url::parse(text), Ok(wanted), "{text}");
        };
        check("mqtt://h/t", None, None, "h", None, "t");
        check("mqtt://h:1/a/b#c", None, None, "h", Some(1), "a/b#c");
        check("mqtt://u:p:q@h:65535//x", Some("u"), Some("p:q"), "h", Some(65535), "/x");
        check("mqtt://u@x@[::1]:7/t@t", Some("u@x"), None, "::1", Some(7), "t@t");
        assert_eq!(Url::parse("wss://h/t").unwrap().scheme, Scheme::Wss);
        check("mqtt://:p@h/t", Some(""), Some("p"), "h", None, "t");
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        let check = |text: &str, why: &str| {
            let message = Url::parse(text).unwrap_err().message;
            assert!(message.ends_with(why), "{message}");
        };
        let schemes = "a URL starts with mqtt://, mqtts://, ws:// or wss://";
        check("http://h/t", schemes);
        check("h/t", schemes);
        check("mqtt://h", "the topic is missing: mqtt://host/topic");
        check("mqtt://h/", "the topic is missing: mqtt://host/topic");
        check("mqtt:///t", "the host is missing");
        check("mqtt://h:0/t", "that is no port");
        check("mqtt://h:/t", "that is no port");
        check("mqtt://[::1]7/t", "that is no port");
    }
}
