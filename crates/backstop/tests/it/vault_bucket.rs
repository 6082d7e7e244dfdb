//! A vault with a bucket through the whole binary: its directory is deleted, rebuilt, and does what it did before.

use std::path::Path;

use backstop_testing::doubles::{S3Double, S3Front};
use backstop_testing::postgres::PostgresServer;
use backstop_vault::points::keep;

use crate::support::{Installation, Ran, eventually};
use crate::vault::Made;
use crate::vault_points::source;

const ROWS: &str = "SELECT pg_catalog.count(*), pg_catalog.md5(pg_catalog.string_agg(i::text, ',' ORDER BY id)) FROM public.items i";

/// A vault whose copy goes to this bucket, and the folder in which its operator keeps what the bucket never has.
fn with_bucket(front: &S3Front) -> Made {
    let made = Made::new();
    let config = made.dir().join("vault.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let bucket = format!(
        "[bucket]\nendpoint = \"{}\"\nregion = \"us-east-1\"\nname = \"locked\"\naccess_key = \"key\"\nsecret_file = \"keys/s3-secret\"\n",
        front.url()
    );
    std::fs::write(&config, format!("{text}\n{bucket}")).unwrap();
    std::fs::write(made.dir().join("keys/s3-secret"), "secret\n").unwrap();
    let kept = made.path("kept");
    std::fs::create_dir_all(format!("{kept}/keys")).unwrap();
    for file in ["vault.toml", "keys/s3-secret", "keys/cosign.key"] {
        std::fs::copy(made.dir().join(file), format!("{kept}/{file}")).unwrap();
    }
    made
}

fn rebuild(made: &Made, more: &[&str]) -> Ran {
    let config = format!("{}/vault.toml", made.path("kept"));
    made.vault("rebuild", &[&["--config", &config], more].concat())
}

#[test]
fn a_vault_whose_directory_is_deleted_comes_back_and_undoes_and_restores() {
    let moto = S3Double::start().unwrap();
    moto.make_bucket("locked", true).unwrap();
    let front = S3Front::start(&moto).unwrap();
    let made = with_bucket(&front);
    let vault = made.serve();
    let here = Installation::new();
    here.edit(|text| format!("{text}\n{}", made.snippet()));
    let (gate, mut person) = here.serve_with_person();
    let (_, agent) = here.lease(&mut person, &["read,update:public.items"]);
    let server = &here.server;
    let owner = server.owner();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let point = runtime.block_on(async {
        let from = source(server, &owner).await;
        let client = made.client();
        keep::store_point(&client, "shop", &from, &())
            .await
            .unwrap()
            .0
    });
    let before = server.psql_as(&owner, ROWS).unwrap();
    here.psql(&agent, "update items set name = 'wrong' where id = 1")
        .fine();
    assert_ne!(server.psql_as(&owner, ROWS).unwrap(), before);
    let listed = made.vault("list", &["--json"]).fine().out;
    vault.stop();

    std::fs::remove_dir_all(made.dir()).unwrap();
    let said = rebuild(&made, &[]).fine();
    assert!(
        said.out.contains("rebuilt: ") && said.out.contains("backstop vault verify"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("`people.json` is named in vault.toml"),
        "{}",
        said.out
    );
    assert!(said.err.contains("fetching objects"), "{}", said.err);
    let again = rebuild(&made, &[]);
    assert!(
        again.code == 2 && again.err.contains("nothing was changed"),
        "{}",
        again.err
    );
    made.vault("verify", &[]).fine();
    assert_eq!(made.vault("list", &["--json"]).fine().out, listed);

    // The gate goes on with it: it cosigns, and what it kept before undoes.
    let vault = made.serve();
    eventually("the vault to cosign again", || {
        let status = here.run(&["--json", "status"]).fine().json();
        let logs = status["journal"].as_array().unwrap().clone();
        let good = |log: &serde_json::Value| {
            log["cosigned"]["failure"].is_null() && log["cosigned"]["size"] == log["entries"]
        };
        logs.iter().all(good).then_some(())
    });
    let (identity, dir) = (made.path("recovery"), made.dir().display().to_string());
    let undo = ["--target", "prod", "--since", "1h", "--apply"];
    let undo = [
        &["undo", "--identity", &identity, "--vault", &dir],
        &undo[..],
    ]
    .concat();
    let undone = here.run(&undo);
    if undone.code == 3 {
        person.approve(&here.wait_for_hold()).unwrap();
        here.run(&undo).fine();
    } else {
        undone.fine();
    }
    assert_eq!(server.psql_as(&owner, ROWS).unwrap(), before);
    // And a whole database comes back.
    let other = PostgresServer::start_any().unwrap();
    let dsn = format!("{}?sslmode=disable", other.owner().url());
    let name = point.name.to_hex();
    let restored = made
        .vault(
            "restore",
            &[
                "--json",
                "--point",
                &name,
                "--into",
                &dsn,
                "--identity",
                &identity,
            ],
        )
        .fine()
        .json();
    assert_eq!(restored["differences"], serde_json::json!([]));
    assert_eq!(other.psql_as(&other.owner(), ROWS).unwrap(), before);
    assert_eq!(gate.stop(), 0);
    vault.stop();
}

#[test]
fn what_a_bucket_has_lost_is_named_and_what_was_not_kept_is_asked_for() {
    let moto = S3Double::start().unwrap();
    moto.make_bucket("locked", true).unwrap();
    let front = S3Front::start(&moto).unwrap();
    let made = with_bucket(&front);
    let vault = made.serve();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stored =
        runtime.block_on(async { crate::vault::put(&made.client(), "shop", "a row").await });
    vault.stop();
    let dir = made.dir();
    let key = std::fs::read_to_string(dir.join("keys/cosign.key")).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    // An object that is lost.
    let hex = stored.name.to_hex();
    front.loses(&format!("/locked/objects/{hex}"));
    let said = rebuild(&made, &["--json"]);
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
    let found = said.json();
    assert_eq!(found["rebuilt"]["findings"][0]["object"], hex);
    assert_eq!(found["rebuilt"]["findings"][0]["kind"], "missing");
    assert!(
        said.err.contains("--accept-damage") && said.err.contains("hint"),
        "{}",
        said.err
    );
    let refused = made.vault("serve", &[]);
    assert!(
        refused.code == 2 && refused.err.contains("was not rebuilt to the end"),
        "{}",
        refused.err
    );
    // It is there again.
    front.mends();
    rebuild(&made, &[]).fine();
    // Away, and cut off.
    std::fs::remove_dir_all(&dir).unwrap();
    front.answers(false);
    let away = rebuild(&made, &[]);
    assert!(
        away.code == 1 && away.err.contains("cannot reach"),
        "{}",
        away.err
    );
    front.answers(true);
    rebuild(&made, &[]).fine();
    // Without the key that nobody kept.
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::remove_file(Path::new(&made.path("kept")).join("keys/cosign.key")).unwrap();
    let asked = rebuild(&made, &[]);
    assert!(
        asked.code == 2 && asked.err.contains("--vault-key"),
        "{}",
        asked.err
    );
    let public = made.told("vault_key");
    let done = rebuild(&made, &["--json", "--vault-key", &public])
        .fine()
        .json();
    assert!(
        done["new_key"]
            .as_str()
            .unwrap()
            .starts_with("vault.local+")
    );
    assert!(!done.to_string().contains(key.trim()));
    made.vault("verify", &[]).fine();
}
