//! The first hour: a few answers become a configuration, each part is tried, the service is started. Safe to run again.

mod answers;
mod person;
mod plan;
mod trial;

pub use answers::{AnswerFile, Answers};
pub use person::Person;
pub use plan::Plan;
pub use trial::{press, start, stop, try_out};
