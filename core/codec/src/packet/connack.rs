//! CONNACK. MQTT 5.0 §3.2.

use crate::{Properties, Reason};

/// The answer to CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// The broker had state for this Session; never set in 3.1.
    pub session_present: bool,
    /// 3.x return codes are translated, see [`Reason::from_connect_return_code`].
    pub reason: Reason,
    /// 3.x: empty.
    pub properties: Properties<'a>,
}
