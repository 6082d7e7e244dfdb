//! Damage on the disk: every kind of file, found by verification and named precisely.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use backstop_core::digest::Digest;
use backstop_vault::{
    Class, Stored, VaultError, init,
    reader::{self, Identity},
    server::{People, Vault},
    store::{Options, clock::MachineTime},
    verify::{FindingKind, Report, verify},
};
use bytes::Bytes;

use crate::support::{Served, label};

/// A vault that was stopped, with three small objects and one of so many bytes.
async fn stocked(large: usize) -> (tempfile::TempDir, Identity, Vec<Stored>) {
    let served = Served::new().await;
    let client = served.client();
    let mut stored = Vec::new();
    for n in 0..3_u8 {
        let content = Bytes::from(vec![n; 2000]);
        stored.push(client.put(&label(Class::Images), content).await.unwrap());
    }
    let mut seed = 7_u64;
    let noise: Vec<u8> = (0..large)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as u8
        })
        .collect();
    stored.push(
        client
            .put(&label(Class::Point), noise.into())
            .await
            .unwrap(),
    );
    let (home, identity) = served.stop().await;
    (home, identity, stored)
}

fn path_of(dir: &Path, name: &Digest) -> PathBuf {
    let hex = name.to_hex();
    dir.join("objects").join(&hex[..2]).join(hex)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1 << (at % 8);
    let mode = path.metadata().unwrap().permissions();
    fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, mode).unwrap();
}

fn only(report: &Report) -> &backstop_vault::verify::Finding {
    assert_eq!(report.findings.len(), 1, "{report:#?}");
    &report.findings[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_an_object_is_named_with_its_place() {
    let (home, identity, stored) = stocked(3_500_000).await;
    let dir = home.path().join("vault");
    assert!(verify(&dir).unwrap().is_sound());
    for object in &stored {
        let path = path_of(&dir, &object.name);
        let bytes = usize::try_from(object.bytes).unwrap();
        for at in [0, 1, bytes / 3, bytes / 2, bytes - 1] {
            flip(&path, at);
            let report = verify(&dir).unwrap();
            let found = only(&report);
            assert_eq!(found.kind, FindingKind::Changed);
            assert_eq!(found.object, Some(object.name));
            assert_eq!(dir.join(&found.file), path);
            let (from, to) = found.bytes.unwrap();
            let at = at as u64;
            assert!(
                from <= at && at < to && to - from <= 1 << 20,
                "{at} in {from}..{to}"
            );
            // And nobody is given it for what was stored.
            let read = reader::open(&dir, object.name, &identity)
                .map_err(|e| e.to_string())
                .and_then(|mut r| {
                    std::io::copy(&mut r, &mut std::io::sink()).map_err(|e| e.to_string())
                });
            assert!(read.is_err(), "byte {at}");
            flip(&path, usize::try_from(at).unwrap());
        }
    }
    assert!(verify(&dir).unwrap().is_sound());
}

/// The stanza that holds the key to the content, where damage looks like another's key.
#[tokio::test(flavor = "multi_thread")]
async fn damage_before_the_content_is_damage_and_not_a_wrong_identity() {
    let (home, identity, stored) = stocked(2000).await;
    let dir = home.path().join("vault");
    let path = path_of(&dir, &stored[0].name);
    let bytes = fs::read(&path).unwrap();
    let head = bytes.windows(4).position(|four| four == b"\n---").unwrap();
    for at in 0..head {
        flip(&path, at);
        let error = reader::open(&dir, stored[0].name, &identity).err().unwrap();
        let damage = matches!(error, VaultError::Integrity { .. });
        assert!(damage, "byte {at}: {error}");
        flip(&path, at);
    }
    assert!(reader::open(&dir, stored[0].name, &identity).is_ok());
    let other = Identity::generate();
    let error = reader::open(&dir, stored[0].name, &other).err().unwrap();
    assert!(matches!(error, VaultError::Key { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_of_the_index_counts() {
    let (home, _, _) = stocked(800).await;
    let dir = home.path().join("vault");
    let index = dir.join("index");
    let whole = fs::read(&index).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&index, &bytes).unwrap();
        let report = verify(&dir).unwrap();
        let named = report.findings.iter().any(|found| {
            let place = found
                .bytes
                .is_some_and(|(from, to)| from <= at as u64 && (at as u64) < to);
            found.file == "index" && place
        });
        assert!(named, "byte {at}: {report:#?}");
        let opened = open(&dir);
        assert!(opened.is_err_and(|error| error.is_integrity()), "byte {at}");
    }
    fs::write(&index, &whole).unwrap();
    // Lines taken from the middle, from the end, and moved.
    let lines: Vec<&[u8]> = whole.split_inclusive(|b| *b == b'\n').collect();
    for kept in [
        vec![0, 2, 3],
        vec![0, 1, 3],
        vec![0, 1, 2],
        vec![1, 0, 2, 3],
        vec![],
    ] {
        let bytes: Vec<u8> = kept.iter().flat_map(|n| lines[*n].to_vec()).collect();
        fs::write(&index, bytes).unwrap();
        assert!(!verify(&dir).unwrap().is_sound(), "{kept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_of_the_sums_counts() {
    let (home, _, stored) = stocked(3_500_000).await;
    let dir = home.path().join("vault");
    let sums = dir.join("sums").join(stored[3].name.to_hex());
    let length = fs::read(&sums).unwrap().len();
    assert!(length >= 4 * 32);
    for at in 0..length {
        flip(&sums, at);
        let report = verify(&dir).unwrap();
        assert!(only(&report).file.starts_with("sums/"), "{report:#?}");
        flip(&sums, at);
    }
    fs::remove_file(&sums).unwrap();
    assert_eq!(only(&verify(&dir).unwrap()).kind, FindingKind::Missing);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_cut_grown_planted_and_linked_objects_are_found() {
    let (home, _, stored) = stocked(3_500_000).await;
    let dir = home.path().join("vault");
    let path = path_of(&dir, &stored[0].name);
    let whole = fs::read(&path).unwrap();
    let put = |bytes: &[u8]| {
        let _ = fs::remove_file(&path);
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o400)).unwrap();
    };
    fs::remove_file(&path).unwrap();
    assert_eq!(only(&verify(&dir).unwrap()).kind, FindingKind::Missing);
    for bytes in [&whole[..whole.len() - 1], &[], &[&whole[..], b"x"].concat()] {
        put(bytes);
        let report = verify(&dir).unwrap();
        assert_eq!(
            (only(&report).kind, only(&report).object),
            (FindingKind::Length, Some(stored[0].name))
        );
    }
    // Another object's bytes under this one's name.
    put(&fs::read(path_of(&dir, &stored[1].name)).unwrap());
    assert!(!verify(&dir).unwrap().is_sound());
    // The right bytes, but behind a link that somebody can point elsewhere.
    let aside = home.path().join("aside");
    fs::write(&aside, &whole).unwrap();
    fs::remove_file(&path).unwrap();
    symlink(&aside, &path).unwrap();
    let kinds: Vec<_> = verify(&dir)
        .unwrap()
        .findings
        .iter()
        .map(|one| one.kind)
        .collect();
    assert_eq!(kinds, [FindingKind::Kind, FindingKind::Missing]);
    // A second name through which it could be written to.
    put(&whole);
    let second = home.path().join("second");
    fs::hard_link(&path, &second).unwrap();
    assert_eq!(only(&verify(&dir).unwrap()).kind, FindingKind::Open);
    fs::remove_file(&second).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(only(&verify(&dir).unwrap()).kind, FindingKind::Open);
    put(&whole);
    assert!(verify(&dir).unwrap().is_sound());
    // What nobody stored.
    let planted = path_of(&dir, &Digest::of(b"planted"));
    fs::create_dir_all(planted.parent().unwrap()).unwrap();
    fs::set_permissions(planted.parent().unwrap(), PermissionsExt::from_mode(0o700)).unwrap();
    fs::write(&planted, b"planted").unwrap();
    let report = verify(&dir).unwrap();
    assert_eq!(
        (only(&report).kind, only(&report).object),
        (FindingKind::Surplus, Some(Digest::of(b"planted")))
    );
    fs::remove_file(&planted).unwrap();
    for (file, kind) in [
        ("notes.txt", FindingKind::Surplus),
        ("objects/zz.txt", FindingKind::Kind),
        ("wal/x", FindingKind::Surplus),
    ] {
        fs::write(dir.join(file), b"?").unwrap();
        assert_eq!(only(&verify(&dir).unwrap()).kind, kind, "{file}");
        fs::remove_file(dir.join(file)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_served_vault_is_verified_beside_its_server() {
    let served = Served::new().await;
    let client = served.client();
    let writer = tokio::spawn(async move {
        for n in 0..300_u32 {
            let content = Bytes::from(n.to_be_bytes().repeat(50));
            client.put(&label(Class::Images), content).await.unwrap();
        }
    });
    while !writer.is_finished() {
        let dir = served.dir();
        let report = tokio::task::spawn_blocking(move || verify(&dir))
            .await
            .unwrap()
            .unwrap();
        assert!(report.live && report.is_sound(), "{report:#?}");
    }
    writer.await.unwrap();
    served.vault.store().settle().unwrap();
    let report = verify(&served.dir()).unwrap();
    assert!(report.is_sound() && report.objects == 300, "{report:#?}");
}

fn open(dir: &Path) -> backstop_vault::Result<Vault> {
    Vault::open(
        dir,
        Options::default(),
        People::default(),
        std::sync::Arc::new(MachineTime::default()),
    )
}

#[test]
fn an_empty_vault_is_sound() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("vault");
    init::make(&dir, "vault.test").unwrap();
    assert!(verify(&dir).unwrap().is_sound());
}
