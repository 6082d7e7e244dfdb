//! The finder against what it will meet: planted homes, hostile trees, repositories, processes and sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod history;
mod hostile;
mod places;
mod planted;
mod secrets;
