//! The PostgreSQL gate.
//!
//! `gate` listens and hands connections to threads, `greet` proves the lease, `relay` carries messages,
//! `client` and `answers` deal with each side's, `judge` asks analysis and policy, `hold` waits for people,
//! `execute` does what they approved. `upstream` speaks to the server, `roles` makes and ends leases' roles.

mod answers;
mod cancel;
mod catalogue;
mod client;
mod config;
mod copy;
mod credential;
mod error;
mod execute;
mod failures;
mod gate;
mod greet;
mod hold;
mod judge;
mod learn;
mod probe;
mod question;
mod refusal;
mod relay;
mod roles;
mod sasl;
mod settings;
mod stream;
mod target;
mod tls;
mod traffic;
mod upstream;
mod writes;

pub use config::{GateConfig, GateLimits, TargetConfig};
pub use error::{GateError, ServerError};
pub use gate::{Gate, Stats, lease_verifier};
pub use probe::{Probe, probe};
pub use refusal::{DENIED, FORBIDDEN, HALTED, HELD};
pub use roles::RoleLimits;
pub use traffic::TrafficLog;
pub use upstream::{Host, Upstream, UpstreamTls};
