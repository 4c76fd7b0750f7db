//! What the broker logs of its clients.

use std::sync::Arc;

use libmqtt_runtime::{ClientInfo, Hooks, HooksFactory, Reason, Subscription, Version};

use crate::log::{Kind, LogWriter};

/// Hooks for every shard.
pub(super) fn factory(log: Arc<LogWriter>) -> HooksFactory {
    let connections = log.tells_connections();
    Arc::new(move |_| Box::new(BrokerHooks { connections, log: log.clone() }))
}

struct BrokerHooks {
    /// Whether clients' coming and going is logged.
    connections: bool,
    log: Arc<LogWriter>,
}

impl Hooks for BrokerHooks {
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
