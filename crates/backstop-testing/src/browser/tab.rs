//! One tab: what a person does in it, and what went wrong in it.
//!
//! It must not work around a page: clicks are clicks with a mouse, and what
//! cannot be seen cannot be clicked.

use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetTouchEmulationEnabledParams,
};
use chromiumoxide::cdp::browser_protocol::log::{self, EventEntryAdded, LogEntryLevel};
use chromiumoxide::cdp::browser_protocol::web_authn::{
    self, AddVirtualAuthenticatorParams, AuthenticatorId, AuthenticatorProtocol,
    AuthenticatorTransport, GetCredentialsParams, SetUserVerifiedParams,
    VirtualAuthenticatorOptions,
};
use chromiumoxide::cdp::js_protocol::runtime::{EvaluateParams, EventExceptionThrown};
use chromiumoxide::element::Element;
use chromiumoxide::page::{Page, ScreenshotParams};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{Colours, Screen};

/// How long a test waits for a page to show something.
const PATIENCE: Duration = Duration::from_secs(15);

/// A tab with a virtual authenticator; dropping it leaves it open until the browser ends.
pub struct Tab {
    page: Page,
    authenticator: AuthenticatorId,
    problems: Arc<Mutex<Vec<String>>>,
    listeners: Vec<JoinHandle<()>>,
}

impl Tab {
    pub(super) async fn prepare(page: Page, screen: Screen) -> Result<Self> {
        let authenticator = add_authenticator(&page).await?;
        let problems = Arc::new(Mutex::new(Vec::new()));
        let listeners = listen_for_problems(&page, &problems).await?;
        let tab = Self {
            page,
            authenticator,
            problems,
            listeners,
        };
        tab.look_with(screen).await?;
        Ok(tab)
    }

    /// Goes to an address and waits until the page has loaded.
    ///
    /// # Errors
    /// When the page cannot be loaded.
    pub async fn goto(&self, url: &str) -> Result<()> {
        let from = self.url().await?;
        if from == "about:blank" {
            self.page
                .goto(url)
                .await
                .with_context(|| format!("going to {url}"))?;
            return Ok(());
        }
        // chromiumoxide's own way never ends where the page loads itself again at that moment, as the console's do.
        let go = format!("window.left = false; location.assign({url:?})");
        let deadline = Instant::now() + 2 * PATIENCE;
        for _ in 0..3 {
            // It may be going somewhere by itself just now, and then this is not answered.
            let _ = self.eval(&go).await;
            let again = Instant::now() + PATIENCE;
            while Instant::now() < again {
                let there = "window.left === undefined && document.readyState === 'complete' ? location.href : ''";
                match self.eval(there).await {
                    Ok(Value::String(at)) if at == url || !at.is_empty() && at != from => {
                        return Ok(());
                    }
                    // It had loaded itself again.
                    Ok(Value::String(at)) if !at.is_empty() => break,
                    // A page that is just being replaced answers with an error: look again.
                    Ok(_) | Err(_) => self.pause_until(deadline, url).await?,
                }
            }
        }
        // Where it leads is where it was.
        Ok(())
    }

    /// Where it is now.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn url(&self) -> Result<String> {
        Ok(self
            .page
            .url()
            .await
            .context("asking for the address")?
            .unwrap_or_default())
    }

    /// Evaluates JavaScript in the page; a promise is waited for.
    ///
    /// # Errors
    /// When it throws.
    pub async fn eval(&self, script: &str) -> Result<Value> {
        let mut params = EvaluateParams::new(script);
        params.await_promise = Some(true);
        params.return_by_value = Some(true);
        // As if a person had just touched the page: passkeys may ask for that.
        params.user_gesture = Some(true);
        let result = self
            .page
            .evaluate_expression(params)
            .await
            .with_context(|| format!("evaluating `{script}`"))?;
        Ok(result.value().cloned().unwrap_or(Value::Null))
    }

    /// Clicks on the first element that fits, with the mouse, after it was there.
    ///
    /// # Errors
    /// When it does not appear, or cannot be clicked on.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let element = self.wait_for(selector).await?;
        element
            .scroll_into_view()
            .await
            .and_context("scrolling to", selector)?;
        element.click().await.and_context("clicking on", selector)?;
        Ok(())
    }

    /// Replaces what stands in a field, by typing.
    ///
    /// # Errors
    /// When the field does not appear.
    pub async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.wait_for(selector).await?;
        element.focus().await.and_context("focusing", selector)?;
        element
            .call_js_fn(
                "function() { this.select ? this.select() : this.focus() }",
                false,
            )
            .await
            .and_context("selecting the text of", selector)?;
        element
            .type_str(text)
            .await
            .and_context("typing into", selector)?;
        Ok(())
    }

    /// Presses a key (`Tab`, `Enter`, `Escape`, `a`) wherever the focus is.
    ///
    /// # Errors
    /// When there is no such key.
    pub async fn press(&self, key: &str) -> Result<()> {
        let focused = self
            .page
            .find_element(":focus, body")
            .await
            .and_context("finding the focus for", key)?;
        focused.press_key(key).await.and_context("pressing", key)?;
        Ok(())
    }

    /// Waits until an element is in the page.
    ///
    /// # Errors
    /// When it is not there in time; the error carries the page's text.
    pub async fn wait_for(&self, selector: &str) -> Result<Element> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // A page that is just being replaced answers with an error: look again.
            if let Ok(element) = self.page.find_element(selector).await {
                return Ok(element);
            }
            self.pause_until(deadline, &format!("`{selector}`")).await?;
        }
    }

    /// Waits until the page's visible text contains something.
    ///
    /// # Errors
    /// As [`Tab::wait_for`].
    pub async fn wait_for_text(&self, text: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if self.text().await.is_ok_and(|shown| shown.contains(text)) {
                return Ok(());
            }
            self.pause_until(deadline, &format!("the text `{text}`"))
                .await?;
        }
    }

    /// The page's visible text.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn text(&self) -> Result<String> {
        let text = self
            .eval("document.body ? document.body.innerText : ''")
            .await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Saves the whole page as a PNG.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        let params = ScreenshotParams::builder().full_page(true).build();
        self.page
            .save_screenshot(params, path)
            .await
            .with_context(|| format!("saving {}", path.display()))?;
        Ok(())
    }

    /// Changes the screen.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn look_with(&self, screen: Screen) -> Result<()> {
        let (width, height) = screen.size();
        let metrics =
            SetDeviceMetricsOverrideParams::new(width, height, screen.density(), screen.is_phone());
        self.page
            .execute(metrics)
            .await
            .context("changing the screen")?;
        let touch = SetTouchEmulationEnabledParams::new(screen.is_phone());
        self.page
            .execute(touch)
            .await
            .context("changing the pointer")?;
        Ok(())
    }

    /// Changes what the person's system prefers.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn prefer(&self, colours: Colours) -> Result<()> {
        let feature = MediaFeature::new("prefers-color-scheme", colours.name());
        self.page
            .emulate_media_features(vec![feature])
            .await
            .context("changing the colours")?;
        Ok(())
    }

    /// Whether the virtual authenticator verifies its person from now on.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn verify_person(&self, verifies: bool) -> Result<()> {
        let params = SetUserVerifiedParams::new(self.authenticator.clone(), verifies);
        self.page
            .execute(params)
            .await
            .context("changing the authenticator")?;
        Ok(())
    }

    /// How many passkeys the virtual authenticator holds; it has room for three.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn passkeys(&self) -> Result<usize> {
        let params = GetCredentialsParams::new(self.authenticator.clone());
        Ok(self
            .page
            .execute(params)
            .await
            .context("listing passkeys")?
            .result
            .credentials
            .len())
    }

    /// What the page did wrong since it was opened: uncaught exceptions, failed
    /// requests, violations of its content security policy.
    pub fn problems(&self) -> Vec<String> {
        self.problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn pause_until(&self, deadline: Instant, what: &str) -> Result<()> {
        if Instant::now() >= deadline {
            let (url, text) = (
                self.url().await.unwrap_or_default(),
                self.text().await.unwrap_or_default(),
            );
            bail!(
                "{what} did not appear within {} s on {url}, which says:\n{text}",
                PATIENCE.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
        Ok(())
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
    }
}

async fn add_authenticator(page: &Page) -> Result<AuthenticatorId> {
    page.execute(web_authn::EnableParams::default())
        .await
        .context("turning the virtual authenticator on")?;
    let mut options = VirtualAuthenticatorOptions::new(
        AuthenticatorProtocol::Ctap2,
        AuthenticatorTransport::Internal,
    );
    options.has_resident_key = Some(true);
    options.has_user_verification = Some(true);
    options.is_user_verified = Some(true);
    options.automatic_presence_simulation = Some(true);
    let added = page
        .execute(AddVirtualAuthenticatorParams::new(options))
        .await
        .context("adding a virtual authenticator")?;
    Ok(added.result.authenticator_id)
}

async fn listen_for_problems(
    page: &Page,
    problems: &Arc<Mutex<Vec<String>>>,
) -> Result<Vec<JoinHandle<()>>> {
    let mut entries = page
        .event_listener::<EventEntryAdded>()
        .await
        .context("listening to the page's log")?;
    let mut exceptions = page
        .event_listener::<EventExceptionThrown>()
        .await
        .context("listening for exceptions")?;
    page.execute(log::EnableParams::default())
        .await
        .context("turning the page's log on")?;
    let (into, also_into) = (Arc::clone(problems), Arc::clone(problems));
    let note = |list: &Mutex<Vec<String>>, text: String| {
        list.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text)
    };
    Ok(vec![
        tokio::spawn(async move {
            while let Some(event) = entries.next().await {
                if event.entry.level == LogEntryLevel::Error {
                    note(
                        &into,
                        format!(
                            "{} {}",
                            event.entry.text,
                            event.entry.url.clone().unwrap_or_default()
                        ),
                    );
                }
            }
        }),
        tokio::spawn(async move {
            while let Some(event) = exceptions.next().await {
                let thrown = event
                    .exception_details
                    .exception
                    .as_ref()
                    .and_then(|object| object.description.clone());
                note(
                    &also_into,
                    thrown.unwrap_or_else(|| event.exception_details.text.clone()),
                );
            }
        }),
    ])
}

/// Says which element something failed for.
trait ForElement<T> {
    fn and_context(self, doing: &str, what: impl Display) -> Result<T>;
}

impl<T, E: std::error::Error + Send + Sync + 'static> ForElement<T> for std::result::Result<T, E> {
    fn and_context(self, doing: &str, what: impl Display) -> Result<T> {
        self.with_context(|| format!("{doing} `{what}`"))
    }
}
