//! A recovery point of a whole database: what `pg_dump` and `pg_dumpall` write, and a manifest to check it by.
//!
//! Three contents, each an object of the vault's own: the archive (`pg_dump --format=custom`), the roles
//! (SQL without passwords) and the manifest (canonical JSON). A small [`Index`] names them.

mod index;
mod manifest;
mod measure;
mod restore;
mod restored;
mod roles;
mod take;

pub use index::{Index, Part};
pub use manifest::{Extension, Manifest, Role, Table};
pub use measure::{differences, measure};
pub(crate) use measure::{question as digest_question, read as digest_read};
pub use restore::{Restored, restore};
pub use restored::LeftOut;
pub(crate) use restored::run as run_pg_restore;
pub use roles::{missing, read as roles};
pub use take::{Taken, take};
