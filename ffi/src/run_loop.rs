//! The loop that serves clients.

use core::ffi::{c_int, c_void};

use libmqtt_locks::{Mutex, TryLockError};
use libmqtt_runtime::{Client, ClientOptions, OwnLoop, Runtime, Status};

use crate::argument::Out;
use crate::boundary::{Failure, explain, get, run};
use crate::error::mqtt_error;
use crate::handle::Table;
use crate::log::{log, mqtt_log_fn};
use crate::operation::{MQTT_FOREVER, span};
use crate::status::mqtt_status;
use crate::userdata::mqtt_free_fn;

/// A loop that serves any number of clients: on a thread of the library, or run by the program.
pub struct mqtt_loop {
    _private: (),
}

struct Handle {
    runtime: Runtime,
    /// None: it has a thread.
    own: Option<Mutex<OwnLoop>>,
}

static LOOPS: Table<Handle> = Table::new(2);

/// A client of this loop.
pub(crate) fn client(
    served_by: *const mqtt_loop,
    options: ClientOptions,
) -> Result<Client, Failure> {
    LOOPS.with(served_by, |handle| {
        let own = handle.own.as_ref().and_then(|own| own.try_lock().ok());
        match own {
            Some(mut own) if own.is_this_thread() => Ok(own.client(options)?),
            _ => Ok(Client::new(&handle.runtime, options)?),
        }
    })
}

fn with_own<R>(
    own: *const mqtt_loop,
    body: impl FnOnce(&mut OwnLoop) -> Result<R, Failure>,
) -> Result<R, Failure> {
    LOOPS.with(own, |handle| {
        let Some(own) = &handle.own else {
            return Err(Failure::new(Status::BadState, "loop has a thread of its own"));
        };
        match own.try_lock() {
            Ok(mut own) => body(&mut own),
            Err(TryLockError::Poisoned(own)) => body(&mut own.into_inner()),
            // In a callback, or on two threads at once.
            Err(TryLockError::WouldBlock) => Err(Status::WouldDeadlock.into()),
        }
    })
}

/// Starts a loop on a thread of the library. What it has to say goes to `on_log` (NULL: nowhere).
///
/// The caller frees it with `mqtt_loop_free`. Returns `MQTT_STATUS_SYSTEM_REFUSED` if there is no
/// thread or descriptor left; `error_out` (NULL: not wanted) then gets an explanation, which the
/// caller frees. Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_loop_start(
    on_log: mqtt_log_fn,
    userdata: *mut c_void,
    free_userdata: mqtt_free_fn,
    loop_out: *mut *mut mqtt_loop,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        let log = log(on_log, userdata, free_userdata);
        // SAFETY: the caller promises.
        let out = unsafe { Out::new(loop_out) }?;
        out.set(LOOPS.insert(Handle { runtime: Runtime::with_log(log)?, own: None })?);
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Makes a loop that the program runs: wait until `mqtt_loop_fd` is readable or
/// `mqtt_loop_timeout_ms` have passed, then call `mqtt_loop_process`. Callbacks of its clients are
/// called in there.
///
/// The thread that makes it is the one to run it. The caller frees it with `mqtt_loop_free`.
/// Returns `MQTT_STATUS_SYSTEM_REFUSED` if there is no descriptor left; `error_out` (NULL: not
/// wanted) then gets an explanation, which the caller frees. Thread: any. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_loop_new(
    loop_out: *mut *mut mqtt_loop,
    error_out: *mut *mut mqtt_error,
) -> mqtt_status {
    let body = || {
        // SAFETY: the caller promises.
        let out = unsafe { Out::new(loop_out) }?;
        let own = OwnLoop::new()?;
        let runtime = own.runtime().clone();
        out.set(LOOPS.insert(Handle { runtime, own: Some(Mutex::new(own)) })?);
        Ok(())
    };
    // SAFETY: the caller promises.
    unsafe { explain(error_out, body) }
}

/// Frees a loop; NULL is nothing, and so is one that was freed. Clients of a loop with a thread go
/// on, and the thread ends with the last; clients of one that the program runs are closed.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_loop_free(freed: *mut mqtt_loop) {
    get((), || {
        LOOPS.remove(freed, |_| {});
        Some(())
    });
}

/// Sets `fd_out` to a descriptor that is readable when there is something to process, be it to
/// read or to write: put it into poll, epoll, libuv, GLib. It belongs to the loop, and is the same
/// as long as that lives.
///
/// Returns `MQTT_STATUS_BAD_STATE` if the loop has a thread of its own.
/// Thread: the loop's, not in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_loop_fd(own: *const mqtt_loop, fd_out: *mut c_int) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let out = unsafe { Out::new(fd_out) }?;
        with_own(own, |own| {
            out.set(fd(own)?);
            Ok(())
        })
    })
}

#[cfg(unix)]
fn fd(own: &OwnLoop) -> Result<c_int, Failure> {
    Ok(std::os::fd::AsRawFd::as_raw_fd(own))
}

#[cfg(not(unix))]
fn fd(_own: &OwnLoop) -> Result<c_int, Failure> {
    Err(Failure::new(Status::BadState, "this system has no such descriptor"))
}

/// Milliseconds for which `mqtt_loop_process` may be put off while the descriptor is not readable;
/// -1: for ever. It is what poll and epoll_wait take as their timeout.
///
/// Thread: the loop's, not in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_loop_timeout_ms(own: *const mqtt_loop) -> c_int {
    get(-1, || {
        let patience = with_own(own, |own| Ok(own.timeout())).ok()??;
        // Rounded up, lest the caller comes too early and finds nothing, again and again.
        Some(c_int::try_from(patience.as_nanos().div_ceil(1_000_000)).unwrap_or(c_int::MAX))
    })
}

/// Serves every client that has something, once; before that it waits for at most `timeout_ms` (0:
/// not at all) until one has. Callbacks are called in here.
///
/// Returns `MQTT_STATUS_WOULD_DEADLOCK` in such a callback, `MQTT_STATUS_BAD_STATE` if the loop has
/// a thread of its own. Thread: the loop's. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_loop_process(own: *mut mqtt_loop, timeout_ms: u32) -> mqtt_status {
    run(|| {
        let patience = (timeout_ms != MQTT_FOREVER).then(|| span(timeout_ms));
        with_own(own, |own| {
            own.process(patience).map_err(|error| Failure::new(Status::NetworkFailed, error))
        })
    })
}
