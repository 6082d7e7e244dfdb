//! Throwaway PostgreSQL servers of every supported major version.
//!
//! Start one with [`PostgresServer::start`]; it listens on a free port of
//! 127.0.0.1 and on a unix socket, asks for SCRAM-SHA-256, and is gone when it is
//! dropped. Like managed PostgreSQL it has a role `owner` that owns the database
//! `app` and may create roles, but is no superuser. It must not be given data
//! that matters: passwords are known and `fsync` is off unless asked for.

mod builder;
mod connection;
mod files;
mod installation;
mod major;
mod psql;
mod server;
mod template;

pub use builder::PostgresServer;
pub use connection::Connection;
pub use installation::Installation;
pub use major::Major;
pub use server::Server;
