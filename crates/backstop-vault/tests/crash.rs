//! Killing the vault, and tearing what it was writing: whatever was acknowledged is there, and the directory is
//! sound.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use backstop_vault::{
    Class, Recipients, Stored,
    client::{Address, Client},
    init,
    reader::Identity,
    server::{People, Vault},
    store::{Options, clock::MachineTime},
    verify::verify,
};
use bytes::Bytes;
use proptest::prelude::*;

use crate::{child::Process, directory::copy, support::label};

fn open(dir: &Path) -> backstop_vault::Result<Vault> {
    Vault::open(
        dir,
        Options::default(),
        People::default(),
        Arc::new(MachineTime::default()),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("vault");
    init::make(&dir, "vault.test").unwrap();
    let recipients = Recipients::parse([Identity::generate().recipient()]).unwrap();
    let acknowledged: Arc<Mutex<Vec<Stored>>> = Arc::default();
    for round in 0..25_u64 {
        let process = Process::start(home.path());
        let address = Address::Unix(home.path().join("gate.sock"));
        let client = Client::new(address, recipients.clone(), Duration::from_secs(5));
        let before = acknowledged.lock().unwrap().len();
        let mut tasks = Vec::new();
        for n in 0..6_u8 {
            let (client, acknowledged) = (client.clone(), acknowledged.clone());
            tasks.push(tokio::spawn(async move {
                // Some small, some large; until the vault is gone.
                let content = if n == 0 {
                    vec![n; 1_500_000]
                } else {
                    vec![n; 3000]
                };
                while let Ok(stored) = client
                    .put(&label(Class::Images), content.clone().into())
                    .await
                {
                    acknowledged.lock().unwrap().push(stored);
                }
            }));
        }
        // On a busy machine the first answers take their time.
        for _ in 0..1000 {
            if acknowledged.lock().unwrap().len() > before + 5 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(round * 13 % 120)).await;
        process.kill();
        for task in tasks {
            task.await.unwrap();
        }
    }
    let acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    let vault = open(&dir).unwrap();
    for stored in acknowledged.iter() {
        assert_eq!(vault.store().has(&stored.name), Some(*stored));
    }
    vault.close().unwrap();
    let report = verify(&dir).unwrap();
    assert!(
        report.is_sound() && report.objects >= acknowledged.len() as u64,
        "{report:#?}"
    );
    assert_eq!(fs::read_dir(dir.join("tmp")).unwrap().count(), 0);
}

/// A vault as it is a moment after a few puts, before anything is settled.
async fn unsettled() -> (tempfile::TempDir, Vec<Stored>) {
    let options = Options {
        settle: Duration::from_secs(3600),
        ..Options::default()
    };
    let served = crate::support::Served::with(options).await;
    let client = served.client();
    let mut stored = Vec::new();
    for n in 0..6_u8 {
        let content = Bytes::from(vec![n; 700]);
        stored.push(client.put(&label(Class::Images), content).await.unwrap());
    }
    let home = tempfile::tempdir().unwrap();
    copy(&served.dir(), &home.path().join("vault"));
    (home, stored)
}

fn segment(dir: &Path) -> std::path::PathBuf {
    let mut files = fs::read_dir(dir.join("wal"))
        .unwrap()
        .map(|f| f.unwrap().path());
    files.find(|path| !path.ends_with("spare")).unwrap()
}

/// The last group cut at every byte: all before it is there, it itself is there whole or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_segment_torn_at_any_byte_of_its_last_group_opens() {
    let (home, stored) = unsettled().await;
    let file = segment(&home.path().join("vault"));
    let whole = fs::read(&file).unwrap();
    let end = whole.iter().rposition(|b| *b != 0).unwrap() + 1;
    let magic = whole.windows(4).rposition(|w| w == b"BvF1").unwrap();
    for cut in (magic..=end).step_by(71).chain([end - 1, end]) {
        let copy_home = tempfile::tempdir().unwrap();
        let dir = copy_home.path().join("vault");
        copy(&home.path().join("vault"), &dir);
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        fs::write(segment(&dir), torn).unwrap();
        let vault = open(&dir).unwrap();
        for (n, one) in stored.iter().enumerate() {
            let kept = n < 5 || cut == end;
            assert_eq!(
                vault.store().has(&one.name).is_some(),
                kept,
                "object {n}, cut at {cut}"
            );
        }
        vault.close().unwrap();
        let report = verify(&dir).unwrap();
        assert!(report.is_sound(), "{report:#?}");
    }
}

/// A byte flipped in a group that has others after it was reported durable: that is damage, not a torn end.
#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_among_what_is_not_settled_is_damage() {
    let (home, _) = unsettled().await;
    let dir = home.path().join("vault");
    let file = segment(&dir);
    let whole = fs::read(&file).unwrap();
    let last = whole.windows(4).rposition(|w| w == b"BvF1").unwrap();
    for at in (0..last).step_by(331) {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(&file, bytes).unwrap();
        let report = verify(&dir).unwrap();
        let named = report
            .findings
            .iter()
            .any(|found| found.file.starts_with("wal/"));
        assert!(named, "byte {at}: {report:#?}");
        assert!(
            open(&dir).is_err_and(|error| error.is_integrity()),
            "byte {at}"
        );
    }
    fs::write(&file, whole).unwrap();
    open(&dir).unwrap().close().unwrap();
}

/// The index torn at any byte while the segments still have what is cut.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_torn_at_any_byte_is_made_whole_from_the_segments() {
    let served = crate::support::Served::new().await;
    let client = served.client();
    let mut stored = Vec::new();
    for n in 0..3_u8 {
        stored.push(
            client
                .put(&label(Class::Images), Bytes::from(vec![n; 400]))
                .await
                .unwrap(),
        );
    }
    served.vault.store().settle().unwrap();
    let index = fs::read(served.dir().join("index")).unwrap();
    for cut in (0..index.len()).step_by(97) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("vault");
        copy(&served.dir(), &dir);
        fs::write(dir.join("index"), &index[..cut]).unwrap();
        let vault = open(&dir).unwrap();
        assert!(
            stored
                .iter()
                .all(|one| vault.store().has(&one.name) == Some(*one)),
            "cut at {cut}"
        );
        vault.close().unwrap();
        assert_eq!(fs::read(dir.join("index")).unwrap(), index);
        assert!(verify(&dir).unwrap().is_sound());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Any bytes in place of any file: an error or a vault, never a panic.
    #[test]
    fn any_bytes_in_any_file_are_an_error_or_a_vault(
        file in prop::sample::select(vec!["index", "clock", "wal/00000000000000000000", "keys/cosign.key"]),
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("vault");
        init::make(&dir, "vault.test").unwrap();
        fs::write(dir.join(file), &bytes).unwrap();
        if let Ok(vault) = open(&dir) {
            vault.close().unwrap();
        }
        verify(&dir).unwrap();
    }
}
