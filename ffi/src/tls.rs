//! TLS of clients and listeners.

use core::ffi::{c_char, c_void};

use libmqtt_runtime::named::{OptionError, TlsOptions};

use crate::argument::{bytes, change, give, take, text};
use crate::boundary::{Failure, explain, get};
use crate::error::mqtt_error;
use crate::status::mqtt_status;

/// What TLS is to be like. It may serve for any number of clients and listeners, which copy it.
#[derive(Debug)]
pub struct mqtt_tls {
    pub(crate) options: TlsOptions,
}

impl From<OptionError> for Failure {
    fn from(error: OptionError) -> Failure {
        Failure::chain(error.status(), &error)
    }
}

/// Makes options of TLS: 1.2 and 1.3; a client checks everything and trusts whom the system
/// trusts.
///
/// The caller frees them with `mqtt_tls_free`. NULL: no memory.
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_tls_new() -> *mut mqtt_tls {
    get(core::ptr::null_mut(), || Some(give(mqtt_tls { options: TlsOptions::default() })))
}

/// Frees options of TLS; NULL is nothing. What was made with them goes on.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_tls_free(tls: *mut mqtt_tls) {
    // SAFETY: the caller promises.
    unsafe { take(tls) }
}

/// Sets an option of TLS by its name. Files are read when the options are given to a client's
/// configuration or to a listener, and again, for later connections, when they have changed: for a
/// listener at once with `mqtt_broker_reload`.
///
/// | name | value |
/// |------|-------|
/// | `ca_file`, `ca_folder` | whose certificates are trusted, in PEM or DER; each adds |
/// | `system_roots` | also those that the system trusts; a client's default if no others are named |
/// | `cert_file` | our certificate and those between it and its root |
/// | `key_file` | its private key, not encrypted |
/// | `crl_file` | revoked certificates, by every issuer; each adds |
/// | `versions` | `1.2+1.3`, `1.2`, `1.3` |
/// | `ciphers` | names of IANA or OpenSSL with `:` between them |
/// | `alpn` | application protocols with `,` between them, best first |
/// | `server_name` | client: the name to ask for and to expect, instead of the host |
/// | `dangerous_verification` | client: `any_host_name`: WHOEVER HAS ANY TRUSTED CERTIFICATE CAN POSE AS THE SERVER; `nothing`: ANYONE CAN |
/// | `client_certificates` | listener: `none`, `optional`, `required` |
///
/// A listener may have several certificates and, in the same order, their keys: the first for the
/// host that a client names is shown.
///
/// Returns `MQTT_STATUS_NOT_FOUND` if there is no such option, `MQTT_STATUS_BAD_ARGUMENT` if the
/// value is not valid; `error_out` (NULL: not wanted) then gets an explanation, which the caller
/// frees. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_tls_set(
    tls: *mut mqtt_tls,
    name: *const c_char,
    name_len: usize,
    value: *const c_char,
    value_len: usize,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (tls, name, value) =
            unsafe { (change(tls)?, text(name, name_len)?, text(value, value_len)?) };
        Ok(tls.options.set(name, value)?)
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Sets an option of TLS to what is in memory instead of a file, in PEM or DER: `ca`, `cert`,
/// `key` or `crl`. The data are copied.
///
/// Returns `MQTT_STATUS_NOT_FOUND` if there is no such option; `error_out` (NULL: not wanted) then
/// gets an explanation, which the caller frees. Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_tls_set_data(
    tls: *mut mqtt_tls,
    name: *const c_char,
    name_len: usize,
    data: *const c_void,
    data_len: usize,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let (tls, name, data) =
            unsafe { (change(tls)?, text(name, name_len)?, bytes(data, data_len)?) };
        Ok(tls.options.set_data(name, data)?)
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}
