//! An installation of its own for a test: a server, a data directory, a running `serve`; all gone with it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use backstop_testing::postgres::{PostgresServer, Server};
use serde_json::Value;
use tempfile::TempDir;

use crate::person::Person;

/// What a command printed, and how it ended.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The one JSON value that was printed.
    pub fn json(&self) -> Value {
        serde_json::from_str(self.out.trim())
            .unwrap_or_else(|e| panic!("{e}: {} {}", self.out, self.err))
    }

    /// The same, which must have ended well.
    #[track_caller]
    pub fn fine(self) -> Self {
        assert_eq!(self.code, 0, "{}\n{}", self.out, self.err);
        self
    }
}

/// The binary, with an environment of its own.
pub fn backstop() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backstop"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub fn run(arguments: &[&str]) -> Ran {
    Ran::of(&backstop().args(arguments).output().unwrap())
}

/// A free port on this machine.
pub fn free_port() -> u16 {
    backstop_testing::port::free().unwrap()
}

/// The owner's way to a server as it comes.
fn plain(server: &Server) -> String {
    format!("{}?sslmode=disable", server.owner().url())
}

/// A set-up installation.
pub struct Installation {
    pub server: Server,
    pub folder: TempDir,
    pub gate: u16,
    pub console: u16,
}

impl Installation {
    /// A server, and `init` done for it.
    pub fn new() -> Self {
        let server = PostgresServer::start_any().unwrap();
        let dsn = plain(&server);
        Self::before(server, &dsn, &[])
    }

    /// A small table in this server, and `init` done for it as `dsn` says, with these arguments besides.
    pub fn before(server: Server, dsn: &str, more: &[&str]) -> Self {
        server
            .psql_as(&server.owner(), "create table items (id int primary key, name text); insert into items select g, 'item ' || g from generate_series(1, 100) g")
            .unwrap();
        let installation = Self {
            server,
            folder: tempfile::tempdir().unwrap(),
            gate: free_port(),
            console: free_port(),
        };
        installation.init_at(dsn, more).fine();
        installation.shorten_pause();
        installation
    }

    /// `init` with the test's addresses and these arguments besides.
    pub fn init(&self, more: &[&str]) -> Ran {
        self.init_at(&plain(&self.server), more)
    }

    fn init_at(&self, dsn: &str, more: &[&str]) -> Ran {
        let (gate, console) = (
            format!("127.0.0.1:{}", self.gate),
            format!("127.0.0.1:{}", self.console),
        );
        let mut arguments = vec![
            "init",
            "--no-enrol",
            "--target",
            "prod",
            "--dsn",
            dsn,
            "--gate",
            &gate,
            "--console",
            &console,
        ];
        arguments.extend(more);
        self.run(&arguments)
    }

    fn shorten_pause(&self) {
        self.edit(|text| text.replace("pause = \"45s\"", "pause = \"2s\""));
    }

    /// Changes the configuration.
    pub fn edit(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), change(text)).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("backstop.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("backstop-data")
    }

    /// The binary with this installation's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = backstop();
        command.args(arguments).arg("--config").arg(self.config());
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&self.command(arguments).output().unwrap())
    }

    /// Starts `serve` and waits until it says where everything is.
    pub fn serve(&self) -> Serving {
        Serving::start(self.command(&["serve"]))
    }

    /// Starts it, and enrols somebody.
    pub fn serve_with_person(&self) -> (Serving, Person) {
        let serving = self.serve();
        let link = serving
            .invitation()
            .expect("an invitation while nobody is enrolled");
        (serving, Person::enrol(&link, "Kim").unwrap())
    }

    /// A lease, asked for on the command line and approved at the console.
    pub fn lease(&self, person: &mut Person, scopes: &[&str]) -> (String, String) {
        let mut arguments = vec![
            "--json", "lease", "create", "--target", "prod", "--task", "a test", "--ttl", "10m",
        ];
        for scope in scopes {
            arguments.extend(["--scope", scope]);
        }
        let child = self
            .command(&arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let hold = self.wait_for_hold();
        person.approve(&hold).unwrap();
        let granted = Ran::of(&child.wait_with_output().unwrap()).fine().json();
        (
            granted["lease"].as_str().unwrap().to_owned(),
            granted["dsn"].as_str().unwrap().to_owned(),
        )
    }

    /// The oldest hold that waits, once there is one.
    pub fn wait_for_hold(&self) -> String {
        eventually("a hold", || self.waiting_hold())
    }

    /// The oldest hold that waits, if there is one.
    pub fn waiting_hold(&self) -> Option<String> {
        let holds = self.run(&["--json", "holds"]);
        let first: Value = serde_json::from_str(holds.out.lines().next()?).ok()?;
        first["hold"].as_str().map(str::to_owned)
    }

    /// An unmodified client at the gate.
    pub fn psql(&self, dsn: &str, sql: &str) -> Ran {
        Ran::of(&self.psql_command(dsn, sql).output().unwrap())
    }

    /// The same, to be started.
    pub fn psql_command(&self, dsn: &str, sql: &str) -> Command {
        let mut command = Command::new(self.server.installation().client("psql").unwrap());
        command
            .args([
                "--no-psqlrc",
                "--no-align",
                "--tuples-only",
                "--set",
                "ON_ERROR_STOP=1",
                "--command",
                sql,
                dsn,
            ])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// A running `serve`; killed when dropped.
pub struct Serving {
    pub child: Child,
    pub said: String,
}

impl Serving {
    /// Starts it and reads its banner.
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap() == 0 {
                panic!("serve ended: {said}");
            }
            said.push_str(&line);
            if line.contains("/enrol/") || line.contains("backstop lease create") {
                break;
            }
        }
        // Its further words go on being read, lest the pipe fill.
        std::thread::spawn(move || {
            let mut rest = vec![];
            let _ = lines.read_to_end(&mut rest);
        });
        Self { child, said }
    }

    /// The link by which the first person comes in.
    pub fn invitation(&self) -> Option<String> {
        let line = self.said.lines().find(|l| l.contains("/enrol/"))?;
        Some(line.trim().to_owned())
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Asks it to stop and waits for that.
    pub fn stop(self) -> i32 {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until it has stopped.
    pub fn ended(mut self) -> i32 {
        eventually("serve to stop", || self.child.try_wait().unwrap())
            .code()
            .unwrap_or(-1)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again, for at most a while.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Every file below `dir`.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut all = vec![];
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path))
        } else {
            all.push(path)
        }
    }
    all.sort();
    all
}
