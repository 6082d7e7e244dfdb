//! GraphQL over a WebSocket: what reads passes, what does anything else is sent as a request.

use anyhow::{Context as _, Result};
use backstop_wire::websocket::{Kind, frame};
use serde_json::{Value, json};

use super::client::{Client, MASK, piece};
use super::scene::{Held, REAL, Scene};

const PROTOCOLS: [&str; 2] = [
    "sec-websocket-protocol: graphql-transport-ws",
    "sec-websocket-protocol: graphql-ws",
];

/// Opens Railway's, and logs in as its clients do.
async fn logged_in(scene: &Scene, held: &Held, protocol: &str) -> Result<Client> {
    let mut client = Client::opened_with(scene, held, "rail", "/graphql/v2", &[protocol]).await?;
    let token = format!("Bearer {}", held.placeholder("rail"));
    let init = json!({ "type": "connection_init", "payload": { "Authorization": token } });
    client.text(&init.to_string()).await?;
    let ack = client.next().await?.context("it ended")?.text();
    assert_eq!(ack, r#"{"type":"connection_ack"}"#);
    Ok(client)
}

fn asks(kind: &str, document: &str) -> String {
    let payload = json!({ "query": document });
    json!({ "id": "1", "type": kind, "payload": payload }).to_string()
}

const LOGS: &str = "subscription { deploymentLogs(deploymentId: \"d\") { message } }";

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_pass_with_a_credential_that_the_agent_never_had() -> Result<()> {
    let scene = Scene::set().await?;
    for (protocol, start, stop) in [
        (PROTOCOLS[0], "subscribe", "complete"),
        (PROTOCOLS[1], "start", "stop"),
    ] {
        let held = scene.lease().await?;
        let mut client = logged_in(&scene, &held, protocol).await?;
        let init: Value = serde_json::from_str(&scene.server.messages()[0])?;
        assert_eq!(init["payload"]["Authorization"], format!("Bearer {REAL}"));
        for document in [LOGS, "query { projects { edges { node { name } } } }"] {
            client.text(&asks(start, document)).await?;
            let next: Value =
                serde_json::from_str(&client.next().await?.context("it ended")?.text())?;
            assert_eq!(next["payload"]["data"]["line"], "a line", "{next}");
        }
        client.text(&json!({ "type": "ping" }).to_string()).await?;
        client.next().await?.context("it ended")?;
        client
            .text(&json!({ "id": "1", "type": stop }).to_string())
            .await?;
        client.next().await?.context("it ended")?;
        assert_eq!(scene.server.messages().len(), 5);
        // The messages that ask were written down, each by itself.
        let decided = scene.decided(&held);
        let reads = decided
            .iter()
            .filter(|(verdict, rule)| verdict == "allow" && rule == "reads");
        assert_eq!(reads.count(), 3, "{decided:?}");
        assert_eq!(scene.front.halted(&held.lease), None);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_more_than_read_is_refused_and_never_arrives() -> Result<()> {
    let scene = Scene::set().await?;
    let hash = json!({ "persistedQuery": { "version": 1, "sha256Hash": "a".repeat(64) } });
    let persisted = json!({ "id": "1", "type": "subscribe", "payload": { "extensions": hash } });
    let twice = r#"{"id":"1","type":"ping","type":"subscribe","payload":{"query":"mutation{x}"}}"#;
    let text = |text: &str| frame(Kind::Text, text.as_bytes(), Some(MASK));
    let deletes = "mutation { volumeDelete(volumeId: \"v\") }";
    for (name, said) in [
        ("a mutation", text(&asks("subscribe", deletes))),
        ("in the old words", text(&asks("start", deletes))),
        (
            "beside a query",
            text(&asks(
                "subscribe",
                &format!("query a {{ projects {{ edges {{ node {{ id }} }} }} }} {deletes}"),
            )),
        ),
        (
            "a credential",
            text(&asks(
                "subscribe",
                "query { variables(projectId: \"p\", environmentId: \"e\") }",
            )),
        ),
        (
            "an unknown field",
            text(&asks("subscribe", "subscription { nobodyKnows }")),
        ),
        ("no document", text(&asks("subscribe", "{"))),
        ("a hash", text(&persisted.to_string())),
        ("a key twice", text(twice)),
        (
            "no message of the protocol",
            text(r#"{"type":"execute","query":"{x}"}"#),
        ),
        ("no JSON", text("hello")),
        (
            "bytes",
            frame(Kind::Binary, asks("subscribe", LOGS).as_bytes(), Some(MASK)),
        ),
        ("in pieces", {
            let asked = asks("subscribe", deletes);
            let (head, tail) = asked.split_at(20);
            [piece(0x01, head.as_bytes()), piece(0x80, tail.as_bytes())].concat()
        }),
    ] {
        let held = scene.lease().await?;
        let mut client = logged_in(&scene, &held, PROTOCOLS[0]).await?;
        client.send(&said).await?;
        let (code, reason) = client.close().await?;
        assert_eq!(code, 4403, "{name}: {reason}");
        assert!(reason.starts_with("Backstop: "), "{name}: {reason}");
        assert_eq!(scene.server.messages().len(), 1, "{name}");
        let denied = ("deny".to_owned(), "socket".to_owned());
        assert!(scene.decided(&held).contains(&denied), "{name}");
        assert_eq!(scene.front.halted(&held.lease), None, "{name}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_placeholder_is_good_where_clients_log_in_and_nowhere_else() -> Result<()> {
    let scene = Scene::set().await?;
    for place in ["note", "variable", "ping", "harmless", "others", "twice"] {
        let held = scene.lease().await?;
        let own = held.placeholder("rail").to_owned();
        let others = held.placeholder("live").to_owned();
        let said = match place {
            "note" => {
                json!({ "type": "connection_init", "payload": { "note": format!("my {own}") } })
            }
            "variable" => json!({ "id": "1", "type": "subscribe", "payload": {
                "query": LOGS, "variables": { "note": own },
            } }),
            "ping" => json!({ "type": "ping", "payload": { "token": own } }),
            "others" => json!({ "type": "connection_init", "payload": { "token": others } }),
            "twice" => {
                json!({ "type": "connection_init", "payload": { "token": own, "note": others } })
            }
            _ => json!({ "token": others }),
        };
        let mut client = match place {
            "harmless" => Client::opened(&scene, &held, "live", "/harmless/echo").await?,
            _ => Client::opened_with(&scene, &held, "rail", "/graphql/v2", &[PROTOCOLS[0]]).await?,
        };
        client.text(&said.to_string()).await?;
        assert_eq!(client.close().await?.0, 1008, "{place}");
        assert!(scene.halted(&held).await.is_some(), "{place}");
        assert!(scene.server.messages().is_empty(), "{place}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_can_say_that_an_api_of_another_kind_has_one() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = Client::opened_with(&scene, &held, "live", "/graph", &[PROTOCOLS[0]]).await?;
    client
        .text(&asks("subscribe", "subscription { orders { id } }"))
        .await?;
    let next: Value = serde_json::from_str(&client.next().await?.context("it ended")?.text())?;
    assert_eq!(next["type"], "next");
    client
        .text(&asks("subscribe", "mutation { orderDelete }"))
        .await?;
    assert_eq!(client.close().await?.0, 4403);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_forbids_the_socket_refused_the_credential() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client =
        Client::opened_with(&scene, &held, "rail", "/graphql/v2", &[PROTOCOLS[0]]).await?;
    client
        .text(r#"{"type":"connection_init","payload":{"close":4403}}"#)
        .await?;
    assert_eq!(client.close().await?, (4403, "Forbidden".to_owned()));
    let why = scene.halted(&held).await.context("the lease goes on")?;
    assert!(why.contains("refused"), "{why}");
    Ok(())
}
