//! Signature Version 4. Source: AWS, "Create a signed AWS API request"; checked against their published examples.

use ring::{digest, hmac};
use time::OffsetDateTime;
use time::macros::format_description;

use super::Credential;

/// What is signed.
pub(crate) struct Signable<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    /// The path as it is sent, escaped already.
    pub(crate) path: &'a str,
    /// Names and values, not escaped yet.
    pub(crate) query: &'a [(String, String)],
    /// More headers to sign, names in lower case.
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) body: &'a [u8],
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// The headers that make it a signed request, `host` left out, and the query as it is sent.
pub(crate) fn sign(
    ask: &Signable<'_>,
    who: &Credential,
    at: OffsetDateTime,
) -> (Vec<(&'static str, String)>, String) {
    let form = format_description!("[year][month][day]T[hour][minute][second]Z");
    let moment = at.format(form).unwrap_or_default();
    let day = moment.get(..8).unwrap_or_default().to_owned();
    let hash = hex::encode(digest::digest(&digest::SHA256, ask.body));
    let mut headers: Vec<(&'static str, String)> = vec![
        ("host", ask.host.to_owned()),
        ("x-amz-date", moment.clone()),
    ];
    if ask.service == "s3" {
        headers.push(("x-amz-content-sha256", hash.clone()));
    }
    if let Some(token) = &who.session {
        headers.push(("x-amz-security-token", token.reveal().clone()));
    }
    headers.extend(ask.headers.iter().cloned());
    headers.sort();
    let mut query: Vec<(String, String)> = ask
        .query
        .iter()
        .map(|(name, value)| (escape(name), escape(value)))
        .collect();
    query.sort();
    let query: Vec<String> = query
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let query = query.join("&");
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let mut canonical = format!("{}\n{}\n{query}\n", ask.method, ask.path);
    for (name, value) in &headers {
        canonical.push_str(&format!("{name}:{}\n", value.trim()));
    }
    canonical.push_str(&format!("\n{names}\n{hash}"));
    let scope = format!("{day}/{}/{}/aws4_request", ask.region, ask.service);
    let canonical = hex::encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{canonical}");
    let mut key = mac(format!("AWS4{}", who.secret.reveal()).as_bytes(), &day);
    for part in [ask.region, ask.service, "aws4_request"] {
        key = mac(key.as_ref(), part);
    }
    let signature = hex::encode(mac(key.as_ref(), &text));
    headers.retain(|(name, _)| *name != "host");
    headers.push((
        "authorization",
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            who.id
        ),
    ));
    (headers, query)
}

fn mac(key: &[u8], text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes())
}

/// Escaped as the signature wants it: all but letters, digits, `-`, `.`, `_`, `~`.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use backstop_core::secret::Secret;
    use time::macros::datetime;

    use super::*;

    fn example() -> Credential {
        Credential {
            id: "AKIDEXAMPLE".into(),
            // AWS's own example of a secret.
            secret: Secret::new(["wJalrXUtnFEMI/K7MDENG+bPxRfiCY", "EXAMPLEKEY"].concat()),
            session: None,
        }
    }

    fn signature(headers: &[(&'static str, String)]) -> String {
        headers
            .iter()
            .find(|(name, _)| *name == "authorization")
            .unwrap()
            .1
            .clone()
    }

    /// `get-vanilla` and `get-vanilla-query-order-key-case` of AWS's test suite for Signature Version 4.
    #[test]
    fn the_published_examples_come_out() {
        let at = datetime!(2015-08-30 12:36:00 UTC);
        let mut ask = Signable {
            method: "GET",
            host: "example.amazonaws.com",
            path: "/",
            query: &[],
            headers: &[],
            body: b"",
            region: "us-east-1",
            service: "service",
        };
        let (headers, query) = sign(&ask, &example(), at);
        assert_eq!(query, "");
        assert_eq!(
            signature(&headers),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
        let pairs = [
            ("Param2".to_owned(), "value2".to_owned()),
            ("Param1".to_owned(), "value1".to_owned()),
        ];
        ask.query = &pairs;
        let (headers, query) = sign(&ask, &example(), at);
        assert_eq!(query, "Param1=value1&Param2=value2");
        assert!(
            signature(&headers).ends_with(
                "Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
            ),
            "{}",
            signature(&headers)
        );
    }
}
