//! The session's state machine: whatever a client does, it sees through the gate what it would see
//! without, refusals apart, and nothing ever hangs.

use backstop_testing::postgres::{Major, PostgresServer};
use backstop_wire::postgres::startup::Minor;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

use crate::connection::Connection;
use crate::model::Model;
use crate::relay::{directly, through_gate};
use crate::script::{Step, script};

/// How many scripts each server is asked to run; `BACKSTOP_TEST_CASES` asks for more.
fn cases() -> u32 {
    std::env::var("BACKSTOP_TEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(60)
}

fn listed(script: &[Step]) -> String {
    let lines: Vec<_> = script.iter().map(|step| format!("    {step:?}")).collect();
    lines.join("\n")
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    }
}

fn check(name: &str, result: Result<(), TestError<Vec<Step>>>) {
    match result {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("{name}: {reason}"),
        Err(TestError::Fail(reason, script)) => panic!("{name}: {reason}\n{}", listed(&script)),
    }
}

#[test]
fn a_client_of_the_model_sees_the_same_with_and_without_the_gate() {
    let cases = cases().saturating_mul(50);
    let result = TestRunner::new(config(cases)).run(&script(), |mut script| {
        let gated = through_gate(&mut Model::new(), &mut script);
        let direct = directly(&mut Model::new(), &script);
        proptest::prop_assert_eq!(gated, direct);
        Ok(())
    });
    check("the model", result);
}

#[test]
fn a_client_sees_through_the_gate_what_it_sees_without() {
    for major in Major::available().unwrap() {
        let server = PostgresServer::start(major).unwrap();
        let address = server.owner();
        let result = TestRunner::new(config(cases())).run(&script(), |mut script| {
            let open = || Connection::open(&address, Minor::V0).map_err(TestCaseError::fail);
            let gated = through_gate(&mut open()?, &mut script);
            let direct = directly(&mut open()?, &script);
            proptest::prop_assert_eq!(gated, direct);
            Ok(())
        });
        check(&major.to_string(), result);
    }
}
