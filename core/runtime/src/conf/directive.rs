//! What each directive does.

use core::fmt::Display;
use core::ops::RangeInclusive;
use core::str::FromStr;
use core::time::Duration;

use super::settings::{ListenAt, Settings};
use super::{Obeyed, Process, Wrong, absent, flag, path, transport};
use crate::{Durability, Overload, QoS, QueueFull};

/// Obeys one directive.
pub(super) fn obey(
    settings: &mut Settings,
    process: &mut dyn Process,
    word: &str,
    value: &str,
) -> Obeyed {
    if let Some(why) = absent::why(word) {
        return Err(Wrong::Absent(why));
    }
    limits(settings, word, value)
        .or_else(|| abuse(settings, word, value))
        .or_else(|| network(settings, word, value))
        .or_else(|| transport::obey(settings, word, value))
        .or_else(|| storage(settings, word, value))
        .or_else(|| fixed(word, value))
        .or_else(|| process.obey(word, value))
        .unwrap_or(Err(Wrong::Unknown))
}

/// Limits and policies of the broker.
fn limits(settings: &mut Settings, word: &str, value: &str) -> Option<Obeyed> {
    let seen = settings.listeners.len();
    let scoped = &mut settings.scoped;
    let mut per_listener = |word| scoped.push((word, value.to_owned(), seen));
    let config = &mut settings.config;
    Some(match word {
        "allow_zero_length_clientid" => flag(value).map(|on| config.assign_client_ids = on),
        "auto_id_prefix" => {
            per_listener("auto_id_prefix");
            prefix(value).map(|prefix| config.assigned_id_prefix = prefix)
        }
        "max_connections" | "global_max_connections" => {
            if word == "max_connections" {
                per_listener("max_connections");
            }
            count(value).map(|max| config.connections_max = max)
        }
        "max_inflight_messages" => number(value, 0..=u16::MAX)
            .map(|max| config.inflight_max = if max == 0 { u16::MAX } else { max }),
        // The greatest value is no bound.
        "max_keepalive" => number(value, 10..=u16::MAX)
            .map(|max| config.keep_alive_max_s = if max == u16::MAX { 0 } else { max }),
        "max_packet_size" => {
            number(value, 20..=268_435_460).map(|max| config.maximum_packet_size = max)
        }
        "max_qos" => {
            per_listener("max_qos");
            number(value, 0..=2)
                .map(|max| config.maximum_qos = QoS::from_u8(max).unwrap_or_default())
        }
        "max_queued_bytes" => unbounded(value).map(|max| config.queue_bytes_max = max),
        "max_queued_messages" => unbounded(value).map(|max| config.queue_messages_max = max),
        "max_topic_alias" => {
            per_listener("max_topic_alias");
            number(value, 0..=u16::MAX).map(|max| config.topic_alias_maximum = max)
        }
        "max_topic_alias_broker" => {
            number(value, 0..=u16::MAX).map(|max| config.topic_alias_out_max = max)
        }
        "message_size_limit" => {
            number(value, 0..=268_435_455).map(|max| settings.message_size_limit = max)
        }
        "overload" => {
            choice(value, &[("drop", Overload::Drop), ("backpressure", Overload::Backpressure)])
                .map(|what| config.overload = what)
        }
        "persistent_client_expiration" => span(value).map(|span| settings.expire_sessions(span)),
        "queue_full" => choice(
            value,
            &[("drop_newest", QueueFull::DropNewest), ("drop_oldest", QueueFull::DropOldest)],
        )
        .map(|what| config.queue_full = what),
        "queue_qos0_messages" => flag(value).map(|on| config.queue_qos0_offline = on),
        "retain_available" => flag(value).map(|on| config.retain_available = on),
        "sys_interval" => number(value, 0..=65_535)
            .map(|seconds| config.sys_interval = Duration::from_secs(seconds)),
        _ => return None,
    })
}

/// Limits on what peers may cost; most are this dialect's own.
fn abuse(settings: &mut Settings, word: &str, value: &str) -> Option<Obeyed> {
    let config = &mut settings.config;
    Some(match word {
        "address_connects_per_minute" => {
            number(value, 0..=u32::MAX).map(|most| config.address_connects_per_min_max = most)
        }
        "address_failed_logins_per_minute" => {
            number(value, 0..=u32::MAX).map(|most| config.address_failures_per_min_max = most)
        }
        "address_max_connections" => {
            number(value, 0..=u32::MAX).map(|most| config.address_connections_max = most)
        }
        "client_bytes_per_second" => {
            number(value, 0..=u32::MAX).map(|most| config.client_bytes_per_s_max = most)
        }
        "client_messages_per_second" => {
            number(value, 0..=u32::MAX).map(|most| config.client_messages_per_s_max = most)
        }
        "connect_timeout" => number(value, 1..=3600)
            .map(|seconds| config.connect_timeout = Duration::from_secs(seconds)),
        "max_pending_connections" => {
            number(value, 1..=u32::MAX).map(|most| config.pending_max = most as usize)
        }
        "packet_max_connect" => {
            number(value, 20..=268_435_460).map(|most| config.maximum_connect_size = most)
        }
        _ => return None,
    })
}

/// Who may connect, and where.
fn network(settings: &mut Settings, word: &str, value: &str) -> Option<Obeyed> {
    Some(match word {
        "acl_file" => path(value).map(|file| settings.acl_file = Some(file)),
        "allow_anonymous" => flag(value).map(|on| settings.allow_anonymous = Some(on)),
        "bind_address" => text(value).map(|host| settings.bind = Some(host)),
        "listener" => listener(value).map(|listener| settings.listeners.push(listener)),
        "password_file" => path(value).map(|file| settings.password_file = Some(file)),
        "page" => number(value, 0..=u16::MAX).map(|port| settings.page = Some(port)),
        "port" => number(value, 0..=u16::MAX).map(|port| settings.port = Some(port)),
        "set_tcp_nodelay" => flag(value).map(|on| settings.no_delay = on),
        "shards" => number(value, 1..=128).map(|shards| settings.shards = Some(shards)),
        "socket_domain" => choice(value, &[("ipv4", false), ("ipv6", true)]).and_then(|v6| {
            let last = settings.listeners.last_mut();
            let last = last.ok_or_else(|| wrong("it belongs behind a listener line"))?;
            last.v6 = Some(v6);
            Ok(())
        }),
        _ => return None,
    })
}

/// What is kept beyond the broker's life.
fn storage(settings: &mut Settings, word: &str, value: &str) -> Option<Obeyed> {
    Some(match word {
        "durability" => durability(value).map(|when| settings.durability = when),
        "persistence" => flag(value).map(|on| settings.persistence = Some(on)),
        "persistence_file" => path(value).map(|file| settings.persistence_file = Some(file)),
        "persistence_location" => {
            path(value).map(|directory| settings.persistence_location = Some(directory))
        }
        _ => return None,
    })
}

/// Directives that allow one value only, the one that says how things are.
fn fixed(word: &str, value: &str) -> Option<Obeyed> {
    let only = |allowed: &str, why: &str| {
        if value.eq_ignore_ascii_case(allowed) {
            Ok(())
        } else {
            Err(Wrong::Value(format!("not supported: '{value}': {why}")))
        }
    };
    Some(match word {
        "check_retain_source" => only("false", "who publishes is asked when he does"),
        "max_inflight_bytes" => only("0", "bound max_inflight_messages instead"),
        "per_listener_settings" => only("false", "all listeners are alike"),
        "upgrade_outgoing_qos" => only("false", "the standard forbids it"),
        _ => return None,
    })
}

fn listener(value: &str) -> Result<ListenAt, Wrong> {
    let (port, host) = match value.split_once(char::is_whitespace) {
        Some((port, host)) => (port, Some(host.trim())),
        None => (value, None),
    };
    let host = match host {
        Some(path) if path.starts_with(['/', '@']) => {
            if port != "0" {
                return Err(wrong("a Unix socket has no port: give 0"));
            }
            Some(path.to_owned())
        }
        Some(extra) if extra.contains(char::is_whitespace) => {
            return Err(wrong(&format!("'{extra}' is more than one address")));
        }
        host => host.map(str::to_owned),
    };
    Ok(ListenAt::new(number(port, 0..=u16::MAX)?, host))
}

/// How assigned Client Identifiers begin: what may stand in one, and leaves room for the rest.
fn prefix(value: &str) -> Result<Box<str>, Wrong> {
    match value {
        long if long.len() > 200 => Err(wrong("is longer than 200 bytes")),
        odd if odd.contains(['+', '#', '/']) || odd.contains(char::is_control) => {
            Err(wrong("has a character that would be of use to get around access rights"))
        }
        prefix => Ok(prefix.into()),
    }
}

/// `sync`, `off`, or `250ms`.
fn durability(value: &str) -> Result<Durability, Wrong> {
    if let Some(count) = value.strip_suffix("ms") {
        let span = number(count, 1..=3_600_000)?;
        return Ok(Durability::Interval(Duration::from_millis(span)));
    }
    choice(value, &[("sync", Durability::Sync), ("off", Durability::Off)]).map_err(|_| {
        Wrong::Value(format!("'{value}' is neither sync nor off nor a time like 250ms"))
    })
}

/// `14d`: a number and h, d, w, m or y.
fn span(value: &str) -> Result<Duration, Wrong> {
    let hours = match value.chars().last() {
        Some('h') => 1,
        Some('d') => 24,
        Some('w') => 7 * 24,
        Some('m') => 30 * 24,
        Some('y') => 365 * 24,
        _ => return Err(Wrong::Value(format!("'{value}' is not a number with h, d, w, m or y"))),
    };
    let count: u64 = number(&value[..value.len() - 1], 1..=1_000_000)?;
    Ok(Duration::from_secs(count * hours * 3600))
}

pub(super) fn wrong(why: &str) -> Wrong {
    Wrong::Value(why.to_owned())
}

pub(super) fn text(value: &str) -> Result<String, Wrong> {
    if value.is_empty() { Err(wrong("needs a value")) } else { Ok(value.to_owned()) }
}

pub(super) fn choice<T: Copy>(value: &str, choices: &[(&str, T)]) -> Result<T, Wrong> {
    choices.iter().find(|(name, _)| value.eq_ignore_ascii_case(name)).map_or_else(
        || {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            Err(Wrong::Value(format!("'{value}' is neither {}", names.join(" nor "))))
        },
        |&(_, choice)| Ok(choice),
    )
}

pub(super) fn number<T>(value: &str, range: RangeInclusive<T>) -> Result<T, Wrong>
where
    T: FromStr + PartialOrd + Display,
{
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => {
            let (low, high) = range.into_inner();
            Err(Wrong::Value(format!("'{value}' is not a number between {low} and {high}")))
        }
    }
}

/// A number, where 0 means no bound.
fn unbounded(value: &str) -> Result<usize, Wrong> {
    number(value, 0..=usize::MAX).map(|max| if max == 0 { usize::MAX } else { max })
}

/// A number, where -1 means no bound.
fn count(value: &str) -> Result<usize, Wrong> {
    number(value, -1..=i64::MAX).map(|max| usize::try_from(max).unwrap_or(usize::MAX))
}
