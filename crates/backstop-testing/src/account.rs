//! As whom servers run: PostgreSQL and PgBouncer refuse to be root.
//!
//! It must not create users: it picks one that every Debian has.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The operating-system user that a throwaway server runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// The user that runs the tests; it is not root.
    Own,
    /// Another user, because the tests run as root.
    Other { uid: u32, gid: u32 },
}

impl Account {
    /// `postgres` or, without it, `nobody` when we are root; else ourselves.
    pub(crate) fn for_servers() -> Result<Self> {
        if !running_as_root()? {
            return Ok(Self::Own);
        }
        let passwd = fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        match ["postgres", "nobody"]
            .iter()
            .find_map(|name| find_user(&passwd, name))
        {
            Some((uid, gid)) => Ok(Self::Other { uid, gid }),
            None => bail!(
                "no user `postgres` or `nobody` to run a server as; hint: install Debian's postgresql"
            ),
        }
    }

    /// Makes a command run as this account.
    pub(crate) fn apply(self, command: &mut Command) {
        if let Self::Other { uid, gid } = self {
            // std drops root's supplementary groups when it sets the user.
            command.gid(gid).uid(uid);
        }
    }

    /// Gives a file or folder to this account.
    pub(crate) fn own(self, path: &Path) -> Result<()> {
        match self {
            Self::Own => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid))
                .with_context(|| format!("giving {} to the server's user", path.display())),
        }
    }

    /// Whether this account may enter a folder: a checkout below `/root` is closed to others.
    pub(crate) fn can_enter(self, folder: &Path) -> bool {
        let mut test = Command::new("test");
        test.arg("-x")
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.apply(&mut test);
        test.status().is_ok_and(|status| status.success())
    }
}

/// Whether this process has root's rights.
pub(crate) fn running_as_root() -> Result<bool> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1));
    Ok(effective == Some("0"))
}

/// The user and group of a name in the text of `/etc/passwd`.
fn find_user(passwd: &str, name: &str) -> Option<(u32, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        if fields.next() != Some(name) {
            return None;
        }
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "post:x:1:2::/:/bin/sh\npostgres:x:101:104:PostgreSQL,,,:/var/lib:/bin/bash\n";
        assert_eq!(find_user(passwd, "postgres"), Some((101, 104)));
        assert_eq!(find_user(passwd, "pos"), None);
    }
}
