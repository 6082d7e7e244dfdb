//! Making a vault: its directory, its cosigning key, and a recovery key whose private half stays with people.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

use backstop_journal::SigningKey;

use crate::{
    error::{Result, VaultError},
    reader::Identity,
    server::KEY_FILE,
    store::Store,
};

/// Makes an empty vault in `dir`, which is made or must be empty. `name` is the cosigning key's name, such
/// as `vault.example`; gives that key's public half.
///
/// # Errors
/// When the directory is there and has something in it, or cannot be made.
pub fn make(dir: &Path, name: &str) -> Result<String> {
    let io = |what: &'static str| move |e| VaultError::io(what, dir, e);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(io("make"))?;
    let mut there = std::fs::read_dir(dir).map_err(io("list"))?;
    if there.next().is_some() {
        return Err(VaultError::setup(
            format!("`{}` is not empty", dir.display()),
            "name a directory that is empty or not there yet; an existing vault is never made anew",
        ));
    }
    Store::create(dir)?;
    make_keys(dir)?;
    new_key(dir, name)
}

/// Makes the directory that a vault is to be rebuilt in, with room for its keys; one that is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn prepare(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|e| VaultError::io("make", dir, e))?;
    match make_keys(dir) {
        Err(VaultError::Io { source, .. })
            if source.kind() == std::io::ErrorKind::AlreadyExists =>
        {
            Ok(())
        }
        made => made,
    }
}

fn make_keys(dir: &Path) -> Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(dir.join("keys"))
        .map_err(|e| VaultError::io("make `keys` in", dir, e))
}

/// Makes a cosigning key for the vault in `dir`, which has none; gives its public half.
///
/// # Errors
/// When the name is none, or the key is there already.
pub fn new_key(dir: &Path, name: &str) -> Result<String> {
    let bad = |error: backstop_journal::JournalError| {
        let error = error.to_string();
        VaultError::setup(
            format!(
                "cannot make the vault's key: {}",
                error.lines().next().unwrap_or_default()
            ),
            "`--name` takes a name without spaces and without `+`, such as `vault.example`",
        )
    };
    let key = SigningKey::generate(name).map_err(bad)?;
    key.save(&dir.join(KEY_FILE)).map_err(bad)?;
    Ok(key.verifier().text().to_owned())
}

/// Writes a recovery identity to a new file that only its owner can read. It must lie outside of the vault.
///
/// # Errors
/// When the file is there already, lies in the vault, or cannot be written.
pub fn keep_identity(identity: &Identity, file: &Path, vault: &Path) -> Result<()> {
    let io = |e| VaultError::io("write the recovery identity to", file, e);
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(io)?;
    // It may not be there yet.
    let vault = vault
        .canonicalize()
        .or_else(|_| std::path::absolute(vault))
        .map_err(io)?;
    if folder.starts_with(&vault) {
        return Err(VaultError::setup(
            "the recovery identity would lie in the vault that it opens",
            "name a file outside of it, best on another machine or a medium that you lock away",
        ));
    }
    let text = format!(
        "# Backstop's recovery identity: whoever has it reads everything in the vault.\n\
         # public key: {}\n{}\n",
        identity.recipient(),
        identity.reveal()
    );
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(io)?;
    out.write_all(text.as_bytes())
        .and_then(|()| out.sync_all())
        .map_err(io)
}
