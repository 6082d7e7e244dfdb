//! The session's state machine: whatever a client does, it sees through the gate what it would see
//! without, refusals apart, and nothing ever hangs.

use backstop_testing::postgres::{Major, PostgresServer};
use backstop_wire::postgres::startup::Minor;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

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

/// Whether both saw the same, but for two things. A Bind that fails in a block leaves behind a portal that
/// can never run: of it the server says something else than of one that is not there; the gate does not
/// count on such a portal and says that it is not there. And PostgreSQL's own inner errors (after a function
/// call amid a series of extended messages) are not the gate's to repeat.
fn same(gated: &[String], direct: &[String]) -> bool {
    let (mut gated, mut direct) = (gated.iter(), direct.iter());
    let mut failed = false;
    loop {
        match (gated.next(), direct.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == other => {
                if one.starts_with("Z ") {
                    failed = one == "Z Failed";
                }
            }
            (Some(one), Some(other))
                if (failed && one == "E 34000" && (other == "E 25P02" || other == "I"))
                    || (one.starts_with("E ") && other == "E XX000") =>
            {
                let ready = |seen: &mut std::slice::Iter<'_, String>| {
                    seen.find(|one| one.starts_with("Z ")).cloned()
                };
                let after = ready(&mut gated);
                if after != ready(&mut direct) {
                    return false;
                }
                failed = after.as_deref() == Some("Z Failed");
            }
            _ => return false,
        }
    }
}

/// Always the same scripts, so that a failure is a change's; `BACKSTOP_TEST_SEED` tries others.
fn runner(cases: u32) -> TestRunner {
    let seed = std::env::var("BACKSTOP_TEST_SEED").unwrap_or_default();
    let mut bytes = [0x42; 32];
    for (byte, new) in bytes.iter_mut().zip(seed.bytes()) {
        *byte = new;
    }
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(config(cases), rng)
}

#[test]
fn a_client_of_the_model_sees_the_same_with_and_without_the_gate() {
    let cases = cases().saturating_mul(50);
    let result = runner(cases).run(&script(), |mut script| {
        let gated = through_gate(&mut Model::new(), &mut script);
        let direct = directly(&mut Model::new(), &script);
        proptest::prop_assert!(same(&gated, &direct), "{gated:?}\nis not\n{direct:?}");
        Ok(())
    });
    check("the model", result);
}

#[test]
fn a_client_sees_through_the_gate_what_it_sees_without() {
    for major in Major::available().unwrap() {
        let server = PostgresServer::start(major).unwrap();
        let address = server.owner();
        let result = runner(cases()).run(&script(), |mut script| {
            let open = || Connection::open(&address, Minor::V0).map_err(TestCaseError::fail);
            let gated = through_gate(&mut open()?, &mut script);
            let direct = directly(&mut open()?, &script);
            proptest::prop_assert!(same(&gated, &direct), "{gated:?}\nis not\n{direct:?}");
            Ok(())
        });
        check(&major.to_string(), result);
    }
}
