//! Where the gate's own password comes from when the connection string has none: PGPASSWORD, `~/.pgpass`.
//!
//! Must not print it, and must not use a password file that others can read.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use backstop_core::secret::Secret;

use super::{Dsn, Host};

/// A password file.
pub struct Pgpass {
    path: PathBuf,
}

impl Pgpass {
    /// The file that libpq would use.
    pub fn usual() -> Option<Self> {
        let named = std::env::var_os("PGPASSFILE").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|h| Path::new(&h).join(".pgpass"));
        named.or_else(home).map(|path| Self { path })
    }

    /// The password for `dsn`, if the file has one.
    ///
    /// # Errors
    /// When others can read the file.
    pub fn find(&self, dsn: &Dsn) -> Result<Option<Secret<String>>, String> {
        let Ok(meta) = std::fs::metadata(&self.path) else {
            return Ok(None);
        };
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(format!(
                "others can read `{0}`; hint: chmod 600 {0}",
                self.path.display()
            ));
        }
        let text = std::fs::read_to_string(&self.path)
            .map_err(|e| format!("cannot read `{}`: {e}", self.path.display()))?;
        Ok(text.lines().find_map(|line| matching(line, dsn)))
    }
}

fn matching(line: &str, dsn: &Dsn) -> Option<Secret<String>> {
    if line.starts_with('#') {
        return None;
    }
    let fields = fields(line);
    let [host, port, database, user, password] = fields.as_slice() else {
        return None;
    };
    let own_host = match &dsn.host {
        Host::Tcp(host) => host.clone(),
        Host::Unix(_) => "localhost".to_owned(),
    };
    let port_here = dsn.port.to_string();
    let pairs = [
        (host, &own_host),
        (port, &port_here),
        (database, &dsn.database),
        (user, &dsn.user),
    ];
    let fits = pairs
        .iter()
        .all(|(pattern, value)| *pattern == "*" || pattern == value);
    fits.then(|| Secret::new(password.clone()))
}

/// Five fields with `:` between them; a backslash keeps the next character.
fn fields(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '\\' => chars.next(),
            ':' => None,
            c => Some(c),
        };
        match (c, out.last_mut()) {
            (Some(c), Some(field)) => field.push(c),
            _ => out.push(String::new()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let dsn = Dsn::parse("postgresql://u@h:5433/d").unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(
            file.path(),
            "# h:5433:d:u:no\nother:*:*:*:no\nh:5433:*:u:a\\:b\\\\c\n*:*:*:*:no\n",
        )
        .unwrap();
        let pgpass = Pgpass {
            path: file.path().to_owned(),
        };
        assert_eq!(pgpass.find(&dsn).unwrap().unwrap().reveal(), "a:b\\c");
        std::fs::set_permissions(file.path(), PermissionsExt::from_mode(0o644)).unwrap();
        assert!(pgpass.find(&dsn).unwrap_err().contains("chmod 600"));
    }
}
