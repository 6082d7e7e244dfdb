//! An HTTP API as somebody new sets it up: `init --url`, the doctor, a lease, and curl with nothing but the environment
//! that was printed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use backstop_testing::railway::RailwayDouble;
use backstop_testing::tls::Authority;
use serde_json::{Value, json};

use crate::person::Person;
use crate::support::{Installation, Ran, eventually};

const READ: &str = "query { projects { edges { node { id name } } } }";

/// An installation that protects the provider's API too, not running yet.
fn with_api(double: &RailwayDouble) -> Installation {
    let installation = Installation::new();
    let secret = installation.data().with_file_name("railway.token");
    std::fs::write(&secret, format!("{}\n", double.account_token())).unwrap();
    let ca = installation.data().with_file_name("railway-ca.pem");
    double.write_authority(&ca).unwrap();
    let url = format!("https://127.0.0.1:{}", double.port());
    let added = installation.run(&[
        "init",
        "--no-enrol",
        "--target",
        "railway",
        "--url",
        &url,
        "--environment",
        "staging",
        "--pack",
        "railway",
        "--ca",
        ca.to_str().unwrap(),
        "--private",
        "--credential-file",
        secret.to_str().unwrap(),
    ]);
    added.fine();
    std::fs::remove_file(secret).unwrap();
    let port = crate::support::free_port();
    installation.edit(|text| text.replace("127.0.0.1:7443", &format!("127.0.0.1:{port}")));
    installation
}

/// The lease's environment, once somebody has approved it.
fn environment(installation: &Installation, person: &mut Person) -> Vec<(String, String)> {
    let asked = [
        "--json", "lease", "create", "--target", "railway", "--task", "look", "--scope", "read",
    ];
    let child = installation
        .command(&asked)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    person.approve(&installation.wait_for_hold()).unwrap();
    let granted = Ran::of(&child.wait_with_output().unwrap()).fine().json();
    serde_json::from_value(granted["environment"].clone()).unwrap()
}

/// What curl gets: the status and the answer.
fn curl(environment: &[(String, String)], double: &RailwayDouble, query: &str) -> (u16, Value) {
    let token = environment.iter().find(|(name, _)| name == "RAILWAY_TOKEN");
    let (_, token) = token.expect("the placeholder of the API");
    let ran = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "60"])
        .args(["--write-out", "\n%{http_code}"])
        .args(["--header", "content-type: application/json"])
        .args(["--header", &format!("authorization: Bearer {token}")])
        .args(["--data", &json!({ "query": query }).to_string()])
        .arg(double.url())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .envs(environment.iter().cloned())
        // The API is on this machine here, and is asked through the proxy all the same.
        .env("NO_PROXY", "")
        .env("no_proxy", "")
        .output()
        .unwrap();
    let ran = Ran::of(&ran).fine();
    let (body, status) = ran.out.trim_end().rsplit_once('\n').unwrap();
    (
        status.parse().unwrap(),
        serde_json::from_str(body).unwrap_or(Value::Null),
    )
}

#[test]
fn an_api_is_set_up_checked_leased_and_asked() {
    let double = RailwayDouble::start().unwrap();
    let installation = with_api(&double);
    let (serving, mut person) = installation.serve_with_person();

    let doctor = installation.run(&["doctor"]);
    let reached = format!(
        "target `railway` can be reached at 127.0.0.1:{}",
        double.port()
    );
    assert!(doctor.out.contains(&reached), "{}", doctor.out);
    assert!(
        doctor.out.contains("HTTP clients can trust"),
        "{}",
        doctor.out
    );
    assert!(
        double.received().is_empty(),
        "the doctor sends no request to an API"
    );

    let environment = environment(&installation, &mut person);
    let (status, answer) = curl(&environment, &double, READ);
    assert_eq!(status, 200, "{answer}");
    assert!(answer["data"]["projects"].is_object(), "{answer}");
    let sent = double.received().len();
    let (status, answer) = curl(
        &environment,
        &double,
        "mutation { projectDelete(id: \"x\") }",
    );
    assert_eq!(status, 403, "{answer}");
    assert_eq!(answer["status"], 403, "problem details: {answer}");
    assert_eq!(double.received().len(), sent, "nothing of it went out");
    assert_eq!(serving.stop(), 0);
}

#[test]
fn the_doctor_says_what_is_wrong_with_an_api() {
    let double = RailwayDouble::start().unwrap();
    let installation = with_api(&double);
    let doctor = || installation.run(&["doctor"]).out;
    let good = doctor();
    assert!(good.contains("target `railway` can be reached"), "{good}");

    // Another authority than the one that signed its certificate.
    let ca: PathBuf = installation.data().with_file_name("railway-ca.pem");
    let other = Authority::new("another").unwrap();
    let right = std::fs::read_to_string(&ca).unwrap();
    std::fs::write(&ca, other.certificate_pem()).unwrap();
    let untrusted = doctor();
    assert!(
        untrusted.contains("target `railway`") && untrusted.contains("certificate is not trusted"),
        "{untrusted}"
    );
    std::fs::write(&ca, right).unwrap();

    // An address that it may not be at.
    installation.edit(|text| text.replace("private = true\n", ""));
    let inside = doctor();
    assert!(inside.contains("where this target may not be"), "{inside}");
    installation.edit(|text| {
        text.replace(
            "pack = \"railway\"\n",
            "pack = \"railway\"\nprivate = true\n",
        )
    });

    // Nobody there. The port may be let go of a moment after the server is.
    drop(double);
    eventually("that nobody listens", || {
        doctor()
            .contains("target `railway`: 127.0.0.1")
            .then_some(())
    });

    // And without its credential.
    std::fs::remove_file(installation.data().join("credentials").join("railway")).unwrap();
    let none = doctor();
    assert!(
        none.contains("the gate has no credential for the target `railway`"),
        "{none}"
    );
}
