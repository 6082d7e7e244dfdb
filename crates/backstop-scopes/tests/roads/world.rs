//! Servers for the tests, and ways to them.

use backstop_core::secret::Secret;
use backstop_scopes::postgres::{Place, Trust, Way};
use backstop_testing::postgres::{Connection, Major};

/// The oldest and the newest that are here.
pub fn two() -> Vec<Major> {
    let all = Major::available().unwrap();
    let mut two = vec![*all.first().unwrap(), *all.last().unwrap()];
    two.dedup();
    two
}

/// The way that a connection of the tests' is.
pub fn way(connection: &Connection) -> Way {
    Way {
        place: Place::Tcp(connection.host.clone()),
        port: connection.port,
        database: connection.database.clone(),
        user: connection.user.clone(),
        password: Some(Secret::new(connection.password.clone())),
        trust: Trust::Nothing,
        require_binding: false,
    }
}
