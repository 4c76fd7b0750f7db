//! Topic Aliases, one table per direction and Network Connection. MQTT 5.0 §3.3.2.3.4.

/// The aliases that the peer assigns.
#[derive(Debug, Default)]
pub struct AliasIn {}

impl AliasIn {
    /// A table that takes aliases 1 to `maximum`; its memory comes with use.
    pub fn new(maximum: u16) -> AliasIn {
        let _ = maximum;
        AliasIn {}
    }

    /// The topic of a PUBLISH that came with `alias` and `topic` (perhaps empty).
    ///
    /// `Err` is the Reason Code: Topic Alias invalid for 0 or above the maximum, Protocol Error
    /// for an alias that stands for nothing.
    pub fn resolve(&mut self, alias: u16, topic: &str) -> Result<&str, libmqtt_codec::Reason> {
        let _ = (alias, topic);
        unimplemented!()
    }
}

/// How to write a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AliasUse {
    /// With its name alone.
    Name,
    /// With its name and this alias, which the peer then knows.
    Define(u16),
    /// With an empty name and this alias.
    Known(u16),
}

/// The aliases that this side assigns, by itself: the first topics that repeat get one.
#[derive(Debug, Default)]
pub struct AliasOut {}

impl AliasOut {
    /// A table for aliases 1 to `maximum` (0: none are ever used).
    pub fn new(maximum: u16) -> AliasOut {
        let _ = maximum;
        AliasOut {}
    }

    /// How to write `topic` now. What is answered must be sent, in this order.
    pub fn assign(&mut self, topic: &str) -> AliasUse {
        let _ = topic;
        unimplemented!()
    }
}
