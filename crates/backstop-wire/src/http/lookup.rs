//! Questions about a request that was read.

use std::borrow::Cow;

use super::Request;

impl Request {
    /// The value of the header `name`, which is in lower case. The first, of those that are lists and came in several
    /// lines; all others have one value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The values of the parameter `name` in the query, in order. Servers differ in which they take of several.
    pub fn query<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        self.query
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Of `Content-Type`: lower case, without parameters; empty where none was told.
    #[must_use]
    pub fn media_type(&self) -> Cow<'_, str> {
        let told = self.header("content-type").unwrap_or_default();
        let essence = told.split(';').next().unwrap_or_default();
        let essence = essence.trim_matches([' ', '\t']);
        if essence.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(essence.to_ascii_lowercase());
        }
        Cow::Borrowed(essence)
    }

    /// Whether a slash was sent encoded. It stands inside its segment; a server may have split there.
    #[must_use]
    pub fn has_encoded_slash(&self) -> bool {
        self.segments.iter().any(|segment| segment.contains('/'))
    }

    /// Whether the path has an empty segment before its end. It is gone from `segments`; a server may have kept it.
    #[must_use]
    pub fn has_empty_segment(&self) -> bool {
        self.raw_path.contains("//")
    }
}
