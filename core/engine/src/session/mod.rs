//! QoS state for one peer, blind to the role: broker and client use the same.

mod alias;
mod inbound;
mod outbound;

pub use alias::{AliasIn, AliasOut, AliasUse};
pub use inbound::Inbound;
pub use outbound::{AckOutcome, Inflight, Outbound, Resend};
