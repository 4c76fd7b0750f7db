//! Configurations as people have them, and their mistakes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::tls::{Source, TlsVersions};
use crate::{CertificateUser, Durability, Overload, Persistence, ProxyVersions, QoS, QueueFull};

fn read(text: &str) -> Result<Settings, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("broker.conf");
    fs::write(&file, text).unwrap();
    let mut settings = Settings::default();
    let read = settings.read(&file, &mut Embedded).and_then(|()| settings.check());
    let shorten =
        |message: String| message.replace(&format!("{}/", directory.path().display()), "");
    read.map(|()| settings).map_err(|error| shorten(error.to_string()))
}

fn refused(text: &str, wanted: &str) {
    assert_eq!(read(text).unwrap_err(), wanted, "{text}");
}

#[test]
fn an_open_test_broker_is_configured() {
    let settings = read("listener 1883\nallow_anonymous true\n").unwrap();
    assert_eq!(settings.listeners, [ListenAt::new(1883, None)]);
    assert!(settings.anonymous() && !settings.is_local());
}

#[test]
fn a_broker_with_listeners_refuses_strangers_unless_told() {
    assert!(read("").unwrap().anonymous());
    assert!(read("max_qos 1").unwrap().is_local());
    for text in ["listener 1883", "port 1883", "bind_address 127.0.0.1"] {
        assert!(!read(text).unwrap().anonymous(), "{text}");
    }
    for text in ["allow_anonymous false", "password_file /x"] {
        assert!(!read(text).unwrap().anonymous(), "{text}");
    }
}

#[test]
fn a_guarded_broker_on_two_addresses_is_configured() {
    let settings = read(
        "# Place your local configuration here\r\n\
         per_listener_settings false\r\n\
         listener 1883 127.0.0.1\r\n\
         \tlistener   1884  ::1 \r\n\
         socket_domain ipv6\r\n\
         \n\
         password_file /etc/mosquitto/pass word\r\n\
         persistence false\n",
    )
    .unwrap();
    let at = |port, host: &str, v6| ListenAt { v6, ..ListenAt::new(port, Some(host.into())) };
    assert_eq!(settings.listeners, [at(1883, "127.0.0.1", None), at(1884, "::1", Some(true))]);
    assert_eq!(settings.password_file.as_deref(), Some(Path::new("/etc/mosquitto/pass word")));
}

#[test]
fn limits_reach_the_broker() {
    let settings = read(
        "max_connections 7\nmax_inflight_messages 20\nmax_queued_messages 1000\n\
         max_queued_bytes 4096\nqueue_qos0_messages true\nmax_packet_size 65536\n\
         message_size_limit 1024\nmax_keepalive 120\npersistent_client_expiration 2w\n\
         sys_interval 5\nretain_available false\nmax_topic_alias 3\nmax_qos 1\n\
         allow_zero_length_clientid false\nauto_id_prefix x-\nset_tcp_nodelay false\nshards 3\n\
         overload backpressure\nqueue_full drop_oldest\nupgrade_outgoing_qos false\n",
    )
    .unwrap();
    let config = &settings.config;
    assert_eq!(config.connections_max, 7);
    assert_eq!(config.inflight_max, 20);
    assert_eq!((config.queue_messages_max, config.queue_bytes_max), (1000, 4096));
    assert!(config.queue_qos0_offline && !config.retain_available && !config.assign_client_ids);
    assert_eq!(&*config.assigned_id_prefix, "x-");
    assert_eq!((config.maximum_packet_size, settings.message_size_limit), (65_536, 1024));
    assert_eq!(config.keep_alive_max_s, 120);
    assert_eq!(config.session_expiry_max_s, 14 * 24 * 3600);
    assert_eq!(config.session_expiry_v3_s, 14 * 24 * 3600);
    assert_eq!(config.sys_interval.as_secs(), 5);
    assert_eq!((config.topic_alias_maximum, config.maximum_qos), (3, QoS::AtLeastOnce));
    assert_eq!((settings.no_delay, settings.shards), (false, Some(3)));
    assert_eq!(
        (config.overload, config.queue_full),
        (Overload::Backpressure, QueueFull::DropOldest)
    );
}

#[test]
fn the_page_is_for_this_machine_and_opens_nothing() {
    let settings = read("page 8083\n").unwrap();
    assert!(settings.is_local() && settings.anonymous());
    let listeners = settings.listeners().unwrap();
    let last = listeners.last().unwrap();
    assert_eq!((listeners.len(), last.address.to_string()), (3, "127.0.0.1:8083".to_owned()));
    assert_eq!(last.web_socket.as_ref().unwrap().origins.len(), 3);
    let settings = read("listener 1883 127.0.0.1\npage 0\n").unwrap();
    assert!(!settings.anonymous() && settings.listeners().unwrap().len() == 2);
}

#[test]
fn limits_against_abuse_reach_the_broker() {
    let config = read(
        "connect_timeout 3\npacket_max_connect 8192\nmax_pending_connections 500\n\
         address_max_connections 7\naddress_connects_per_minute 60\n\
         address_failed_logins_per_minute 5\nclient_messages_per_second 100\n\
         client_bytes_per_second 10000\n",
    )
    .unwrap()
    .config;
    assert_eq!((config.connect_timeout.as_secs(), config.maximum_connect_size), (3, 8192));
    assert_eq!((config.pending_max, config.address_connections_max), (500, 7));
    assert_eq!(config.address_connects_per_min_max, 60);
    assert_eq!(config.address_failures_per_min_max, 5);
    assert_eq!((config.client_messages_per_s_max, config.client_bytes_per_s_max), (100, 10_000));
}

#[test]
fn no_bound_is_written_as_mosquitto_does() {
    let settings = read(
        "max_connections -1\nmax_inflight_messages 0\nmax_queued_messages 0\nmax_queued_bytes 0\n\
         max_inflight_bytes 0",
    )
    .unwrap();
    assert_eq!(settings.config.connections_max, usize::MAX);
    assert_eq!(settings.config.inflight_max, u16::MAX);
    assert_eq!(settings.config.queue_messages_max, usize::MAX);
    assert_eq!(settings.config.queue_bytes_max, usize::MAX);
}

#[test]
fn errors_name_file_line_and_word() {
    refused("max_qos 1\n\nlistner 1883", "broker.conf: line 3: unknown directive 'listner'");
    refused("max_qos 7", "broker.conf: line 1: max_qos: '7' is not a number between 0 and 2");
    refused("max_qos", "broker.conf: line 1: max_qos: '' is not a number between 0 and 2");
    refused("listener x", "broker.conf: line 1: listener: 'x' is not a number between 0 and 65535");
    refused("listener 1 a b", "broker.conf: line 1: listener: 'a b' is more than one address");
    refused(
        "allow_anonymous yes",
        "broker.conf: line 1: allow_anonymous: 'yes' is neither true nor false",
    );
    refused(
        "socket_domain ipv4",
        "broker.conf: line 1: socket_domain: it belongs behind a listener line",
    );
    refused("password_file", "broker.conf: line 1: password_file: needs a value");
    refused(
        "persistent_client_expiration 5",
        "broker.conf: line 1: persistent_client_expiration: '5' is not a number with h, d, w, m or y",
    );
    let nothing = Path::new("/nowhere/broker.conf");
    let nothing = Settings::default().read(nothing, &mut Embedded).unwrap_err();
    assert_eq!(nothing.to_string(), "/nowhere/broker.conf: No such file or directory (os error 2)");
    assert_eq!(nothing.status(), Status::FileUnreadable);
}

#[test]
fn what_mosquitto_has_and_we_have_not_is_said() {
    refused(
        "psk_file /x",
        "broker.conf: line 1: not supported: psk_file: TLS with pre-shared keys is not there; use \
         certificates",
    );
    refused(
        "bridge_cafile x",
        "broker.conf: line 1: not supported: bridge_cafile: bridges are not there",
    );
    refused(
        "autosave_interval 60",
        "broker.conf: line 1: not supported: autosave_interval: what is acknowledged is stored \
         already; durability can say otherwise",
    );
}

#[test]
fn transports_belong_to_the_listener_before_them() {
    let settings = read(
        "certfile /c/default.crt\nkeyfile /c/default.key\n\
         listener 8883\ncertfile /c/a.crt\nkeyfile /c/a.key\ncafile /c/ca.crt\n\
         require_certificate true\nuse_identity_as_username true\ncrlfile /c/crl\n\
         tls_version tlsv1.3\nciphers_tls1.3 TLS_AES_128_GCM_SHA256\ntls_alpn mqtt,x\n\
         listener 8080\nprotocol websockets\nwebsockets_origin https://a.example\n\
         websockets_path /mqtt\nenable_proxy_protocol 2\ntrusted_proxy 10.0.0.0/8\n\
         trusted_proxy ::1\n\
         listener 0 /run/m.sock\nlistener 0 @mqtt\n",
    )
    .unwrap();
    assert_eq!(settings.transport.certificate.as_deref(), Some(Path::new("/c/default.crt")));
    let [tls, web, unix, named] = &settings.listeners[..] else { panic!("{settings:?}") };
    let transport = &tls.transport;
    assert_eq!(transport.key.as_deref(), Some(Path::new("/c/a.key")));
    assert_eq!(transport.authorities.sources, [Source::from("/c/ca.crt")]);
    assert_eq!(transport.revocations, [Source::from("/c/crl")]);
    assert!(transport.demands_certificates && settings.knows_users());
    assert_eq!(
        (transport.user, transport.versions),
        (CertificateUser::CommonName, TlsVersions::V13)
    );
    assert_eq!(transport.ciphers, ["TLS_AES_128_GCM_SHA256"]);
    assert_eq!(transport.alpn, [b"mqtt".to_vec(), b"x".to_vec()]);
    let transport = &web.transport;
    assert!(transport.web_socket && transport.certificate.is_none());
    assert_eq!(transport.origins, ["https://a.example"]);
    assert_eq!(transport.path.as_deref(), Some("/mqtt"));
    assert_eq!(transport.proxy, Some(ProxyVersions::V2));
    assert_eq!(transport.trusted.len(), 2);
    assert_eq!((unix.port, unix.host.as_deref()), (0, Some("/run/m.sock")));
    assert_eq!(named.host.as_deref(), Some("@mqtt"));
}

#[test]
fn transports_that_cannot_be_had_are_refused() {
    let check = |text: &str, wanted: &str| {
        let error = match read(text) {
            Ok(settings) => settings.listeners().map(drop).unwrap_err().to_string(),
            Err(error) => error,
        };
        assert!(error.contains(wanted), "{text}: {error}");
    };
    check("listener 1\ncertfile /x", "listener [::]:1: certfile and keyfile belong together");
    check("listener 1\ncafile /x", "TLS needs certfile and keyfile");
    check("listener 1\nuse_identity_as_username true", "TLS needs certfile and keyfile");
    check("certfile /nowhere\nkeyfile /nowhere", "127.0.0.1:1883: cannot read /nowhere: ");
    let pair = "listener 1\ncertfile /x\nkeyfile /x\n";
    check(&format!("{pair}require_certificate true"), "require_certificate needs cafile or capath");
    check(&format!("{pair}use_subject_as_username true"), "needs require_certificate true");
    check("tls_version tlsv1.1", "'tlsv1.1' is broken");
    check("ciphers RC4-MD5", "'RC4-MD5' is not a cipher suite that can be had");
    check("protocol mqttsn", "'mqttsn' is neither mqtt nor websockets");
    check("listener 1 /run/m.sock", "a Unix socket has no port: give 0");
    check("websockets_path mqtt", "a path starts with '/'");
    check("trusted_proxy proxy", "'proxy' is no address");
    check("enable_proxy_protocol 3", "'3' is neither 1 nor 2 nor any");
}

#[test]
fn an_embedded_broker_leaves_the_process_alone() {
    for word in PROCESS {
        refused(
            &format!("{word} x"),
            &format!(
                "broker.conf: line 1: not supported: {word}: it concerns the process, which \
                 belongs to the program that embeds the broker"
            ),
        );
    }
}

#[test]
fn what_is_kept_and_where_is_configured() {
    let kept = |text: &str| read(text).map(|settings| settings.persistence());
    let text = "persistence true\npersistence_location /var/lib/mosquitto/\n";
    assert_eq!(kept(text), Ok(Some(Persistence::new("/var/lib/mosquitto/"))));
    let text = "persistence true\npersistence_file a.db\ndurability 250ms";
    let persistence = kept(text).unwrap().unwrap();
    assert_eq!(persistence.path(), Path::new("a.db"));
    assert_eq!(persistence.durability, Durability::Interval(Duration::from_millis(250)));
    assert_eq!(kept("persistence false\npersistence_location /x\ndurability off"), Ok(None));
    let unsaid = "persistence_location, persistence_file and durability want 'persistence true' \
                  beside them";
    refused("persistence_location /x", unsaid);
    refused("durability off", unsaid);
    refused(
        "durability often",
        "broker.conf: line 1: durability: 'often' is neither sync nor off nor a time like 250ms",
    );
}

/// Every directive of mosquitto 2.0's manual is known.
#[test]
fn no_directive_of_mosquitto_is_called_unknown() {
    let manual = "acl_file allow_anonymous allow_duplicate_messages allow_zero_length_clientid \
        auth_opt_x auth_plugin auth_plugin_deny_special_chars auto_id_prefix autosave_interval \
        autosave_on_changes check_retain_source clientid_prefixes connection_messages log_dest \
        log_facility log_timestamp log_timestamp_format log_type max_inflight_bytes \
        max_inflight_messages max_keepalive max_packet_size max_queued_bytes max_queued_messages \
        memory_limit message_size_limit password_file per_listener_settings persistence \
        persistence_file persistence_location persistent_client_expiration pid_file psk_file \
        queue_qos0_messages retain_available set_tcp_nodelay sys_interval upgrade_outgoing_qos \
        user bind_address bind_interface http_dir listener max_connections max_qos \
        max_topic_alias mount_point port protocol socket_domain use_username_as_clientid \
        websockets_log_level websockets_headers_size cafile capath certfile ciphers \
        ciphers_tls1.3 crlfile dhparamfile keyfile require_certificate tls_engine \
        tls_engine_kpass_sha1 tls_keyform tls_version use_identity_as_username \
        use_subject_as_username psk_hint address addresses bridge_attempt_unsubscribe \
        cleansession local_cleansession connection keepalive_interval idle_timeout local_clientid \
        local_password local_username notifications notifications_local_only notification_topic \
        remote_clientid remote_password remote_username restart_timeout round_robin start_type \
        threshold topic try_private";
    for word in manual.split_whitespace() {
        if let Err(message) = read(&format!("{word} !")) {
            assert!(!message.contains("unknown directive"), "{message}");
        }
    }
}

#[test]
fn limits_per_listener_must_be_alike() {
    let two = "listener 1883\nmax_qos 1\nlistener 1884\n";
    assert!(read(two).unwrap_err().starts_with("not supported: max_qos that is not the same"));
    assert!(read(&format!("{two}max_qos 2")).is_err());
    assert!(read(&format!("{two}max_qos 1")).is_ok());
    assert!(read(&format!("max_connections 5\n{}", two.replace("max_qos 1\n", ""))).is_ok());
    assert!(read("listener 1883\nmax_connections 5").is_ok());
}

#[test]
fn a_directory_is_included_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("b.conf", "max_qos 2\n");
    write("A.conf", "max_qos 1\nmax_keepalive 30\n");
    write("c.txt", "nonsense\n");
    let include =
        format!("max_qos 0\ninclude_dir {}\nmax_topic_alias 9\n", directory.path().display());
    let settings = read(&include).unwrap();
    assert_eq!(settings.config.maximum_qos, QoS::ExactlyOnce);
    assert_eq!((settings.config.keep_alive_max_s, settings.config.topic_alias_maximum), (30, 9));

    write("z.conf", "\ninclude_dir /\n");
    let message = read(&include).unwrap_err();
    assert!(
        message.ends_with("z.conf: line 2: include_dir: not within an included file"),
        "{message}"
    );
    assert!(
        read("include_dir /nowhere")
            .unwrap_err()
            .starts_with("broker.conf: line 1: include_dir /nowhere: ")
    );
}
