//! Where a broker listens.

use core::ffi::c_char;

use libmqtt_runtime::named::ListenerOptions;

use crate::argument::{Out, borrow, change, give, maybe, take, text};
use crate::boundary::explain;
use crate::broker_config::mqtt_broker_config;
use crate::error::mqtt_error;
use crate::status::mqtt_status;
use crate::tls::mqtt_tls;

/// Where and how a broker is to listen. It may serve for any number of configurations, which copy
/// it.
#[derive(Debug)]
pub struct mqtt_listener {
    options: ListenerOptions,
}

/// Makes a listener at `mqtt://ADDRESS:PORT`, `mqtts://ADDRESS:PORT`, `ws://ADDRESS:PORT`,
/// `wss://ADDRESS:PORT`, `unix:PATH` or `unix:@NAME` (a name of Linux's abstract namespace). The
/// address is an IP address of this machine, IPv6 in brackets, or `localhost`, which is 127.0.0.1;
/// port 0 is any free port. With a path in its URL, a listener of WebSocket serves that path alone.
///
/// `tls` is for `mqtts` and `wss`, with a certificate and its key, and NULL for others.
///
/// The caller frees the listener with `mqtt_listener_free`. Returns `MQTT_STATUS_BAD_ARGUMENT` if
/// the URL is none, or the options do not fit; `MQTT_STATUS_FILE_UNREADABLE` or
/// `MQTT_STATUS_FILE_INVALID` for the files of TLS; `error_out` (NULL: not wanted) then gets an
/// explanation, which the caller frees. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_listener_new(
    url: *const c_char,
    url_len: usize,
    tls: *const mqtt_tls,
    listener_out: *mut *mut mqtt_listener,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (url, tls, out) =
            unsafe { (text(url, url_len)?, maybe(tls)?, Out::new(listener_out)?) };
        let options = ListenerOptions::new(url, tls.map(|tls| &tls.options))?;
        out.set(give(mqtt_listener { options }));
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Frees a listener; NULL is nothing. Configurations that it was added to keep theirs.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_listener_free(listener: *mut mqtt_listener) {
    // SAFETY: the caller promises.
    unsafe { take(listener) }
}

/// Sets an option of a listener by its name.
///
/// | name | value |
/// |------|-------|
/// | `certificate_user` | whether clients' certificates, which must then be required, say who they are: `no`, `common_name`, `subject` |
/// | `proxy_protocol` | a proxy in front sends headers of the PROXY protocol: `1`, `2`, `any` |
/// | `trusted_proxy` | address or network of a proxy that is believed, in those and in `X-Forwarded-For`; each adds |
/// | `origin` | WebSocket: pages whose scripts may connect, `https://example.org`; each adds; none: all |
/// | `head_bytes_max` | WebSocket: of the head of a request (8192) |
/// | `page` | WebSocket: serve the page that shows the broker in a browser (`false`) |
/// | `backlog` | connections that may wait to be accepted (1024) |
/// | `v6_only` | IPv6: whether IPv4 peers are kept out; not set: as the system does |
/// | `no_delay` | TCP_NODELAY (`true`) |
///
/// With the page, and no `origin`, only scripts of pages of this machine may connect.
///
/// Returns `MQTT_STATUS_NOT_FOUND` if there is no such option, `MQTT_STATUS_BAD_ARGUMENT` if the
/// value is not valid; `error_out` (NULL: not wanted) then gets an explanation, which the caller
/// frees. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_listener_set(
    listener: *mut mqtt_listener,
    name: *const c_char,
    name_len: usize,
    value: *const c_char,
    value_len: usize,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (listener, name, value) =
            unsafe { (change(listener)?, text(name, name_len)?, text(value, value_len)?) };
        Ok(listener.options.set(name, value)?)
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Adds a listener, which is copied, to a broker's configuration.
///
/// Unless `allow_anonymous` is set, clients without User Name get in only if all listeners are at
/// loopback addresses or Unix sockets. Returns `MQTT_STATUS_BAD_ARGUMENT` if its options do not go
/// together; `error_out` (NULL: not wanted) then gets an explanation, which the caller frees.
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_broker_config_add_listener(
    config: *mut mqtt_broker_config,
    listener: *const mqtt_listener,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (config, listener) = unsafe { (change(config)?, borrow(listener)?) };
        config.listeners.push(listener.options.listener()?);
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}
