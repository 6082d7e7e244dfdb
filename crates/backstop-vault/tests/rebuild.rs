//! A vault whose directory is gone comes back from its bucket, whatever somebody did there who could write to it.

use std::{io::Read as _, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use backstop_core::digest::Digest;
use backstop_journal::SigningKey;
use backstop_testing::doubles::{S3Double, S3Front};
use backstop_vault::{
    Class, Stored, VaultError, init,
    reader::{self, Identity},
    s3::{
        BucketOptions,
        rebuild::{Believed, Rebuilt, rebuild},
    },
    server::KEY_FILE,
    store::{Options, Store, clock::MachineTime},
    verify::{FindingKind, verify},
};
use bytes::Bytes;

use crate::{
    bucket::{Served, made, options, serve_as},
    cosigning::Log,
    support::label,
};

/// A bucket with what a vault had, and the vault's directory as it was.
struct Scene {
    moto: S3Double,
    front: S3Front,
    home: tempfile::TempDir,
    identity: Identity,
    stored: Vec<(Stored, Bytes)>,
    bucket: BucketOptions,
}

impl Scene {
    /// Several parts of the index, one object that came in pieces, and a log.
    async fn new() -> Self {
        let moto = S3Double::start().unwrap();
        moto.make_bucket("locked", true).unwrap();
        let front = S3Front::start(&moto).unwrap();
        let bucket = options(front.url(), "locked");
        let identity = Identity::generate();
        let served = serve_as(made(), &bucket, &identity).await.unwrap();
        let mut stored = Vec::new();
        for round in 0..3_u8 {
            for n in 0..3_u8 {
                put(&served, &mut stored, vec![round * 16 + n; 700].into()).await;
            }
            served.until_mirrored(stored.len() as u64).await;
        }
        let noise: Vec<u8> = (0..2_500_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        // A start rolls up what the bucket has of the index.
        let served = serve_as(served.end().await, &bucket, &identity)
            .await
            .unwrap();
        put(&served, &mut stored, noise.into()).await;
        let log = Log::new();
        log.grow(3, "entry");
        log.cosign(&served.client).await.unwrap();
        served.until_mirrored(11).await;
        let served = serve_as(served.end().await, &bucket, &identity)
            .await
            .unwrap();
        for _ in 0..100 {
            let rolled = moto.get("/locked?list-type=2&prefix=rolled/").unwrap();
            if String::from_utf8(rolled)
                .unwrap()
                .contains("-00000000000000000011")
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let home = served.end().await;
        Self {
            moto,
            front,
            home,
            identity,
            stored,
            bucket,
        }
    }

    fn old(&self) -> std::path::PathBuf {
        self.home.path().join("vault")
    }

    /// An empty directory with the vault's key.
    fn fresh(&self, key: bool) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("vault");
        init::prepare(&dir).unwrap();
        if key {
            std::fs::copy(self.old().join(KEY_FILE), dir.join(KEY_FILE)).unwrap();
        } else {
            let other = SigningKey::generate("vault.test").unwrap();
            other.save(&dir.join(KEY_FILE)).unwrap();
        }
        home
    }

    async fn rebuild(&self, home: &Path) -> Result<Rebuilt, VaultError> {
        self.believing(home, &Believed::default()).await
    }

    async fn believing(&self, home: &Path, believed: &Believed) -> Result<Rebuilt, VaultError> {
        rebuild(&self.bucket, &home.join("vault"), believed, &()).await
    }

    fn vault_key(&self) -> String {
        let key = SigningKey::load(&self.old().join(KEY_FILE)).unwrap();
        key.verifier().text().to_owned()
    }

    /// All is there again, to the byte.
    fn is_as_before(&self, home: &Path) {
        let dir = home.join("vault");
        let report = verify(&dir).unwrap();
        assert!(report.is_sound() && report.notes.is_empty(), "{report:#?}");
        for file in ["index", "cosigned", "sums"] {
            assert_eq!(
                files(&self.old().join(file)),
                files(&dir.join(file)),
                "{file}"
            );
        }
        for (one, content) in &self.stored {
            assert_eq!(read(&dir, one.name, &self.identity), *content);
        }
        assert!(opens(&dir).is_ok());
    }

    /// Paths of the bucket's objects that begin so.
    fn paths(&self, prefix: &str) -> Vec<String> {
        let list = self
            .moto
            .get(&format!("/locked?list-type=2&prefix={prefix}"))
            .unwrap();
        let list = String::from_utf8(list).unwrap();
        let keys = list.split("<Key>").skip(1);
        let mut keys: Vec<String> = keys
            .filter_map(|rest| Some(format!("/locked/{}", rest.split('<').next()?)))
            .collect();
        keys.sort();
        keys
    }

    fn object(&self, n: usize) -> (Digest, String) {
        let name = self.stored[n].0.name;
        (name, format!("/locked/objects/{}", name.to_hex()))
    }
}

async fn put(served: &Served, stored: &mut Vec<(Stored, Bytes)>, content: Bytes) {
    let label = label(Class::Images);
    let one = served.client.put(&label, content.clone()).await.unwrap();
    stored.push((one, content));
}

fn read(dir: &Path, name: Digest, identity: &Identity) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = reader::open(dir, name, identity).unwrap();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

fn opens(dir: &Path) -> Result<(), VaultError> {
    let time = std::sync::Arc::new(MachineTime::default());
    Store::open(dir, Options::default(), time)?.close()
}

/// Names and contents of a file, or of all in a folder.
fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    if path.is_file() {
        return vec![(String::new(), std::fs::read(path).unwrap())];
    }
    let mut found: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|one| one.unwrap().path())
        .map(|one| {
            let name = one.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(one).unwrap())
        })
        .collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_whose_directory_is_gone_comes_back_and_goes_on() {
    let scene = Scene::new().await;
    let fresh = scene.fresh(true);
    let done = scene.rebuild(fresh.path()).await.unwrap();
    assert!(done.ready && done.whole, "{done:#?}");
    assert_eq!(done.report.findings, vec![]);
    assert_eq!((done.report.objects, done.fetched, done.logs), (10, 10, 1));
    scene.is_as_before(fresh.path());
    // It is no directory to rebuild any more.
    let again = scene.rebuild(fresh.path()).await.unwrap_err().to_string();
    assert!(again.contains("there is a vault in") && again.contains("nothing was changed"));
    // And it goes on in the same bucket, from which it comes back once more.
    let mut stored = scene.stored.clone();
    let served = serve_as(fresh, &scene.bucket, &scene.identity)
        .await
        .unwrap();
    put(&served, &mut stored, Bytes::from_static(b"after")).await;
    served.until_mirrored(12).await;
    let home = served.end().await;
    let scene = Scene {
        home,
        stored,
        ..scene
    };
    let third = scene.fresh(true);
    let done = scene.rebuild(third.path()).await.unwrap();
    assert_eq!((done.ready, done.report.sequence), (true, 12));
    scene.is_as_before(third.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_puts_on_top_or_beside_changes_nothing() {
    let scene = Scene::new().await;
    let (_, object) = scene.object(0);
    let (_, hidden) = scene.object(1);
    let parts = scene.paths("index/");
    assert!(parts.len() >= 4, "{parts:?}");
    let first = scene.moto.get(&parts[0]).unwrap();
    scene.moto.put(&object, b"something else").unwrap();
    // Longer than it was: it does not fill the disk.
    let (_, grown) = scene.object(2);
    scene.moto.put(&grown, &vec![7; 200_000]).unwrap();
    scene.moto.hide(&hidden).unwrap();
    for path in scene.paths("rolled/").iter().chain(&parts[1..]) {
        // Older lines on top of newer ones, and markers on top of those.
        scene.moto.put(path, &first).unwrap();
        scene.moto.hide(path).unwrap();
    }
    // Keys that the vault never wrote: an object, and a chain that goes on by itself.
    let extra = Digest::of(b"extra").to_hex();
    scene
        .moto
        .put(&format!("/locked/objects/{extra}"), b"extra")
        .unwrap();
    scene
        .moto
        .put(
            &format!("/locked/index/{:020}-{:020}", 12, 12),
            &forged(&scene.old()),
        )
        .unwrap();
    let log = scene.paths("cosigned/");
    scene.moto.put(&log[0], b"{}").unwrap();
    let later = log[0].replace("00003", "00009");
    let older = scene.moto.get("/locked?versions&prefix=cosigned/").unwrap();
    assert!(!older.is_empty());
    scene.moto.put(&later, b"{\"size\":9}").unwrap();
    let fresh = scene.fresh(true);
    let done = scene.rebuild(fresh.path()).await.unwrap();
    assert!(done.ready, "{done:#?}");
    assert_eq!((done.report.sequence, done.logs), (11, 1));
    let noted = done.report.notes.join("\n");
    assert!(
        noted.contains("index/00000000000000000012-00000000000000000012"),
        "{noted}"
    );
    scene.is_as_before(fresh.path());
    assert!(
        !fresh
            .path()
            .join("vault/objects")
            .join(&extra[..2])
            .join(&extra)
            .exists()
    );
}

/// A record that follows the chain and that the vault never made.
fn forged(vault: &Path) -> Vec<u8> {
    let index = std::fs::read_to_string(vault.join("index")).unwrap();
    let prev = &index.lines().last().unwrap()[..64];
    let json = format!(
        "{{\"sequence\":12,\"at_ms\":4000000000000,\"prev\":\"{prev}\",\"event\":\"frozen\",\"why\":\"forged\"}}"
    );
    format!("{} {json}\n", Digest::of(json.as_bytes()).to_hex()).into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_damaged_is_named_and_is_not_served_unseen() {
    let scene = Scene::new().await;
    let ((lost, lost_at), (rotten, rotten_at)) = (scene.object(3), scene.object(9));
    scene.front.loses(&lost_at);
    scene.front.rots(&rotten_at);
    let fresh = scene.fresh(true);
    let done = scene.rebuild(fresh.path()).await.unwrap();
    assert!(done.whole && !done.ready, "{done:#?}");
    let found: Vec<_> = done
        .report
        .findings
        .iter()
        .map(|one| (one.kind, one.object.unwrap()))
        .collect();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.contains(&(FindingKind::Missing, lost)));
    assert!(found.contains(&(FindingKind::Changed, rotten)));
    // It is not served, what is there can be read, and it is all there as soon as the bucket has it again.
    let dir = fresh.path().join("vault");
    let refused = opens(&dir).unwrap_err().to_string();
    assert!(refused.contains("was not rebuilt to the end") && refused.contains("hint:"));
    let there = &scene.stored[0];
    assert_eq!(read(&dir, there.0.name, &scene.identity), there.1);
    let accept = Believed {
        accept: true,
        ..Believed::default()
    };
    scene.front.mends();
    scene.front.loses(&lost_at);
    let done = scene.believing(fresh.path(), &accept).await.unwrap();
    assert_eq!((done.ready, done.fetched), (true, 1), "{done:#?}");
    assert!(opens(&dir).is_ok());
    scene.front.mends();
    let whole = scene.fresh(true);
    assert!(scene.rebuild(whole.path()).await.unwrap().ready);
    scene.is_as_before(whole.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hole_in_the_index_is_named_and_never_served() {
    let scene = Scene::new().await;
    // With the lines rolled up, one part of them is not needed.
    let parts = scene.paths("index/");
    let rolled = scene.paths("rolled/");
    assert!(!rolled.is_empty());
    scene.front.rots(&parts[1]);
    let fresh = scene.fresh(true);
    assert!(scene.rebuild(fresh.path()).await.unwrap().ready);
    scene.is_as_before(fresh.path());
    // Without, it is: lost, and then damaged.
    for path in &rolled {
        scene.front.loses(path);
    }
    for (fault, kinds) in [
        (
            S3Front::loses as fn(&S3Front, &str),
            vec![FindingKind::Missing],
        ),
        (
            S3Front::rots,
            vec![FindingKind::Changed, FindingKind::Missing],
        ),
    ] {
        fault(&scene.front, &parts[1]);
        let fresh = scene.fresh(true);
        let accept = Believed {
            accept: true,
            ..Believed::default()
        };
        let done = scene.believing(fresh.path(), &accept).await.unwrap();
        assert!(!done.whole && !done.ready, "{done:#?}");
        let found: Vec<_> = done.report.findings.iter().map(|one| one.kind).collect();
        assert_eq!(found, kinds, "{done:#?}");
        let said = &done.report.findings.last().unwrap().what;
        let (first, last) = parts[1]
            .rsplit_once('/')
            .unwrap()
            .1
            .split_once('-')
            .unwrap();
        let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
        assert!(
            said.starts_with(&format!("records {first} to {last} are missing")),
            "{said}"
        );
        assert_eq!(done.report.sequence, first - 1);
        assert!(opens(&fresh.path().join("vault")).is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_vaults_signature_nothing_is_believed_unless_told() {
    let scene = Scene::new().await;
    let fresh = scene.fresh(false);
    let refused = scene.rebuild(fresh.path()).await.unwrap_err().to_string();
    assert!(refused.contains("bears the vault's signature") && refused.contains("--vault-key"));
    let strange = Believed {
        keys: vec![
            SigningKey::generate("vault.test")
                .unwrap()
                .verifier()
                .text()
                .to_owned(),
        ],
        ..Believed::default()
    };
    assert!(scene.believing(fresh.path(), &strange).await.is_err());
    // With the old key's public half it is the same vault under a new key, whose signature the checkpoints bear.
    for believed in [
        Believed {
            keys: vec![scene.vault_key()],
            ..Believed::default()
        },
        Believed {
            unsigned: true,
            ..Believed::default()
        },
    ] {
        let fresh = scene.fresh(false);
        let done = scene.believing(fresh.path(), &believed).await.unwrap();
        assert!(done.ready && done.logs == 1, "{done:#?}");
        let report = verify(&fresh.path().join("vault")).unwrap();
        assert!(report.is_sound(), "{report:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_rebuild_goes_on_and_nobody_serves_it_meanwhile() {
    let scene = Scene::new().await;
    let fresh = scene.fresh(true);
    let dir = fresh.path().join("vault");
    let (_, large) = scene.object(9);
    // It breaks off in the middle of the largest, and never goes on.
    scene.front.breaks(&large, 1000);
    let cut = tokio::time::timeout(Duration::from_millis(1500), scene.rebuild(fresh.path())).await;
    assert!(cut.is_err() || cut.is_ok_and(|done| done.is_err()));
    assert!(opens(&dir).is_err());
    // A torn file where an object belongs is fetched anew.
    let (name, _) = scene.object(0);
    let hex = name.to_hex();
    let torn = dir.join("objects").join(&hex[..2]).join(&hex);
    let _ = std::fs::remove_file(&torn);
    std::fs::create_dir_all(torn.parent().unwrap()).unwrap();
    let closed = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(torn.parent().unwrap(), closed).unwrap();
    std::fs::write(&torn, b"half").unwrap();
    // Two breaks are nothing: it goes on where it was.
    scene.front.breaks(&large, 2);
    let done = scene.rebuild(fresh.path()).await.unwrap();
    assert!(done.ready, "{done:#?}");
    assert!(done.fetched >= 2, "{done:#?}");
    scene.is_as_before(fresh.path());
}
