//! A vault in a process of its own, that can be killed.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use backstop_vault::{
    server::{Listen, People, Server, Vault},
    store::{Options, clock::MachineTime},
};

/// A server in a child process; killed when it is dropped.
pub struct Process(Child);

impl Process {
    /// Starts this very test program as the server of `home/vault`; returns when it listens.
    pub fn start(home: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::serve", "--ignored", "--nocapture"])
            .env("VAULT_OF_THE_TEST", home)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut lines = out.lines();
        assert!(lines.any(|line| line.unwrap() == "listening"));
        // What it says later is of no interest, but must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test: the server that [`Process::start`] runs.
#[test]
#[ignore = "the server of other tests"]
fn serve() {
    let Some(home) = std::env::var_os("VAULT_OF_THE_TEST") else {
        return;
    };
    let home = Path::new(&home);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = Options {
            settle: Duration::from_millis(30),
            ..Options::default()
        };
        let time = Arc::new(MachineTime::default());
        let vault = Vault::open(&home.join("vault"), options, People::default(), time).unwrap();
        let listen = Listen {
            unix: Some((home.join("gate.sock"), vec![crate::support::uid()])),
            tcp: None,
        };
        let server = Server::bind(Arc::new(vault), listen).await.unwrap();
        println!("listening");
        let (_stop, stopped) = tokio::sync::watch::channel(false);
        server.run(stopped, Duration::from_secs(1)).await;
    });
}
