//! `application/x-www-form-urlencoded`.

use super::refuse::refused;
use super::{Media, Refused, charset, json, query};

pub(super) fn read(bytes: &[u8], media: &Media<'_>) -> Result<Vec<(String, String)>, Refused> {
    charset::without_mark(bytes)?;
    let text = charset::text(bytes, media.charset())?;
    // `curl -d '{…}'` calls it a form. Servers that don't look at the media type read JSON, others one strange name.
    if json::is_structure(bytes) {
        return Err(refused(
            "the body is JSON and is said to be a form",
            "send `content-type: application/json`",
        ));
    }
    let pairs = query::pairs(text.as_bytes(), "the form")?;
    // HTML's own way to say in which charset the rest is.
    let other = pairs
        .iter()
        .any(|(name, value)| name == "_charset_" && !value.eq_ignore_ascii_case("utf-8"));
    if other {
        return Err(refused(
            "the form says that it is in another charset",
            "send it in UTF-8",
        ));
    }
    Ok(pairs)
}
