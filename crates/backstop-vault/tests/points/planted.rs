//! What code in a database tries when it is restored in a drill.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use backstop_testing::postgres::{Major, PostgresServer};
use backstop_vault::points::drill::Sandbox;

use crate::database::{drilled, point};
use crate::support::{majors, source};

/// Runs a shell command and says whether it printed `reached`.
async fn reaches(mut command: tokio::process::Command) -> bool {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).contains("reached")
}

#[tokio::test]
async fn a_sandbox_has_no_network_and_none_of_others_files() {
    let server = PostgresServer::start_any().unwrap();
    let source = source(&server, &server.superuser()).await;
    // In a folder that everybody may enter and write, and that is hidden only because it is named.
    let vault = tempfile::Builder::new()
        .prefix("backstop-test-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .tempdir_in(env!("CARGO_TARGET_TMPDIR"))
        .unwrap();
    let key = vault.path().join("key");
    std::fs::write(&key, "reached").unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let canary = std::env::temp_dir().join(format!("backstop-canary-{port}"));
    let socket = server
        .socket_folder()
        .join(format!(".s.PGSQL.{}", server.port()));
    let roads = [
        format!("cat {}", key.display()),
        format!("echo > {}/planted && echo reached", vault.path().display()),
        format!("test -e {} && echo reached", socket.display()),
        format!(
            "echo > {} && ls {0} >/dev/null && echo reached",
            canary.display()
        ),
        format!("bash -c 'echo > /dev/tcp/127.0.0.1/{port}' && echo reached"),
        format!("kill -0 {} && echo reached", std::process::id()),
        format!("test -e /proc/{} && echo reached", std::process::id()),
    ];
    let hidden = [vault.path().to_owned()];
    let sandbox = Sandbox::open(&source.tools, &std::env::temp_dir(), &hidden)
        .await
        .unwrap();
    for road in &roads {
        let mut outside = tokio::process::Command::new("/bin/sh");
        outside.args(["-c", road]);
        assert!(reaches(outside).await, "the road is none: {road}");
        let _ = std::fs::remove_file(&canary);
        let mut inside = sandbox.command(Path::new("/bin/sh"));
        inside.args(["-c", road]);
        assert!(!reaches(inside).await, "{road}");
        assert!(!canary.exists(), "{road}");
    }
    let mut inside = sandbox.command(Path::new("/bin/sh"));
    inside.args(["-c", "id -u; umount /tmp 2>/dev/null && echo reached"]);
    let output = inside.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.trim().parse::<u32>().unwrap() > 0, "{said}");
}

/// Code that runs whenever its table is restored, and says what it reached.
const PLANTED: &str = r#"
CREATE FUNCTION public.ran(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
    RETURN CASE WHEN pg_catalog.current_database() = 'drill' THEN 1 ELSE 0 END; END $$;
CREATE FUNCTION public.reached(integer) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS $$
DECLARE road text; reached integer := 0;
BEGIN
    FOREACH road IN ARRAY ARRAY[
        'COPY (SELECT 1) TO PROGRAM ''touch CANARY''',
        'COPY (SELECT 1) TO ''CANARY''',
        'SELECT pg_catalog.pg_read_file(''/etc/passwd'')',
        'SELECT pg_catalog.lo_import(''/etc/passwd'')',
        'CREATE EXTENSION dblink',
        'SET ROLE chief', 'SET ROLE postgres', 'SET SESSION AUTHORIZATION postgres',
        'ALTER ROLE CURRENT_USER SUPERUSER', 'GRANT pg_execute_server_program TO CURRENT_USER',
        'CREATE ROLE more SUPERUSER', 'ALTER SYSTEM SET archive_command = ''touch CANARY''']
    LOOP
        BEGIN
            EXECUTE road;
            reached := reached + 1;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    RETURN reached;
END $$;
CREATE FUNCTION public.bait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM public.reached(1); RETURN NEW; END $$;
CREATE TABLE public.ran (id integer, ran integer GENERATED ALWAYS AS (public.ran(id)) STORED);
CREATE TABLE public.reached (id integer CHECK (public.reached(id) >= 0),
    reached integer GENERATED ALWAYS AS (public.reached(id)) STORED);
INSERT INTO public.ran VALUES (1);
INSERT INTO public.reached VALUES (1);
CREATE INDEX ON public.reached (public.reached(id));
CREATE MATERIALIZED VIEW public.seen AS SELECT public.reached(id) AS reached FROM public.reached;
"#;

/// As a superuser: what nobody else can plant.
const PLANTED_ABOVE: &str = "
CREATE ROLE chief SUPERUSER; GRANT chief TO owner; GRANT pg_execute_server_program TO owner;
ALTER ROLE owner SET session_preload_libraries = 'nowhere';
CREATE FUNCTION public.always() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
    PERFORM public.reached(1); END $$;
CREATE EVENT TRIGGER always ON ddl_command_end EXECUTE FUNCTION public.always()";

#[tokio::test]
async fn planted_code_runs_in_a_drill_and_reaches_nothing() {
    for major in majors() {
        let folder = tempfile::tempdir().unwrap();
        let canary: PathBuf = folder.path().join("canary");
        std::fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o777),
        )
        .unwrap();
        let server = PostgresServer::start(major).unwrap();
        let planted = PLANTED.replace("CANARY", &canary.display().to_string());
        server.psql_as(&server.owner(), &planted).unwrap();
        server.psql(PLANTED_ABOVE).unwrap();
        let _ = std::fs::remove_file(&canary);
        let source = source(&server, &server.superuser()).await;
        let point = point(&source).await;
        let outcome = drilled(&point, &source).await.unwrap();
        assert!(!canary.exists(), "{major:?}");
        // It did run, as its rows show; and it reached as little as it did where it was planted.
        assert_eq!(
            outcome.differences,
            ["\"public\".\"ran\" has other rows, though as many"],
            "{major:?}: {outcome:?}"
        );
        let left_out: Vec<&str> = outcome
            .left_out
            .iter()
            .map(|left| left.what.as_str())
            .collect();
        assert!(
            left_out.contains(&"EVENT TRIGGER always postgres"),
            "{left_out:?}"
        );
    }
}

#[tokio::test]
async fn code_that_never_ends_ends_with_the_drills_time() {
    let server = PostgresServer::start_any().unwrap();
    server
        .psql_as(
            &server.owner(),
            "CREATE FUNCTION public.slow(integer) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
                 IF pg_catalog.current_database() = 'drill' THEN LOOP NULL; END LOOP; END IF;
                 RETURN true; END $$;
             CREATE TABLE public.t (id integer CHECK (public.slow(id))); INSERT INTO public.t VALUES (1)",
        )
        .unwrap();
    let source = source(&server, &server.superuser()).await;
    let point = point(&source).await;
    let base = tempfile::tempdir().unwrap();
    // As a drill that was killed leaves it.
    let abandoned = base.path().join("backstop-drill-abandoned");
    std::fs::create_dir(&abandoned).unwrap();
    std::fs::write(abandoned.join("lock"), "").unwrap();
    std::fs::write(abandoned.join("rows"), "somebody's").unwrap();
    let setup = backstop_vault::points::drill::Setup {
        tools: source.tools.clone(),
        scratch: base.path().to_owned(),
        hidden: vec![],
        longest: Duration::from_secs(3),
        stays: false,
    };
    let outcome = backstop_vault::points::drill::drill(
        "p",
        &point.taken.manifest,
        &mut point.roles.as_slice(),
        &mut point.archive.as_slice(),
        &setup,
        &(),
    )
    .await;
    let refused = outcome.unwrap_err().to_string();
    assert!(refused.contains("had not ended after 3 s"), "{refused}");
    assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_drill_leaves_nothing_behind_even_when_it_is_given_up() {
    let server = PostgresServer::start(Major::any().unwrap()).unwrap();
    let source = source(&server, &server.superuser()).await;
    let base = tempfile::tempdir().unwrap();
    let point = point(&source).await;
    let setup = backstop_vault::points::drill::Setup {
        tools: source.tools.clone(),
        scratch: base.path().to_owned(),
        hidden: vec![],
        longest: Duration::from_secs(600),
        stays: false,
    };
    let mut never = tokio::io::join(tokio::io::empty(), tokio::io::empty());
    let (mut stuck, _kept) = tokio::io::duplex(16);
    let manifest = &point.taken.manifest;
    let drill =
        backstop_vault::points::drill::drill("p", manifest, &mut never, &mut stuck, &setup, &());
    // The archive never comes; whoever waits loses patience when the server is up.
    let up = async {
        loop {
            let folders = std::fs::read_dir(base.path()).unwrap().flatten();
            let pid = folders.map(|one| one.path().join("data/postmaster.pid"));
            if pid.filter(|path| path.exists()).count() > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        outcome = drill => panic!("it ended: {outcome:?}"),
        () = up => {}
    }
    let left: Vec<_> = std::fs::read_dir(base.path()).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    let of_ours = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .any(|process| {
            std::fs::read(process.path().join("cmdline")).is_ok_and(|line| {
                String::from_utf8_lossy(&line).contains(&base.path().display().to_string())
            })
        });
    assert!(!of_ours, "a process of the drill's lives on");
}
