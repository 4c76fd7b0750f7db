//! Questions to hooks and their answers; enhanced authentication. MQTT 5.0 §4.12.

use bytes::Bytes;
use libmqtt_codec::{
    Auth, Connect, Frame, Packet, PacketType, PropertiesBuf, Property, Reason, Side, Version,
};

use super::link::{Question, Waiting};
use super::shard::Next;
use super::{LinkId, Shard};
use crate::{Authenticate, ClientInfo, Instant, Step, Ticket, Verdict};

impl Waiting {
    pub(super) fn new(what: Question, frame: &Frame<'_>, client: Option<ClientInfo>) -> Waiting {
        Waiting {
            ticket: None,
            what,
            first: frame.first,
            body: frame.body.to_vec(),
            len: frame.len,
            client: client.map(Box::new),
        }
    }

    /// The packet that waits.
    pub(super) fn frame(&self) -> Frame<'_> {
        Frame { first: self.first, body: &self.body, len: self.len }
    }

    /// The CONNECT that waits; it was read before.
    pub(super) fn connect(&self) -> Option<Connect<'_>> {
        match self.frame().decode(Version::V5, Side::Client) {
            Ok(Packet::Connect(connect)) => Some(connect),
            _ => None,
        }
    }
}

impl Shard {
    /// Names the next question about a link.
    pub(super) fn ticket(&mut self, link: LinkId) -> Ticket {
        self.tickets = self.tickets.wrapping_add(1);
        Ticket(u64::from(link.index) << 32 | u64::from(self.tickets))
    }

    /// Stops a link until its ticket is answered.
    pub(super) fn wait(&mut self, link: LinkId, mut waiting: Waiting, ticket: Ticket) -> Next {
        waiting.ticket = Some(ticket);
        if let Some(found) = self.tables.links.get_mut(link.index, link.generation) {
            found.waiting = Some(Box::new(waiting));
            self.pause(link);
        }
        Next::Stop
    }

    /// A hook has answered a question it put off.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        link: LinkId,
        waiting: Waiting,
        verdict: Verdict,
    ) -> Next {
        let ticket = waiting.ticket.unwrap_or(Ticket(u64::MAX));
        if verdict == Verdict::Later {
            return self.wait(link, waiting, ticket);
        }
        match &waiting.what {
            Question::Authenticate(Step::Connect | Step::Continue) => {
                self.authenticated(now, link, waiting, ticket, verdict)
            }
            Question::Authenticate(Step::ReAuthenticate) => {
                self.reauthenticated(now, link, waiting, ticket, verdict)
            }
            Question::Will(data) => match verdict {
                Verdict::Allow | Verdict::AllowWith(_) => {
                    let data = data.clone();
                    self.accept(now, link, &waiting, data)
                }
                verdict => self.refuse_connect(
                    link,
                    denial(&verdict, PacketType::ConnAck),
                    "will is not allowed",
                ),
            },
            Question::Publish => {
                let Some(found) = self.tables.links.get(link.index, link.generation) else {
                    return Next::Stop;
                };
                match waiting.frame().decode(found.version, Side::Client) {
                    Ok(Packet::Publish(publish)) => {
                        self.go_on_publish(now, link, &publish, verdict)
                    }
                    _ => Next::Go,
                }
            }
            Question::Subscribe(_) => self.answered_subscribe(now, link, waiting, verdict),
        }
    }

    fn answered_subscribe(
        &mut self,
        now: Instant,
        link: LinkId,
        mut waiting: Waiting,
        verdict: Verdict,
    ) -> Next {
        let Some(found) = self.tables.links.get(link.index, link.generation) else {
            return Next::Stop;
        };
        let Question::Subscribe(grants) = &mut waiting.what else { return Next::Go };
        let grants = core::mem::take(grants);
        let Ok(Packet::Subscribe(subscribe)) = waiting.frame().decode(found.version, Side::Client)
        else {
            return Next::Go;
        };
        match self.go_on_subscribe(now, link, &subscribe, grants, Some(verdict)) {
            Ok(next) => next,
            Err((grants, ticket)) => {
                waiting.what = Question::Subscribe(grants);
                self.wait(link, waiting, ticket)
            }
        }
    }

    /// What the hook said of a CONNECT, or of an AUTH in its exchange.
    /// v5 [MQTT-3.1.4-2] [MQTT-4.12.0-1] [MQTT-4.12.0-4]
    pub(super) fn authenticated(
        &mut self,
        now: Instant,
        link: LinkId,
        mut waiting: Waiting,
        ticket: Ticket,
        verdict: Verdict,
    ) -> Next {
        let method = self.method(link);
        match verdict {
            Verdict::Allow => self.check_will(now, link, waiting, None),
            Verdict::AllowWith(data) => self.check_will(now, link, waiting, Some(data)),
            Verdict::Challenge(data) if method.is_some() => {
                self.write_auth(link, Reason::ContinueAuthentication, Some(data)); // v5 [MQTT-4.12.0-2]
                waiting.ticket = None;
                waiting.what = Question::Authenticate(Step::Continue);
                if let Some(found) = self.tables.links.get_mut(link.index, link.generation) {
                    found.waiting = Some(Box::new(waiting));
                }
                Next::Go
            }
            Verdict::Challenge(_) => self.refuse_connect(link, Reason::NotAuthorized, ""),
            Verdict::Deny(reason) => {
                let peer = waiting.client.as_ref().and_then(|client| client.peer);
                self.note_failure(now, peer, reason);
                self.refuse_connect(link, sayable(reason, PacketType::ConnAck), "")
            }
            Verdict::Later => self.wait(link, waiting, ticket),
        }
    }

    /// A packet between CONNECT and CONNACK: only AUTH and DISCONNECT have a place there, and
    /// nothing else is handled. v5 [MQTT-3.1.4-6]
    pub(super) fn handle_early(&mut self, now: Instant, link: LinkId, frame: &Frame<'_>) -> Next {
        let packet = frame.decode(Version::V5, Side::Client);
        let method = self.method(link);
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else {
            return Next::Stop;
        };
        let (Some(waiting), Some(method)) = (found.waiting.take(), method) else {
            return self.refuse_connect(link, Reason::ProtocolError, "");
        };
        match packet {
            Ok(Packet::Auth(auth)) => {
                // v5 [MQTT-4.12.0-5]
                if auth.properties.authentication_method() != Some(&*method)
                    || auth.reason != Reason::ContinueAuthentication
                {
                    return self.refuse_connect(link, Reason::ProtocolError, "");
                }
                let ticket = self.ticket(link);
                let Some(client) = &waiting.client else { return Next::Stop };
                let verdict = self.hooks.authenticate(
                    ticket,
                    &Authenticate {
                        client,
                        step: Step::Continue,
                        password: None,
                        method: Some(&method),
                        data: auth.properties.authentication_data(),
                    },
                );
                self.authenticated(now, link, *waiting, ticket, verdict)
            }
            Ok(Packet::Disconnect(_)) => {
                self.drop_link(link, Reason::Success);
                Next::Stop
            }
            Ok(_) => self.refuse_connect(link, Reason::ProtocolError, "packet out of place"),
            Err(error) => self.refuse_connect(link, error.reason(), ""),
        }
    }

    /// AUTH on a standing connection. MQTT 5.0 §4.12.1.
    pub(super) fn handle_reauthenticate(
        &mut self,
        now: Instant,
        link: LinkId,
        auth: &Auth<'_>,
        frame: &Frame<'_>,
    ) -> Next {
        let Some(found) = self.tables.links.get(link.index, link.generation) else {
            return Next::Stop;
        };
        let asked = found.extras.as_ref().is_some_and(|extras| extras.reauthenticating);
        let step = match auth.reason {
            Reason::ReAuthenticate => Step::ReAuthenticate,
            Reason::ContinueAuthentication if asked => Step::Continue,
            _ => return self.refuse(now, link, Reason::ProtocolError, "AUTH out of place"),
        };
        let session = found.session;
        let method = self.method(link);
        // v5 [MQTT-4.12.0-7] [MQTT-4.12.1-1]
        if method.is_none() || auth.properties.authentication_method() != method.as_deref() {
            return self.refuse(now, link, Reason::ProtocolError, "other authentication method");
        }
        let ticket = self.ticket(link);
        let Some(session) = self.tables.sessions.at(session) else { return Next::Stop };
        let verdict = self.hooks.authenticate(
            ticket,
            &Authenticate {
                client: &session.client,
                step,
                password: None,
                method: method.as_deref(),
                data: auth.properties.authentication_data(),
            },
        );
        let waiting = Waiting::new(Question::Authenticate(Step::ReAuthenticate), frame, None);
        self.reauthenticated(now, link, waiting, ticket, verdict)
    }

    fn reauthenticated(
        &mut self,
        now: Instant,
        link: LinkId,
        waiting: Waiting,
        ticket: Ticket,
        verdict: Verdict,
    ) -> Next {
        let (reason, data) = match verdict {
            Verdict::Allow => (Reason::Success, None),
            Verdict::AllowWith(data) => (Reason::Success, Some(data)),
            Verdict::Challenge(data) => (Reason::ContinueAuthentication, Some(data)),
            Verdict::Deny(reason) => {
                let reason = sayable(reason, PacketType::Disconnect);
                return self.refuse(now, link, reason, ""); // v5 [MQTT-4.12.1-2]
            }
            Verdict::Later => return self.wait(link, waiting, ticket),
        };
        if let Some(found) = self.tables.links.get_mut(link.index, link.generation) {
            found.extras.get_or_insert_default().reauthenticating = reason != Reason::Success;
        }
        self.write_auth(link, reason, data);
        Next::Go
    }

    fn write_auth(&mut self, link: LinkId, reason: Reason, data: Option<Bytes>) {
        let Some(method) = self.method(link) else { return };
        let mut properties = PropertiesBuf::new();
        // The method came from the client, so it fits; data of a hook that is too long is left out.
        let _ = properties.push(Property::AuthenticationMethod(&method));
        if let Some(data) = &data {
            let _ = properties.push(Property::AuthenticationData(data));
        }
        let auth = Auth { reason, properties: properties.view() };
        self.tables.write_packet(link.index, &Packet::Auth(auth));
    }

    fn method(&self, link: LinkId) -> Option<Box<str>> {
        self.tables.links.get(link.index, link.generation)?.method().map(Into::into)
    }
}

/// The Reason Code of a verdict that does not allow, as a packet of this type can say it.
pub(super) fn denial(verdict: &Verdict, packet: PacketType) -> Reason {
    match verdict {
        Verdict::Deny(reason) => sayable(*reason, packet),
        _ => Reason::NotAuthorized,
    }
}

/// A failure that comes from the host program, as a packet of this type can say it.
/// v5 [MQTT-3.2.2-8] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.9.3-2] [MQTT-3.14.2-1]
pub(super) fn sayable(reason: Reason, packet: PacketType) -> Reason {
    match reason.is_error() && reason.allowed_in(packet, Side::Server) {
        true => reason,
        false => Reason::ImplementationSpecificError,
    }
}
