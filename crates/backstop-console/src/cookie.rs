//! The one cookie: a random name for the visit, `HttpOnly` and `SameSite=Strict`, never read by script.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::origin::Origin;
use crate::state::random;

/// 32 random bytes in hex.
const TOKEN_LENGTH: usize = 64;

/// The cookie's name. Over TLS the prefix `__Host-` keeps other hosts from setting it; on localhost the port
/// in the name keeps two consoles apart.
pub(crate) fn name(origin: &Origin) -> String {
    match (origin.is_https(), origin.port()) {
        (true, _) => "__Host-backstop".to_owned(),
        (false, Some(port)) => format!("backstop-{port}"),
        (false, None) => "backstop".to_owned(),
    }
}

/// The visit that a request belongs to. Two of them are none: nobody knows who set which.
pub(crate) fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    let token = found.next().filter(|token| is_token(token))?;
    found.next().is_none().then(|| token.to_owned())
}

fn is_token(text: &str) -> bool {
    text.len() == TOKEN_LENGTH && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A name for a new visit.
pub(crate) fn token() -> Result<String, String> {
    random::<32>().map(hex::encode)
}

/// The header that hands it to the browser.
pub(crate) fn set(origin: &Origin, token: &str) -> Option<HeaderValue> {
    let secure = if origin.is_https() { "; Secure" } else { "" };
    let text = format!(
        "{}={token}; Path=/; HttpOnly; SameSite=Strict{secure}",
        name(origin)
    );
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[test]
    fn one_well_formed_cookie_is_read() {
        let token = token().unwrap();
        assert_eq!(
            read(&headers(&format!("a=1; x={token}")), "x").as_deref(),
            Some(token.as_str())
        );
        assert_eq!(read(&headers(&format!("x={token}; x={token}")), "x"), None);
        assert_eq!(read(&headers("x=short"), "x"), None);
        assert_eq!(read(&HeaderMap::new(), "x"), None);
    }

    #[test]
    fn the_attributes_fit_the_origin() {
        let https = Origin::parse("https://gate.example").unwrap();
        assert_eq!(
            set(&https, "t").unwrap(),
            "__Host-backstop=t; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        let local = Origin::parse("http://localhost:7000").unwrap();
        assert_eq!(
            set(&local, "t").unwrap(),
            "backstop-7000=t; Path=/; HttpOnly; SameSite=Strict"
        );
    }
}
