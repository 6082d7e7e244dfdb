//! What judging needs besides analysis and policy: reading servers' own logs.

pub mod log;
