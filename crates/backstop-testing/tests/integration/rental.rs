//! The rental company's data: complete, the same on every version, quickly there.

use std::time::{Duration, Instant};

use backstop_testing::postgres::{Major, PostgresServer};
use backstop_testing::rental;

#[test]
fn every_version_loads_the_same_rows() {
    let mut first = None;
    for major in Major::available().unwrap() {
        let server = PostgresServer::start(major).unwrap();
        let begun = Instant::now();
        rental::load(&server).unwrap();
        eprintln!("{major}: loaded in {} ms", begun.elapsed().as_millis());
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "loading is meant to take a few seconds"
        );
        assert_eq!(rental::total(&server).unwrap(), rental::ROWS);
        let fingerprints = rental::fingerprints(&server).unwrap();
        let expected = first.get_or_insert_with(|| fingerprints.clone());
        assert_eq!(&fingerprints, expected, "{major}");
    }
}

#[test]
fn another_seed_gives_other_rows_of_the_same_number() {
    let (one, two) = (
        PostgresServer::start_any().unwrap(),
        PostgresServer::start_any().unwrap(),
    );
    rental::load_seed(&one, 1).unwrap();
    rental::load_seed(&two, 2).unwrap();
    assert_eq!(rental::counts(&one).unwrap(), rental::counts(&two).unwrap());
    assert_ne!(
        rental::fingerprints(&one).unwrap()["customers"],
        rental::fingerprints(&two).unwrap()["customers"]
    );
}

#[test]
fn cascades_and_the_audit_work_and_losses_are_counted() {
    let server = PostgresServer::start_any().unwrap();
    rental::load(&server).unwrap();
    let before = rental::counts(&server).unwrap();
    let gone = server.psql("SELECT count(*), (SELECT count(*) FROM payments p JOIN reservations r ON r.id = reservation_id WHERE customer_id = 17) FROM reservations WHERE customer_id = 17").unwrap();
    let (reservations, payments) = gone.split_once('|').unwrap();
    let (reservations, payments): (u64, u64) =
        (reservations.parse().unwrap(), payments.parse().unwrap());
    assert!(reservations > 0 && payments > 0);

    server
        .psql_as(&server.owner(), "DELETE FROM customers WHERE id = 17")
        .unwrap();
    let after = rental::counts(&server).unwrap();
    assert_eq!(after["reservations"], before["reservations"] - reservations);
    assert_eq!(after["payments"], before["payments"] - payments);
    assert_eq!(after["rental_audit"], reservations + payments);

    server
        .psql_as(&server.owner(), "DROP TABLE customers CASCADE")
        .unwrap();
    assert_eq!(rental::counts(&server).unwrap()["customers"], 0);
}

#[test]
fn a_client_reads_everything_and_writes_notes_alone() {
    let server = PostgresServer::start_any().unwrap();
    rental::load(&server).unwrap();
    let client = rental::make_client(&server, "client", "it's known").unwrap();
    assert_eq!(
        server
            .psql_as(&client, "SELECT count(*) > 0 FROM monthly_revenue")
            .unwrap(),
        "t"
    );
    server
        .psql_as(
            &client,
            "INSERT INTO notes VALUES (1000, 'x', 1); DELETE FROM notes WHERE id = 1000",
        )
        .unwrap();
    let error = server
        .psql_as(&client, "DELETE FROM customers WHERE id = 1")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("permission denied for table customers"),
        "{error}"
    );
}
