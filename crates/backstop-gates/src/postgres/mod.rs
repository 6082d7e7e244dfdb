//! The PostgreSQL gate.
//!
//! `gate` listens and hands connections to threads, `lobby` has the places for those who are not proved yet, `greet`
//! proves the lease, `relay` carries messages. `client` takes what a client says to its handler (`simple`,
//! `extended`, `copy_in`, `function_call`), `answers` what the server says. `meaning` and `judge` find out what a
//! statement does and what policy says, `intent` journals it, `hold` waits for people, `execute` does what they
//! approved (`approved` watches it, `planted` looks for code of leases first), `refuse` says no. `upstream` speaks to
//! the server, `roles` makes and ends leases' roles.

mod answers;
mod approved;
mod asking;
mod budget;
mod cancel;
mod catalogue;
mod client;
mod config;
mod copy;
mod copy_in;
mod credential;
mod doubt;
mod eager;
mod envelope;
mod error;
mod execute;
mod extended;
pub(crate) mod failures;
mod fallback;
mod follow;
mod function_call;
mod gate;
mod greet;
mod hints;
mod hold;
#[allow(dead_code, unused_imports)]
mod images;
mod intent;
mod judge;
mod keep;
mod learn;
mod ledger;
mod lobby;
mod meaning;
mod measure;
mod own_role;
mod past;
mod planted;
mod portal;
#[allow(dead_code)]
mod pour;
mod probe;
mod question;
mod recall;
mod recover;
mod refusal;
mod refuse;
mod rehearse;
mod relay;
mod roles;
mod said;
mod sasl;
mod settings;
mod settle;
mod shown;
mod simple;
mod source;
mod stream;
mod target;
mod tls;
pub(crate) mod traffic;
#[allow(dead_code, unused_imports)]
mod undo;
mod undoing;
mod upstream;
mod wrapped;
mod writes;

pub use config::{GateConfig, GateLimits, TargetConfig};
pub use error::{GateError, ServerError};
pub use gate::{Gate, Reopened, Stats, lease_verifier};
pub use measure::measuring;
pub use probe::{Probe, probe};
pub use refusal::{DENIED, FORBIDDEN, HALTED, HELD};
pub use roles::RoleLimits;
pub use source::{archiving, source_of};
pub use traffic::TrafficLog;
pub use undoing::{NotUndone, UndoAsk, UndoDone};
pub use upstream::{Host, Upstream, UpstreamTls};
