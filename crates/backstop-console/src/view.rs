//! What stands around every page: who is signed in, what waits, and whether anything is stopped.

use askama::Template;
use axum::response::{Html, IntoResponse as _, Response};

use crate::refusal::Refusal;
use crate::state::{Console, Notice, Weight};
use crate::visitor::SignedIn;

/// The frame of a page.
pub(crate) struct Frame {
    /// The page's name, for the title and the navigation.
    pub(crate) page: &'static str,
    pub(crate) title: String,
    pub(crate) person: String,
    pub(crate) csrf: String,
    /// Holds that wait.
    pub(crate) waiting: usize,
    pub(crate) halted: Option<String>,
    pub(crate) frozen: Option<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) notes: Vec<String>,
    pub(crate) host: String,
    /// How far the store was when the page was made.
    pub(crate) applied: u64,
}

impl Frame {
    /// The frame for somebody who is signed in.
    pub(crate) fn of(
        console: &Console,
        who: &SignedIn,
        page: &'static str,
        title: impl Into<String>,
    ) -> Self {
        let notices = console.inner.notices.now();
        let texts = |weight: Weight| {
            let these = notices
                .iter()
                .filter(|notice: &&Notice| notice.weight == weight);
            these.map(|notice| notice.text.clone()).collect()
        };
        let state = console.store().state();
        let now_ms = console.store().now_ms();
        let waits = |r: &&backstop_core::hold::HoldRecord| {
            r.state.is_open() && now_ms < r.hold.decide_by_ms
        };
        Self {
            page,
            title: title.into(),
            person: who.person.name.clone(),
            csrf: console.csrf(&who.visit),
            waiting: state.holds.values().filter(waits).count(),
            halted: state.halted.clone(),
            frozen: state.frozen.clone(),
            warnings: texts(Weight::Warning),
            notes: texts(Weight::Note),
            host: console.origin().authority().to_owned(),
            applied: state.applied,
        }
    }

    /// The class of a link in the navigation.
    pub(crate) fn here(&self, page: &str) -> &'static str {
        if self.page == page { "here" } else { "" }
    }
}

/// A template as an answer.
pub(crate) fn render(template: &impl Template) -> Result<Response, Refusal> {
    match template.render() {
        Ok(text) => Ok(Html(text).into_response()),
        Err(error) => Err(Refusal::from(format!(
            "a page could not be written: {error}"
        ))),
    }
}
