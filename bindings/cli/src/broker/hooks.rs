//! What the broker decides and logs, as its settings say.

use std::sync::Arc;

use libmqtt_runtime::auth::PasswordGate;
use libmqtt_runtime::{
    Answers, Authenticate, ClientInfo, Hooks, HooksFactory, Publish, Reason, Subscription, Ticket,
    Verdict, Version,
};

use crate::conf::Settings;
use crate::log::{Kind, LogWriter};

/// Hooks for every shard.
pub(super) fn factory(
    settings: &Settings,
    gate: Option<PasswordGate>,
    log: Arc<LogWriter>,
) -> HooksFactory {
    let anonymous = settings.anonymous();
    let payload_max = match settings.message_size_limit {
        0 => usize::MAX,
        max => max,
    };
    let connections = settings.log.connections && log.wants(Kind::Notice);
    Arc::new(move |answers| {
        let (gate, log) = (gate.clone(), log.clone());
        Box::new(BrokerHooks { gate, anonymous, payload_max, connections, log, answers })
    })
}

struct BrokerHooks {
    gate: Option<PasswordGate>,
    anonymous: bool,
    payload_max: usize,
    /// Whether clients' coming and going is logged.
    connections: bool,
    log: Arc<LogWriter>,
    answers: Answers,
}

impl Hooks for BrokerHooks {
    fn authenticate(&mut self, ticket: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        match &self.gate {
            Some(gate) => gate.authenticate(&self.answers, ticket, attempt),
            None if attempt.method.is_some() => Verdict::Deny(Reason::BadAuthenticationMethod),
            None if self.anonymous => Verdict::Allow,
            None => Verdict::Deny(Reason::NotAuthorized),
        }
    }

    fn authorise_publish(
        &mut self,
        _ticket: Ticket,
        _client: &ClientInfo,
        publish: &Publish<'_>,
    ) -> Verdict {
        if publish.payload.len() > self.payload_max {
            return Verdict::Deny(Reason::ImplementationSpecificError);
        }
        Verdict::Allow
    }

    fn connected(&mut self, client: &ClientInfo) {
        if self.connections {
            let client_id = &client.client_id;
            let version = match client.version {
                Version::V31 => "3.1",
                Version::V311 => "3.1.1",
                Version::V5 => "5.0",
            };
            let from = match client.peer {
                Some(peer) => peer.to_string(),
                None => "within".to_owned(),
            };
            let user = match &client.user_name {
                Some(user) => format!(", user '{user}'"),
                None => String::new(),
            };
            let line =
                format_args!("client {client_id} connected from {from} (MQTT {version}{user})");
            self.log.write(Kind::Notice, line);
        }
    }

    fn disconnected(&mut self, client: &ClientInfo, reason: Reason) {
        if self.connections {
            let line = format_args!("client {} disconnected: {}", client.client_id, reason.name());
            self.log.write(Kind::Notice, line);
        }
    }

    fn subscribed(&mut self, client: &ClientInfo, subscription: &Subscription<'_>) {
        let Subscription { filter, options } = subscription;
        let line = format_args!("{} {} {filter}", client.client_id, options.qos as u8);
        self.log.write(Kind::Subscribe, line);
    }

    fn unsubscribed(&mut self, client: &ClientInfo, filter: &str) {
        self.log.write(Kind::Unsubscribe, format_args!("{} {filter}", client.client_id));
    }
}
