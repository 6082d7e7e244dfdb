//! A double of Railway's API: its published GraphQL schema over TLS, with a live PostgreSQL in a volume of production.
//!
//! It answers as the incident of April 2026 needs it: a token is a bare UUID without scope, `volumeDelete` is immediate,
//! and a volume's backups lie in it. What it does not simulate it refuses, and never says was done. It must not leave
//! 127.0.0.1, and must not be given data that matters: deleting is what it is for.
//!
//! [`RailwayDouble`] is the provider, [`Workspace`] a folder with a task and a stray token in it, [`Agent`] does in that
//! folder what the agent of the incident did.

mod agent;
mod answer;
mod body;
mod caller;
mod disk;
mod double;
mod front;
mod ids;
mod mutation;
mod objects;
mod query;
mod received;
mod schema;
mod visit;
mod workspace;
mod world;

pub use agent::{Agent, Outcome, Step, Story};
pub use caller::Presented;
pub use double::{Left, RailwayDouble, Tenancy};
pub use received::{Ran, Received};
pub use schema::{PATH, SDL};
pub use workspace::Workspace;
