//! Where a database is and as whom to reach it, as PostgreSQL's own tools are told.
//!
//! It must not put a password where other users can read it: arguments of a process are public, its
//! environment is not.

use std::path::PathBuf;

use backstop_core::secret::Secret;
use tokio::process::Command;

use super::Tools;

/// How the connection is protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// None: for sockets and for servers on the same machine.
    Off,
    /// The server's certificate must be signed by one of this file (PEM) and carry its name.
    Verified(PathBuf),
    /// The server's certificate must be signed by, or be, one of this file (PEM), whatever its name.
    Pinned(PathBuf),
    /// The server's certificate must be signed by an authority that the system trusts and carry its name.
    System,
}

/// A database, and the role that copies it.
#[derive(Debug, Clone)]
pub struct Source {
    /// An address, a name, or a socket's folder.
    pub host: String,
    /// The TCP port; part of the socket's name too.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Its password, if it has one.
    pub password: Option<Secret<String>>,
    /// The database.
    pub database: String,
    /// How the connection is protected.
    pub tls: Tls,
    /// The programs to reach it with.
    pub tools: Tools,
}

/// Where Debian keeps the authorities that the system trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

impl Source {
    /// One of PostgreSQL's client programs, told to connect to this database and nothing else.
    pub(crate) fn command(&self, tool: &str) -> Command {
        let mut command = self.tools.command(tool);
        command.envs(self.environment());
        command
    }

    /// What libpq reads instead of arguments.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut environment = vec![
            ("PGHOST", self.host.clone()),
            ("PGPORT", self.port.to_string()),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
            ("PGCLIENTENCODING", "UTF8".to_owned()),
            ("PGAPPNAME", "backstop".to_owned()),
            ("PGCONNECT_TIMEOUT", "10".to_owned()),
        ];
        if let Some(password) = &self.password {
            environment.push(("PGPASSWORD", password.reveal().clone()));
        }
        let (mode, root) = match &self.tls {
            Tls::Off => ("disable", None),
            Tls::Verified(root) => ("verify-full", Some(root.display().to_string())),
            Tls::Pinned(root) => ("verify-ca", Some(root.display().to_string())),
            Tls::System => ("verify-full", Some(AUTHORITIES.to_owned())),
        };
        environment.push(("PGSSLMODE", mode.to_owned()));
        if let Some(root) = root {
            environment.push(("PGSSLROOTCERT", root));
        }
        environment
    }
}
