//! PgBouncer in both modes before a throwaway server.

use backstop_testing::pgbouncer::{PgBouncer, PoolMode};
use backstop_testing::postgres::PostgresServer;

#[test]
fn session_mode_keeps_a_session_and_transaction_mode_does_not() {
    let server = PostgresServer::start_any().unwrap();
    let role = server.owner().as_role("app_user", "known");
    server
        .psql("CREATE ROLE app_user LOGIN PASSWORD 'known'")
        .unwrap();

    let session =
        PgBouncer::start(&server, PoolMode::Session, std::slice::from_ref(&role)).unwrap();
    let through = session.connection(&role);
    assert_eq!(through.port, session.port());
    assert_eq!(
        server
            .psql_as(&through, "SELECT current_user, inet_server_port()")
            .unwrap(),
        format!("app_user|{}", server.port())
    );

    let transaction = PgBouncer::start(&server, PoolMode::Transaction, &[]).unwrap();
    let admin = transaction
        .connection(&server.superuser())
        .in_database("pgbouncer");
    assert!(
        server.psql_as(&admin, "SHOW CONFIG").is_err(),
        "nobody is an administrator of the pooler"
    );
    assert_eq!(
        server
            .psql_as(
                &transaction.connection(&server.owner()),
                "SELECT current_user"
            )
            .unwrap(),
        "owner"
    );

    let port = session.port();
    drop(session);
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
