//! From `connect` to CONNACK, and AUTH. MQTT 5.0 §3.1, §3.2, §4.12.

use libmqtt_codec::{
    Auth, ConnAck, Connect, EncodeError, MAX_PACKET_SIZE, Packet, Properties, PropertiesBuf,
    Property, PropertyId, QoS, Reason, Version,
};

use super::reconnect::Dialler;
use super::{
    Answer, Cause, Challenge, CleanStart, Client, ClientConfig, Closed, Connected, Event, Limits,
    Outcome, Secret, State, Token, Violation,
};
use crate::Instant;
use crate::session::AliasIn;

/// Why the client cannot connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// There is a connection, or an attempt to make one.
    #[error("client is connected or connecting")]
    Busy,
    /// The configuration names no server.
    #[error("no server is configured")]
    NoServer,
    /// This field of the configuration must not be 0.
    #[error("{0} must not be 0")]
    Zero(&'static str),
    /// `user_properties` has a property of another kind.
    #[error("user_properties has other properties than user properties")]
    UserProperties,
    /// 3.1 wants a Client Identifier, and 3.1.1 wants one for a Session that lasts.
    #[error("client identifier is empty")]
    ClientIdEmpty,
    /// 3.x cannot start clean with a Session that lasts: see [`CleanStart::First`].
    #[error("clean start of a lasting session needs mqtt 5.0")]
    CleanStart,
    /// Messages are stored, which needs a Session that outlives its connection: a
    /// `session_expiry_s` above 0, and no clean start each time.
    #[error("persistence needs a session that outlives its connection")]
    NotLasting,
    /// Messages are stored for another Client Identifier.
    #[error("client identifier of stored messages cannot change")]
    ClientIdStored,
    /// Enhanced authentication needs 5.0, without stepping down.
    #[error("enhanced authentication needs mqtt 5.0")]
    Authentication,
    /// A field is too long or not valid, or does not go with the others in this version.
    #[error("connect cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
}

/// Why no Authentication Data is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticateError {
    /// The configuration has no Authentication Method. v5 [MQTT-4.12.0-7]
    #[error("no authentication method is configured")]
    NoMethod,
    /// The server does not wait for data, or there is no connection, or another
    /// re-authentication goes on.
    #[error("not possible in this state")]
    State,
    /// The data are too long.
    #[error("authentication data cannot be encoded: {0}")]
    Encode(#[from] EncodeError),
}

impl Client {
    /// Command: replaces the configuration. Only while the client is idle; with another Client
    /// Identifier it has no Session.
    pub fn reconfigure(&mut self, config: ClientConfig) -> Result<(), ConnectError> {
        if !self.is_idle() {
            return Err(ConnectError::Busy);
        }
        if config.client_id != self.config.client_id {
            if self.persist.is_some() {
                return Err(ConnectError::ClientIdStored);
            }
            self.client_id = config.client_id.as_ref().into();
            self.end_session();
        }
        self.dialler = Dialler::new(&config);
        self.config = config;
        Ok(())
    }

    /// Command: replaces User Name and Password, from the next CONNECT on.
    pub fn set_credentials(
        &mut self,
        user_name: Option<&str>,
        password: Option<Secret>,
    ) -> Result<(), ConnectError> {
        let config = &mut self.config;
        let before = (config.user_name.take(), config.password.take());
        (config.user_name, config.password) = (user_name.map(Box::from), password);
        self.encode_connect(self.dialler.version, false, &mut Vec::new()).map_err(|error| {
            (self.config.user_name, self.config.password) = before;
            error.into()
        })
    }

    /// Command: replaces the Authentication Data with which the next CONNECT begins; for methods
    /// that begin with something new every time.
    pub fn set_authentication_data(
        &mut self,
        data: Option<Secret>,
    ) -> Result<(), AuthenticateError> {
        let wanted = self.config.authentication.as_mut().ok_or(AuthenticateError::NoMethod)?;
        if data.as_ref().is_some_and(|data| data.as_bytes().len() > 65_535) {
            return Err(AuthenticateError::Encode(EncodeError::FieldTooLong));
        }
        wanted.data = data;
        Ok(())
    }

    /// Command: connects. While a retry is pending, it comes at once.
    pub fn connect(&mut self, now: Instant) -> Result<(), ConnectError> {
        match self.state {
            State::Idle => {
                self.check_config()?;
                if !self.session.known {
                    self.session.expiry_s = self.config.session_expiry_s;
                }
                self.dialler.start();
            }
            State::Waiting { .. } => {}
            _ => return Err(ConnectError::Busy),
        }
        self.dial(now);
        Ok(())
    }

    fn check_config(&self) -> Result<(), ConnectError> {
        let config = &self.config;
        if config.servers.is_empty() {
            return Err(ConnectError::NoServer);
        }
        for (name, zero) in [
            ("receive_maximum", config.receive_maximum == 0),
            ("maximum_packet_size", config.maximum_packet_size == 0),
            ("inflight_max", config.inflight_max == 0),
            ("output_bytes_max", config.output_bytes_max == 0),
        ] {
            if zero {
                return Err(ConnectError::Zero(name));
            }
        }
        let user = |property| matches!(property, Property::UserProperty(..));
        if !config.user_properties.view().iter().all(user) {
            return Err(ConnectError::UserProperties);
        }
        let version = self.dialler.version;
        let lasting = config.is_lasting();
        if self.persist.is_some() && !lasting {
            return Err(ConnectError::NotLasting);
        }
        if !version.has_properties() {
            if self.client_id.is_empty() && (version == Version::V31 || lasting) {
                return Err(ConnectError::ClientIdEmpty);
            }
            if config.clean_start == CleanStart::First && lasting {
                return Err(ConnectError::CleanStart);
            }
        }
        let old = !version.has_properties() || config.step_down;
        if config.authentication.is_some() && old {
            return Err(ConnectError::Authentication);
        }
        self.encode_connect(version, false, &mut Vec::new())?;
        if config.step_down {
            self.encode_connect(Version::V311, false, &mut Vec::new())?;
        }
        Ok(())
    }

    /// Whether the next CONNECT asks for a clean start.
    fn wants_clean_start(&self, version: Version) -> bool {
        match self.config.clean_start {
            CleanStart::Always => true,
            _ if !version.has_properties() => self.config.session_expiry_s == 0,
            CleanStart::First => !self.session.known,
            CleanStart::Never => false,
        }
    }

    fn encode_connect(
        &self,
        version: Version,
        clean_start: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let config = &self.config;
        let properties = connect_properties(config)?;
        let mut will_properties = PropertiesBuf::new();
        let will = config.will.as_ref();
        if let Some(will) = will {
            will_properties = will.message.properties().into();
            if will.delay_s > 0 {
                will_properties.remove(PropertyId::WillDelayInterval);
                will_properties.push(Property::WillDelayInterval(will.delay_s))?;
            }
        }
        let connect = Connect {
            version,
            clean_start,
            keep_alive_s: config.keep_alive_s,
            client_id: &self.client_id,
            will: will.map(|will| libmqtt_codec::Will {
                topic: will.message.topic(),
                payload: will.message.payload(),
                qos: will.message.qos(),
                retain: will.message.retain(),
                properties: will_properties.view(),
            }),
            user_name: config.user_name.as_deref(),
            password: config.password.as_ref().map(|password| password.as_bytes()),
            properties: properties.view(),
        };
        connect.encode(out)
    }

    /// Input: the transport that [`Event::Dial`] asked for is open.
    pub fn handle_open(&mut self, now: Instant) {
        let State::Dialling { deadline } = self.state else { return };
        let version = self.dialler.version;
        self.clean_start = self.wants_clean_start(version);
        self.wire.open(version);
        self.alias_in = AliasIn::new(self.config.topic_alias_maximum); // v5 [MQTT-3.3.2-7]
        (self.pulse.sent, self.pulse.received) = (now, now);
        let mut connect = Vec::new();
        match self.encode_connect(version, self.clean_start, &mut connect) {
            // v5 [MQTT-3.1.0-1] v311 [MQTT-3.1.0-1]
            Ok(()) => {
                self.wire.raw(&connect);
                self.state = State::Connecting { deadline, heard: false };
            }
            // `connect` has tried it; an assigned Client Identifier is no longer than allowed.
            Err(_) => {
                let answer = Answer::new(Reason::ImplementationSpecificError, Properties::EMPTY);
                self.end(now, Cause::Refused(answer), true);
            }
        }
    }

    /// Input: the transport has closed by itself, or could not be opened.
    pub fn handle_closed(&mut self, now: Instant, cause: Closed) {
        let cause = match (&self.state, cause) {
            (State::Idle | State::Waiting { .. }, _) => return,
            (State::Dialling { .. }, _) => Cause::Unreachable,
            (State::Leaving { .. }, _) => Cause::Requested,
            (_, Closed::Peer) => Cause::ClosedByPeer,
            (_, Closed::Failed) => Cause::Failed,
        };
        self.end(now, cause, false);
    }

    /// CONNACK has come.
    pub(super) fn on_connack(&mut self, now: Instant, ack: &ConnAck<'_>) {
        if ack.reason != Reason::Success {
            // v5 [MQTT-3.2.2-7] v311 [MQTT-3.2.2-5]
            let answer = Answer::new(ack.reason, ack.properties);
            return self.end(now, Cause::Refused(answer), true);
        }
        let version = self.wire.version;
        let known = self.session.known;
        // v5 [MQTT-3.2.2-2] [MQTT-3.2.2-4] v311 [MQTT-3.2.2-1]
        let unknown = !known && version.has_properties() && !self.config.accept_unknown_session;
        if ack.session_present && (self.clean_start || unknown) {
            return self.violation(now, Reason::ProtocolError, Violation::SessionPresent);
        }
        // v5 [MQTT-4.12.0-5] [MQTT-4.12.0-6]
        let method = self.config.authentication.as_ref().map(|wanted| &*wanted.method);
        if version.has_properties() && ack.properties.authentication_method() != method {
            return self.violation(now, Reason::ProtocolError, Violation::Authentication);
        }
        let present = match version {
            Version::V31 => known && !self.clean_start, // CONNACK does not say it.
            _ => ack.session_present,
        };
        let limits = self.limits_of(ack.properties);
        if let Some(assigned) = ack.properties.assigned_client_identifier() {
            self.client_id = assigned.into(); // v5 [MQTT-3.1.3-7]
        }
        self.response_information = ack.properties.response_information().map(Box::from);
        self.challenged = false;
        self.session.expiry_s = limits.session_expiry_s;
        self.wire.accept(limits);
        self.dialler.succeed();
        if !present {
            self.lose_session(now); // v5 [MQTT-3.2.2-5]
        }
        self.session.known = true;
        self.store_session();
        let window = limits.receive_maximum.min(self.config.inflight_max);
        self.session.outbound.resume(window);
        self.state = State::Online { since: now, goodbye: None };
        self.events.push(Event::Connected(Box::new(Connected {
            session_present: present,
            session_lost: known && !present,
            version,
            client_id: self.client_id.clone(),
            limits,
            properties: ack.properties.into(),
        })));
        self.send_requests();
        self.pump(now);
    }

    /// What CONNACK says that the server takes.
    fn limits_of(&self, properties: Properties<'_>) -> Limits {
        let config = &self.config;
        let aliases = properties.topic_alias_maximum().unwrap_or(0);
        let yes = |said: Option<bool>| said.unwrap_or(true);
        Limits {
            // v5 [MQTT-3.1.2-21] [MQTT-3.2.2-21]
            keep_alive_s: properties.server_keep_alive().unwrap_or(config.keep_alive_s),
            // V5-U22
            session_expiry_s: properties
                .session_expiry_interval()
                .unwrap_or(config.session_expiry_s),
            receive_maximum: properties.receive_maximum().unwrap_or(u16::MAX),
            maximum_packet_size: properties.maximum_packet_size().unwrap_or(MAX_PACKET_SIZE),
            maximum_qos: properties
                .maximum_qos()
                .and_then(QoS::from_u8)
                .unwrap_or(QoS::ExactlyOnce),
            retain: yes(properties.retain_available()),
            // v5 [MQTT-3.2.2-17] [MQTT-3.2.2-18] [MQTT-3.3.2-9]
            topic_alias_maximum: aliases.min(config.topic_alias_out_max),
            wildcard_subscriptions: yes(properties.wildcard_subscription_available()),
            subscription_identifiers: yes(properties.subscription_identifier_available()),
            shared_subscriptions: yes(properties.shared_subscription_available()),
        }
    }

    /// The server has no Session: this client's ends too.
    fn lose_session(&mut self, now: Instant) {
        self.lose_flows(now);
        self.session.inbound.clear();
        self.acks.clear();
        self.restore_subscriptions();
    }

    /// AUTH has come.
    pub(super) fn on_auth(&mut self, now: Instant, auth: &Auth<'_>) {
        let method = self.config.authentication.as_ref().map(|wanted| &*wanted.method);
        let online = matches!(self.state, State::Online { .. });
        // v5 [MQTT-4.12.0-5] [MQTT-4.12.0-6] V5-U48
        let wanted = auth.properties.authentication_method() == method
            && method.is_some()
            && match auth.reason {
                Reason::ContinueAuthentication => !online || self.authenticating.is_some(),
                Reason::Success => online && self.authenticating.is_some(),
                _ => false,
            };
        if !wanted {
            return self.violation(now, Reason::ProtocolError, Violation::Authentication);
        }
        if auth.reason == Reason::Success {
            self.challenged = false;
            if let Some(token) = self.authenticating.take() {
                let answer = Answer::new(auth.reason, auth.properties);
                self.finish(token, Outcome::Acknowledged(answer)); // V5-U57
            }
            return;
        }
        if let State::Connecting { deadline, .. } = &mut self.state {
            *deadline = now + self.config.connect_timeout;
        }
        self.challenged = true;
        self.events.push(Event::Challenge(Box::new(Challenge {
            data: auth.properties.authentication_data().map(Box::from),
            properties: auth.properties.into(),
        })));
    }

    /// Command: answers an [`Event::Challenge`]. v5 [MQTT-4.12.0-3]
    pub fn authenticate(&mut self, now: Instant, data: &[u8]) -> Result<(), AuthenticateError> {
        let _ = now;
        if self.config.authentication.is_none() {
            return Err(AuthenticateError::NoMethod);
        }
        let connected = matches!(self.state, State::Connecting { .. } | State::Online { .. });
        if !self.challenged || !connected {
            return Err(AuthenticateError::State);
        }
        self.send_auth(Reason::ContinueAuthentication, Some(data))?;
        self.challenged = false;
        Ok(())
    }

    /// Command: authenticates again on the standing connection. §4.12.1. The outcome is
    /// Acknowledged, or, if the server ends the connection over it, Refused.
    pub fn reauthenticate(
        &mut self,
        now: Instant,
        data: Option<&[u8]>,
    ) -> Result<Token, AuthenticateError> {
        let _ = now;
        if self.config.authentication.is_none() {
            return Err(AuthenticateError::NoMethod);
        }
        let online = matches!(self.state, State::Online { goodbye: None, .. });
        if !online || !self.wire.version.has_properties() || self.authenticating.is_some() {
            return Err(AuthenticateError::State);
        }
        self.send_auth(Reason::ReAuthenticate, data)?;
        let token = self.token();
        self.authenticating = Some(token);
        Ok(token)
    }

    fn send_auth(&mut self, reason: Reason, data: Option<&[u8]>) -> Result<(), EncodeError> {
        let mut properties = PropertiesBuf::new();
        if let Some(wanted) = &self.config.authentication {
            // v5 [MQTT-4.12.0-5] [MQTT-4.12.1-1]
            properties.push(Property::AuthenticationMethod(&wanted.method))?;
        }
        if let Some(data) = data {
            properties.push(Property::AuthenticationData(data))?;
        }
        let auth = Packet::Auth(Auth { reason, properties: properties.view() });
        self.wire.packet(&auth).map_err(|_| EncodeError::PacketTooLarge)
    }
}

/// The properties of CONNECT; 3.x leaves them out.
fn connect_properties(config: &ClientConfig) -> Result<PropertiesBuf, EncodeError> {
    let mut properties = PropertiesBuf::new();
    let mut push = |wanted: bool, property: Property<'_>| {
        if wanted { properties.push(property) } else { Ok(()) }
    };
    let expiry = config.session_expiry_s;
    push(expiry > 0, Property::SessionExpiryInterval(expiry))?;
    let maximum = config.receive_maximum;
    push(maximum < u16::MAX, Property::ReceiveMaximum(maximum))?;
    let size = config.maximum_packet_size;
    push(size < MAX_PACKET_SIZE, Property::MaximumPacketSize(size))?;
    let aliases = config.topic_alias_maximum;
    push(aliases > 0, Property::TopicAliasMaximum(aliases))?;
    push(config.request_response_information, Property::RequestResponseInformation(true))?;
    push(!config.request_problem_information, Property::RequestProblemInformation(false))?;
    if let Some(authentication) = &config.authentication {
        push(true, Property::AuthenticationMethod(&authentication.method))?;
        if let Some(data) = &authentication.data {
            push(true, Property::AuthenticationData(data.as_bytes()))?;
        }
    }
    for (name, value) in config.user_properties.view().user_properties() {
        push(true, Property::UserProperty(name, value))?;
    }
    Ok(properties)
}
