//! The finder against what it will meet: planted homes, hostile trees, repositories, processes and sockets.
#![allow(missing_docs)]

mod history;
mod hostile;
mod places;
mod planted;
mod secrets;
