//! Names and addresses that lead where nobody may go, and certificates that prove nothing.

use std::sync::atomic::Ordering;

use backstop_gates::http::{Reach, TargetSetting};

use super::client::{client, json};
use super::world::{Making, NAME, world};

fn reaching(reach: Reach) -> Making {
    Making {
        setting: TargetSetting {
            reach,
            ..TargetSetting::default()
        },
        ..Making::default()
    }
}

#[tokio::test]
async fn private_addresses_are_refused() {
    let world = reaching(Reach::Public).make().await;
    let mut client = client(&world, b"h2").await;
    for known in [
        vec!["127.0.0.1"],
        vec!["::ffff:127.0.0.1"],
        vec!["1.1.1.1", "127.0.0.1"],
        vec!["169.254.169.254"],
        vec!["64:ff9b::7f00:1"],
    ] {
        let addresses = known.iter().map(|a| a.parse().unwrap()).collect();
        world
            .names
            .known
            .lock()
            .unwrap()
            .insert(NAME.into(), addresses);
        let response = client.get(&world, "/hello").await;
        assert_eq!(response.status(), 403, "{known:?}");
        assert_eq!(response.headers()["backstop-verdict"], "deny");
        assert_eq!(json(response).await["type"], "urn:backstop:problem:address");
    }
    assert_eq!(world.connections(), 0);
}

#[tokio::test]
async fn a_private_target_is_not_a_clouds_metadata() {
    let world = reaching(Reach::Private).make().await;
    let mut client = client(&world, b"h2").await;
    let addresses = vec!["169.254.169.254".parse().unwrap()];
    world
        .names
        .known
        .lock()
        .unwrap()
        .insert(NAME.into(), addresses);
    assert_eq!(client.get(&world, "/hello").await.status(), 403);
}

/// A name is asked once for a connection; what it says later has no say in that connection.
#[tokio::test]
async fn a_name_that_changes_its_mind_gets_nowhere() {
    let world = reaching(Reach::Private).make().await;
    let mut client = client(&world, b"h2").await;
    assert_eq!(client.text(&world, "/hello").await, "hello");
    let metadata = vec!["169.254.169.254".parse().unwrap()];
    world
        .names
        .known
        .lock()
        .unwrap()
        .insert(NAME.into(), metadata);
    assert_eq!(client.text(&world, "/hello").await, "hello");
    assert_eq!(world.names.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_name_without_an_address_is_no_answer() {
    let world = world().await;
    world
        .names
        .known
        .lock()
        .unwrap()
        .insert(NAME.into(), vec![]);
    let response = client(&world, b"h2").await.get(&world, "/hello").await;
    assert_eq!(response.status(), 502);
    assert_eq!(
        json(response).await["type"],
        "urn:backstop:problem:unknown-host"
    );
}

#[tokio::test]
async fn a_denied_request_asks_no_name() {
    let world = world().await;
    client(&world, b"h2").await.get(&world, "/denied").await;
    assert_eq!(world.names.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_refused() {
    let other = backstop_testing::tls::Authority::new("other").unwrap();
    let strange = Making {
        setting: TargetSetting {
            reach: Reach::Private,
            authorities_pem: Some(other.certificate_pem()),
            ..TargetSetting::default()
        },
        ..Making::default()
    };
    let misnamed = Making {
        certified: &["other.example"],
        ..Making::default()
    };
    for making in [strange, misnamed] {
        let world = making.make().await;
        let response = client(&world, b"h2").await.get(&world, "/hello").await;
        assert_eq!(response.status(), 502);
        assert_eq!(
            json(response).await["type"],
            "urn:backstop:problem:certificate"
        );
        assert_eq!(world.requests(), 0);
        let end = world.judge.end_of("/hello").await;
        assert!(!end.sent);
    }
}
