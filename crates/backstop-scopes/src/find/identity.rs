//! Whose eyes to look with: what another user could read, computed from owners, groups and permission bits. Access
//! control lists and mandatory access control are not considered; running as that user considers everything.

use std::path::{Path, PathBuf};

use rustix::fs::Stat;

/// A user's ids, as the permission bits of files know them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user id.
    pub uid: u32,
    /// Every group id: the primary one and the supplementary ones.
    pub groups: Vec<u32>,
    /// The home directory.
    pub home: PathBuf,
}

/// Why a user is not known.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// No line of `/etc/passwd` has this name or number.
    #[error(
        "no user `{0}` in /etc/passwd; hint: a user from a directory service must run the audit itself"
    )]
    Unknown(String),
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Identity {
    /// The user of this name or number, by `/etc/passwd` and `/etc/group`.
    ///
    /// # Errors
    /// If a file cannot be read, or has no such user.
    pub fn of(user: &str) -> Result<Self, IdentityError> {
        let read = |path: &'static str| {
            std::fs::read(path)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .map_err(|source| IdentityError::Unreadable { path, source })
        };
        Self::parse(user, &read("/etc/passwd")?, &read("/etc/group")?)
            .ok_or_else(|| IdentityError::Unknown(user.escape_default().to_string()))
    }

    fn parse(user: &str, passwd: &str, group: &str) -> Option<Self> {
        let fields: Vec<&str> = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&user) || fields.get(2) == Some(&user))?;
        let name = *fields.first()?;
        let mut groups = vec![fields.get(3)?.parse().ok()?];
        for line in group.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let (Some(gid), Some(members)) = (fields.get(2), fields.get(3)) else {
                continue;
            };
            if members.split(',').any(|member| member == name) {
                groups.extend(gid.parse::<u32>().ok());
            }
        }
        Some(Self {
            uid: fields.get(2)?.parse().ok()?,
            groups,
            home: PathBuf::from(fields.get(5)?),
        })
    }

    /// Whether the bits of `stat` give this user all of `wanted` (4 read, 2 write, 1 search).
    pub(crate) fn may(&self, stat: &Stat, wanted: u32) -> bool {
        if self.uid == 0 {
            return true;
        }
        let mode = stat.st_mode;
        let bits = if stat.st_uid == self.uid {
            mode >> 6
        } else if self.groups.contains(&stat.st_gid) {
            mode >> 3
        } else {
            mode
        };
        bits & 7 & wanted == wanted
    }

    /// Whether this user can get as far as `path`: every directory above it lets them through.
    pub(crate) fn reaches(&self, path: &Path) -> bool {
        path.ancestors()
            .skip(1)
            .filter(|above| !above.as_os_str().is_empty())
            .all(|above| rustix::fs::stat(above).is_ok_and(|stat| self.may(&stat, 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nagent:x:1001:1001::/home/agent:/bin/sh\n";
    const GROUP: &str = "agent:x:1001:\ndocker:x:998:other,agent\nother:x:5:agents\n";

    #[test]
    fn a_user_has_its_groups_and_no_others() {
        let agent = Identity::parse("agent", PASSWD, GROUP).unwrap();
        assert_eq!(
            (agent.uid, agent.groups.as_slice()),
            (1001, &[1001, 998][..])
        );
        assert_eq!(Identity::parse("1001", PASSWD, GROUP).unwrap(), agent);
        assert_eq!(Identity::parse("nobody", PASSWD, GROUP), None);
    }

    #[test]
    fn the_first_class_that_fits_decides_even_when_it_gives_less() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut stat = rustix::fs::stat(file.path()).unwrap();
        (stat.st_uid, stat.st_gid) = (1001, 7);
        let agent = Identity::parse("agent", PASSWD, GROUP).unwrap();
        stat.st_mode = 0o100_044;
        assert!(
            !agent.may(&stat, 4),
            "the owner's bits count, though others may read"
        );
        stat.st_uid = 5;
        assert!(agent.may(&stat, 4));
        stat.st_gid = 998;
        stat.st_mode = 0o100_604;
        assert!(
            !agent.may(&stat, 4),
            "the group's bits count, though others may read"
        );
    }
}
