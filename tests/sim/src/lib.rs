//! Clients and a broker on virtual time, and the checkers that watch them.
//!
//! A run is decided by one number. It makes a [`Plan`] (shards, configuration, participants),
//! lets a [`World`] happen in one thread and on virtual time (bytes are delayed and split,
//! connections clog and break, shards hear of each other in any order that each pair allows),
//! and gives everything that can be seen to the [`Checker`], which knows nothing else. See
//! [`check`] for what is checked.
#![forbid(unsafe_code)]

mod actor;
pub mod check;
mod clients;
mod keeping;
mod net;
pub mod obs;
mod ours;
mod peer;
pub mod plan;
mod power;
mod rng;
mod shards;
mod tamper;
mod trace;
mod world;

pub use check::{Checker, Ledger, Violation};
pub use obs::{Obs, What};
pub use plan::{Fault, Plan};
pub use trace::{hash, line};
pub use world::{Run, World};

/// Runs a plan from beginning to end.
pub fn run(plan: &Plan) -> Run {
    World::new(plan).run()
}

/// The command that runs this seed again.
pub fn replay(seed: u64) -> String {
    format!("make sim SEED={seed}")
}

/// The same for a run of [`Plan::crashing`].
pub fn replay_crash(seed: u64) -> String {
    format!("make sim-crash SEED={seed}")
}
