//! What the broker decides and logs, as its settings say.

use std::sync::Arc;

use libmqtt_runtime::conf::Policy;
use libmqtt_runtime::{
    Answers, Authenticate, ClientInfo, Hooks, HooksFactory, Publish, Reason, Subscription, Ticket,
    Verdict, Version,
};

use crate::log::{Kind, LogWriter};

/// Hooks for every shard.
pub(super) fn factory(policy: Policy, log: Arc<LogWriter>) -> HooksFactory {
    let connections = log.tells_connections();
    Arc::new(move |answers| {
        let (policy, log) = (policy.clone(), log.clone());
        Box::new(BrokerHooks { policy, connections, log, answers })
    })
}

struct BrokerHooks {
    policy: Policy,
    /// Whether clients' coming and going is logged.
    connections: bool,
    log: Arc<LogWriter>,
    answers: Answers,
}

impl Hooks for BrokerHooks {
    fn authenticate(&mut self, ticket: Ticket, attempt: &Authenticate<'_>) -> Verdict {
        self.policy.authenticate(&self.answers, ticket, attempt)
    }

    fn authorise_publish(
        &mut self,
        _ticket: Ticket,
        _client: &ClientInfo,
        publish: &Publish<'_>,
    ) -> Verdict {
        self.policy.authorise_publish(publish)
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
