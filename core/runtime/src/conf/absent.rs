//! mosquitto's directives that have no meaning here, or none yet.

const BRIDGE: &str = "bridges are not there";
const PLUGIN: &str = "plugins are not there; programs that embed the broker have hooks";
const AUTOSAVE: &str = "what is acknowledged is stored already; durability can say otherwise";
const MEMORY: &str = "bound memory with max_queued_bytes and max_queued_messages";
const LISTENER: &str = "all listeners are alike";
const IDENTIFIER: &str = "Client Identifiers are taken as they come";

/// Why a directive that mosquitto knows cannot be obeyed; none if mosquitto has none like it.
pub(super) fn why(word: &str) -> Option<&'static str> {
    Some(match word {
        "dhparamfile" => "TLS agrees on keys with elliptic curves only",
        "tls_engine" | "tls_engine_kpass_sha1" => "keys are read from files only",
        "psk_file" | "psk_hint" => "TLS with pre-shared keys is not there; use certificates",
        "disable_client_cert_date_checks" => "certificates out of their time are never accepted",
        "http_dir" => "files are not served",
        "websockets_log_level" => "there is one log, with log_type",
        "address"
        | "addresses"
        | "cleansession"
        | "clientid"
        | "connection"
        | "idle_timeout"
        | "keepalive_interval"
        | "local_cleansession"
        | "local_clientid"
        | "local_password"
        | "local_username"
        | "notification_topic"
        | "notifications"
        | "notifications_local_only"
        | "password"
        | "remote_clientid"
        | "remote_password"
        | "remote_username"
        | "restart_timeout"
        | "round_robin"
        | "start_type"
        | "threshold"
        | "topic"
        | "try_private"
        | "username" => BRIDGE,
        "auth_plugin"
        | "auth_plugin_deny_special_chars"
        | "global_plugin"
        | "plugin"
        | "plugin_load"
        | "plugin_use" => PLUGIN,
        "autosave_interval" | "autosave_on_changes" => AUTOSAVE,
        "memory_limit" => MEMORY,
        "bind_interface"
        | "mount_point"
        | "accept_protocol_versions"
        | "listener_allow_anonymous"
        | "listener_auto_id_prefix"
        | "proxy_protocol_v2_require_tls" => LISTENER,
        "clientid_prefixes" | "use_username_as_clientid" => IDENTIFIER,
        "user" => "start the broker as that user, for instance with User= of a systemd unit",
        "log_facility" => "syslog is not there; log to stderr",
        "retain_expiry_interval" => "publishers give a Message Expiry Interval",
        "allow_duplicate_messages"
        | "enable_control_api"
        | "packet_max_auth"
        | "packet_max_simple"
        | "packet_max_sub"
        | "packet_max_un" => "it has no counterpart",
        _ if word.starts_with("bridge_") => BRIDGE,
        _ if word.starts_with("auth_opt_") || word.starts_with("plugin_opt_") => PLUGIN,
        _ => return None,
    })
}
