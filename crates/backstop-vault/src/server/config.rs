//! Will hold vault.toml.
