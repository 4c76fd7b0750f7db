//! How a peer's bytes travel.

use core::time::Duration;

/// Whether something should come: it decides how long a real network is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// As long as an answer may take.
    Expected,
    /// Until nothing can be on its way any more.
    Unexpected,
}

/// One connection to the side under test.
///
/// The tests ask for no more than this, so what they say of our engines can be said of any broker
/// or client that is reached by another transport.
pub trait Transport {
    /// Sends bytes. Bytes for a connection that is closed are lost.
    fn send(&mut self, bytes: &[u8]);

    /// Appends the bytes that have come. If there are none, a real network is given time.
    fn receive(&mut self, into: &mut Vec<u8>, wait: Wait);

    /// Whether the other side has closed it.
    fn closed(&mut self, wait: Wait) -> bool;

    /// Whether the other side is known to say why it closes a connection of 5.0; the text leaves
    /// it free to. MQTT 5.0 §4.13.1.
    fn explains(&self) -> bool {
        true
    }

    /// Breaks it without a word.
    fn cut(&mut self);

    /// Lets time pass.
    fn advance(&mut self, span: Duration);
}
