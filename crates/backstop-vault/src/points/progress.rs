//! How long work tells where it is: silent unless somebody listens.

/// Told about work that takes a while.
pub trait Progress: Send + Sync {
    /// What is being done now, how much of it is done, and how much there is, in the same unit, if known.
    fn at(&self, what: &str, done: u64, of: Option<u64>);
}

/// Nobody listens.
impl Progress for () {
    fn at(&self, _: &str, _: u64, _: Option<u64>) {}
}
