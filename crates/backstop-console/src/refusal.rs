//! How the console says no: one page, or one JSON object where a script asked. What, why, and a hint.

use askama::Template;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use backstop_store::StoreError;
use serde_json::json;

/// Why a request is not done, in words for a person.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) what: String,
    pub(crate) hint: String,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct Page<'a> {
    missing: bool,
    what: &'a str,
    hint: &'a str,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            status,
            what: what.into(),
            hint: hint.into(),
        }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("there is no such {what}"),
            "go back to the list",
        )
    }

    pub(crate) fn csrf() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "the page is from another session",
            "load the page again",
        )
    }

    pub(crate) fn malformed() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "the request is not what this page sends",
            "load the page again",
        )
    }

    pub(crate) fn too_many(wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs().max(1);
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too many tries",
            format!("wait {seconds} s and try again"),
        )
    }

    /// For scripts.
    pub(crate) fn json(self) -> Response {
        (
            self.status,
            Json(json!({ "error": self.what, "hint": self.hint })),
        )
            .into_response()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let page = Page {
            missing: self.status == StatusCode::NOT_FOUND,
            what: &self.what,
            hint: &self.hint,
        };
        let text = page.render().unwrap_or_else(|_| "refused".to_owned());
        (self.status, [(header::CONTENT_LANGUAGE, "en")], Html(text)).into_response()
    }
}

/// A refusal whose answer is JSON.
pub(crate) struct Told(pub(crate) Refusal);

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        self.0.json()
    }
}

impl<E: Into<Refusal>> From<E> for Told {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let status = match &error {
            StoreError::Unknown { .. } | StoreError::BadInvitation => StatusCode::NOT_FOUND,
            StoreError::NotOpen(_)
            | StoreError::NotSpendable(_)
            | StoreError::LeaseNotActive(_) => StatusCode::CONFLICT,
            StoreError::UnknownChallenge | StoreError::Refused(_) | StoreError::Widening(_) => {
                StatusCode::BAD_REQUEST
            }
            StoreError::Passkey(_) => StatusCode::FORBIDDEN,
            StoreError::TooManyHolds(_) => StatusCode::TOO_MANY_REQUESTS,
            StoreError::Ledger(inside) => {
                tracing::error!(%inside, "the journal did not take an entry");
                return Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the journal does not take entries, so nothing was done",
                    "look at `backstop status`; agents are held back as well until it does",
                );
            }
            inside => {
                tracing::error!(%inside, "the store failed");
                return Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "something inside failed, and nothing was done",
                    "the gate's log says what",
                );
            }
        };
        let text = error.to_string();
        let (what, hint) = text
            .split_once("; hint: ")
            .unwrap_or((&text, "load the page again to see how things stand"));
        Self::new(status, what, hint)
    }
}

impl From<String> for Refusal {
    fn from(inside: String) -> Self {
        tracing::error!(inside, "a page failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "something inside failed",
            "the gate's log says what",
        )
    }
}
