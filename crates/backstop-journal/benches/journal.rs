//! How fast the journal takes and keeps entries.
fn main() {}
