//! AUTH. MQTT 5.0 §3.15.

use crate::{Properties, Reason};

/// A step of enhanced authentication; MQTT 5.0 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// Success, Continue authentication or Re-authenticate. v5 [MQTT-3.15.2-1]
    pub reason: Reason,
    /// Authentication Method (always there), Authentication Data and others.
    pub properties: Properties<'a>,
}
