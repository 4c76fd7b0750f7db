//! Wire vectors as people write them.

/// The bytes of a hex vector; spaces set fields apart and mean nothing.
///
/// # Panics
/// When it is no hex.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b' ')
        .map(|byte| (byte as char).to_digit(16).unwrap_or_else(|| panic!("no hex: {text}")) as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn spaces_between_digits_mean_nothing() {
        assert_eq!(hex("C0 00"), [0xC0, 0x00]);
        assert_eq!(hex("0a0B"), [0x0A, 0x0B]);
        assert_eq!(hex(""), []);
    }
}
