//! Views of memory that the library owns.

use core::ffi::c_char;

/// Text that somebody else owns: UTF-8 without a NUL at its end. The function that gives it says
/// how long it lives. `data` is never NULL, unless the comment says so.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct mqtt_text {
    /// The first byte.
    pub data: *const c_char,
    /// How many bytes.
    pub len: usize,
}

/// Bytes that somebody else owns. The function that gives them says how long they live. `data` is
/// never NULL, unless the comment says so.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct mqtt_bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many.
    pub len: usize,
}

impl mqtt_text {
    /// Nothing: `data` is NULL.
    pub(crate) const NONE: mqtt_text = mqtt_text { data: core::ptr::null(), len: 0 };
}

impl mqtt_bytes {
    /// Nothing: `data` is NULL.
    pub(crate) const NONE: mqtt_bytes = mqtt_bytes { data: core::ptr::null(), len: 0 };
}

impl From<&str> for mqtt_text {
    fn from(text: &str) -> mqtt_text {
        mqtt_text { data: text.as_ptr().cast(), len: text.len() }
    }
}

impl From<Option<&str>> for mqtt_text {
    fn from(text: Option<&str>) -> mqtt_text {
        text.map_or(mqtt_text::NONE, mqtt_text::from)
    }
}

impl From<&[u8]> for mqtt_bytes {
    fn from(bytes: &[u8]) -> mqtt_bytes {
        mqtt_bytes { data: bytes.as_ptr(), len: bytes.len() }
    }
}

impl From<Option<&[u8]>> for mqtt_bytes {
    fn from(bytes: Option<&[u8]>) -> mqtt_bytes {
        bytes.map_or(mqtt_bytes::NONE, mqtt_bytes::from)
    }
}
