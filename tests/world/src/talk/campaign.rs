//! Thousands of talks in virtual time under whatever a network, a server or a clock may do: which talk, which trouble and
//! when follow from a seed alone, so a run that fails is told by its number.
//!
//! What is looked at afterwards: whether every word reached a server that was there, or was counted as lost; whether
//! anybody waited for longer than they should while the network worked; whether anything was done twice.

mod line;
mod matrix;
mod person;
mod plan;
mod report;
mod world;

pub use matrix::{Finding, Found, matrix};
pub use plan::{Away, Blow, Outage, Plan, Press};
pub use report::{Outcome, Wait};

use world::Campaign;

/// Plays a plan to its end.
pub fn run(plan: &Plan) -> Outcome {
    Campaign::new(plan).run()
}
