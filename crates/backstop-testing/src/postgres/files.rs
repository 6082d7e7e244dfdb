//! A throwaway server's folder as a provider's volume sees it: where the data lie, copies of them, and putting a copy
//! back.
//!
//! It must not copy a running server's files by itself: what `cp` reads while they change is no database.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Server;
use super::template;

impl Server {
    /// The folder that all it has lies in; it goes when the server is dropped.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The data directory; it may be gone.
    pub fn data_directory(&self) -> PathBuf {
        self.data()
    }

    /// Whether its main process runs.
    pub fn is_running(&self) -> bool {
        self.psql("SELECT 1").is_ok()
    }

    /// Makes a folder below its own that the server's user owns.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        self.account.own(&folder)?;
        Ok(folder)
    }

    /// Copies the running server's data directory to `to`, which must not exist, without stopping it.
    ///
    /// # Errors
    /// When it does not run, or no `pg_basebackup` fits it.
    pub fn copy_data(&self, to: &Path) -> Result<()> {
        let mut command = Command::new(self.base_backup()?);
        let superuser = self.superuser();
        command
            .args(["--checkpoint=fast", "--wal-method=fetch", "--no-sync"])
            .args(["--no-manifest", "--no-password", "--pgdata"])
            .arg(to)
            .env("PGHOST", self.host())
            .env("PGPORT", self.port().to_string())
            .env("PGUSER", superuser.user)
            .env("PGPASSWORD", superuser.password);
        let output = template::run(command, self.account, "").context("running pg_basebackup")?;
        template::check(&output, "pg_basebackup")
    }

    /// Stops it, puts a copy that [`Server::copy_data`] made in place of its data, and starts it again.
    ///
    /// # Errors
    /// When the copy cannot be read or does not start.
    pub fn replace_data(&mut self, copy: &Path) -> Result<()> {
        self.stop()?;
        let data = self.data();
        if data.exists() {
            fs::remove_dir_all(&data).context("removing the data directory")?;
        }
        template::copy(copy, self.account, &data)?;
        self.start_again()
    }

    /// `pg_basebackup` must not be older than the server.
    fn base_backup(&self) -> Result<PathBuf> {
        let installation = self.installation();
        match installation.whole() {
            Some(bin) if bin.join("pg_basebackup").is_file() => Ok(bin.join("pg_basebackup")),
            _ => installation.client("pg_basebackup"),
        }
    }
}
