//! The `$SYS` tree: the broker's state as retained messages, under mosquitto's names where it has
//! such a figure.

use libmqtt_codec::QoS;

use super::shard::Timer;
use super::{Shard, Stats};
use crate::{Instant, Message};

/// What counters rose by in a minute, averaged over the last 1, 5 and 15.
#[derive(Debug, Default)]
pub(super) struct Load {
    before: Stats,
    at: Instant,
    averages: [[f64; 3]; LOADS.len()],
    /// The most clients that were connected at a time, as far as anyone looked.
    clients_max: u64,
}

/// A counter of all shards.
type Counter = fn(&Stats) -> u64;

const LOADS: [(&str, Counter); 8] = [
    ("messages/received", |stats| stats.packets_received),
    ("messages/sent", |stats| stats.packets_sent),
    ("publish/received", |stats| stats.publish_received),
    ("publish/sent", |stats| stats.publish_sent),
    ("publish/dropped", |stats| stats.publish_dropped),
    ("bytes/received", |stats| stats.bytes_received),
    ("bytes/sent", |stats| stats.bytes_sent),
    ("connections", |stats| stats.connections_total),
];

const MINUTES: [u32; 3] = [1, 5, 15];

impl Load {
    /// Takes in what has happened since the last time.
    fn update(&mut self, now: Instant, stats: &Stats) {
        self.clients_max = self.clients_max.max(stats.connections);
        let span = now.since(self.at).as_secs_f64();
        if span <= 0.0 {
            return;
        }
        for ((_, counter), averages) in LOADS.iter().zip(&mut self.averages) {
            let rise = counter(stats).saturating_sub(counter(&self.before));
            let per_minute = rise as f64 * 60.0 / span;
            for (minutes, average) in MINUTES.iter().zip(averages) {
                let kept = (-span / (60.0 * f64::from(*minutes))).exp();
                *average = per_minute + kept * (*average - per_minute);
            }
        }
        (self.before, self.at) = (*stats, now);
    }
}

impl Shard {
    /// Shard 0 looks after what is the whole broker's.
    pub(super) fn start_sys(&mut self, now: Instant) {
        self.started = now;
        self.load.at = now;
        self.sweep_retained(now);
        if !self.shared.config.sys_interval.is_zero() {
            self.publish_sys(now);
        }
    }

    pub(super) fn publish_sys(&mut self, now: Instant) {
        let stats = self.shared.stats();
        self.load.update(now, &stats);
        self.publish_counters(now, &stats);
        for (at, (name, _)) in LOADS.iter().enumerate() {
            for (minutes, average) in MINUTES.iter().zip(self.load.averages[at]) {
                self.tell(now, &format!("load/{name}/{minutes}min"), &format!("{average:.2}"));
            }
        }
        for number in 0..self.shared.shards() {
            let stats = self.shared.shard_stats(number);
            for (name, value) in [
                ("clients/connected", stats.connections),
                ("clients/total", stats.sessions),
                ("messages/received", stats.packets_received),
                ("messages/sent", stats.packets_sent),
                ("queued/messages/count", stats.queued_messages),
            ] {
                self.tell(now, &format!("shards/{number}/{name}"), &value.to_string());
            }
        }
        self.timers.arm(now + self.shared.config.sys_interval, Timer::Sys);
    }

    fn publish_counters(&mut self, now: Instant, stats: &Stats) {
        let uptime = now.since(self.started).as_secs();
        self.tell(now, "version", concat!("libmqtt ", env!("CARGO_PKG_VERSION")));
        self.tell(now, "uptime", &format!("{uptime} seconds"));
        let away = stats.sessions.saturating_sub(stats.connections);
        for (name, value) in [
            ("clients/connected", stats.connections),
            ("clients/disconnected", away),
            ("clients/total", stats.sessions),
            ("clients/maximum", self.load.clients_max),
            ("clients/throttled", stats.throttled),
            ("connections/total", stats.connections_total),
            ("connections/refused", stats.connections_refused),
            ("connections/failed logins", stats.logins_failed),
            ("subscriptions/count", stats.subscriptions),
            ("retained messages/count", stats.retained),
            ("retained messages/bytes", stats.retained_bytes),
            ("queued/messages/count", stats.queued_messages),
            ("queued/messages/bytes", stats.queued_bytes),
            ("store/messages/count", stats.retained + stats.queued_messages),
            ("store/messages/bytes", stats.retained_bytes + stats.queued_bytes),
            ("messages/received", stats.packets_received),
            ("messages/sent", stats.packets_sent),
            ("publish/messages/received", stats.publish_received),
            ("publish/messages/sent", stats.publish_sent),
            ("publish/messages/dropped", stats.publish_dropped),
            ("bytes/received", stats.bytes_received),
            ("bytes/sent", stats.bytes_sent),
        ] {
            self.tell(now, name, &value.to_string());
        }
    }

    /// Publishes one value.
    fn tell(&mut self, now: Instant, name: &str, value: &str) {
        let topic = format!("$SYS/broker/{name}");
        let Ok(message) = Message::new(&topic, value.as_bytes()) else { return };
        let message = message.with_qos(QoS::ExactlyOnce).with_retain(true);
        self.accept_message(now, &message.view(), None);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn averages_come_to_what_happens_in_a_minute() {
        let mut load = Load::default();
        let mut now = Instant::from_nanos(1);
        let mut stats = Stats::default();
        for _ in 0..360 {
            now = now + Duration::from_secs(10);
            stats.packets_received += 100;
            load.update(now, &stats);
        }
        for average in load.averages[0] {
            assert!((585.0..=600.0).contains(&average), "{average}");
        }
        now = now + Duration::from_secs(60);
        load.update(now, &stats);
        let [one, five, fifteen] = load.averages[0];
        assert!((200.0..240.0).contains(&one) && five > 480.0 && fifteen > 550.0);
    }
}
