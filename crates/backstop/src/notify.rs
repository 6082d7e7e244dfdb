//! Where people are called, as the configuration writes it.

pub use backstop_console::notify::Config as NotifyConfig;
