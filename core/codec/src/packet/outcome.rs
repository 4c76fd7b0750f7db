//! How an acknowledgement or DISCONNECT of 5.0 ends: a Reason Code and properties. Properties may
//! be left out when there are none, and Success too when nothing follows it. V5-U39 V5-U45

use crate::wire::Reader;
use crate::{Carrier, DecodeError, EncodeError, PacketType, Properties, Reason, Side, Version};

/// Reads it to the end of the packet. Before 5.0 there is nothing to read.
#[inline]
pub(super) fn read<'a>(
    mut reader: Reader<'a>,
    version: Version,
    packet: PacketType,
    from: Side,
) -> Result<(Reason, Properties<'a>), DecodeError> {
    let mut outcome = (Reason::Success, Properties::EMPTY);
    if version.has_properties() && !reader.is_empty() {
        outcome.0 = Reason::decode(reader.u8()?, packet, from)?;
        if !reader.is_empty() {
            outcome.1 = reader.properties(version, Carrier::Packet(packet), from)?;
        }
    }
    reader.finish()?;
    Ok(outcome)
}

/// Its bytes in 5.0.
#[inline]
pub(super) fn len(
    reason: Reason,
    properties: Properties<'_>,
    packet: PacketType,
) -> Result<usize, EncodeError> {
    if properties.is_empty() {
        return Ok(usize::from(reason != Reason::Success));
    }
    Ok(1 + properties.encoded_len_in(Carrier::Packet(packet))?)
}

/// Appends it as in 5.0.
#[inline]
pub(super) fn put(reason: Reason, properties: Properties<'_>, out: &mut Vec<u8>) {
    if !properties.is_empty() {
        out.push(reason as u8);
        properties.put(out);
    } else if reason != Reason::Success {
        out.push(reason as u8);
    }
}
