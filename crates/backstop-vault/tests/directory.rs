//! Tricks with the directory: open to others, links in place of files and folders, two servers at once.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;

use backstop_vault::{
    Class, init,
    reader::Identity,
    server::{People, Vault},
    store::{Options, clock::MachineTime},
    verify::{FindingKind, verify},
};
use bytes::Bytes;

use crate::support::{Served, label};

fn open(dir: &std::path::Path) -> backstop_vault::Result<Vault> {
    Vault::open(
        dir,
        Options::default(),
        People::default(),
        Arc::new(MachineTime::default()),
    )
}

#[test]
fn a_directory_that_others_can_enter_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("vault");
    init::make(&dir, "vault.test").unwrap();
    for (path, mode) in [
        (dir.clone(), 0o750),
        (dir.clone(), 0o702),
        (dir.join("objects"), 0o770),
    ] {
        let kept = path.metadata().unwrap().permissions();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        let error = open(&dir).err().unwrap().to_string();
        assert!(
            error.contains("is open to other users") && error.contains("hint: chmod 0700"),
            "{error}"
        );
        std::fs::set_permissions(&path, kept).unwrap();
    }
    open(&dir).unwrap().close().unwrap();
}

#[test]
fn an_existing_vault_is_never_made_anew() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("vault");
    init::make(&dir, "vault.test").unwrap();
    let error = init::make(&dir, "vault.test").unwrap_err().to_string();
    assert!(error.contains("is not empty"), "{error}");
    let identity = Identity::generate();
    let inside = init::keep_identity(&identity, &dir.join("keys").join("mine"), &dir);
    assert!(
        inside
            .unwrap_err()
            .to_string()
            .contains("would lie in the vault")
    );
    let file = home.path().join("identity");
    init::keep_identity(&identity, &file, &dir).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        init::keep_identity(&identity, &file, &dir).is_err(),
        "never over another"
    );
    let read = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        Identity::parse(&read).unwrap().recipient(),
        identity.recipient()
    );
}

#[test]
fn one_directory_has_one_server() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("vault");
    init::make(&dir, "vault.test").unwrap();
    let first = open(&dir).unwrap();
    let error = open(&dir).err().unwrap().to_string();
    assert!(error.contains("served by another process"), "{error}");
    first.close().unwrap();
    open(&dir).unwrap().close().unwrap();
}

#[test]
fn a_link_in_place_of_anything_is_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("vault");
    let elsewhere = home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::set_permissions(&elsewhere, PermissionsExt::from_mode(0o700)).unwrap();
    init::make(&dir, "vault.test").unwrap();
    open(&dir).unwrap().close().unwrap();
    for name in [
        "objects", "wal", "tmp", "sums", "cosigned", "index", "clock", "lock",
    ] {
        let (path, aside) = (dir.join(name), home.path().join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        let target = if aside.is_dir() {
            elsewhere.clone()
        } else {
            aside.clone()
        };
        symlink(&target, &path).unwrap();
        assert!(open(&dir).is_err(), "`{name}` was followed");
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
    }
    let link = home.path().join("link");
    symlink(&dir, &link).unwrap();
    assert!(open(&link).is_err());
    open(&dir).unwrap().close().unwrap();
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
}

/// Links among the objects, planted while the vault runs: nothing is written through them.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_planted_among_the_objects_catches_nothing() {
    let served = Served::new().await;
    let elsewhere = served.home.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let objects = served.dir().join("objects");
    for n in 0..=255_u8 {
        symlink(&elsewhere, objects.join(format!("{n:02x}"))).unwrap();
    }
    let stored = served
        .client()
        .put(&label(Class::Images), Bytes::from_static(b"row"))
        .await
        .unwrap();
    assert!(
        served.vault.store().settle().is_err(),
        "the vault stops rather than follow"
    );
    assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    let error = served
        .client()
        .put(&label(Class::Images), Bytes::from_static(b"2"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("the vault has stopped"),
        "{error}"
    );
    let found = verify(&served.dir()).unwrap();
    let links = found
        .findings
        .iter()
        .filter(|one| one.kind == FindingKind::Kind)
        .count();
    assert_eq!(links, 256);
    // Without the links it starts again, and has what it acknowledged.
    for n in 0..=255_u8 {
        std::fs::remove_file(objects.join(format!("{n:02x}"))).unwrap();
    }
    let dir = served.dir();
    let aside = served.home.path().join("copy");
    copy(&dir, &aside);
    let again = open(&aside).unwrap();
    assert_eq!(again.store().has(&stored.name), Some(stored));
    again.close().unwrap();
    let report = verify(&aside).unwrap();
    assert!(report.is_sound(), "{report:#?}");
}

/// Copies a vault's directory, as somebody with a disk image would have it.
pub fn copy(from: &std::path::Path, to: &std::path::Path) {
    let done = std::process::Command::new("cp")
        .arg("-a")
        .args([from, to])
        .status()
        .unwrap();
    assert!(done.success());
    let _ = std::fs::remove_file(to.join("operator.sock"));
}
