//! Topic Names and Topic Filters. MQTT 5.0 §4.7 and §4.8.2.

use core::fmt;

/// Why a string is no Topic Name or Topic Filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TopicError {
    /// It has no character. v5 [MQTT-4.7.3-1] v311 [MQTT-4.7.3-1]
    #[error("is empty")]
    Empty,
    /// It has more than 65,535 bytes. v5 [MQTT-4.7.3-3] v311 [MQTT-4.7.3-3]
    #[error("is longer than 65535 bytes")]
    TooLong,
    /// It contains U+0000. v5 [MQTT-4.7.3-2] v311 [MQTT-4.7.3-2]
    #[error("contains U+0000")]
    Nul,
    /// A Topic Name contains `+` or `#`. v5 [MQTT-4.7.0-1] v311 [MQTT-4.7.1-1]
    #[error("contains a wildcard")]
    Wildcard,
    /// `#` is not alone in the last level. v5 [MQTT-4.7.1-1] v311 [MQTT-4.7.1-2]
    #[error("has '#' elsewhere than alone in its last level")]
    MultiLevelWildcard,
    /// `+` shares its level. v5 [MQTT-4.7.1-2] v311 [MQTT-4.7.1-3]
    #[error("has '+' that does not fill its level")]
    SingleLevelWildcard,
    /// `$share/` without a valid ShareName and filter. v5 [MQTT-4.8.2-1] [MQTT-4.8.2-2]
    #[error("is no valid shared subscription")]
    Share,
}

/// A valid Topic Name: not empty, no wildcard, no U+0000.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName<'a>(&'a str);

impl<'a> TopicName<'a> {
    /// Checks `text`.
    #[inline]
    pub fn new(text: &'a str) -> Result<TopicName<'a>, TopicError> {
        if text.is_empty() {
            return Err(TopicError::Empty); // v5 [MQTT-4.7.3-1] v311 [MQTT-4.7.3-1]
        }
        if text.len() > 65_535 {
            return Err(TopicError::TooLong); // v5 [MQTT-4.7.3-3] v311 [MQTT-4.7.3-3]
        }
        if has_special(text.as_bytes()) {
            let nul = memchr::memchr(0, text.as_bytes()).is_some();
            return Err(if nul { TopicError::Nul } else { TopicError::Wildcard });
        }
        Ok(TopicName(text))
    }

    /// Its text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// Whether U+0000, `+` or `#` is among `bytes`. Every PUBLISH passes here, most with a topic too
/// short for a vectorised search to pay: eight bytes at a time, the last eight perhaps twice.
#[inline]
fn has_special(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().any(|&byte| byte == 0 || byte | 0x08 == b'+');
    };
    bytes.as_chunks().0.iter().any(|&chunk| word_has_special(chunk)) || word_has_special(*last)
}

#[inline]
fn word_has_special(chunk: [u8; 8]) -> bool {
    const fn each(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    const fn has_zero_byte(word: u64) -> bool {
        word.wrapping_sub(each(0x01)) & !word & each(0x80) != 0
    }
    let word = u64::from_le_bytes(chunk);
    // '+' and '#' differ in the bit 0x08 alone.
    has_zero_byte(word) || has_zero_byte((word | each(0x08)) ^ each(b'+'))
}

impl fmt::Debug for TopicName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

/// A valid Topic Filter, perhaps of a Shared Subscription.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicFilter<'a> {
    text: &'a str,
    /// Length of `$share/<name>/`, or 0.
    prefix: usize,
}

impl<'a> TopicFilter<'a> {
    /// Checks `text`, where `$share/<name>/<filter>` is a Shared Subscription.
    ///
    /// For 3.1 and 3.1.1, which have none, use [`TopicFilter::unshared`].
    pub fn new(text: &'a str) -> Result<TopicFilter<'a>, TopicError> {
        let Some(rest) = text.strip_prefix("$share/") else {
            return TopicFilter::unshared(text);
        };
        // v5 [MQTT-4.8.2-1] [MQTT-4.8.2-2]
        let name = rest.split_once('/').map_or("", |(name, _)| name);
        if name.is_empty() || name.contains(['+', '#']) {
            return Err(TopicError::Share);
        }
        if text.len() > 65_535 {
            return Err(TopicError::TooLong);
        }
        let prefix = "$share/".len() + name.len() + 1;
        if prefix == text.len() {
            return Err(TopicError::Share);
        }
        if name.contains('\0') {
            return Err(TopicError::Nul);
        }
        TopicFilter::unshared(&text[prefix..])?;
        Ok(TopicFilter { text, prefix })
    }

    /// Checks `text`, where `$share/` has no special meaning.
    pub fn unshared(text: &'a str) -> Result<TopicFilter<'a>, TopicError> {
        if text.is_empty() {
            return Err(TopicError::Empty); // v5 [MQTT-4.7.3-1] v311 [MQTT-4.7.3-1]
        }
        if text.len() > 65_535 {
            return Err(TopicError::TooLong); // v5 [MQTT-4.7.3-3] v311 [MQTT-4.7.3-3]
        }
        let bytes = text.as_bytes();
        for at in memchr::memchr3_iter(0, b'+', b'#', bytes) {
            let starts = at == 0 || bytes[at - 1] == b'/';
            let ends = at + 1 == bytes.len();
            match bytes[at] {
                0 => return Err(TopicError::Nul), // v5 [MQTT-4.7.3-2] v311 [MQTT-4.7.3-2]
                // v5 [MQTT-4.7.1-1] v311 [MQTT-4.7.1-2]
                b'#' if !(starts && ends) => return Err(TopicError::MultiLevelWildcard),
                // v5 [MQTT-4.7.1-2] v311 [MQTT-4.7.1-3]
                b'+' if !(starts && (ends || bytes[at + 1] == b'/')) => {
                    return Err(TopicError::SingleLevelWildcard);
                }
                _ => {}
            }
        }
        Ok(TopicFilter { text, prefix: 0 })
    }

    /// Its whole text, `$share/<name>/` included.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// The ShareName, if it is a Shared Subscription.
    pub fn share_name(self) -> Option<&'a str> {
        (self.prefix > 0).then(|| &self.text["$share/".len()..self.prefix - 1])
    }

    /// The part that Topic Names are matched against.
    pub fn filter(self) -> &'a str {
        &self.text[self.prefix..]
    }

    /// Whether `+` or `#` is in it.
    pub fn has_wildcard(self) -> bool {
        memchr::memchr2(b'+', b'#', self.filter().as_bytes()).is_some()
    }

    /// Whether it matches a Topic Name, the ShareName set aside. MQTT 5.0 §4.7.
    ///
    /// Byte by byte, with no normalisation. v5 [MQTT-4.7.3-4] v311 [MQTT-4.7.3-4]
    pub fn matches(self, topic: &str) -> bool {
        let filter = self.filter();
        // v5 [MQTT-4.7.2-1] v311 [MQTT-4.7.2-1]
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut levels = topic.split('/');
        for wanted in filter.split('/') {
            if wanted == "#" {
                return true;
            }
            match levels.next() {
                Some(level) if wanted == "+" || wanted == level => {}
                _ => return false,
            }
        }
        levels.next().is_none()
    }
}

impl fmt::Debug for TopicFilter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.text, f)
    }
}
