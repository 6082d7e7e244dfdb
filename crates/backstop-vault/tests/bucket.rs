//! A bucket with Object Lock: only one whose lock holds when it is tried, and everything goes there.

use std::{sync::Arc, time::Duration};

use backstop_core::digest::Digest;
use backstop_testing::doubles::{S3Double, S3Front};
use backstop_vault::{
    Class, Recipients, Refusal,
    client::{Address, Client},
    init,
    reader::Identity,
    s3::{Bucket, BucketOptions},
    server::{Listen, People, Server, Vault},
    store::{Options, clock::MachineTime},
};
use bytes::Bytes;
use tokio::{sync::watch, task::JoinHandle};

use crate::support::{label, uid};

pub fn options(endpoint: String, bucket: &str) -> BucketOptions {
    BucketOptions {
        endpoint,
        region: "us-east-1".to_owned(),
        bucket: bucket.to_owned(),
        key: "key".to_owned(),
        secret: "secret".to_owned(),
        behind: Duration::from_secs(2),
        probe: Duration::from_secs(86_400),
        part: BucketOptions::PART,
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_whose_lock_does_not_hold_is_refused() {
    let moto = S3Double::start().unwrap();
    moto.make_bucket("locked", true).unwrap();
    moto.make_bucket("plain", false).unwrap();
    // moto keeps locked objects from being deleted, and lets their retention be shortened.
    let error = Bucket::new(&options(moto.url(), "locked"))
        .unwrap()
        .probe(now_ms())
        .await
        .unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("is refused: it let a retention be shortened"),
        "{error}"
    );
    assert!(error.contains("hint:"), "{error}");
    // Without Object Lock, without the bucket, and without the server.
    let front = S3Front::start(&moto).unwrap();
    for bucket in ["plain", "nowhere"] {
        let error = Bucket::new(&options(front.url(), bucket))
            .unwrap()
            .probe(now_ms())
            .await;
        assert!(error.is_err(), "{bucket}");
    }
    let nobody = Bucket::new(&options("http://127.0.0.1:9".to_owned(), "locked")).unwrap();
    let error = nobody.probe(now_ms()).await.unwrap_err().to_string();
    assert!(error.contains("cannot reach"), "{error}");
    let open = Bucket::new(&options("http://s3.example".to_owned(), "locked"));
    assert!(
        open.err()
            .unwrap()
            .to_string()
            .contains("not protected by TLS")
    );
    // And one that holds.
    let held = Bucket::new(&options(front.url(), "locked")).unwrap();
    held.probe(now_ms()).await.unwrap();
}

pub struct Served {
    pub home: tempfile::TempDir,
    pub client: Client,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
    vault: Arc<Vault>,
}

async fn serve(home: tempfile::TempDir, bucket: &BucketOptions) -> backstop_vault::Result<Served> {
    serve_as(home, bucket, &Identity::generate()).await
}

/// Serves a vault whose contents this identity opens.
pub async fn serve_as(
    home: tempfile::TempDir,
    bucket: &BucketOptions,
    identity: &Identity,
) -> backstop_vault::Result<Served> {
    let options = Options {
        settle: Duration::from_millis(50),
        ..Options::default()
    };
    let time = Arc::new(MachineTime::default());
    let vault = Arc::new(Vault::open(
        &home.path().join("vault"),
        options,
        People::default(),
        time,
    )?);
    let listen = Listen {
        unix: Some((home.path().join("gate.sock"), vec![uid()])),
        tcp: None,
    };
    let server = Server::bind(vault.clone(), listen)
        .await?
        .with_bucket(bucket)
        .await?;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(server.run(stopped, Duration::from_secs(2)));
    let recipients = Recipients::parse([identity.recipient()]).unwrap();
    let client = Client::new(
        Address::Unix(home.path().join("gate.sock")),
        recipients,
        Client::TIMEOUT,
    );
    Ok(Served {
        home,
        client,
        stop,
        running,
        vault,
    })
}

impl Served {
    pub async fn until_mirrored(&self, sequence: u64) {
        for _ in 0..600 {
            let bucket = self.client.status().await.unwrap().bucket.unwrap();
            if bucket.sequence >= sequence {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{:?}", self.client.status().await);
    }

    pub async fn end(self) -> tempfile::TempDir {
        self.stop.send(true).unwrap();
        self.running.await.unwrap();
        Arc::into_inner(self.vault).unwrap().close().unwrap();
        self.home
    }
}

/// A vault that is new.
pub fn made() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    init::make(&home.path().join("vault"), "vault.test").unwrap();
    home
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_and_the_index_are_in_the_bucket() {
    let moto = S3Double::start().unwrap();
    moto.make_bucket("locked", true).unwrap();
    let front = S3Front::start(&moto).unwrap();
    let bucket = options(front.url(), "locked");
    let served = serve(made(), &bucket).await.unwrap();
    let mut stored = Vec::new();
    for n in 0..5_u8 {
        stored.push(
            served
                .client
                .put(&label(Class::Images), vec![n; 500].into())
                .await
                .unwrap(),
        );
    }
    let noise: Vec<u8> = (0..2_500_000_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    stored.push(
        served
            .client
            .put(&label(Class::Point), noise.into())
            .await
            .unwrap(),
    );
    served.until_mirrored(6).await;
    for one in &stored {
        let bytes = moto
            .get(&format!("/locked/objects/{}", one.name.to_hex()))
            .unwrap();
        assert_eq!(Digest::of(&bytes), one.name, "{one:?}");
    }
    // A restart goes on where it was.
    let home = served.end().await;
    let served = serve(home, &bucket).await.unwrap();
    let late = served
        .client
        .put(&label(Class::Images), Bytes::from_static(b"later"))
        .await
        .unwrap();
    served.until_mirrored(7).await;
    let bytes = moto
        .get(&format!("/locked/objects/{}", late.name.to_hex()))
        .unwrap();
    assert_eq!(Digest::of(&bytes), late.name);
    let home = served.end().await;
    // The index is there too: put together, its parts are the vault's own.
    let list = String::from_utf8(moto.get("/locked?list-type=2&prefix=index/").unwrap()).unwrap();
    let mut keys: Vec<&str> = list
        .split("<Key>")
        .skip(1)
        .filter_map(|rest| rest.split('<').next())
        .collect();
    keys.sort_unstable();
    let parts = keys
        .iter()
        .flat_map(|key| moto.get(&format!("/locked/{key}")).unwrap());
    let whole: Vec<u8> = parts.collect();
    assert_eq!(
        whole,
        std::fs::read(home.path().join("vault/index")).unwrap()
    );
    // Nobody deletes it: not even with the vault's own key.
    let versions = String::from_utf8(moto.get("/locked?versions").unwrap()).unwrap();
    assert!(versions.contains(&late.name.to_hex()));
    assert!(
        backstop_vault::verify::verify(&home.path().join("vault"))
            .unwrap()
            .is_sound()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_does_not_start_on_a_bucket_that_lets_go() {
    let moto = S3Double::start().unwrap();
    moto.make_bucket("locked", true).unwrap();
    let refused = serve(made(), &options(moto.url(), "locked")).await;
    assert!(refused.err().unwrap().to_string().contains("is refused"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_far_behind_stops_the_vault_from_storing_more() {
    let moto = S3Double::start().unwrap();
    moto.make_bucket("locked", true).unwrap();
    let front = S3Front::start(&moto).unwrap();
    let served = serve(made(), &options(front.url(), "locked"))
        .await
        .unwrap();
    served
        .client
        .put(&label(Class::Images), Bytes::from_static(b"1"))
        .await
        .unwrap();
    served.until_mirrored(1).await;
    front.answers(false);
    let mut refused = None;
    for n in 0..200_u8 {
        match served
            .client
            .put(&label(Class::Images), vec![n; 10].into())
            .await
        {
            Ok(_) => tokio::time::sleep(Duration::from_millis(150)).await,
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    let error = refused.expect("it is refused at some time");
    assert_eq!(error.refusal(), Some(Refusal::Stopped));
    assert!(
        error
            .to_string()
            .contains("its copy in the bucket is behind"),
        "{error}"
    );
    assert!(
        served
            .client
            .status()
            .await
            .unwrap()
            .bucket
            .unwrap()
            .fault
            .is_some()
    );
    front.answers(true);
    let last = served.client.status().await.unwrap().sequence;
    served.until_mirrored(last).await;
    for _ in 0..100 {
        if served
            .client
            .put(&label(Class::Images), Bytes::from_static(b"2"))
            .await
            .is_ok()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_for_one_request_goes_in_parts_and_is_locked() {
    let moto = S3Double::start().unwrap();
    moto.make_bucket("locked", true).unwrap();
    let front = S3Front::start(&moto).unwrap();
    let mut bucket = options(front.url(), "locked");
    bucket.part = 5 << 20;
    let served = serve(made(), &bucket).await.unwrap();
    let stored = served
        .client
        .put(&label(Class::Point), noise(12 << 20))
        .await
        .unwrap();
    served.until_mirrored(1).await;
    let path = format!("/locked/objects/{}", stored.name.to_hex());
    assert_eq!(Digest::of(&moto.get(&path).unwrap()), stored.name);
    // Nobody deletes it, with moto's word and the front's.
    let version = version(&moto, &path);
    assert!(moto.locked_until(&path, &version).unwrap().is_some());
    assert!(moto.hide(&format!("{path}?versionId={version}")).is_err());
    assert_eq!(uploads(&moto), 0);

    // One that cannot go there leaves no parts behind, and goes as soon as it can.
    front.refuses("/locked/objects/");
    let refused = served
        .client
        .put(&label(Class::Point), noise(11 << 20))
        .await
        .unwrap();
    let mut fault = None;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        fault = served.client.status().await.unwrap().bucket.unwrap().fault;
        if fault.is_some() {
            break;
        }
    }
    assert!(fault.unwrap().contains("refused to store a part"));
    assert_eq!(uploads(&moto), 0);
    front.mends();
    let path = format!("/locked/objects/{}", refused.name.to_hex());
    served.until_mirrored(2).await;
    assert_eq!(Digest::of(&moto.get(&path).unwrap()), refused.name);
    let home = served.end().await;

    // A crash in mid-upload: what it left is given up at the next start.
    moto.begin_upload(&path).unwrap();
    assert_eq!(uploads(&moto), 1);
    let served = serve(home, &bucket).await.unwrap();
    assert_eq!(uploads(&moto), 0);
    served.end().await;
}

/// Bytes that do not get smaller.
fn noise(bytes: usize) -> Bytes {
    let mut noise = vec![0; bytes];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut noise).unwrap();
    noise.into()
}

fn uploads(moto: &S3Double) -> usize {
    let list = String::from_utf8(moto.get("/locked?uploads").unwrap()).unwrap();
    list.matches("<UploadId>").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn keeping_longer_reaches_the_vaults_own_version_under_anothers() {
    let moto = S3Double::start().unwrap();
    moto.make_bucket("locked", true).unwrap();
    let front = S3Front::start(&moto).unwrap();
    let served = serve(made(), &options(front.url(), "locked"))
        .await
        .unwrap();
    let stored = served
        .client
        .put(&label(Class::Point), Bytes::from_static(b"a point"))
        .await
        .unwrap();
    served.until_mirrored(1).await;
    let path = format!("/locked/objects/{}", stored.name.to_hex());
    let own = version(&moto, &path);
    let before = moto.locked_until(&path, &own).unwrap().unwrap();
    moto.put(&path, b"another").unwrap();
    moto.hide(&path).unwrap();
    let until_ms = now_ms() + 300 * 86_400_000;
    served
        .client
        .extend(vec![stored.name], until_ms)
        .await
        .unwrap();
    served.until_mirrored(2).await;
    let after = moto.locked_until(&path, &own).unwrap().unwrap();
    assert!(after > before, "{before} {after}");
    served.end().await;
}

/// The version of an object that is listed last: the oldest.
fn version(moto: &S3Double, path: &str) -> String {
    let prefix = path.trim_start_matches("/locked/");
    let list = moto
        .get(&format!("/locked?versions&prefix={prefix}"))
        .unwrap();
    let list = String::from_utf8(list).unwrap();
    let (_, rest) = list.rsplit_once("<VersionId>").unwrap();
    rest.split('<').next().unwrap().to_owned()
}
