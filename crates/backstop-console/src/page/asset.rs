//! Style and scripts, compiled in: nothing is fetched from elsewhere, nothing is read from disk.

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use crate::refusal::Refusal;

const STYLE: &str = include_str!("../../assets/console.css");
const PASSKEY: &str = include_str!("../../assets/passkey.js");
const LIVE: &str = include_str!("../../assets/live.js");
const ICON: &str = include_str!("../../assets/icon.svg");

pub(crate) async fn show(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "console.css" => ("text/css; charset=utf-8", STYLE),
        "passkey.js" => ("text/javascript; charset=utf-8", PASSKEY),
        "live.js" => ("text/javascript; charset=utf-8", LIVE),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return Refusal::not_found("file").into_response(),
    };
    // Short, so that a new version of the program is not shown in the old one's clothes.
    (
        [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "private, max-age=300"),
        ],
        text,
    )
        .into_response()
}
