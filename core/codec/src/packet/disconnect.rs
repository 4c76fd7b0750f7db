//! DISCONNECT. MQTT 5.0 §3.14.

use crate::{Properties, Reason};

/// The last packet of a Network Connection; before 5.0 only a Client sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// 3.x: always [`Reason::Success`].
    pub reason: Reason,
    /// 3.x: empty.
    pub properties: Properties<'a>,
}
