//! The `$SYS` tree: the broker's state as retained messages.

use libmqtt_codec::QoS;

use super::Shard;
use super::shard::Timer;
use crate::{Instant, Message};

impl Shard {
    /// Shard 0 looks after what is the whole broker's.
    pub(super) fn start_sys(&mut self, now: Instant) {
        self.started = now;
        self.sweep_retained(now);
        if !self.shared.config.sys_interval.is_zero() {
            self.publish_sys(now);
        }
    }

    pub(super) fn publish_sys(&mut self, now: Instant) {
        let stats = self.shared.stats();
        let uptime = now.since(self.started).as_secs();
        let values = [
            ("version", format!("libmqtt {}", env!("CARGO_PKG_VERSION"))),
            ("uptime", format!("{uptime} seconds")),
            ("clients/connected", stats.connections.to_string()),
            (
                "clients/disconnected",
                (stats.sessions - stats.connections.min(stats.sessions)).to_string(),
            ),
            ("clients/total", stats.sessions.to_string()),
            ("connections/total", stats.connections_total.to_string()),
            ("subscriptions/count", stats.subscriptions.to_string()),
            ("retained messages/count", stats.retained.to_string()),
            ("store/messages/count", (stats.retained + stats.queued_messages).to_string()),
            ("store/messages/bytes", (stats.retained_bytes + stats.queued_bytes).to_string()),
            ("messages/received", stats.packets_received.to_string()),
            ("messages/sent", stats.packets_sent.to_string()),
            ("publish/messages/received", stats.publish_received.to_string()),
            ("publish/messages/sent", stats.publish_sent.to_string()),
            ("publish/messages/dropped", stats.publish_dropped.to_string()),
            ("bytes/received", stats.bytes_received.to_string()),
            ("bytes/sent", stats.bytes_sent.to_string()),
        ];
        for (name, value) in values {
            let topic = format!("$SYS/broker/{name}");
            let Ok(message) = Message::new(&topic, value.as_bytes()) else { continue };
            let message = message.with_qos(QoS::ExactlyOnce).with_retain(true);
            self.accept_message(now, &message.view(), None);
        }
        self.timers.arm(now + self.shared.config.sys_interval, Timer::Sys);
    }
}
