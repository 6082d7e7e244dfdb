//! Setting the vault's clock back and forth: stamps never go back, and a jump freezes deletion.

use std::sync::Arc;

use backstop_vault::{
    Class,
    server::operator::{Operate, operate},
    store::Options,
};
use bytes::Bytes;

use crate::support::{Served, SetTime, label, uid};

const START: i64 = 1_800_000_000_000;
const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

async fn served(time: &Arc<SetTime>) -> Served {
    let home = tempfile::tempdir().unwrap();
    backstop_vault::init::make(&home.path().join("vault"), "vault.test").unwrap();
    again(home, backstop_vault::reader::Identity::generate(), time).await
}

async fn again(
    home: tempfile::TempDir,
    identity: backstop_vault::reader::Identity,
    time: &Arc<SetTime>,
) -> Served {
    let (options, people) = (Options::default(), Default::default());
    Served::start(home, identity, options, people, time.clone(), vec![uid()]).await
}

async fn stamp(served: &Served) -> i64 {
    let content = Bytes::from_static(b"row");
    served
        .client()
        .put(&label(Class::Images), content)
        .await
        .unwrap()
        .at_ms
}

async fn frozen(served: &Served) -> Option<String> {
    served.client().status().await.unwrap().frozen
}

#[tokio::test(flavor = "multi_thread")]
async fn stamps_follow_the_clock_and_never_go_back() {
    let time = SetTime::new(START);
    let served = served(&time).await;
    assert_eq!(stamp(&served).await, START);
    time.pass(10 * MINUTE);
    assert_eq!(stamp(&served).await, START + 10 * MINUTE);
    // Within the tolerance the clock may be set; time still does not go back.
    time.set(-30_000);
    assert!(stamp(&served).await >= START + 10 * MINUTE);
    assert_eq!(frozen(&served).await, None);
    time.set(-3 * DAY);
    let before = stamp(&served).await;
    assert!(before >= START + 10 * MINUTE);
    assert!(frozen(&served).await.unwrap().contains("back by"));
    time.pass(MINUTE);
    assert_eq!(
        stamp(&served).await,
        before + MINUTE,
        "a frozen clock ages by the machine's uptime"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_forward_ends_no_retention() {
    let time = SetTime::new(START);
    let served = served(&time).await;
    let stored = served
        .client()
        .put(&label(Class::Images), Bytes::from_static(b"a"))
        .await
        .unwrap();
    time.set(400 * DAY);
    let status = served.client().status().await.unwrap();
    assert!(status.frozen.unwrap().contains("forward"));
    assert!(status.now_ms < START + MINUTE, "the jump is not followed");
    let ask = Operate::AskDeletion {
        names: vec![stored.name],
        reason: "room".to_owned(),
    };
    let error = operate(&served.dir(), &ask).await.unwrap_err().to_string();
    assert!(
        error.contains("nothing is deleted: the clock went forward"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_small_steps_are_one_large_one() {
    let time = SetTime::new(START);
    let served = served(&time).await;
    for _ in 0..20 {
        time.set(50_000);
        stamp(&served).await;
    }
    assert!(frozen(&served).await.is_some());
    assert!(stamp(&served).await <= START + 60_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_while_the_vault_is_down_is_seen_and_stays_seen() {
    for (off, wrong, freezes) in [
        (MINUTE, 0, false),
        (2 * DAY, 0, false),
        (MINUTE, -DAY, true),
        (MINUTE, 300 * DAY, true),
    ] {
        let time = SetTime::new(START);
        let first = served(&time).await;
        let before = stamp(&first).await;
        let (home, identity) = first.stop().await;
        time.reboot(off, wrong);
        let second = again(home, identity, &time).await;
        assert_eq!(
            frozen(&second).await.is_some(),
            freezes,
            "off {off}, wrong by {wrong}"
        );
        let after = stamp(&second).await;
        assert!(
            after >= before && after < before + 4 * DAY,
            "{before} {after}"
        );
        if !freezes {
            continue;
        }
        // Another start does not make it good; the operator does.
        let (home, identity) = second.stop().await;
        let third = again(home, identity, &time).await;
        assert!(frozen(&third).await.is_some());
        let lift = Operate::LiftFreeze {
            reason: "looked at NTP".to_owned(),
        };
        operate(&third.dir(), &lift).await.unwrap();
        assert_eq!(frozen(&third).await, None);
        assert!(stamp(&third).await >= after);
        let (home, identity) = third.stop().await;
        assert_eq!(frozen(&again(home, identity, &time).await).await, None);
    }
}

/// The same boot, the vault stopped, the clock set in between.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_between_two_starts_of_one_boot_is_seen() {
    let time = SetTime::new(START);
    let first = served(&time).await;
    stamp(&first).await;
    let (home, identity) = first.stop().await;
    time.pass(10 * MINUTE);
    time.set(5 * MINUTE);
    let second = again(home, identity, &time).await;
    assert!(
        frozen(&second)
            .await
            .unwrap()
            .contains("while the vault was down")
    );
}

/// The vault writes its clock down all the time; somebody who lifts a freeze does it, too.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_lift_at_once_do_not_write_over_each_other() {
    let served = served(&SetTime::new(START)).await;
    let dir = served.dir();
    let mut lifts = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let dir = dir.clone();
        lifts.spawn(async move {
            for _ in 0..20 {
                let reason = "looked at it".to_owned();
                let lift = Operate::LiftFreeze { reason };
                operate(&dir, &lift).await.unwrap();
            }
        });
    }
    lifts.join_all().await;
    served.stop().await;
}
