//! What the vault costs: `cargo bench -p backstop-vault`.
//!
//! A small put until it is durable, beside the bare fdatasync of the same disk; puts of many at once; a large
//! object beside the bare compressor.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a benchmark that cannot run stops"
)]

use std::{fs::File, io::Write as _, os::unix::fs::FileExt as _, sync::Arc, time::Duration};

use backstop_vault::{
    Class, Label, Recipients,
    client::{Address, Client},
    init,
    reader::Identity,
    server::{Listen, People, Server, Vault},
    store::{Options, clock::MachineTime},
};
use bytes::Bytes;
use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use tokio::{runtime::Runtime, sync::watch};

fn main() {
    divan::main();
}

/// A directory under the build's own, so that it is on a disk and not in memory.
fn folder() -> tempfile::TempDir {
    let root = std::env::current_exe().expect("a running program has a path");
    tempfile::tempdir_in(root.parent().expect("a program is in a directory"))
        .expect("the build's directory can be written to")
}

struct Served {
    runtime: Runtime,
    client: Client,
    _stop: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

fn served() -> Served {
    let folder = folder();
    let dir = folder.path().join("vault");
    init::make(&dir, "vault.bench").unwrap();
    let runtime = Runtime::new().unwrap();
    let (client, stop) = runtime.block_on(async {
        let time = Arc::new(MachineTime::default());
        let vault = Vault::open(&dir, Options::default(), People::default(), time).unwrap();
        let socket = folder.path().join("gate.sock");
        let users = vec![rustix::process::geteuid().as_raw()];
        let listen = Listen {
            unix: Some((socket.clone(), users)),
            tcp: None,
        };
        let server = Server::bind(Arc::new(vault), listen).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(server.run(stopped, Duration::from_secs(1)));
        let recipients = [
            Identity::generate().recipient(),
            Identity::generate().recipient(),
        ];
        let recipients = Recipients::parse(recipients).unwrap();
        (
            Client::new(Address::Unix(socket), recipients, Client::TIMEOUT),
            stop,
        )
    });
    Served {
        runtime,
        client,
        _stop: stop,
        _folder: folder,
    }
}

fn label() -> Label {
    Label {
        class: Class::Images,
        target: "shop".to_owned(),
        lease: None,
        note: "public.orders".to_owned(),
    }
}

/// Rows as they look: words and numbers that compress about as tables do.
fn rows(bytes: usize) -> Bytes {
    let mut text = Vec::with_capacity(bytes + 80);
    let mut seed = 88_172_645_463_325_252_u64;
    let mut n = 0_u32;
    while text.len() < bytes {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        writeln!(
            text,
            "{n}\t{seed}\tsome words of a customer\t2026-11-25 10:00:00+00"
        )
        .unwrap();
        n += 1;
    }
    text.into()
}

/// What the disk alone asks: four KiB over allocated blocks, and an fdatasync.
#[divan::bench(sample_count = 300, sample_size = 1)]
fn bare_fdatasync_of_4_kib(bencher: Bencher<'_, '_>) {
    let folder = folder();
    let file = File::create(folder.path().join("file")).unwrap();
    file.write_all_at(&vec![0; 16 << 20], 0).unwrap();
    file.sync_all().unwrap();
    let (block, mut at) = (vec![7; 4096], 0);
    bencher.bench_local(|| {
        file.write_all_at(&block, at).unwrap();
        file.sync_data().unwrap();
        at = (at + 4096) % (16 << 20);
    });
}

#[divan::bench(sample_count = 300, sample_size = 1)]
fn one_put_of_3_kib(bencher: Bencher<'_, '_>) {
    let served = served();
    let (label, content) = (label(), rows(3000));
    served.runtime.block_on(served.client.status()).unwrap();
    bencher.bench_local(|| {
        served
            .runtime
            .block_on(served.client.put(&label, content.clone()))
            .unwrap();
    });
}

#[divan::bench(args = [8, 64], sample_count = 10, sample_size = 1)]
fn puts_of_3_kib_at_once(bencher: Bencher<'_, '_>, at_once: usize) {
    let served = served();
    let content = rows(3000);
    bencher
        .counter(ItemsCount::new(at_once * 20))
        .bench_local(|| {
            served.runtime.block_on(async {
                let tasks: Vec<_> = (0..at_once)
                    .map(|_| {
                        let (client, content) = (served.client.clone(), content.clone());
                        tokio::spawn(async move {
                            for _ in 0..20 {
                                client.put(&label(), content.clone()).await.unwrap();
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
        });
}

/// The way there and back, without a disk.
#[divan::bench(sample_count = 100)]
fn has_alone(bencher: Bencher<'_, '_>) {
    let served = served();
    let name = backstop_core::digest::Digest::of(b"nothing");
    bencher.bench_local(|| served.runtime.block_on(served.client.has(name)).unwrap());
}

const LARGE: usize = 64 << 20;

#[divan::bench(sample_count = 3, sample_size = 1)]
fn stream_of_64_mib(bencher: Bencher<'_, '_>) {
    let served = served();
    let content = rows(LARGE);
    bencher.counter(BytesCount::new(LARGE)).bench_local(|| {
        served.runtime.block_on(async {
            let mut upload = served.client.put_stream(&label()).await.unwrap();
            for from in (0..content.len()).step_by(65_536) {
                let to = (from + 65_536).min(content.len());
                upload.write(content.slice(from..to)).await.unwrap();
            }
            upload.finish().await.unwrap();
        });
    });
}

/// `zstd -1` of the same, to nowhere.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn bare_zstd_of_64_mib(bencher: Bencher<'_, '_>) {
    let content = rows(LARGE);
    bencher.counter(BytesCount::new(LARGE)).bench_local(|| {
        let mut out = zstd::Encoder::new(std::io::sink(), 1).unwrap();
        for piece in content.chunks(65_536) {
            out.write_all(piece).unwrap();
        }
        out.finish().unwrap();
    });
}
