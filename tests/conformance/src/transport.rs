//! How a peer's bytes travel.

use core::time::Duration;

/// One connection to the side under test.
///
/// The tests ask for no more than this, so what they say of our engines can be said of any broker
/// or client that is reached by another transport.
pub trait Transport {
    /// Sends bytes. Bytes for a connection that is closed are lost.
    fn send(&mut self, bytes: &[u8]);

    /// Appends the bytes that have come.
    fn receive(&mut self, into: &mut Vec<u8>);

    /// Whether the other side has closed it.
    fn closed(&mut self) -> bool;

    /// Breaks it without a word.
    fn cut(&mut self);

    /// Lets time pass.
    fn advance(&mut self, span: Duration);
}
