//! Properties of MQTT 5.0.

use core::ffi::{c_char, c_void};

use libmqtt_runtime::codec::EncodeError;
use libmqtt_runtime::{Properties, PropertiesBuf, Property, PropertyId, Status};

use crate::argument::{Out, borrow, bytes, change, give, take, text};
use crate::boundary::{Failure, get, run};
use crate::status::mqtt_status;
use crate::view::{mqtt_bytes, mqtt_text};

/// What a property is about. MQTT 5.0 §2.2.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum mqtt_property {
    /// Payload Format Indicator.
    PayloadFormatIndicator = 0x01,
    /// Message Expiry Interval.
    MessageExpiryInterval = 0x02,
    /// Content Type.
    ContentType = 0x03,
    /// Response Topic.
    ResponseTopic = 0x08,
    /// Correlation Data.
    CorrelationData = 0x09,
    /// Subscription Identifier.
    SubscriptionIdentifier = 0x0B,
    /// Session Expiry Interval.
    SessionExpiryInterval = 0x11,
    /// Assigned Client Identifier.
    AssignedClientIdentifier = 0x12,
    /// Server Keep Alive.
    ServerKeepAlive = 0x13,
    /// Authentication Method.
    AuthenticationMethod = 0x15,
    /// Authentication Data.
    AuthenticationData = 0x16,
    /// Request Problem Information.
    RequestProblemInformation = 0x17,
    /// Will Delay Interval.
    WillDelayInterval = 0x18,
    /// Request Response Information.
    RequestResponseInformation = 0x19,
    /// Response Information.
    ResponseInformation = 0x1A,
    /// Server Reference.
    ServerReference = 0x1C,
    /// Reason String.
    ReasonString = 0x1F,
    /// Receive Maximum.
    ReceiveMaximum = 0x21,
    /// Topic Alias Maximum.
    TopicAliasMaximum = 0x22,
    /// Topic Alias.
    TopicAlias = 0x23,
    /// Maximum QoS.
    MaximumQos = 0x24,
    /// Retain Available.
    RetainAvailable = 0x25,
    /// User Property.
    UserProperty = 0x26,
    /// Maximum Packet Size.
    MaximumPacketSize = 0x27,
    /// Wildcard Subscription Available.
    WildcardSubscriptionAvailable = 0x28,
    /// Subscription Identifier Available.
    SubscriptionIdentifierAvailable = 0x29,
    /// Shared Subscription Available.
    SharedSubscriptionAvailable = 0x2A,
}

/// A list of properties. Those of a message or an event belong to it, and live as long.
#[derive(Debug, Default)]
pub struct mqtt_properties {
    pub(crate) list: PropertiesBuf,
}

impl From<Properties<'_>> for mqtt_properties {
    fn from(view: Properties<'_>) -> mqtt_properties {
        mqtt_properties { list: view.into() }
    }
}

/// The value of a property.
enum Value<'a> {
    Number(u32),
    Bytes(&'a [u8]),
    Pair(&'a str, &'a str),
}

fn value(property: Property<'_>) -> Value<'_> {
    use Property::*;
    match property {
        PayloadFormatIndicator(flag)
        | RequestProblemInformation(flag)
        | RequestResponseInformation(flag)
        | RetainAvailable(flag)
        | WildcardSubscriptionAvailable(flag)
        | SubscriptionIdentifierAvailable(flag)
        | SharedSubscriptionAvailable(flag) => Value::Number(flag.into()),
        MaximumQoS(number) => Value::Number(number.into()),
        ServerKeepAlive(number)
        | ReceiveMaximum(number)
        | TopicAliasMaximum(number)
        | TopicAlias(number) => Value::Number(number.into()),
        MessageExpiryInterval(number)
        | SubscriptionIdentifier(number)
        | SessionExpiryInterval(number)
        | WillDelayInterval(number)
        | MaximumPacketSize(number) => Value::Number(number),
        ContentType(text)
        | ResponseTopic(text)
        | AssignedClientIdentifier(text)
        | AuthenticationMethod(text)
        | ResponseInformation(text)
        | ServerReference(text)
        | ReasonString(text) => Value::Bytes(text.as_bytes()),
        CorrelationData(data) | AuthenticationData(data) => Value::Bytes(data),
        UserProperty(name, value) => Value::Pair(name, value),
    }
}

fn with_number(id: PropertyId, number: u32) -> Result<Property<'static>, Failure> {
    let small = || u16::try_from(number).map_err(|_| Status::BadArgument);
    let flag = || match number {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Status::BadArgument),
    };
    Ok(match id {
        PropertyId::PayloadFormatIndicator => Property::PayloadFormatIndicator(flag()?),
        PropertyId::RequestProblemInformation => Property::RequestProblemInformation(flag()?),
        PropertyId::RequestResponseInformation => Property::RequestResponseInformation(flag()?),
        PropertyId::RetainAvailable => Property::RetainAvailable(flag()?),
        PropertyId::WildcardSubscriptionAvailable => {
            Property::WildcardSubscriptionAvailable(flag()?)
        }
        PropertyId::SubscriptionIdentifierAvailable => {
            Property::SubscriptionIdentifierAvailable(flag()?)
        }
        PropertyId::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(flag()?),
        PropertyId::MaximumQoS => {
            Property::MaximumQoS(u8::try_from(number).map_err(|_| Status::BadArgument)?)
        }
        PropertyId::ServerKeepAlive => Property::ServerKeepAlive(small()?),
        PropertyId::ReceiveMaximum => Property::ReceiveMaximum(small()?),
        PropertyId::TopicAliasMaximum => Property::TopicAliasMaximum(small()?),
        PropertyId::TopicAlias => Property::TopicAlias(small()?),
        PropertyId::MessageExpiryInterval => Property::MessageExpiryInterval(number),
        PropertyId::SubscriptionIdentifier => Property::SubscriptionIdentifier(number),
        PropertyId::SessionExpiryInterval => Property::SessionExpiryInterval(number),
        PropertyId::WillDelayInterval => Property::WillDelayInterval(number),
        PropertyId::MaximumPacketSize => Property::MaximumPacketSize(number),
        _ => return Err(Failure::new(Status::BadArgument, "property is not a number")),
    })
}

fn with_bytes(id: PropertyId, bytes: &[u8]) -> Result<Property<'_>, Failure> {
    let text = || {
        let checked = core::str::from_utf8(bytes);
        checked.map_err(|_| Failure::new(Status::BadArgument, "text is not utf-8"))
    };
    Ok(match id {
        PropertyId::ContentType => Property::ContentType(text()?),
        PropertyId::ResponseTopic => Property::ResponseTopic(text()?),
        PropertyId::AssignedClientIdentifier => Property::AssignedClientIdentifier(text()?),
        PropertyId::AuthenticationMethod => Property::AuthenticationMethod(text()?),
        PropertyId::ResponseInformation => Property::ResponseInformation(text()?),
        PropertyId::ServerReference => Property::ServerReference(text()?),
        PropertyId::ReasonString => Property::ReasonString(text()?),
        PropertyId::CorrelationData => Property::CorrelationData(bytes),
        PropertyId::AuthenticationData => Property::AuthenticationData(bytes),
        _ => return Err(Failure::new(Status::BadArgument, "property is neither text nor data")),
    })
}

fn known(property: u8) -> Result<PropertyId, Failure> {
    let unknown = || Failure::new(Status::BadArgument, "property is none of mqtt 5.0");
    PropertyId::from_u8(property).ok_or_else(unknown)
}

fn push(list: &mut PropertiesBuf, property: Property<'_>) -> Result<(), Failure> {
    list.push(property).map_err(|error: EncodeError| Failure::new(Status::BadArgument, error))
}

/// Properties that the caller may give, or not.
///
/// # Safety
/// `pointer` is NULL or valid for `'a`.
pub(crate) unsafe fn given<'a>(pointer: *const mqtt_properties) -> Result<Properties<'a>, Failure> {
    // SAFETY: the caller promises.
    let properties = unsafe { crate::argument::maybe(pointer) }?;
    Ok(properties.map_or(Properties::EMPTY, |properties| properties.list.view()))
}

impl mqtt_properties {
    fn nth(&self, id: PropertyId, nth: usize) -> Result<Value<'_>, Failure> {
        let mut same = self.list.view().iter().filter(|property| property.id() == id);
        Ok(value(same.nth(nth).ok_or(Status::NotFound)?))
    }
}

/// Makes an empty list.
///
/// The caller frees it with `mqtt_properties_free`. NULL: no memory.
/// Thread: also in callbacks. Since: 0.1. Spec: MQTT 5.0 §2.2.2.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_properties_new() -> *mut mqtt_properties {
    get(core::ptr::null_mut(), || Some(give(mqtt_properties::default())))
}

/// Frees a list that `mqtt_properties_new` made; NULL is nothing.
///
/// Thread: one at a time. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_properties_free(properties: *mut mqtt_properties) {
    // SAFETY: the caller promises.
    unsafe { take(properties) }
}

/// Adds a property whose value is a number; flags are 0 or 1, times are seconds, sizes bytes.
/// `property` is one of `MQTT_PROPERTY_…`.
///
/// Returns `MQTT_STATUS_BAD_ARGUMENT`, adding nothing, if the property has no number, the number
/// is out of its range, or the property may stand only once and is there.
/// Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §2.2.2.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_properties_add_number(
    properties: *mut mqtt_properties,
    property: u8,
    number: u32,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let properties = unsafe { change(properties) }?;
        push(&mut properties.list, with_number(known(property)?, number)?)
    })
}

/// Adds a property whose value is text (UTF-8) or data, which is copied. `property` is one of
/// `MQTT_PROPERTY_…`.
///
/// Returns `MQTT_STATUS_BAD_ARGUMENT`, adding nothing, if the property has no such value, the
/// value is not valid or longer than 65535 bytes, or the property may stand only once and is
/// there. Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §2.2.2.2.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_properties_add_bytes(
    properties: *mut mqtt_properties,
    property: u8,
    data: *const c_void,
    data_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (properties, data) = unsafe { (change(properties)?, bytes(data, data_len)?) };
        push(&mut properties.list, with_bytes(known(property)?, data)?)
    })
}

/// Adds a User Property: a name and a value, which are copied. There may be many, also of one
/// name.
///
/// Returns `MQTT_STATUS_BAD_ARGUMENT`, adding nothing, if one is not UTF-8, has a U+0000 or is
/// longer than 65535 bytes. Thread: one at a time. Since: 0.1. Spec: MQTT 5.0 §3.3.2.3.7.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_properties_add_user(
    properties: *mut mqtt_properties,
    name: *const c_char,
    name_len: usize,
    value: *const c_char,
    value_len: usize,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (properties, name, value) =
            unsafe { (change(properties)?, text(name, name_len)?, text(value, value_len)?) };
        push(&mut properties.list, Property::UserProperty(name, value))
    })
}

/// Goes through a list: sets `property_out` to what the one at `place`, counted from 0, is about.
///
/// Returns `MQTT_STATUS_NOT_FOUND` behind the last one.
/// Thread: also in callbacks, while nobody changes the list. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_properties_at(
    properties: *const mqtt_properties,
    place: usize,
    property_out: *mut u8,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (properties, out) = unsafe { (borrow(properties)?, Out::new(property_out)?) };
        let found = properties.list.view().iter().nth(place).ok_or(Status::NotFound)?;
        out.set(found.id() as u8);
        Ok(())
    })
}

/// Sets `number_out` to the value of the `nth` property of this kind, counted from 0: a number, or
/// a flag as 0 or 1.
///
/// Returns `MQTT_STATUS_NOT_FOUND` if there is none, `MQTT_STATUS_BAD_ARGUMENT` if it has no
/// number. Thread: also in callbacks, while nobody changes the list. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_properties_number(
    properties: *const mqtt_properties,
    property: u8,
    nth: usize,
    number_out: *mut u32,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (properties, out) = unsafe { (borrow(properties)?, Out::new(number_out)?) };
        let Value::Number(number) = properties.nth(known(property)?, nth)? else {
            return Err(Failure::new(Status::BadArgument, "property is not a number"));
        };
        out.set(number);
        Ok(())
    })
}

/// Sets `bytes_out` to the value of the `nth` property of this kind, counted from 0: text or data,
/// which live until the list is changed or freed.
///
/// Returns `MQTT_STATUS_NOT_FOUND` if there is none, `MQTT_STATUS_BAD_ARGUMENT` if it has no such
/// value. Thread: also in callbacks, while nobody changes the list. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_properties_bytes(
    properties: *const mqtt_properties,
    property: u8,
    nth: usize,
    bytes_out: *mut mqtt_bytes,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (properties, out) = unsafe { (borrow(properties)?, Out::new(bytes_out)?) };
        let Value::Bytes(bytes) = properties.nth(known(property)?, nth)? else {
            return Err(Failure::new(Status::BadArgument, "property is neither text nor data"));
        };
        out.set(bytes.into());
        Ok(())
    })
}

/// Sets `name_out` and `value_out` to those of the `nth` User Property, counted from 0. They live
/// until the list is changed or freed.
///
/// Returns `MQTT_STATUS_NOT_FOUND` behind the last one.
/// Thread: also in callbacks, while nobody changes the list. Since: 0.1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mqtt_properties_user(
    properties: *const mqtt_properties,
    nth: usize,
    name_out: *mut mqtt_text,
    value_out: *mut mqtt_text,
) -> mqtt_status {
    run(|| {
        // SAFETY: the caller promises.
        let (properties, name_out, value_out) =
            unsafe { (borrow(properties)?, Out::new(name_out)?, Out::new(value_out)?) };
        let Value::Pair(name, value) = properties.nth(PropertyId::UserProperty, nth)? else {
            return Err(Status::NotFound.into());
        };
        name_out.set(name.into());
        value_out.set(value.into());
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_has_its_number_and_one_kind_of_value() {
        for &id in PropertyId::ALL {
            let kinds = [
                with_number(id, 1).is_ok(),
                with_bytes(id, b"a").is_ok(),
                id == PropertyId::UserProperty,
            ];
            assert_eq!(kinds.iter().filter(|kind| **kind).count(), 1, "{id:?}");
        }
        assert_eq!(mqtt_property::SharedSubscriptionAvailable as u8, 0x2A);
    }
}
