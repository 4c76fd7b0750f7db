//! The data types that packets are made of, read and written. MQTT 5.0 §1.5.

use crate::{
    Carrier, DecodeError, EncodeError, PacketId, Properties, Side, Version, check_text, varint,
};

/// Takes fields from the front of a packet body.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(body: &'a [u8]) -> Reader<'a> {
        Reader { rest: body }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    #[inline]
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Nothing may be left.
    #[inline]
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A Variable Byte Integer inside a packet. Only 5.0 has them there, and it wants the
    /// shortest form; a receiver may treat another one as malformed, and this one does.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u32, DecodeError> {
        let (value, width) = varint::read(self.rest)?.ok_or(DecodeError::Truncated)?;
        if width != varint::varint_len(value) {
            return Err(DecodeError::VarintPadded); // v5 [MQTT-1.5.5-1]
        }
        self.rest = &self.rest[width..];
        Ok(value)
    }

    #[inline]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.u16()?;
        self.take(length.into())
    }

    #[inline]
    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        check_text(self.binary()?)
    }

    /// Text that was checked before, so that only its encoding is looked at again.
    #[inline]
    pub(crate) fn checked_text(&mut self) -> Option<&'a str> {
        core::str::from_utf8(self.binary().ok()?).ok()
    }

    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        // v5 [MQTT-2.2.1-3] [MQTT-2.2.1-4] v311 [MQTT-2.3.1-1]
        PacketId::new(self.u16()?).ok_or(DecodeError::PacketIdZero)
    }

    /// A Property Length and its section in 5.0, nothing before.
    #[inline]
    pub(crate) fn properties(
        &mut self,
        version: Version,
        carrier: Carrier,
        from: Side,
    ) -> Result<Properties<'a>, DecodeError> {
        if !version.has_properties() {
            return Ok(Properties::EMPTY);
        }
        match self.varint()? {
            0 => Ok(Properties::EMPTY),
            length => Properties::decode(self.take(length as usize)?, carrier, from),
        }
    }
}

/// The bytes of a length-prefixed field on the wire.
#[inline]
pub(crate) fn field_len(bytes: &[u8]) -> Result<usize, EncodeError> {
    if bytes.len() > 65_535 { Err(EncodeError::FieldTooLong) } else { Ok(2 + bytes.len()) }
}

/// The same for text, which must not contain U+0000.
#[inline]
pub(crate) fn text_len(text: &str) -> Result<usize, EncodeError> {
    let len = field_len(text.as_bytes())?;
    if memchr::memchr(0, text.as_bytes()).is_some() {
        return Err(DecodeError::TextHasNul.into()); // v5 [MQTT-1.5.4-2] v311 [MQTT-1.5.3-2]
    }
    Ok(len)
}

/// Appends a field whose length [`field_len`] has checked.
#[inline]
pub(crate) fn put_field(bytes: &[u8], out: &mut Vec<u8>) {
    debug_assert!(bytes.len() <= 65_535);
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}
