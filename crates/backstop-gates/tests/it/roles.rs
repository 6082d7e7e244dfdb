//! Leases' roles: only what was granted, gone without trace, on every server there is.

use anyhow::Result;
use backstop_testing::postgres::Major;

use crate::world::World;

const SCHEMA: &str = "
    create table public.notes (id serial primary key, body text);
    create table public.secret (id int primary key);
    create schema work;
";

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_made_and_dropped_on_every_major() -> Result<()> {
    for major in Major::available()? {
        let world = World::on(major, SCHEMA, |_| {}).await?;
        let agent = world
            .lease(&[
                "read,insert:public.notes",
                "create,read,insert:work.*",
                "temp",
            ])
            .await?;
        assert_eq!(
            world
                .psql(&agent, "insert into notes (body) values ('a') returning id")
                .await
                .lines()
                .next(),
            Some("1"),
            "{major:?}"
        );
        let made = world
            .psql(&agent, "create table work.mine (id int primary key)")
            .await;
        assert_eq!(made.trim(), "CREATE TABLE", "{major:?}");
        let own = world.psql(&agent, "insert into work.mine values (1)").await;
        assert_eq!(own.trim(), "INSERT 0 1", "{major:?}");
        let held = world
            .psql(&agent, "grant select on work.mine to public")
            .await;
        assert!(held.contains("BK001"), "{major:?}: {held}");
        let record = world.store.lease(&agent.lease).unwrap();
        world.store.end_lease(&agent.lease, "revoked").await?;
        world.gate.retire(&record.lease).await?;
        let left = format!(
            "select count(*) from pg_roles where rolname = '{}'",
            agent.lease
        );
        assert_eq!(world.direct(&left), "0", "{major:?}");
        let owner = "select pg_get_userbyid(relowner) from pg_class where relname = 'mine'";
        assert_eq!(world.direct(owner), "backstop_leftovers", "{major:?}");
        assert!(world.client(&agent).await.is_err());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_itself_refuses_what_the_role_lacks() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read:public.notes"]).await?;
    let role = &agent.lease;
    let can = |what: &str| {
        world.direct(&format!(
            "select has_table_privilege('{role}', '{what}', 'insert, update, delete, truncate')"
        ))
    };
    assert_eq!(
        (can("public.notes"), can("public.secret")),
        ("f".into(), "f".into())
    );
    assert_eq!(
        world.direct(&format!(
            "select has_table_privilege('{role}', 'public.secret', 'select')"
        )),
        "f"
    );
    let attributes = format!(
        "select rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls from pg_roles where rolname = '{role}'"
    );
    assert_eq!(world.direct(&attributes), "f");
    let members = format!(
        "select count(*) from pg_auth_members m join pg_roles r on r.oid = m.member where r.rolname = '{role}'"
    );
    assert_eq!(world.direct(&members), "0");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_lease_loses_its_grants_at_the_server_too() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read,insert,delete:public.notes"]).await?;
    let client = world.client(&agent).await?;
    client
        .execute("insert into notes (body) values ('a')", &[])
        .await?;
    world
        .store
        .narrow_lease(
            &agent.lease,
            Some(vec!["read:public.notes".parse().unwrap()]),
            None,
        )
        .await?;
    let refused = client
        .execute("insert into notes (body) values ('b')", &[])
        .await;
    assert!(refused.is_err());
    let question = format!(
        "select has_table_privilege('{}', 'public.notes', 'insert')",
        agent.lease
    );
    for _ in 0..50 {
        if world.direct(&question) == "f" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(world.direct(&question), "f");
    Ok(())
}

/// A role is brought up to its lease after a restart, and whenever the lease is narrowed, while its agent works.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_lease_may_do_is_never_gone_in_between() -> Result<()> {
    let world = World::new(SCHEMA).await?;
    let agent = world.lease(&["read,insert:public.notes"]).await?;
    let client = world.client(&agent).await?;
    let lease = world.store.lease(&agent.lease).unwrap().lease;
    let brought_up = async {
        for _ in 0..40 {
            world.gate.provision(&lease).await?;
        }
        anyhow::Ok(())
    };
    let mut brought_up = std::pin::pin!(brought_up);
    let mut asked = 0;
    loop {
        tokio::select! {
            done = &mut brought_up => break done?,
            read = client.query("select count(*) from notes", &[]) => {
                read?;
                asked += 1;
            }
        }
    }
    assert!(asked > 20, "{asked}");
    Ok(())
}
