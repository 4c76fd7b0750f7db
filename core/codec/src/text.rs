//! UTF-8 Encoded Strings. MQTT 5.0 §1.5.4.

use crate::DecodeError;

/// Reads `bytes` as the text of a UTF-8 Encoded String: well-formed UTF-8 without U+0000.
///
/// The rule of 3.1.1 and 5.0 serves 3.1 too, whose text names only "UTF-8": what 3.1 would take
/// beyond it (surrogates, U+0000 as C0 80) no receiver of today understands. Control characters
/// and non-characters pass.
///
/// U+FEFF stays where it is, and nothing is normalised.
/// v5 [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.4-3] v311 [MQTT-1.5.3-1] [MQTT-1.5.3-2] [MQTT-1.5.3-3]
#[inline]
pub fn check_text(bytes: &[u8]) -> Result<&str, DecodeError> {
    let text = core::str::from_utf8(bytes).map_err(|_| DecodeError::TextNotUtf8)?;
    if memchr::memchr(0, bytes).is_some() {
        return Err(DecodeError::TextHasNul);
    }
    Ok(text)
}
