//! A headless Chromium of Debian's, for tests that look at the console as a person
//! would. Every tab has a virtual authenticator that holds passkeys and says yes.
//!
//! It must not touch anybody's profile, nor go anywhere but where a test sends it.

mod screen;
mod tab;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chromiumoxide::cdp::browser_protocol::target::{
    CreateBrowserContextParams, CreateTargetParams,
};
use chromiumoxide::handler::HandlerConfig;
use futures_util::StreamExt;
use tokio::task::JoinHandle;

pub use screen::{Colours, Screen};
pub use tab::Tab;

use crate::account::{self, Account};
use crate::cache;
use crate::supervised::{Plan, Supervised};

/// Where Debian and others put it.
const PROGRAMS: [&str; 3] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
];

/// No sign-in, no updates, no field trials: no traffic of its own.
const FLAGS: [&str; 16] = [
    "--headless=new",
    "--remote-debugging-port=0",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter",
    "--no-first-run",
    "--no-default-browser-check",
    "--password-store=basic",
];

const START: Duration = Duration::from_secs(60);

/// A running browser; dropping it ends Chromium and removes its profile.
pub struct Browser {
    chromium: chromiumoxide::Browser,
    pump: JoinHandle<()>,
    process: Supervised,
}

impl Browser {
    /// Starts Chromium with a profile of its own.
    ///
    /// # Errors
    /// When Chromium is not installed or does not start; the error carries its log.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("backstop-browser-")
            .tempdir()
            .context("making the browser's folder")?
            .keep();
        let process = launch(&folder)?;
        let address = wait_for_address(&folder).await?;
        // A certificate that a person's browser would refuse must not pass here either.
        let config = HandlerConfig {
            ignore_https_errors: false,
            viewport: None,
            ..HandlerConfig::default()
        };
        let (chromium, mut handler) = chromiumoxide::Browser::connect_with_config(address, config)
            .await
            .context("connecting to Chromium")?;
        let pump = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Ok(Self {
            chromium,
            pump,
            process,
        })
    }

    /// Opens a tab that shares cookies with the other tabs of [`Browser::tab`].
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn tab(&self, screen: Screen) -> Result<Tab> {
        self.open(screen, CreateTargetParams::new("about:blank"))
            .await
    }

    /// Opens a tab with cookies of its own: another person, or another device.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn separate_tab(&self, screen: Screen) -> Result<Tab> {
        let context = self
            .chromium
            .create_browser_context(CreateBrowserContextParams::default())
            .await
            .context("making a browser context")?;
        let mut target = CreateTargetParams::new("about:blank");
        target.browser_context_id = Some(context);
        self.open(screen, target).await
    }

    /// The folder that its profile lies in.
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }

    async fn open(&self, screen: Screen, target: CreateTargetParams) -> Result<Tab> {
        let page = self
            .chromium
            .new_page(target)
            .await
            .context("opening a tab")?;
        Tab::prepare(page, screen).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

fn launch(folder: &Path) -> Result<Supervised> {
    let Some(chromium) = cache::first_existing(PROGRAMS.iter().map(Path::new)) else {
        bail!("Chromium is not installed; hint: run scripts/setup.sh browser");
    };
    let mut arguments = vec![
        format!("HOME={}", folder.display()),
        chromium.display().to_string(),
    ];
    arguments.extend(FLAGS.map(str::to_owned));
    arguments.push(format!(
        "--user-data-dir={}",
        folder.join("profile").display()
    ));
    if account::running_as_root()? {
        // Chromium's sandbox refuses root. Only pages of the tests are shown.
        arguments.push("--no-sandbox".to_owned());
    }
    arguments.push("about:blank".to_owned());
    Supervised::start(Plan {
        account: Account::Own,
        folder,
        program: Path::new("/usr/bin/env"),
        arguments,
        log: &folder.join("log"),
        stop: "TERM",
    })
}

/// Chromium writes port and path of its debugging socket into its profile.
async fn wait_for_address(folder: &Path) -> Result<String> {
    let file: PathBuf = folder.join("profile/DevToolsActivePort");
    let deadline = Instant::now() + START;
    while Instant::now() < deadline {
        let text = fs::read_to_string(&file).unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n')
            && !path.is_empty()
        {
            return Ok(format!("ws://127.0.0.1:{port}{path}"));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!(
        "Chromium was not ready after {} s: {}",
        START.as_secs(),
        fs::read_to_string(folder.join("log")).unwrap_or_default()
    )
}
