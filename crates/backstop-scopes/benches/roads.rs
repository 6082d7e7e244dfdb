//! How long the audit of a large database takes: `cargo bench -p backstop-scopes --bench roads`.
//!
//! 10,000 tables and 500 roles, asked over TCP as a client does, decisions included; the aim is under three seconds.

#![allow(clippy::expect_used, reason = "a benchmark that cannot run stops")]

use std::sync::LazyLock;

use backstop_core::secret::Secret;
use backstop_scopes::postgres::{Audit, Place, Trust, Way, audit};
use backstop_testing::postgres::{PostgresServer, Server};
use divan::Bencher;

fn main() {
    // Made before anything is timed.
    let _ = &*SERVER;
    divan::main();
}

/// Groups of roles, schemas with owners, tables with grants, keys and views.
const WORLD: &str = "\
do $$ begin \
  for n in 1..500 loop execute format('create role r%s login password ''x''', n); end loop; \
  for n in 2..500 loop execute format('grant r%s to r%s', n / 2, n); end loop; \
  for n in 0..19 loop execute format('create schema s%s authorization r%s; grant usage on schema s%s to public', n, n + 1, n); end loop; \
end $$; \
create role maker login createrole password 'x'; create role nobody login password 'x';";

/// In pieces: each transaction's locks must find room.
fn tables(from: u32) -> String {
    format!(
        "do $$ begin for n in {from}..{} loop \
           execute format('create table s%s.t%s (id int primary key, p int)', n % 20, n); \
           execute format('grant select on s%s.t%s to r%s; grant delete, update on s%s.t%s to r%s', n % 20, n, n % 500 + 1, n % 20, n, n * 7 % 500 + 1); \
           execute format('alter table s%s.t%s owner to r%s', n % 20, n, n % 250 + 1); \
           if n % 4 = 1 then execute format('alter table s%s.t%s add foreign key (p) references s%s.t%s on delete cascade', n % 20, n, (n - 1) % 20, n - 1); end if; \
           if n % 10 = 0 then execute format('create view s%s.v%s as select * from s%s.t%s', n % 20, n, n % 20, n); end if; \
         end loop; end $$",
        from + 499
    )
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = PostgresServer::start_any().expect("a server");
    server.psql(WORLD).expect("roles");
    for from in (0..10_000).step_by(500) {
        server.psql(&tables(from)).expect("tables");
    }
    server.psql("analyze").expect("analyze");
    server
});

/// `r500` has the rights of eight others; `maker` becomes all 500 on PostgreSQL 15; a superuser has everything.
#[divan::bench(args = ["nobody", "r500", "maker", "postgres"], sample_count = 5, sample_size = 1)]
fn tables_10000_roles_500(bencher: Bencher<'_, '_>, role: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    bencher.bench_local(|| {
        let found = runtime.block_on(ask(role));
        assert_eq!(found.roads.is_empty(), role == "nobody");
        found
    });
}

async fn ask(role: &str) -> Audit {
    let connection = match role {
        "postgres" => SERVER.superuser(),
        _ => SERVER.owner().as_role(role, "x"),
    };
    let way = Way {
        place: Place::Tcp(connection.host),
        port: connection.port,
        database: connection.database,
        user: connection.user,
        password: Some(Secret::new(connection.password)),
        trust: Trust::Nothing,
        require_binding: false,
    };
    let client = way.connect().await.expect("a connection");
    audit(&client, None).await.expect("an answer")
}
