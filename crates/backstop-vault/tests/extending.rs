//! What the gate may do about retention: recovery points longer, and nothing else.

use backstop_core::digest::Digest;
use backstop_vault::{Class, VaultError, list};
use bytes::Bytes;

use crate::support::{Served, SetTime, label, uid};

const START: i64 = 1_800_000_000_000;
const DAY: i64 = 86_400_000;

async fn served() -> Served {
    let home = tempfile::tempdir().unwrap();
    backstop_vault::init::make(&home.path().join("vault"), "vault.test").unwrap();
    let identity = backstop_vault::reader::Identity::generate();
    let (options, people) = (Default::default(), Default::default());
    Served::start(
        home,
        identity,
        options,
        people,
        SetTime::new(START),
        vec![uid()],
    )
    .await
}

async fn put(served: &Served, class: Class, content: &'static str) -> Digest {
    let content = Bytes::from_static(content.as_bytes());
    served
        .client()
        .put(&label(class), content)
        .await
        .unwrap()
        .name
}

fn until(served: &Served, name: Digest) -> i64 {
    let all = list(&served.dir()).unwrap();
    let found = all.iter().find(|one| one.stored.name == name);
    found.unwrap().until_ms
}

fn sequence(served: &Served) -> u64 {
    served.vault.status().sequence
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_can_keep_points_longer_and_never_shorter() {
    let served = served().await;
    let client = served.client();
    let one = put(&served, Class::Point, "one").await;
    let two = put(&served, Class::Point, "two").await;
    let usual = until(&served, one);
    assert_eq!(usual, START + 90 * DAY);
    let year = START + 366 * DAY;
    assert_eq!(client.extend(vec![one, two], year).await.unwrap(), year);
    assert_eq!((until(&served, one), until(&served, two)), (year, year));
    // Shorter is answered by what holds, and changes nothing; so is what is hardly longer.
    let before = sequence(&served);
    for less in [START, i64::MIN, usual, year, year + DAY - 1] {
        assert_eq!(
            client.extend(vec![one], less).await.unwrap(),
            year,
            "{less}"
        );
    }
    assert_eq!(until(&served, one), year);
    assert_eq!(sequence(&served), before, "an index that anybody fills");
    // Beside one that is kept longer the other is extended all the same.
    let three = put(&served, Class::Point, "three").await;
    let between = START + 200 * DAY;
    assert_eq!(
        client.extend(vec![one, three], between).await.unwrap(),
        between
    );
    assert_eq!(
        (until(&served, one), until(&served, three)),
        (year, between)
    );
    // It outlives the process, and is found right.
    let (home, _) = served.stop().await;
    let all = list(&home.path().join("vault")).unwrap();
    let found = all.iter().find(|listed| listed.stored.name == one);
    assert_eq!(found.unwrap().until_ms, year);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_point_or_too_far_ahead_is_not_extended() {
    let served = served().await;
    let client = served.client();
    let point = put(&served, Class::Point, "point").await;
    let images = put(&served, Class::Images, "images").await;
    let before = (
        sequence(&served),
        until(&served, point),
        until(&served, images),
    );
    let soon = START + 366 * DAY;
    let many: Vec<Digest> = vec![point; 65];
    for (names, until_ms) in [
        (vec![images], soon),
        // One that is no point spoils the whole.
        (vec![point, images], soon),
        (vec![point, Digest::of(b"none")], soon),
        (vec![point], START + 401 * DAY),
        (vec![point], i64::MAX),
        (vec![], soon),
        (many, soon),
    ] {
        let refused = client.extend(names.clone(), until_ms).await;
        assert!(
            matches!(refused, Err(VaultError::Refused(_))),
            "{names:?} {until_ms}"
        );
    }
    let after = (
        sequence(&served),
        until(&served, point),
        until(&served, images),
    );
    assert_eq!(after, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_write_one_record() {
    let served = served().await;
    let client = served.client();
    let point = put(&served, Class::Point, "point").await;
    let before = sequence(&served);
    let asked = (0..50).map(|_| {
        let client = client.clone();
        tokio::spawn(async move { client.extend(vec![point], START + 366 * DAY).await })
    });
    for one in asked.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap().unwrap(), START + 366 * DAY);
    }
    assert_eq!(sequence(&served), before + 1);
}
