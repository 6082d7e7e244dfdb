//! A data folder made once per server version and copied for each server:
//! `initdb` takes most of a second, a copy a tenth.
//!
//! It must not be used by two versions: its name carries the exact one.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::Installation;
use crate::account::Account;
use crate::cache;

pub(super) const SUPERUSER: &str = "postgres";
pub(super) const SUPERUSER_PASSWORD: &str = "throwaway-superuser";
pub(super) const OWNER: &str = "owner";
pub(super) const OWNER_PASSWORD: &str = "throwaway-owner";
pub(super) const DATABASE: &str = "app";

/// Raise it when what a template holds changes.
const REVISION: u32 = 1;

/// One statement a line: single-user mode reads them so.
const ROLES: &str = "\
CREATE ROLE owner LOGIN CREATEROLE CREATEDB NOSUPERUSER PASSWORD 'throwaway-owner'
CREATE DATABASE app OWNER owner
";

/// Puts a fresh data folder at `data`, whose parent belongs to `account`.
pub(super) fn lay_out(installation: &Installation, account: Account, data: &Path) -> Result<()> {
    match template(installation, account)? {
        Some(template) => copy(&template, account, data),
        None => make(installation, account, data),
    }
}

/// The template, made if need be; `None` where there is no folder to keep it in.
fn template(installation: &Installation, account: Account) -> Result<Option<PathBuf>> {
    let Some(cache) = cache::folders()
        .into_iter()
        .find(|folder| account.can_enter(folder))
    else {
        return Ok(None);
    };
    let templates = cache.join("templates");
    if fs::create_dir_all(&templates).is_err() {
        return Ok(None); // somebody else's cache: do without
    }
    let name = name(installation, account)?;
    let Ok(lock) = File::create(templates.join(format!("{name}.lock"))) else {
        return Ok(None); // somebody else's cache, again
    };
    lock.lock().context("waiting for the template's lock")?;
    let folder = templates.join(name);
    if !folder.exists() {
        let work = tempfile::Builder::new()
            .prefix(".making-")
            .tempdir_in(&templates)
            .context("making a template")?;
        account.own(work.path())?;
        make(installation, account, &work.path().join("data"))?;
        fs::rename(work.keep(), &folder).context("putting the template in its place")?;
    }
    Ok(Some(folder.join("data")))
}

/// Version and user in one file name: a template belongs to the user that runs it.
fn name(installation: &Installation, account: Account) -> Result<String> {
    let output = Command::new(installation.program("postgres"))
        .arg("--version")
        .output()
        .context("asking the server for its version")?;
    let version: String = String::from_utf8_lossy(&output.stdout)
        .chars()
        .filter(|letter| letter.is_ascii_digit() || *letter == '.')
        .collect();
    let user = match account {
        Account::Own => "own".to_owned(),
        Account::Other { uid, .. } => uid.to_string(),
    };
    Ok(format!("{version}-{user}-r{REVISION}"))
}

fn make(installation: &Installation, account: Account, data: &Path) -> Result<()> {
    initdb(installation, account, data)?;
    let mut postgres = Command::new(installation.program("postgres"));
    postgres
        .args(["--single", "-F", "-c", "exit_on_error=true", "-D"])
        .arg(data)
        .arg("postgres");
    let output = run(postgres, account, ROLES).context("making the owner and its database")?;
    check(&output, "making the owner and its database")
}

fn initdb(installation: &Installation, account: Account, data: &Path) -> Result<()> {
    // A pipe would need a name that the other user can open; a file beside is simpler.
    let passwords = data.with_file_name("superuser-password");
    fs::write(&passwords, SUPERUSER_PASSWORD).context("writing initdb's password file")?;
    let mut initdb = Command::new(installation.program("initdb"));
    initdb
        .args([
            "--username",
            SUPERUSER,
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
        ])
        .args(["--no-sync", "--no-instructions", "--pwfile"])
        .arg(&passwords)
        .arg("--pgdata")
        .arg(data);
    let output = run(initdb, account, "");
    fs::remove_file(&passwords).context("removing initdb's password file")?;
    check(&output.context("running initdb")?, "initdb")
}

/// Copies a data folder, as `account`.
pub(super) fn copy(template: &Path, account: Account, data: &Path) -> Result<()> {
    let mut cp = Command::new("cp");
    cp.args(["--recursive", "--preserve=mode", "--reflink=auto"])
        .arg(template)
        .arg(data);
    check(
        &run(cp, account, "").context("copying a data folder")?,
        "copying a data folder",
    )
}

pub(super) fn run(mut command: Command, account: Account, input: &str) -> Result<Output> {
    account.apply(&mut command);
    let mut child = command
        .current_dir("/")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .context("writing to its standard input")?;
    }
    child.wait_with_output().context("waiting for its end")
}

pub(super) fn check(output: &Output, what: &str) -> Result<()> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{what} failed: {said}");
    if let Some(line) = said
        .lines()
        .find(|line| line.contains("ERROR:") || line.contains("FATAL:"))
    {
        bail!("{what} failed: {line}");
    }
    Ok(())
}
