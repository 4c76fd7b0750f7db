//! Subscriptions and their acknowledgements.

use libmqtt_codec::{
    PacketId, Reason, RetainHandling, SubAck, Subscribe, SubscriptionOptions, UnsubAck,
    Unsubscribe, Version,
};
use libmqtt_oracles::naive;

use super::Checker;
use crate::obs::ConnId;

/// A subscription of a session.
#[derive(Clone, Debug)]
pub(crate) struct Sub {
    pub(crate) options: SubscriptionOptions,
    pub(crate) id: Option<u32>,
}

/// The codes that the acknowledgement must carry.
pub(crate) type Expected = Vec<u8>;

impl Checker<'_> {
    pub(super) fn take_subscribe(&mut self, conn: ConnId, subscribe: &Subscribe<'_>) {
        let session = self.links[&conn].session.expect("it is connected");
        let id = subscribe.properties.subscription_identifiers().next();
        let mut expected = Vec::new();
        for wanted in subscribe.subscriptions.iter() {
            let mut options = wanted.options;
            options.qos = options.qos.min(self.plan.config.maximum_qos);
            expected.push(options.qos as u8);
            let s = &mut self.sessions[session];
            let new = s.subs.insert(wanted.filter.into(), Sub { options, id }).is_none();
            let shared = naive::split_share(wanted.filter).0.is_some();
            if shared {
                s.shared.push((wanted.filter.into(), Sub { options, id }));
            }
            self.count(if shared { "shared subscriptions" } else { "subscriptions" });
            let send = match options.retain_handling {
                RetainHandling::Send => true,
                RetainHandling::SendIfNew => new,
                RetainHandling::DoNotSend => false,
            };
            if send && !shared {
                self.owe_retained(session, wanted.filter);
            }
        }
        self.sessions[session].expected.insert(subscribe.packet_id, expected);
        // A will that is published about now may find the subscription or not.
        for (instance, _) in self.open_wills.clone() {
            self.owe_either(instance, session);
        }
    }

    pub(super) fn take_unsubscribe(&mut self, conn: ConnId, unsubscribe: &Unsubscribe<'_>) {
        let session = self.links[&conn].session.expect("it is connected");
        let mut expected = Vec::new();
        for filter in unsubscribe.filters.iter() {
            let s = &mut self.sessions[session];
            let known = s.subs.remove(filter).is_some();
            let code = if known { Reason::Success } else { Reason::NoSubscriptionExisted };
            expected.push(code as u8);
            for owed in &mut s.owed {
                owed.filters.retain(|other| other != filter);
                owed.must &= !owed.filters.is_empty();
            }
            if naive::split_share(filter).0.is_some() {
                for group in self.groups.iter_mut().filter(|group| group.filter == filter) {
                    group.member_left(session);
                }
            }
            self.count("unsubscriptions");
        }
        if self.sessions[session].version != Version::V5 {
            expected.clear();
        }
        self.sessions[session].expected.insert(unsubscribe.packet_id, expected);
    }

    pub(super) fn send_suback(&mut self, conn: ConnId, suback: &SubAck<'_>) {
        self.acknowledged(conn, suback.packet_id, suback.codes);
    }

    pub(super) fn send_unsuback(&mut self, conn: ConnId, unsuback: &UnsubAck<'_>) {
        self.acknowledged(conn, unsuback.packet_id, unsuback.codes);
    }

    fn acknowledged(&mut self, conn: ConnId, id: PacketId, codes: &[u8]) {
        let session = self.links[&conn].session.expect("wire: after CONNACK");
        let s = &mut self.sessions[session];
        if s.online != Some(conn) {
            return;
        }
        match s.expected.remove(&id) {
            Some(expected) if expected == codes => {}
            expected => self.violation(format!(
                "subscribe: conn {conn}: id {id} answered with {codes:?}, expected {expected:?}"
            )),
        }
    }
}
