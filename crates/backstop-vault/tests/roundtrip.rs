//! What is put is there, durable, and opens with the recovery identity, with our reader and with others' tools.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use backstop_vault::{Class, reader};
use bytes::Bytes;

use crate::support::{Served, label};

#[tokio::test(flavor = "multi_thread")]
async fn a_small_object_is_stored_and_read_back() {
    let served = Served::new().await;
    let client = served.client();
    let content = Bytes::from_static(b"1\tAlice\n2\tBob\n");
    let stored = client
        .put(&label(Class::Images), content.clone())
        .await
        .unwrap();
    assert_eq!(stored.sequence, 1);
    assert_eq!(client.has(stored.name).await.unwrap(), Some(stored));
    assert_eq!(read(&served, stored.name), content);
    let (dir, name) = (served.dir(), stored.name);
    let (_home, identity) = served.stop().await;
    let mut text = Vec::new();
    reader::open(&dir, name, &identity)
        .unwrap()
        .read_to_end(&mut text)
        .unwrap();
    assert_eq!(text, content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_streams_and_opens_with_zstd() {
    let served = Served::new().await;
    let mut upload = served
        .client()
        .put_stream(&label(Class::Point))
        .await
        .unwrap();
    let mut whole = Vec::new();
    for n in 0..200_000_u32 {
        let row = format!(
            "{n}\t{}\tsome words of a row\n",
            n.wrapping_mul(2_654_435_761)
        );
        whole.extend_from_slice(row.as_bytes());
    }
    for piece in whole.chunks(70_001) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    let stored = upload.finish().await.unwrap();
    assert!(stored.bytes > 1 << 20, "{stored:?}");
    assert!(read(&served, stored.name) == whole);
    served.vault.store().settle().unwrap();
    assert!(read(&served, stored.name) == whole);
    assert_eq!(served.client().status().await.unwrap().objects, 1);
}

fn read(served: &Served, name: backstop_core::digest::Digest) -> Vec<u8> {
    let mut text = Vec::new();
    reader::open(&served.dir(), name, &served.identity)
        .unwrap()
        .read_to_end(&mut text)
        .unwrap();
    text
}

/// `age -d -i key | zstd -d`, with the programs that Debian ships.
#[tokio::test(flavor = "multi_thread")]
async fn others_tools_open_it() {
    let served = Served::new().await;
    let content = Bytes::from("row\n".repeat(5000));
    let stored = served
        .client()
        .put(&label(Class::Objects), content.clone())
        .await
        .unwrap();
    served.vault.store().settle().unwrap();
    let hex = stored.name.to_hex();
    let file = served.dir().join("objects").join(&hex[..2]).join(&hex);
    let key = served.home.path().join("key");
    backstop_vault::init::keep_identity(&served.identity, &key, &served.dir()).unwrap();
    let age = Command::new("age")
        .args(["-d", "-i"])
        .args([&key, &file])
        .output()
        .expect("age is installed by scripts/setup.sh");
    assert!(
        age.status.success(),
        "{}",
        String::from_utf8_lossy(&age.stderr)
    );
    let mut zstd = Command::new("zstd")
        .args(["-d", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("zstd is installed by scripts/setup.sh");
    let mut stdin = zstd.stdin.take().unwrap();
    let packed = age.stdout;
    std::thread::spawn(move || stdin.write_all(&packed));
    assert_eq!(zstd.wait_with_output().unwrap().stdout, content);
    let sums = Command::new("sha256sum").arg(&file).output().unwrap();
    assert!(String::from_utf8_lossy(&sums.stdout).starts_with(&hex));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_nobody_could_stop_any_more_stops() {
    Served::new().await.forsake().await;
}
