//! PostgreSQL's own programs: where they are and whether they will do.
//!
//! It must not take a program from the working directory, and must not use one that writes names with line
//! breaks into a script as they are: those were commands to `psql` (CVE-2025-8714, CVE-2025-8715).

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::PointError;
use super::drill::Room;

/// Debian keeps each major version in a folder of its own here.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The first minor version of each major that guards its scripts with `\restrict`.
const GUARDED: &[(u32, u32)] = &[(13, 22), (14, 19), (15, 14), (16, 10), (17, 6), (18, 0)];

/// A folder of PostgreSQL's programs, of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tools {
    bin: PathBuf,
    major: u32,
    /// The sandbox that they run in, if they do.
    room: Option<Room>,
}

impl Tools {
    /// Finds the programs for a server of `major`: in `configured`, else of that major version in Debian's
    /// folder or on PATH, else of the oldest newer version in Debian's folder.
    ///
    /// # Errors
    /// When there are none, or they are older than the server, or of a minor version that is not safe.
    pub async fn find(configured: Option<&Path>, major: u32) -> Result<Self, PointError> {
        if let Some(bin) = configured {
            return Self::at(bin, major).await;
        }
        for bin in candidates(major) {
            if bin.join("pg_dump").is_file() {
                return Self::at(&bin, major).await;
            }
        }
        Err(PointError::Tool {
            tool: "pg_dump".to_owned(),
            problem: format!("of PostgreSQL {major} or newer was not found"),
            hint: format!(
                "install postgresql-client-{major}, or set `pg_bin` to the folder that holds it"
            ),
        })
    }

    /// Takes the programs of one folder for a server of `major`.
    ///
    /// # Errors
    /// As [`Tools::find`].
    pub async fn at(bin: &Path, major: u32) -> Result<Self, PointError> {
        let resolving = PointError::io(format!("looking for {}", bin.display()));
        // A relative name or a link could come to mean something else.
        let bin = &bin.canonicalize().map_err(resolving)?;
        let (own, minor) = version(&bin.join("pg_dump")).await?;
        let refuse = |problem: String, hint: String| {
            Err(PointError::Tool {
                tool: bin.join("pg_dump").display().to_string(),
                problem,
                hint,
            })
        };
        if own < major {
            return refuse(
                format!("is of PostgreSQL {own}, older than the server's {major}"),
                format!("set `pg_bin` to a folder with PostgreSQL {major}'s programs"),
            );
        }
        let guarded = GUARDED.iter().find(|(number, _)| *number == own);
        if let Some((_, first)) = guarded
            && minor < *first
        {
            return refuse(
                format!("{own}.{minor} lets names in a database become commands on restore"),
                format!("update it to {own}.{first} or newer"),
            );
        }
        Ok(Self {
            bin: bin.to_owned(),
            major: own,
            room: None,
        })
    }

    /// The same, run inside a sandbox.
    pub(crate) fn within(&self, room: &Room) -> Self {
        Self {
            room: Some(room.clone()),
            ..self.clone()
        }
    }

    /// The sandbox that they run in, if they do.
    pub(crate) fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// Their major version.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The folder they are in.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// A program, with an environment that holds nothing but what it needs, and that ends with its owner.
    pub(crate) fn command(&self, tool: &str) -> Command {
        if let Some(room) = &self.room {
            return room.command(&self.bin.join(tool));
        }
        let mut command = Command::new(self.bin.join(tool));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            // Else psql, pg_dump and libpq read files of whoever runs them.
            .env("HOME", "/nonexistent")
            .env("PGSYSCONFDIR", "/nonexistent")
            .env("PGPASSFILE", "/dev/null")
            .env("PGSERVICEFILE", "/dev/null")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }
}

/// Where programs of a major version may be, best first.
fn candidates(major: u32) -> Vec<PathBuf> {
    let debian = |number: u32| Path::new(DEBIAN).join(number.to_string()).join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    std::iter::once(debian(major))
        .chain((major + 1..major + 8).map(debian))
        .chain(on_path)
        .collect()
}

/// Major and minor version of a program, by asking it.
async fn version(program: &Path) -> Result<(u32, u32), PointError> {
    let asking = format!("asking {} for its version", program.display());
    let output = Command::new(program)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(PointError::io(asking))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    parse(&said).ok_or_else(|| PointError::Tool {
        tool: program.display().to_string(),
        problem: format!("does not say its version (`{}`)", said.trim()),
        hint: "set `pg_bin` to a folder with PostgreSQL's own programs".to_owned(),
    })
}

/// `pg_dump (PostgreSQL) 15.18 (Debian …)`; a development version has no minor and counts as its first.
fn parse(said: &str) -> Option<(u32, u32)> {
    let number = said.split_whitespace().nth(2)?;
    let mut parts = number.split('.');
    let digits = |part: &str| -> Option<u32> {
        let end = part
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(part.len());
        part.get(..end)?.parse().ok()
    };
    let major = digits(parts.next()?)?;
    Some((major, parts.next().and_then(digits).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_written() {
        assert_eq!(
            parse("pg_dump (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some((15, 18))
        );
        assert_eq!(parse("pg_dump (PostgreSQL) 19devel"), Some((19, 0)));
        assert_eq!(parse("pg_dump"), None);
    }

    #[tokio::test]
    async fn programs_that_are_too_old_or_unsafe_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("pg_dump");
        let claim = |text: &str| {
            std::fs::write(
                &program,
                format!("#!/bin/sh\necho 'pg_dump (PostgreSQL) {text}'\n"),
            )
            .unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&program, mode).unwrap();
        };
        claim("15.13");
        let unsafe_minor = Tools::at(folder.path(), 15).await.unwrap_err().to_string();
        assert!(
            unsafe_minor.contains("update it to 15.14"),
            "{unsafe_minor}"
        );
        claim("15.18");
        assert_eq!(Tools::at(folder.path(), 15).await.unwrap().major(), 15);
        let old = Tools::at(folder.path(), 16).await.unwrap_err().to_string();
        assert!(old.contains("older than the server's 16"), "{old}");
    }
}
