//! Variable Byte Integers. MQTT 5.0 §1.5.5, MQTT 3.1.1 §2.2.3.

use crate::DecodeError;

/// The largest value of a Variable Byte Integer, so also of a Remaining Length.
pub const VARINT_MAX: u32 = 268_435_455;

/// The number of bytes (1 to 4) that `value` takes as a Variable Byte Integer.
#[inline]
pub const fn varint_len(value: u32) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Reads a value at the beginning of `input`: the value and its width, or `None` if the input
/// ends inside it. A padded form is read too; whether it may be is the caller's to say.
#[inline]
pub(crate) fn read(input: &[u8]) -> Result<Option<(u32, usize)>, DecodeError> {
    let mut value = 0;
    for (at, &byte) in input.iter().take(4).enumerate() {
        value |= u32::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    if input.len() >= 4 { Err(DecodeError::VarintTooLong) } else { Ok(None) }
}

/// Appends `value`, at most [`VARINT_MAX`], in its shortest form. v5 [MQTT-1.5.5-1]
#[inline]
pub(crate) fn put(mut value: u32, out: &mut Vec<u8>) {
    while value > 0x7F {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_is_written_in_its_shortest_form_and_read_back() {
        let edges =
            [(0, 1), (127, 1), (128, 2), (16_383, 2), (16_384, 3), (2_097_151, 3), (2_097_152, 4)];
        for (value, width) in edges.into_iter().chain([(VARINT_MAX, 4)]) {
            let mut out = Vec::new();
            put(value, &mut out);
            assert_eq!(out.len(), width, "{value}");
            assert_eq!(varint_len(value), width, "{value}");
            assert_eq!(read(&out), Ok(Some((value, width))));
            for cut in 0..width {
                assert_eq!(read(&out[..cut]), Ok(None));
            }
        }
    }

    #[test]
    fn a_fourth_continuation_bit_is_an_error_before_a_fifth_byte_comes() {
        assert_eq!(read(&[0xFF, 0xFF, 0xFF]), Ok(None));
        assert_eq!(read(&[0xFF, 0xFF, 0xFF, 0xFF]), Err(DecodeError::VarintTooLong));
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x80, 0x01]), Err(DecodeError::VarintTooLong));
    }
}
