//! The incident without Backstop: everything is gone, in seconds, counted.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use backstop_testing::postgres::PostgresServer;
use backstop_testing::railway::{Agent, Outcome, Presented, RailwayDouble, Workspace};
use backstop_testing::rental;

#[test]
fn the_incident_without_backstop_loses_everything() {
    let server = PostgresServer::start_any().unwrap();
    rental::load(&server).unwrap();
    let double = RailwayDouble::with_database(server).unwrap();
    double.back_up().unwrap();
    double.back_up().unwrap();
    let workspace = Workspace::make(&double).unwrap();
    let before = double.left();
    assert_eq!(before.rows, Some(rental::ROWS));
    assert_eq!((before.backups, before.backup_folders), (2, 2));
    assert_eq!(before.volumes, 1);
    assert!(before.data_directory);
    let folder = double.database().unwrap().folder().to_owned();
    assert!(folder.join("data/PG_VERSION").exists());

    let story = agent(&double, &workspace).run().unwrap();
    eprintln!("{story}");

    // What it did, in order.
    let outcomes: Vec<&Outcome> = story.steps.iter().map(|step| &step.outcome).collect();
    assert!(
        matches!(
            outcomes[..],
            [
                Outcome::Found(_),
                Outcome::Mismatch { status: 200, .. },
                Outcome::Found(_),
                Outcome::Done(_)
            ]
        ),
        "{story}"
    );
    assert!(story.deleted);
    let stray = workspace.stray_file();
    assert_eq!(
        story.stray_file.as_deref(),
        Some(stray.strip_prefix(workspace.path()).unwrap())
    );
    assert!(story.took < Duration::from_secs(9), "{:?}", story.took);
    let mut times = story.steps.iter().map(|step| step.after);
    assert!(times.clone().is_sorted() && times.all(|after| after <= story.took));

    // What is left: nothing of the database, nothing of its backups.
    let after = double.left();
    eprintln!(
        "{} rows and {} backups before; after {:.1} s: {after:?}",
        rental::ROWS,
        before.backups,
        story.took.as_secs_f64()
    );
    assert_eq!(after.rows, None, "the server is dead");
    assert!(!after.data_directory);
    assert_eq!(
        (after.volumes, after.backups, after.backup_folders),
        (0, 0, 0)
    );
    assert!(!folder.join("data").exists());
    assert!(!folder.join("backups").exists());
    assert!(!double.database().unwrap().is_running());

    // What the provider saw.
    let received = double.received();
    let tokens: Vec<&Presented> = received.iter().map(|one| &one.token).collect();
    assert_eq!(
        tokens,
        [&Presented::Unknown, &Presented::Known("domains".to_owned())]
    );
    assert_eq!(received[0].operation, "query");
    assert!(received[0].asks_for("variables"));
    assert_eq!(received[0].errors, ["Not Authorized"]);
    assert_eq!(received[1].operation, "mutation");
    assert_eq!(received[1].fields, ["volumeDelete"]);
    assert_eq!(received[1].status, Some(200));
    assert!(received[0].at <= received[1].at);
    assert_eq!(double.connections(), 2);

    // A new server can begin where the lost one was.
    let mut server = double.database().unwrap();
    server.begin_anew().unwrap();
    assert_eq!(rental::total(&server).unwrap(), 0);
}

#[test]
fn a_task_whose_token_works_ends_without_a_search() {
    let double = RailwayDouble::start().unwrap();
    let workspace = Workspace::make(&double).unwrap();
    workspace.set_task_token(double.staging_token()).unwrap();
    let story = agent(&double, &workspace).run().unwrap();
    assert!(!story.deleted && story.stray_file.is_none(), "{story}");
    assert_eq!(double.received().len(), 1);
    assert_eq!(double.left().volumes, 1);
}

#[test]
fn an_agent_that_is_told_to_delete_does_that_alone() {
    let double = RailwayDouble::start().unwrap();
    let workspace = Workspace::make(&double).unwrap();
    let agent = agent(&double, &workspace);
    let refused = agent.delete_volume(double.staging_token()).unwrap();
    assert!(
        matches!(refused.outcome, Outcome::Mismatch { .. }),
        "{refused:?}"
    );
    let done = agent.delete_volume(double.workspace_token()).unwrap();
    assert!(matches!(done.outcome, Outcome::Done(_)), "{done:?}");
    assert_eq!(double.received().len(), 2);
    assert_eq!(double.left().volumes, 0);
}

#[test]
fn no_token_is_in_the_story_or_in_what_was_received() {
    let double = RailwayDouble::start().unwrap();
    let workspace = Workspace::make(&double).unwrap();
    let story = agent(&double, &workspace).run().unwrap();
    assert!(story.deleted, "{story}");
    let told = format!("{story} {story:?} {:?} {double:?}", double.received());
    for secret in [double.account_token(), double.stale_token()] {
        assert!(!told.contains(secret));
    }
}

#[test]
fn nothing_reaches_the_double_past_a_proxy_that_lets_nothing_through() {
    let double = RailwayDouble::start().unwrap();
    let workspace = Workspace::make(&double).unwrap();
    let nobody = backstop_testing::port::free().unwrap();
    let story = agent(&double, &workspace)
        .variable("HTTPS_PROXY", &format!("http://127.0.0.1:{nobody}"))
        .run()
        .unwrap();
    assert!(matches!(story.steps[1].outcome, Outcome::Unanswered(_)));
    assert!(!story.deleted, "{story}");
    assert_eq!(double.connections(), 0);
    assert!(double.received().is_empty());
    assert_eq!(double.left().volumes, 1);
}

#[test]
fn the_agent_goes_through_the_proxy_it_is_given_and_trusts_the_ca_it_is_given() {
    let double = RailwayDouble::start().unwrap();
    let workspace = Workspace::make(&double).unwrap();
    let proxy = tunnel(double.port());
    let bundle = workspace.path().join("ca.pem");
    double.write_authority(&bundle).unwrap();
    let through = format!("http://127.0.0.1:{proxy}");
    // The real name of the API, which only the proxy knows the way to.
    let agent = Agent::new(workspace.path(), "https://backboard.railway.com/graphql/v2")
        .variable("HTTPS_PROXY", &through);
    let untrusted = agent.clone().run().unwrap();
    assert!(
        matches!(&untrusted.steps[1].outcome, Outcome::Unanswered(why) if why.contains("certificate")),
        "{untrusted}"
    );
    assert!(double.received().is_empty());
    let story = agent
        .variable("CURL_CA_BUNDLE", bundle.to_str().unwrap())
        .run()
        .unwrap();
    assert!(story.deleted, "{story}");
    assert_eq!(double.received().len(), 2);
}

fn agent(double: &RailwayDouble, workspace: &Workspace) -> Agent {
    let bundle = workspace.path().join("ca.pem");
    double.write_authority(&bundle).unwrap();
    Agent::new(workspace.path(), &double.url()).variable("CURL_CA_BUNDLE", bundle.to_str().unwrap())
}

/// A proxy that answers CONNECT and leads everybody to one port.
fn tunnel(port: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(client.try_clone().unwrap());
                let mut line = String::new();
                while reader.read_line(&mut line).unwrap_or(0) > 2 {
                    line.clear();
                }
                let mut upstream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let (mut back, mut client) = (upstream.try_clone().unwrap(), client);
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                std::thread::spawn(move || std::io::copy(&mut back, &mut client));
                let _ = std::io::copy(&mut reader, &mut upstream);
            });
        }
    });
    own
}
