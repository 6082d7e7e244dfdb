//! The stage of act two: a real installation in a temporary directory, serving in this process.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use backstop_core::target::Environment;
use backstop_testing::postgres::Server;
use backstop_testing::rental::Counts;
use tempfile::TempDir;

use super::agent::{Agent, psql};
use super::broken;
use super::person::Person;
use super::provider::Provider;
use super::story::Story;
use super::vault::DemoVault;
use crate::cli::{Cli, Verb};
use crate::command;
use crate::config::Config;
use crate::control::client::Client;
use crate::failure::{Context, Failure, Outcome};
use crate::home::Home;
use crate::output::Output;
use crate::serve::{self, Run};

/// How long a held call waits here: nobody wants to watch 45 seconds.
const PAUSE: &str = "3s";

/// Everything on stage.
pub(super) struct Scene {
    server: Arc<Mutex<Server>>,
    /// The hosting provider, on whose volume that server lies.
    pub(super) provider: Provider,
    /// Rows per table before act two.
    pub(super) before: Counts,
    pub(super) run: Run,
    /// Whether the server can reach others: an extension that many have.
    pub(super) has_dblink: bool,
    /// Where what is destroyed is kept.
    pub(super) vault: DemoVault,
    config: Config,
    folder: TempDir,
    runtime: tokio::runtime::Handle,
}

impl Scene {
    /// Sets it: `init` as anybody would run it, then everything that `serve` runs.
    pub(super) fn set(
        server: Server,
        runtime: &tokio::runtime::Runtime,
        before: Counts,
    ) -> Outcome<Self> {
        let folder = tempfile::Builder::new()
            .prefix("backstop-demo-")
            .tempdir()
            .doing("cannot make a temporary directory")?;
        let server = Arc::new(Mutex::new(server));
        match Self::build(folder.path(), &server, runtime) {
            Ok(built) => Ok(Self {
                server,
                provider: built.provider,
                before,
                run: built.run,
                has_dblink: built.has_dblink,
                vault: built.vault,
                config: built.config,
                folder,
                runtime: runtime.handle().clone(),
            }),
            Err(failure) => {
                // The failure is what counts; a second one would only hide it.
                let _ = put_away(folder);
                Err(failure)
            }
        }
    }

    fn build(
        folder: &Path,
        server: &Arc<Mutex<Server>>,
        runtime: &tokio::runtime::Runtime,
    ) -> Outcome<Built> {
        let path = folder.join("backstop.toml");
        let has_dblink = {
            let server = held(server);
            init(&path, &server)?;
            server.psql("CREATE EXTENSION dblink").is_ok()
        };
        let provider = Provider::open(Arc::clone(server), folder)?;
        let vault = runtime.block_on(DemoVault::open(folder))?;
        let served = configure(&path, &vault.snippet, &provider).and_then(|config| {
            provider.seal(&Home::at(&config.data_dir))?;
            let run = runtime.block_on(serve::run(config.clone()))?;
            Ok((config, run))
        });
        match served {
            Ok((config, run)) => Ok(Built {
                config,
                run,
                has_dblink,
                vault,
                provider,
            }),
            Err(failure) => {
                runtime.block_on(vault.close());
                Err(failure)
            }
        }
    }

    /// The server that is the target.
    pub(super) fn server(&self) -> MutexGuard<'_, Server> {
        held(&self.server)
    }

    /// Does something that waits, beside what serves.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// A new conversation with what serves.
    pub(super) fn client(&self) -> Outcome<Client> {
        Client::connect(&self.home())
    }

    /// The configuration's file.
    pub(super) fn config_path(&self) -> &Path {
        &self.config.path
    }

    /// The data directory.
    pub(super) fn home(&self) -> Home {
        Home::at(&self.config.data_dir)
    }

    /// An agent with this connection string.
    pub(super) fn agent(&self, dsn: &str) -> Outcome<Agent> {
        Ok(Agent::new(psql(&self.server())?, dsn, self.folder.path()))
    }

    /// Runs SQL as the superuser, past the gate: to look whether what is claimed is so.
    pub(super) fn look(&self, sql: &str) -> Outcome<String> {
        self.server()
            .psql(sql)
            .map_err(broken("cannot look at the database"))
    }

    /// Leaves everything open until Ctrl-C.
    pub(super) fn stay(
        &self,
        person: &mut Person,
        story: &Story,
        interrupted: &AtomicBool,
    ) -> Outcome {
        let link = person.invite("You").map_err(broken("cannot invite you"))?;
        story.act("staying: have a look around, Ctrl-C ends it");
        // On a line of its own: a terminal of 80 columns must not break it.
        story.fact("enrol your own passkey, in a browser on this machine:");
        story.fact(&link);
        story.fact(&format!("the console: {}", self.config.console.origin()));
        story.fact(&format!(
            "the configuration, for other commands: --config {}",
            self.config.path.display()
        ));
        story.fact(&format!(
            "something to decide: backstop --config {} lease create --target prod --task \"look around\" --scope read",
            self.config.path.display()
        ));
        while !interrupted.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Puts everything away.
    pub(super) fn strike(self, runtime: &tokio::runtime::Runtime) -> Outcome {
        let stopped = runtime.block_on(self.run.stop(Duration::from_secs(2)));
        runtime.block_on(self.vault.close());
        drop(self.provider);
        drop(self.server);
        stopped.and(put_away(self.folder))
    }
}

/// What stands before anybody plays.
struct Built {
    config: Config,
    run: Run,
    has_dblink: bool,
    vault: DemoVault,
    provider: Provider,
}

fn held(server: &Mutex<Server>) -> MutexGuard<'_, Server> {
    server.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes what `init` wrote fit for watching, and adds the vault and the provider.
fn configure(path: &Path, vault: &str, provider: &Provider) -> Outcome<Config> {
    let text = std::fs::read_to_string(path).doing("cannot read the demo's configuration")?;
    let text = text.replace("pause = \"45s\"", &format!("pause = \"{PAUSE}\""));
    // Before the target, which must stand last.
    let text = match text.find("\n[[target]]") {
        Some(at) => {
            let (head, tail) = text.split_at(at + 1);
            let sections = provider.sections(&free_address()?);
            let policy = provider.policy_file();
            let targets = provider.targets();
            let head = head.replace(
                "[policy]\nfiles = []",
                &format!("[policy]\nfiles = [{policy}]"),
            );
            format!("{head}{vault}{sections}\n{tail}{targets}")
        }
        None => text,
    };
    std::fs::write(path, text).doing("cannot write the demo's configuration")?;
    Config::load(path)
}

fn init(path: &Path, server: &Server) -> Outcome {
    let owner = server.owner();
    let arguments: Vec<String> = [
        "backstop",
        "init",
        "--quiet",
        "--no-enrol",
        "--yes",
        "--config",
        &path.display().to_string(),
        "--gate",
        &free_address()?,
        "--console",
        &free_address()?,
        "--target",
        "prod",
        "--environment",
        Environment::Production.word(),
        "--dsn",
        &format!("{}?sslmode=disable", owner.url()),
    ]
    .map(str::to_owned)
    .to_vec();
    let cli = <Cli as clap::Parser>::try_parse_from(arguments)
        .doing("the demo's own command line is wrong")?;
    let output = Output::of(&cli.common);
    match &cli.verb {
        Verb::Init(_) => command::run(cli, output),
        _ => Err(Failure::new("the demo's own command line is wrong")),
    }
}

fn free_address() -> Outcome<String> {
    let port = backstop_testing::port::free().map_err(broken("cannot find a free port"))?;
    Ok(format!("127.0.0.1:{port}"))
}

/// Removes what is on stage. What has just been told to stop may still write a last file, so this is tried for a while.
fn put_away(folder: TempDir) -> Outcome {
    let path = folder.keep();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match std::fs::remove_dir_all(&path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) if Instant::now() > deadline => {
                let what = format!("cannot remove {}", path.display());
                return Err(Failure::new(what).because(error.to_string()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}
