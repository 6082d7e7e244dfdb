//! The credential-scope audit: which credentials a process can reach, and what each of them could destroy.
//!
//! `find` looks for credentials and reports place, kind and a salted fingerprint, never the secret. `postgres` asks a
//! server's catalogue which roads to destruction a role has. `probe` asks other providers, by calls that only read.
//! `report` ranks what was found, `lease` says what a lease holds, both in sentences; `proofs` shows what no policy lets
//! through. Nothing here writes anywhere.

pub mod find;
pub mod kinds;
pub mod lease;
pub mod postgres;
pub mod probe;
pub mod proofs;
pub mod report;
