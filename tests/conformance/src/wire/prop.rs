//! Properties of MQTT 5.0 as bytes. §2.2.2.

use super::{field, varint};

macro_rules! properties {
    ($($name:ident $id:literal $kind:ident;)*) => {
        $(#[doc = concat!("Property ", stringify!($id), ".")]
        pub fn $name(value: properties!(@type $kind)) -> Vec<u8> {
            let mut out = vec![$id];
            out.extend(properties!(@bytes $kind value));
            out
        })*
    };
    (@type byte) => { u8 };
    (@type two) => { u16 };
    (@type four) => { u32 };
    (@type var) => { usize };
    (@type text) => { impl AsRef<[u8]> };
    (@bytes byte $value:ident) => { [$value] };
    (@bytes two $value:ident) => { $value.to_be_bytes() };
    (@bytes four $value:ident) => { $value.to_be_bytes() };
    (@bytes var $value:ident) => { varint($value) };
    (@bytes text $value:ident) => { field($value) };
}

properties! {
    payload_format 0x01 byte;
    message_expiry 0x02 four;
    content_type 0x03 text;
    response_topic 0x08 text;
    correlation_data 0x09 text;
    subscription_id 0x0B var;
    session_expiry 0x11 four;
    assigned_client_id 0x12 text;
    server_keep_alive 0x13 two;
    auth_method 0x15 text;
    auth_data 0x16 text;
    request_problem_information 0x17 byte;
    will_delay 0x18 four;
    request_response_information 0x19 byte;
    response_information 0x1A text;
    server_reference 0x1C text;
    reason_string 0x1F text;
    receive_maximum 0x21 two;
    topic_alias_maximum 0x22 two;
    topic_alias 0x23 two;
    maximum_qos 0x24 byte;
    retain_available 0x25 byte;
    maximum_packet_size 0x27 four;
    wildcard_available 0x28 byte;
    subscription_id_available 0x29 byte;
    shared_available 0x2A byte;
}

/// Property 0x26.
pub fn user(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [&[0x26][..], &field(name), &field(value)].concat()
}

/// Cuts a section into (identifier, value bytes), or says why it is none.
pub fn split(mut section: &[u8]) -> Result<Vec<(u8, Vec<u8>)>, String> {
    let mut out = Vec::new();
    while let Some((&id, rest)) = section.split_first() {
        let text = |at: usize| match rest.get(at..at + 2) {
            Some(len) => Ok(2 + usize::from(len[0]) * 256 + usize::from(len[1])),
            None => Err(format!("property {id:#04x} is cut short")),
        };
        let len = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2A => 1,
            0x13 | 0x21..=0x23 => 2,
            0x02 | 0x11 | 0x18 | 0x27 => 4,
            0x0B => 1 + rest.iter().take_while(|byte| **byte >= 0x80).count(),
            0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1A | 0x1C | 0x1F => text(0)?,
            0x26 => text(0)? + text(text(0)?)?,
            _ => return Err(format!("property {id:#04x} does not exist")),
        };
        if rest.len() < len {
            return Err(format!("property {id:#04x} is cut short"));
        }
        out.push((id, rest[..len].to_vec()));
        section = &rest[len..];
    }
    Ok(out)
}
