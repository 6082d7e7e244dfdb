//! Filling the vault up: it refuses, and drops nothing.

use std::sync::Arc;

use backstop_vault::{
    Class, Label, Refusal, VaultError, client::Client, store::Options, verify::verify,
};
use bytes::Bytes;

use crate::support::{Served, label};

const KIB: u64 = 1024;

fn small() -> Options {
    Options {
        capacity: 200 * KIB,
        reserve_images: 40 * KIB,
        reserve_points: 40 * KIB,
        per_lease: 1 << 40,
        keep_free: 0,
        ..Options::default()
    }
}

/// Stores until it is refused; gives how many went in, and why no more did.
async fn fill(client: &Client, label: &Label) -> (u64, VaultError) {
    for n in 0..1000_u64 {
        let content = Bytes::from(n.to_be_bytes().repeat(3));
        if let Err(error) = client.put(label, content).await {
            return (n, error);
        }
    }
    panic!("the vault is never full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_vault_refuses_and_keeps_what_it_has() {
    let served = Served::with(small()).await;
    let client = served.client();
    let (objects, error) = fill(&client, &label(Class::Objects)).await;
    assert_eq!(objects, 30, "120 of 200 KiB, in blocks of 4");
    assert_eq!(error.refusal(), Some(Refusal::Full));
    assert!(
        error.to_string().contains("hint: raise `capacity`"),
        "{error}"
    );
    // What is kept for images and points is still theirs.
    let (images, error) = fill(&client, &label(Class::Images)).await;
    assert_eq!((images, error.refusal()), (10, Some(Refusal::Full)));
    let (points, error) = fill(&client, &label(Class::Point)).await;
    assert_eq!((points, error.refusal()), (10, Some(Refusal::Full)));
    assert_eq!(served.vault.status().room, [0, 0, 0]);
    // Whoever lost an answer asks again, and is told of what is there, full or not.
    let newest = backstop_vault::list(&served.dir()).unwrap().pop().unwrap();
    let hex = newest.stored.name.to_hex();
    served.vault.store().settle().unwrap();
    let file = served.dir().join("objects").join(&hex[..2]).join(&hex);
    let mut raw = crate::raw::Raw::connect(&served.socket()).await;
    raw.put(
        &newest.label,
        newest.stored.name,
        &std::fs::read(file).unwrap(),
    )
    .await;
    assert_eq!(raw.stored().await, newest.stored);
    let (home, _) = served.stop().await;
    let report = verify(&home.path().join("vault")).unwrap();
    assert!(report.is_sound() && report.objects == 50, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_takes_no_more_than_its_part() {
    let served = Served::with(Options {
        per_lease: 16 * KIB,
        ..small()
    })
    .await;
    let client = served.client();
    let (stored, error) = fill(&client, &label(Class::Images)).await;
    assert_eq!((stored, error.refusal()), (4, Some(Refusal::LeaseFull)));
    let mut other = label(Class::Images);
    other.lease = Some("lease_2".to_owned());
    assert_eq!(fill(&client, &other).await.0, 4);
    // It is not to be had back by stopping the vault.
    let (home, identity) = served.stop().await;
    let options = Options {
        per_lease: 16 * KIB,
        ..small()
    };
    let served = Served::serve(home, identity, options, Default::default()).await;
    assert_eq!(fill(&served.client(), &other).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_refused_as_soon_as_it_is_too_much() {
    let served = Served::with(small()).await;
    let mut upload = served
        .client()
        .put_stream(&label(Class::Point))
        .await
        .unwrap();
    let mut seed = 1_u64;
    let mut refused = None;
    for _ in 0..2000 {
        let noise: Vec<u8> = (0..8192)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as u8
            })
            .collect();
        if let Err(error) = upload.write(noise.into()).await {
            refused = Some(error);
            break;
        }
    }
    let error = match refused {
        Some(error) => error,
        None => upload.finish().await.unwrap_err(),
    };
    assert_eq!(error.refusal(), Some(Refusal::Full), "{error}");
    let status = served.vault.status();
    assert_eq!((status.objects, status.used), (0, 0));
}

/// Many uploads that together are too much: none is let in on a promise that another holds.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_promised_to_one_upload_is_not_promised_to_another() {
    let options = Options {
        reserve_images: 0,
        reserve_points: 0,
        ..small()
    };
    let served = Served::with(options).await;
    let client = Arc::new(served.client());
    let tasks: Vec<_> = (0..8_u64)
        .map(|n| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut upload = client.put_stream(&label(Class::Point)).await?;
                let mut seed = n + 1;
                for _ in 0..10 {
                    let noise: Vec<u8> = (0..8192)
                        .map(|_| {
                            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                            (seed >> 33) as u8
                        })
                        .collect();
                    upload.write(noise.into()).await?;
                }
                upload.finish().await
            })
        })
        .collect();
    let mut stored = 0;
    for task in tasks {
        stored += u64::from(task.await.unwrap().is_ok());
    }
    let status = served.vault.status();
    assert_eq!(status.objects, stored);
    assert!(stored <= 2 && status.used <= status.capacity, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_nearly_full_is_full() {
    let options = Options {
        keep_free: u64::MAX / 2,
        ..Options::default()
    };
    let served = Served::with(options).await;
    let client = served.client();
    let error = client
        .put(&label(Class::Images), Bytes::from_static(b"x"))
        .await
        .unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Full));
    let large = Bytes::from(vec![1; 3_000_000]);
    let error = client.put(&label(Class::Images), large).await.unwrap_err();
    assert_eq!(error.refusal(), Some(Refusal::Full), "{error}");
}
