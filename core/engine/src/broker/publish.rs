//! PUBLISH from clients and the acknowledgements of both directions. MQTT 5.0 §3.3, §4.3.

use libmqtt_codec::{Ack, AckKind, Frame, PacketId, PacketType, Publish, QoS, Reason, Version};

use super::auth::denial;
use super::link::{Question, Waiting};
use super::persist::After;
use super::shard::Next;
use super::{LinkId, Shard};
use crate::session::AckOutcome;
use crate::topic::SessionKey;
use crate::{Instant, Verdict};

impl Shard {
    /// A PUBLISH has come.
    #[inline]
    pub(super) fn handle_publish(
        &mut self,
        now: Instant,
        link: LinkId,
        publish: &Publish<'_>,
        frame: &Frame<'_>,
    ) -> Next {
        self.tables.stats.publish_received += 1;
        if let Some(alias) = publish.properties.topic_alias() {
            return self.resolve_alias(now, link, publish, alias, frame);
        }
        self.take_publish(now, link, publish, frame)
    }

    /// v5 [MQTT-3.3.2-7] [MQTT-3.3.2-12]
    fn resolve_alias(
        &mut self,
        now: Instant,
        link: LinkId,
        publish: &Publish<'_>,
        alias: u16,
        frame: &Frame<'_>,
    ) -> Next {
        let maximum = self.shared.config.topic_alias_maximum;
        let Some(found) = self.tables.links.get_mut(link.index, link.generation) else {
            return Next::Stop;
        };
        let aliases = found
            .extras
            .get_or_insert_default()
            .aliases_in
            .get_or_insert_with(|| crate::session::AliasIn::new(maximum));
        // v5 [MQTT-3.3.2-8]
        let topic: Box<str> = match aliases.resolve(alias, publish.topic) {
            Ok(topic) => topic.into(),
            Err(reason) => return self.refuse(now, link, reason, "topic alias"),
        };
        self.take_publish(now, link, &Publish { topic: &topic, ..*publish }, frame)
    }

    /// Checks a PUBLISH whose topic is known.
    #[inline]
    fn take_publish(
        &mut self,
        now: Instant,
        link: LinkId,
        publish: &Publish<'_>,
        frame: &Frame<'_>,
    ) -> Next {
        let config = &self.shared.config;
        if publish.qos > config.maximum_qos {
            return self.refuse(now, link, Reason::QoSNotSupported, "");
        }
        if publish.retain && !config.retain_available {
            return self.refuse(now, link, Reason::RetainNotSupported, "");
        }
        let Some(found) = self.tables.links.get(link.index, link.generation) else {
            return Next::Stop;
        };
        let Some(session) = self.tables.sessions.at(found.session) else { return Next::Stop };
        if publish.qos == QoS::ExactlyOnce
            && let Some(id) = publish.packet_id
        {
            if session.inbound.contains(id) {
                // A repeat. v5 [MQTT-4.3.3-10] v311 [MQTT-4.3.3-2]
                self.answer(link, After::Everything, Ack::new(AckKind::PubRec, id));
                return Next::Go;
            }
            // v5 [MQTT-3.3.4-7]; QoS 1 is acknowledged before the next packet is read. Before 5.0
            // the client was told no number, and its identifiers are the bound.
            if session.client.version == Version::V5
                && session.inbound.len() >= usize::from(config.receive_maximum)
            {
                let text = "too many QoS 2 messages without PUBREL";
                return self.refuse(now, link, Reason::ReceiveMaximumExceeded, text);
            }
        }
        if let Some(id) = publish.packet_id
            && self.is_failing()
        {
            return self.refuse_publish(now, link, Ack::new(receipt(publish.qos), id));
        }
        if let Err((reason, _)) = self.check_topic(publish.topic) {
            return self.go_on_publish(now, link, publish, Verdict::Deny(reason));
        }
        let index = link.index;
        let ticket = self.ticket(link);
        let Some(found) = self.tables.links.at(index) else { return Next::Stop };
        let Some(session) = self.tables.sessions.at(found.session) else { return Next::Stop };
        match self.hooks.authorise_publish(ticket, &session.client, publish) {
            Verdict::Later => self.wait(link, Waiting::new(Question::Publish, frame, None), ticket),
            verdict => self.go_on_publish(now, link, publish, verdict),
        }
    }

    /// Goes on with a PUBLISH when it is known whether it is allowed: route, then acknowledge.
    pub(super) fn go_on_publish(
        &mut self,
        now: Instant,
        link: LinkId,
        publish: &Publish<'_>,
        verdict: Verdict,
    ) -> Next {
        if publish.topic.is_empty() {
            return self.go_on_aliased(now, link, publish, verdict);
        }
        let Some(found) = self.tables.links.get(link.index, link.generation) else {
            return Next::Stop;
        };
        let index = found.session;
        let before = self.changes();
        let mut why = "";
        let reason = match verdict {
            Verdict::Allow | Verdict::AllowWith(_) => {
                let generation = self.tables.sessions.generation(index);
                let origin = SessionKey { shard: self.which, index, generation };
                if let Some(session) = self.tables.sessions.at(index) {
                    self.hooks.published(Some(&session.client), publish);
                }
                match self.accept_message(now, publish, Some(origin)) {
                    true => Reason::Success,
                    false => Reason::NoMatchingSubscribers,
                }
            }
            verdict => {
                why = self.check_topic(publish.topic).err().map_or("", |(_, why)| why);
                denial(&verdict, PacketType::PubAck)
            }
        };
        // v5 [MQTT-3.3.4-1] [MQTT-4.3.2-4] [MQTT-4.3.3-8] v311 [MQTT-3.3.4-1] [MQTT-4.3.2-2]
        if let Some(packet_id) = publish.packet_id {
            let kind = receipt(publish.qos);
            if kind == AckKind::PubRec && (!reason.is_error() || !self.says_reasons(link)) {
                self.await_release(index, packet_id);
            }
            let told = self.explanation(link, why);
            let ack = Ack { kind, packet_id, reason, properties: told.view() };
            self.answer(link, After::Changes(before), ack);
        }
        self.hold_if_overloaded(now, link, publish.packet_id.is_some())
    }

    /// The same for a PUBLISH that waited and names its topic by alias.
    fn go_on_aliased(
        &mut self,
        now: Instant,
        link: LinkId,
        publish: &Publish<'_>,
        verdict: Verdict,
    ) -> Next {
        let alias = publish.properties.topic_alias().unwrap_or(0);
        let extras = self.tables.links.get_mut(link.index, link.generation);
        let topic: Option<Box<str>> = extras
            .and_then(|found| found.extras.as_mut()?.aliases_in.as_mut())
            .and_then(|aliases| aliases.resolve(alias, "").ok())
            .map(Into::into);
        match topic {
            Some(topic) => {
                self.go_on_publish(now, link, &Publish { topic: &topic, ..*publish }, verdict)
            }
            None => Next::Stop,
        }
    }

    /// Whether the link's version tells the client why something failed.
    fn says_reasons(&self, link: LinkId) -> bool {
        self.tables
            .links
            .get(link.index, link.generation)
            .is_some_and(|found| found.version == Version::V5)
    }

    /// Whether clients may publish to this topic at all, or why not.
    pub(super) fn check_topic(&self, topic: &str) -> Result<(), (Reason, &'static str)> {
        let config = &self.shared.config;
        // v5-U51 v311-U13: topics that begin with $ are the broker's own.
        if topic.as_bytes().first() == Some(&b'$') && !config.dollar_topics {
            return Err((Reason::NotAuthorized, "topics that begin with $ are the broker's own"));
        }
        // A level takes a byte for its separator, so short topics need no count.
        if topic.len() >= config.topic_levels_max && levels(topic) > config.topic_levels_max {
            return Err((Reason::TopicNameInvalid, TOO_MANY_LEVELS));
        }
        Ok(())
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP has come.
    pub(super) fn handle_ack(&mut self, now: Instant, link: LinkId, ack: &Ack<'_>) -> Next {
        let Some(found) = self.tables.links.get(link.index, link.generation) else {
            return Next::Stop;
        };
        let index = found.session;
        let before = self.changes();
        if ack.kind == AckKind::PubRel {
            // v5 [MQTT-4.3.3-11] v311 [MQTT-4.3.3-2]
            let known = self.take_release(index, ack.packet_id);
            if known {
                let answer = Ack::new(AckKind::PubComp, ack.packet_id);
                self.answer(link, After::Changes(before), answer);
            } else {
                let why = "no PUBREC of this session is waiting for this PUBREL";
                self.answer_unknown(link, before, AckKind::PubComp, ack.packet_id, why);
            }
            return Next::Go;
        }
        match self.tables.acknowledged(index, ack.kind, ack.packet_id, ack.reason) {
            AckOutcome::Done(_) => self.tables.pump(now, index),
            AckOutcome::Release => {
                // v5 [MQTT-4.3.3-4] v311 [MQTT-4.3.3-1]
                let answer = Ack::new(AckKind::PubRel, ack.packet_id);
                self.answer(link, After::Changes(before), answer);
            }
            AckOutcome::Unknown if ack.kind == AckKind::PubRec && !ack.reason.is_error() => {
                let why = "this session was sent no QoS 2 message with this identifier";
                self.answer_unknown(link, before, AckKind::PubRel, ack.packet_id, why);
            }
            AckOutcome::Unknown => {}
        }
        Next::Go
    }

    /// Answers what came for a Packet Identifier that stands for nothing.
    fn answer_unknown(
        &mut self,
        link: LinkId,
        before: u64,
        kind: AckKind,
        packet_id: PacketId,
        why: &str,
    ) {
        let told = self.explanation(link, why);
        let reason = Reason::PacketIdentifierNotFound;
        let answer = Ack { kind, packet_id, reason, properties: told.view() };
        self.answer(link, After::Changes(before), answer);
    }
}

/// Why a topic or filter is refused.
pub(super) const TOO_MANY_LEVELS: &str = "it has too many levels";

/// What acknowledges the receipt of a message at this QoS, 1 or 2.
fn receipt(qos: QoS) -> AckKind {
    match qos {
        QoS::ExactlyOnce => AckKind::PubRec,
        _ => AckKind::PubAck,
    }
}

/// Number of levels of a topic or filter.
pub(super) fn levels(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'/').count() + 1
}
