//! Properties as functions over bytes: they panic when one does not hold. Property tests, fuzz
//! targets and the replay of saved inputs all call these. With them come the readers of the
//! tables in `tests/vectors`.
#![forbid(unsafe_code)]

mod codec;
mod hex;
mod table;

pub use codec::{client_v3, client_v5, round_trips, server, stream_holds};
pub use hex::hex;
pub use table::{Row, table};
