//! For the incidents at AWS: moto in its place, and what the AWS pack and the policy of production say to a request.
//!
//! The gate is not between them here: the request is read as the gate reads it, with the signature taken out, and judged.

use anyhow::{Context as _, Result, bail};
use backstop_core::policy::{Asker, Policy};
use backstop_core::target::Environment;
use backstop_core::verdict::Verdict;
use backstop_testing::doubles::S3Double;
use backstop_wire::http::{self, Raw, RawBody, Scheme, Version};
use backstop_wire::providers::{self, Reading};

/// A call of one of the services that speak in forms.
pub struct Call {
    pub service: &'static str,
    pub form: &'static str,
}

/// What moto answers; it plays all services, and tells them apart by the signature.
pub async fn aws(moto: &S3Double, call: &Call) -> Result<String> {
    let signature = format!(
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=0",
        call.service
    );
    let output = tokio::process::Command::new("curl")
        .env_clear()
        .args(["-sS", "-m", "30", "-w", "\n%{http_code}", "-H", &signature])
        .args(["-d", call.form, &moto.url()])
        .stdin(std::process::Stdio::null())
        .output()
        .await?;
    let text = String::from_utf8(output.stdout)?;
    let (body, status) = text.rsplit_once('\n').context("no status")?;
    if status != "200" {
        bail!("{}: {status} {body}", call.form);
    }
    Ok(body.to_owned())
}

/// How often an element is in an answer.
pub fn count(answer: &str, element: &str) -> usize {
    answer.matches(&format!("<{element}>")).count()
}

/// What is said to it on production, to a lease that covers everything.
pub fn judged(call: &Call) -> Result<(Verdict, Reading)> {
    let host = format!("{}.eu-west-1.amazonaws.com", call.service);
    let headers: [(&str, &[u8]); 2] = [
        ("host", host.as_bytes()),
        ("content-type", b"application/x-www-form-urlencoded"),
    ];
    let raw = Raw {
        method: "POST",
        version: Version::Http11,
        scheme: Scheme::Https,
        authority: Some(&host),
        target: "/",
        headers: &headers,
        tls_name: None,
        tunnel: None,
        reverse: None,
        body: RawBody::Whole(call.form.as_bytes()),
    };
    let request = http::read(&raw).map_err(|refused| anyhow::anyhow!(refused.what))?;
    let reading = providers::read(&request, Some("aws"));
    let asker = Asker {
        lease: None,
        target: "aws",
        environment: Environment::Production,
        limits: None,
    };
    let verdict = Policy::with("")?.judge(asker, &reading.analysis);
    Ok((verdict, reading))
}
