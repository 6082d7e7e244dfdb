//! APIs that no pack knows: by method, media type and name, conservative, and labelled so.

pub mod graphql;
pub mod rest;
mod words;

pub use words::is_credential;
