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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_special_character_is_found_at_every_place_of_a_topic_name_of_every_length() {
        for len in 1..40 {
            let plain = "x".repeat(len);
            assert!(TopicName::new(&plain).is_ok());
            for at in 0..len {
                for (special, error) in [
                    ("\0", TopicError::Nul),
                    ("+", TopicError::Wildcard),
                    ("#", TopicError::Wildcard),
                ] {
                    let mut spoilt = plain.clone();
                    spoilt.replace_range(at..=at, special);
                    assert_eq!(TopicName::new(&spoilt), Err(error), "{special:?} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn every_other_ascii_character_may_stand_in_a_topic_name() {
        for byte in (1..0x80u8).filter(|byte| !b"+#".contains(byte)) {
            let char = char::from(byte).to_string();
            assert!(TopicName::new(&char).is_ok(), "{byte:#x}");
            assert!(TopicName::new(&char.repeat(20)).is_ok(), "{byte:#x}");
        }
    }

    #[test]
    fn u_0000_comes_before_a_wildcard_as_what_is_wrong() {
        assert_eq!(TopicName::new("a/+/b/c/d/e\0"), Err(TopicError::Nul));
    }

    #[test]
    fn a_shared_subscription_falls_into_its_name_and_its_filter() {
        let filter = TopicFilter::new("$share/group/a/+").unwrap();
        assert_eq!(filter.share_name(), Some("group"));
        assert_eq!(filter.filter(), "a/+");
        assert!(filter.has_wildcard());
        assert_eq!(filter.as_str(), "$share/group/a/+");
        let plain = TopicFilter::unshared("$share/group/a").unwrap();
        assert_eq!((plain.share_name(), plain.filter()), (None, "$share/group/a"));
        assert!(!plain.has_wildcard());
    }

    #[test]
    fn names_and_filters_end_at_65535_bytes() {
        let fits = "x".repeat(65_535);
        let over = "x".repeat(65_536);
        assert!(TopicName::new(&fits).is_ok() && TopicFilter::new(&fits).is_ok());
        assert_eq!(TopicName::new(&over), Err(TopicError::TooLong));
        assert_eq!(TopicFilter::new(&over), Err(TopicError::TooLong));
        let shared = format!("$share/g/{}", "x".repeat(65_530));
        assert_eq!(TopicFilter::new(&shared), Err(TopicError::TooLong));
    }
}
