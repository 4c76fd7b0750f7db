//! The options that `pub` and `sub` share: whom to connect to, and as whom.

use std::ffi::OsStr;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;

use libmqtt_runtime::engine::client::{Authentication, CleanStart, ClientConfig, Will};
use libmqtt_runtime::{
    ClientOptions, ClientPersistence, Durability, Message, PropertiesBuf, Property, QoS, TopicName,
    Version, named,
};

use crate::args::Args;
use crate::exit::Failure;
use crate::property::PacketProperties;
use crate::reach::Reach;
use crate::url::Url;

/// Whom to connect to, and as whom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connection {
    host: Option<String>,
    port: Option<u16>,
    id: Option<String>,
    id_prefix: Option<String>,
    user: Option<String>,
    password: Option<String>,
    version: Option<Version>,
    keep_alive_s: Option<u16>,
    /// `-c`: go on with an earlier Session, and leave this one behind.
    keep_session: bool,
    session_expiry_s: Option<u32>,
    inflight: Option<u16>,
    /// Where messages are kept until they have arrived.
    pub(crate) data_directory: Option<PathBuf>,
    durability: Option<Durability>,
    will_topic: Option<String>,
    will_payload: Option<Vec<u8>>,
    will_qos: Option<QoS>,
    will_retain: bool,
    reach: Reach,
    /// `-D`.
    pub(crate) properties: PacketProperties,
    /// The topic of `-L`.
    pub(crate) url_topic: Option<String>,
    /// Whether to say what happens.
    pub(crate) debug: bool,
    /// Whether to say nothing about failures while running.
    pub(crate) quiet: bool,
}

/// What mosquitto's clients can do and these cannot.
const ABSENT: &[(&[&str], &str)] = &[
    (&["--psk", "--psk-identity"], "pre-shared keys are not supported; use certificates"),
    (&["--tls-engine", "--tls-engine-kpass-sha1", "--keyform"], "keys are read from files only"),
    (&["--tls-keylog"], "the secrets of a connection are not shown to anyone"),
    (&["-A"], "binding the outgoing socket is not supported"),
    (&["-S"], "SRV lookup is not supported; give the host with -h"),
    (&["-o", "--options"], "files of options are not supported"),
];

impl Connection {
    /// Takes the option if it is one of these; whether it is.
    pub(crate) fn option(&mut self, option: &str, args: &mut Args) -> Result<bool, Failure> {
        match option {
            "-h" | "--host" => self.host = Some(args.text()?),
            "-p" | "--port" => self.port = Some(args.number(1..=u16::MAX)?),
            "-L" | "--url" => self.url(Url::parse(&args.text()?)?),
            "-i" | "--id" => self.id = Some(args.text()?),
            "-I" | "--id-prefix" => self.id_prefix = Some(args.text()?),
            "-u" | "--username" => self.user = Some(args.text()?),
            "-P" | "--pw" => self.password = Some(args.text()?),
            "-V" | "--protocol-version" => self.version = Some(version(args)?),
            "-k" | "--keepalive" => self.keep_alive_s = Some(args.number(0..=u16::MAX)?),
            "-c" | "--disable-clean-session" => self.keep_session = true,
            "-x" | "--session-expiry-interval" => self.session_expiry_s = Some(expiry(args)?),
            "-M" => self.inflight = Some(args.number(1..=u16::MAX)?),
            "--data-directory" => self.data_directory = Some(args.raw()?.into()),
            "--durability" => {
                let told = named::durability(option, &args.text()?);
                self.durability = Some(told.map_err(|error| Failure::usage(error.to_string()))?);
            }
            "-D" | "--property" => self.properties.option(args)?,
            "-d" | "--debug" => self.debug = true,
            "--quiet" => self.quiet = true,
            // Always so.
            "--nodelay" => {}
            "--will-topic" => self.will_topic = Some(args.text()?),
            "--will-payload" => self.will_payload = Some(bytes(&args.raw()?)),
            "--will-qos" => self.will_qos = Some(qos(args)?),
            "--will-retain" => self.will_retain = true,
            _ if self.reach.option(option, args)? => {}
            _ => match ABSENT.iter().find(|(options, _)| options.contains(&option)) {
                Some((_, why)) => return Err(args.wrong(why)),
                None => return Ok(false),
            },
        }
        Ok(true)
    }

    fn url(&mut self, url: Url) {
        self.reach.url_scheme = Some(url.scheme);
        self.host = Some(url.host);
        self.port = url.port;
        self.user = url.user.or(self.user.take());
        self.password = url.password.or(self.password.take());
        self.url_topic = Some(url.topic);
    }

    /// The version that is spoken: 3.1.1, unless something needs 5.0 or it was asked for.
    pub(crate) fn version(&self) -> Version {
        let needs_5 = self.session_expiry_s.is_some() || !self.properties.is_empty();
        self.version.unwrap_or(if needs_5 { Version::V5 } else { Version::V311 })
    }

    /// Everything that the client is told.
    pub(crate) fn options(&self) -> Result<ClientOptions, Failure> {
        let host = self.host.as_deref().unwrap_or("localhost");
        if host.is_empty() {
            return Err(Failure::usage("-h: the host is empty"));
        }
        let mut options = ClientOptions::from(self.config()?);
        options.persistence = self.persistence(&options.config)?;
        self.reach.apply(&mut options, host, self.port)?;
        Ok(options)
    }

    fn persistence(&self, config: &ClientConfig) -> Result<Option<ClientPersistence>, Failure> {
        let Some(directory) = &self.data_directory else {
            return match self.durability {
                Some(_) => Err(Failure::usage("--durability needs a --data-directory")),
                None => Ok(None),
            };
        };
        if self.id.as_ref().is_none_or(|id| id.is_empty()) {
            return Err(Failure::usage("--data-directory needs a client id (-i)"));
        }
        if !config.is_lasting() {
            let why = "--data-directory needs a session that is kept (-c, -x)";
            return Err(Failure::usage(why));
        }
        let durability = self.durability.unwrap_or(Durability::Sync);
        Ok(Some(ClientPersistence { directory: directory.clone(), durability }))
    }

    fn config(&self) -> Result<ClientConfig, Failure> {
        let version = self.version();
        if version != Version::V5 {
            if !self.properties.is_empty() {
                return Err(Failure::usage("-D needs MQTT 5 (-V 5)"));
            }
            if self.session_expiry_s.is_some() {
                return Err(Failure::usage("-x needs MQTT 5 (-V 5)"));
            }
            if self.password.is_some() && self.user.is_none() {
                return Err(Failure::usage("-P needs a user name (-u) before MQTT 5"));
            }
        }
        let of_property = self.properties.connect.view().session_expiry_interval();
        let when_kept = if self.keep_session { u32::MAX } else { 0 };
        let session_expiry_s = self.session_expiry_s.or(of_property).unwrap_or(when_kept);
        let client_id = self.client_id()?;
        if client_id.is_empty() && (self.keep_session || session_expiry_s == u32::MAX) {
            return Err(Failure::usage("a session that is kept (-c, -x) needs a client id (-i)"));
        }
        let mut config = ClientConfig {
            client_id: client_id.into(),
            version,
            clean_start: if self.keep_session { CleanStart::Never } else { CleanStart::First },
            session_expiry_s,
            accept_unknown_session: self.keep_session,
            keep_alive_s: self.keep_alive_s.unwrap_or(60),
            will: self.will()?,
            user_name: self.user.as_deref().map(Into::into),
            password: self.password.as_deref().map(|password| password.as_bytes().into()),
            // As few as mosquitto_pub has: mosquitto 2.0 forgets QoS 2 messages of a 3.x client
            // that has more than 20 on their way.
            inflight_max: self.inflight.unwrap_or(20),
            ..ClientConfig::default()
        };
        self.properties_of_connect(&mut config)?;
        Ok(config)
    }

    fn client_id(&self) -> Result<String, Failure> {
        match (&self.id, &self.id_prefix) {
            (Some(_), Some(_)) => Err(Failure::usage("-i and -I do not go together")),
            (Some(id), None) => Ok(id.clone()),
            (None, Some(prefix)) => Ok(format!("{prefix}{}", std::process::id())),
            // 3.1 wants 1 to 23 characters; later versions let the server choose.
            (None, None) if self.version() == Version::V31 => {
                Ok(format!("mqtt-{:016x}", RandomState::new().build_hasher().finish()))
            }
            (None, None) => Ok(String::new()),
        }
    }

    fn will(&self) -> Result<Option<Will>, Failure> {
        let properties = &self.properties.will;
        let Some(topic) = &self.will_topic else {
            let given = self.will_payload.is_some()
                || self.will_qos.is_some()
                || self.will_retain
                || !properties.view().is_empty();
            return match given {
                true => Err(Failure::usage("a will needs a topic (--will-topic)")),
                false => Ok(None),
            };
        };
        check_topic("--will-topic", topic)?;
        let delay_s = properties.view().will_delay_interval().unwrap_or(0);
        let mut rest = PropertiesBuf::new();
        let others = properties.view().into_iter();
        for property in others.filter(|p| !matches!(p, Property::WillDelayInterval(_))) {
            rest.push(property).map_err(|error| Failure::usage(error.to_string()))?;
        }
        let payload = self.will_payload.as_deref().unwrap_or_default();
        let qos = self.will_qos.unwrap_or_default();
        let message = Message::build(topic, payload, qos, self.will_retain, rest.view())
            .map_err(|error| Failure::usage(format!("--will-payload: {error}")))?;
        Ok(Some(Will { message, delay_s }))
    }

    fn properties_of_connect(&self, config: &mut ClientConfig) -> Result<(), Failure> {
        let mut data = None;
        for property in self.properties.connect.view() {
            match property {
                Property::AuthenticationMethod(method) => {
                    config.authentication =
                        Some(Authentication { method: method.into(), data: None });
                }
                Property::AuthenticationData(bytes) => data = Some(bytes),
                Property::MaximumPacketSize(size) => config.maximum_packet_size = size,
                Property::ReceiveMaximum(maximum) => config.receive_maximum = maximum,
                Property::RequestProblemInformation(on) => config.request_problem_information = on,
                Property::RequestResponseInformation(on) => {
                    config.request_response_information = on;
                }
                Property::TopicAliasMaximum(maximum) => config.topic_alias_maximum = maximum,
                Property::UserProperty(..) => {
                    let pushed = config.user_properties.push(property);
                    pushed.map_err(|error| Failure::usage(error.to_string()))?;
                }
                // The Session Expiry Interval was seen before, and nothing else can be given.
                _ => {}
            }
        }
        match (&mut config.authentication, data) {
            (Some(authentication), Some(data)) => authentication.data = Some(data.into()),
            (None, Some(_)) => {
                return Err(Failure::usage("authentication-data needs an authentication-method"));
            }
            _ => {}
        }
        Ok(())
    }
}

fn version(args: &mut Args) -> Result<Version, Failure> {
    let text = args.text()?;
    match text.as_str() {
        "31" | "3.1" | "mqttv31" => Ok(Version::V31),
        "311" | "3.1.1" | "mqttv311" => Ok(Version::V311),
        "5" | "5.0" | "mqttv5" => Ok(Version::V5),
        _ => Err(args.wrong(format!("'{text}' is none of 5, 311, 31, mqttv5, mqttv311, mqttv31"))),
    }
}

/// A QoS.
pub(crate) fn qos(args: &mut Args) -> Result<QoS, Failure> {
    Ok(QoS::from_u8(args.number(0..=2)?).unwrap_or_default())
}

fn expiry(args: &mut Args) -> Result<u32, Failure> {
    let text = args.text()?;
    match text.as_str() {
        "-1" | "∞" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| {
            args.wrong(format!("'{text}' is not a number of seconds between 0 and 4294967295"))
        }),
    }
}

/// What was typed, byte by byte: a payload need not be text.
pub(crate) fn bytes(word: &OsStr) -> Vec<u8> {
    word.as_encoded_bytes().to_vec()
}

/// Whether messages can be published to this topic.
pub(crate) fn check_topic(option: &str, topic: &str) -> Result<(), Failure> {
    match TopicName::new(topic) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::usage(format!("{option} '{topic}': topic name {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Word, words};

    fn read(line: &str) -> Result<Connection, Failure> {
        let mut args = Args::new(words(line));
        let mut connection = Connection::default();
        while let Some(word) = args.next()? {
            match &word {
                Word::Option(option) if connection.option(option, &mut args)? => {}
                _ => return Err(word.unknown()),
            }
        }
        connection.options()?;
        Ok(connection)
    }

    fn config(line: &str) -> ClientConfig {
        read(line).unwrap().options().unwrap().config
    }

    fn refused(line: &str, wanted: &str) {
        let message = read(line).unwrap_err().message;
        assert!(message.contains(wanted), "{line}: {message}");
    }

    #[test]
    fn the_server_is_where_it_was_said_to_be() {
        let check = |line: &str, wanted: &str| {
            let options = read(line).unwrap().options().unwrap();
            assert_eq!(options.servers[0].to_string(), wanted, "{line}");
        };
        check("", "localhost:1883");
        check("-h ::1 -p 7", "[::1]:7");
        check("--host a --port 65535", "a:65535");
        check("-L mqtt://u:p@b:9/t", "b:9");
        check("-L mqtt://b/t", "b:1883");
        check("-L mqtts://b/t", "mqtts://b:8883");
        check("-L wss://b:7/t --ws-path /x", "wss://b:7/x");
    }

    #[test]
    fn a_session_is_kept_only_when_asked() {
        let plain = config("");
        assert_eq!((plain.clean_start, plain.session_expiry_s), (CleanStart::First, 0));
        assert_eq!(plain.version, Version::V311);
        let kept = config("-c -i me");
        assert_eq!((kept.clean_start, kept.session_expiry_s), (CleanStart::Never, u32::MAX));
        assert!(kept.accept_unknown_session);
        let a_while = config("-c -i me -x 60");
        assert_eq!((a_while.version, a_while.session_expiry_s), (Version::V5, 60));
        assert_eq!(config("-x ∞ -i me").session_expiry_s, u32::MAX);
        assert_eq!(config("-D connect session-expiry-interval 9").session_expiry_s, 9);
    }

    #[test]
    fn messages_are_kept_only_when_asked() {
        let kept = |line: &str| read(line).unwrap().options().unwrap().persistence;
        assert_eq!(kept("-c -i me"), None);
        let sync = ClientPersistence::new("d");
        assert_eq!(kept("-c -i me --data-directory d"), Some(sync.clone()));
        assert_eq!(
            kept("-x 60 -i me --data-directory d --durability off"),
            Some(ClientPersistence { durability: Durability::Off, ..sync })
        );
    }

    #[test]
    fn who_connects_is_told() {
        let told = config("-i me -u joe -P secret -k 7 -V mqttv31 -M 3");
        assert_eq!((&*told.client_id, told.keep_alive_s, told.version), ("me", 7, Version::V31));
        assert_eq!(told.user_name.as_deref(), Some("joe"));
        assert_eq!(told.password.unwrap().as_bytes(), b"secret");
        assert_eq!(told.inflight_max, 3);
        let url = config("-L mqtt://joe:secret@h/t");
        assert_eq!(url.user_name.as_deref(), Some("joe"));
        assert_eq!(url.password.unwrap().as_bytes(), b"secret");
        assert!(config("-I pre-").client_id.starts_with("pre-"));
        assert_eq!(config("-V 31").client_id.len(), 21);
        assert_eq!(&*config("-V 5").client_id, "");
    }

    #[test]
    fn a_will_is_made_of_its_parts() {
        let line = "--will-topic w --will-payload bye --will-qos 2 --will-retain \
                    -D will will-delay-interval 5 -D will content-type text";
        let will = config(line).will.unwrap();
        assert_eq!(will.delay_s, 5);
        let message = &will.message;
        assert_eq!((message.topic(), message.payload()), ("w", &b"bye"[..]));
        assert_eq!((message.qos(), message.retain()), (QoS::ExactlyOnce, true));
        let properties: Vec<_> = message.properties().into_iter().collect();
        assert_eq!(properties, [Property::ContentType("text")]);
        assert_eq!(config("--will-topic w").will.unwrap().message.payload(), b"");
    }

    #[test]
    fn properties_of_connect_reach_the_client() {
        let told = config(
            "-D connect receive-maximum 5 -D connect maximum-packet-size 99 \
             -D connect topic-alias-maximum 3 -D connect user-property a b \
             -D connect request-problem-information 0 -D connect request-response-information 1 \
             -D connect authentication-data x -D connect authentication-method m",
        );
        assert_eq!((told.receive_maximum, told.maximum_packet_size), (5, 99));
        assert_eq!(told.topic_alias_maximum, 3);
        assert!(!told.request_problem_information && told.request_response_information);
        let pairs: Vec<_> = told.user_properties.view().user_properties().collect();
        assert_eq!(pairs, [("a", "b")]);
        let wanted = Authentication { method: "m".into(), data: Some(b"x"[..].into()) };
        assert_eq!(told.authentication, Some(wanted));
    }

    #[test]
    fn mistakes_are_named() {
        refused("-p 0", "-p: '0' is not a number between 1 and 65535");
        refused("-V 6", "-V: '6' is none of 5, 311, 31");
        refused("-x x", "-x: 'x' is not a number of seconds");
        refused("-V 311 -x 5", "-x needs MQTT 5");
        refused("-V 31 -D publish content-type x", "-D needs MQTT 5");
        refused("-P secret", "-P needs a user name");
        refused("-c", "needs a client id");
        refused("-x -1", "needs a client id");
        refused("-i a -I b", "-i and -I do not go together");
        refused("--will-payload x", "a will needs a topic");
        refused("--will-topic a/+", "--will-topic 'a/+': topic name ");
        refused("-h ''", "the host is empty");
        refused("-c -i me --durability sync", "--durability needs a --data-directory");
        refused("-x 9 --data-directory d", "--data-directory needs a client id (-i)");
        refused("-x 9 -I a --data-directory d", "--data-directory needs a client id (-i)");
        refused("-i me --data-directory d", "--data-directory needs a session that is kept");
        let often = "-c -i me --data-directory d --durability often";
        refused(often, "--durability: 'often' is neither sync nor off nor a time like 250ms");
        refused("-D connect authentication-data x", "needs an authentication-method");
    }

    #[test]
    fn what_is_not_there_is_said() {
        refused("--psk x", "--psk: pre-shared keys are not supported");
        refused("-A 127.0.0.1", "-A: binding the outgoing socket is not supported");
        refused("--bogus", "unknown option '--bogus'");
    }
}
