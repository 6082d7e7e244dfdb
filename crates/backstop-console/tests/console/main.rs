//! The console as its users meet it: requests over a real socket, a software authenticator, and Chromium.

// Helpers of tests, too, fail by panicking; clippy knows only functions marked as tests.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod alarms;
mod browser;
mod client;
mod decisions;
mod deletion;
mod notifications;
mod pages;
mod requests;
mod site;
