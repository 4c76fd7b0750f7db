//! The arguments of what a client and an engine can both be asked to do.

use core::ffi::{c_char, c_void};
use core::time::Duration;

use libmqtt_runtime::engine::client::{Disconnect, response_to};
use libmqtt_runtime::{
    Message, PropertiesBuf, PropertyId, Publish, RetainHandling, Status, Subscription,
    SubscriptionOptions,
};

use crate::argument::{borrow, bytes, qos, reason, text};
use crate::boundary::Failure;
use crate::message::mqtt_message;
use crate::property::{given, mqtt_properties};
use crate::view::mqtt_text;

/// Do not send back what this client published. A bit of `mqtt_subscription.options`; 5.0 alone.
pub const MQTT_SUBSCRIBE_NO_LOCAL: u32 = 0x04;
/// Keep the RETAIN flag of the publisher. A bit of `mqtt_subscription.options`; 5.0 alone.
pub const MQTT_SUBSCRIBE_RETAIN_AS_PUBLISHED: u32 = 0x08;
/// Send retained messages only if the subscription is new. A bit of `mqtt_subscription.options`;
/// 5.0 alone.
pub const MQTT_SUBSCRIBE_RETAINED_IF_NEW: u32 = 0x10;
/// Send no retained messages. A bit of `mqtt_subscription.options`; 5.0 alone.
pub const MQTT_SUBSCRIBE_RETAINED_NEVER: u32 = 0x20;

/// For ever, as a time to wait in milliseconds.
pub const MQTT_FOREVER: u32 = u32::MAX;

/// A Topic Filter to subscribe to, and how. MQTT 5.0 §3.8.3.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct mqtt_subscription {
    /// The Topic Filter; UTF-8, not NUL-terminated.
    pub filter: *const c_char,
    /// Bytes of the filter.
    pub filter_len: usize,
    /// The highest QoS (0, 1 or 2) and perhaps bits `MQTT_SUBSCRIBE_…`.
    pub options: u32,
}

/// A time to wait.
pub(crate) fn span(ms: u32) -> Duration {
    match ms {
        // Some centuries: as a deadline it can still be computed with.
        MQTT_FOREVER => Duration::from_secs(1 << 33),
        ms => Duration::from_millis(ms.into()),
    }
}

/// The arguments of a publish.
pub(crate) struct PublishArgs {
    pub(crate) topic: *const c_char,
    pub(crate) topic_len: usize,
    pub(crate) payload: *const c_void,
    pub(crate) payload_len: usize,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    pub(crate) properties: *const mqtt_properties,
}

impl PublishArgs {
    /// # Safety
    /// The pointers are NULL or valid for `'a`.
    pub(crate) unsafe fn read<'a>(&self) -> Result<Publish<'a>, Failure> {
        // SAFETY: the caller promises.
        let (topic, payload, properties) = unsafe {
            let payload = bytes(self.payload, self.payload_len)?;
            (text(self.topic, self.topic_len)?, payload, given(self.properties)?)
        };
        let (qos, retain) = (qos(self.qos)?, self.retain);
        Ok(Publish { dup: false, qos, retain, topic, packet_id: None, properties, payload })
    }
}

/// What to subscribe to.
///
/// # Safety
/// `wanted` is NULL or points to `count` subscriptions that are valid for `'a`.
pub(crate) unsafe fn subscriptions<'a>(
    wanted: *const mqtt_subscription,
    count: usize,
) -> Result<Vec<Subscription<'a>>, Failure> {
    // SAFETY: the caller promises.
    let wanted = unsafe { list(wanted, count) }?;
    let read = |wanted: &mqtt_subscription| {
        // SAFETY: the caller promises.
        let filter = unsafe { text(wanted.filter, wanted.filter_len) }?;
        Ok(Subscription { filter, options: options(wanted.options)? })
    };
    wanted.iter().map(read).collect()
}

fn options(bits: u32) -> Result<SubscriptionOptions, Failure> {
    let retain_handling = match bits >> 4 {
        0 => RetainHandling::Send,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::DoNotSend,
        _ => return Err(Failure::new(Status::BadArgument, "options have unknown bits")),
    };
    Ok(SubscriptionOptions {
        qos: qos((bits & 3) as u8)?,
        no_local: bits & MQTT_SUBSCRIBE_NO_LOCAL != 0,
        retain_as_published: bits & MQTT_SUBSCRIBE_RETAIN_AS_PUBLISHED != 0,
        retain_handling,
    })
}

/// What to unsubscribe from.
///
/// # Safety
/// `filters` is NULL or points to `count` texts that are valid for `'a`.
pub(crate) unsafe fn filters<'a>(
    filters: *const mqtt_text,
    count: usize,
) -> Result<Vec<&'a str>, Failure> {
    // SAFETY: the caller promises.
    let filters = unsafe { list(filters, count) }?;
    // SAFETY: the caller promises.
    filters.iter().map(|filter| unsafe { text(filter.data, filter.len) }).collect()
}

/// # Safety
/// `first` is NULL or points to `count` things that are valid for `'a`.
unsafe fn list<'a, T>(first: *const T, count: usize) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Err(Failure::new(Status::BadArgument, "no topic filter is given"));
    }
    if first.is_null() {
        return Err(Status::NullArgument.into());
    }
    let fits = count.checked_mul(size_of::<T>()).is_some_and(|size| isize::try_from(size).is_ok());
    if !fits || !first.is_aligned() {
        return Err(Status::BadArgument.into());
    }
    // SAFETY: it is not null, aligned and of a possible length; the caller promises the rest.
    Ok(unsafe { core::slice::from_raw_parts(first, count) })
}

/// How to say goodbye: a Session Expiry Interval stands among the properties.
///
/// # Safety
/// `properties` is NULL or valid.
pub(crate) unsafe fn goodbye(
    code: u8,
    properties: *const mqtt_properties,
    wait_ms: u32,
) -> Result<Disconnect, Failure> {
    // SAFETY: the caller promises.
    let properties = unsafe { given(properties) }?;
    let mut rest = PropertiesBuf::from(properties);
    rest.remove(PropertyId::SessionExpiryInterval);
    Ok(Disconnect {
        reason: reason(code)?,
        session_expiry_s: properties.session_expiry_interval(),
        properties: rest,
        wait: span(wait_ms),
        ..Disconnect::default()
    })
}

/// The reply to a request.
///
/// # Safety
/// The pointers are NULL or valid.
pub(crate) unsafe fn reply(
    request: *const mqtt_message,
    payload: *const c_void,
    payload_len: usize,
) -> Result<Message, Failure> {
    // SAFETY: the caller promises.
    let (request, payload) = unsafe { (borrow(request)?, bytes(payload, payload_len)?) };
    let none = || Failure::new(Status::BadArgument, "message has no response topic");
    response_to(&request.message(), payload).ok_or_else(none)
}
