//! Which library this is.

use crate::view::mqtt_text;

/// Major number of the version of this header. It moves when something is removed.
pub const MQTT_VERSION_MAJOR: u32 = 0;
/// Minor number of the version of this header. It moves when something is added.
pub const MQTT_VERSION_MINOR: u32 = 1;
/// Patch number of the version of this header.
pub const MQTT_VERSION_PATCH: u32 = 0;

/// MQTT 3.1, as a Protocol Level.
pub const MQTT_V31: u8 = 3;
/// MQTT 3.1.1, as a Protocol Level.
pub const MQTT_V311: u8 = 4;
/// MQTT 5.0, as a Protocol Level.
pub const MQTT_V5: u8 = 5;

/// The version of the library that is linked: `0.1.0`. It lives for ever.
///
/// Thread: also in callbacks. Since: 0.1.
#[unsafe(no_mangle)]
pub extern "C" fn mqtt_version() -> mqtt_text {
    env!("CARGO_PKG_VERSION").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_version_of_the_workspace() {
        let numbers = [MQTT_VERSION_MAJOR, MQTT_VERSION_MINOR, MQTT_VERSION_PATCH];
        let text = numbers.map(|number| number.to_string()).join(".");
        assert_eq!(text, env!("CARGO_PKG_VERSION"));
    }
}
