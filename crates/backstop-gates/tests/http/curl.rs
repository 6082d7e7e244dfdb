//! curl, unmodified, through the proxy.

use std::process::Output;

use super::judge::Told;
use super::world::{Making, World, world};

/// Runs curl with the proxy and the authority set as an agent's environment sets them.
async fn curl(world: &World, user: &str, arguments: &[&str]) -> (String, Output) {
    let directory = tempfile::tempdir().unwrap();
    let bundle = directory.path().join("ca.pem");
    std::fs::write(&bundle, &world.authority_pem).unwrap();
    let proxy = format!("http://{user}{}", world.address);
    let output = tokio::process::Command::new("curl")
        .args(["-sS", "--max-time", "20"])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HTTPS_PROXY", &proxy)
        .env("http_proxy", &proxy)
        .env("CURL_CA_BUNDLE", &bundle)
        .output()
        .await
        .expect("curl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text, output)
}

#[tokio::test]
async fn curl_goes_through() {
    let world = world().await;
    let url = |path: &str| format!("https://{}{path}", world.site());
    for version in ["--http1.1", "--http2"] {
        let (said, output) = curl(&world, "", &[version, &url("/hello")]).await;
        assert_eq!(said, "hello", "{output:?}");
        let (said, output) = curl(&world, "", &[version, "-I", &url("/hello")]).await;
        assert!(said.contains("content-length: 5"), "{output:?}");
        let (said, output) = curl(
            &world,
            "",
            &[
                version,
                "-w",
                "%{http_version}",
                "-o",
                "/dev/null",
                &url("/hello"),
            ],
        )
        .await;
        assert_eq!(
            said,
            if version == "--http2" { "2" } else { "1.1" },
            "{output:?}"
        );
        let (said, output) = curl(&world, "", &[version, &url("/denied")]).await;
        assert!(said.contains("urn:backstop:problem:denied"), "{output:?}");
    }
}

/// curl asks before it sends a body this large, and does not wait in vain.
#[tokio::test]
async fn curl_sends_and_takes_large_bodies() {
    let world = world().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("large");
    std::fs::write(&file, vec![b'x'; 8 * 1024 * 1024]).unwrap();
    let data = format!("@{}", file.display());
    let url = |path: &str| format!("https://{}{path}", world.site());
    for version in ["--http1.1", "--http2"] {
        let arguments = [version, "--data-binary", &data, &url("/take")];
        let (said, output) = curl(&world, "", &arguments).await;
        assert_eq!(said, (8 * 1024 * 1024).to_string(), "{output:?}");
        let arguments = [
            version,
            "-w",
            "%{size_download}",
            "-o",
            "/dev/null",
            &url("/big"),
        ];
        let (said, output) = curl(&world, "", &arguments).await;
        assert_eq!(said, (32 * 1024 * 1024).to_string(), "{output:?}");
    }
}

#[tokio::test]
async fn curl_presents_its_lease() {
    let judge = Told {
        presents: true,
        ..Told::default()
    };
    let world = Making {
        judge,
        ..Making::default()
    }
    .make()
    .await;
    let url = format!("https://{}/hello", world.site());
    let (_, output) = curl(&world, "", &[&url]).await;
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("407"),
        "{output:?}"
    );
    let (said, output) = curl(&world, "lease:secret@", &[&url]).await;
    assert_eq!(said, "hello", "{output:?}");
    // A client that presents nothing before it is asked to.
    let proxy = format!("http://{}", world.address);
    let arguments = [
        "-x",
        &proxy,
        "--proxy-user",
        "lease:secret",
        "--proxy-anyauth",
        &url,
    ];
    let (said, output) = curl(&world, "", &arguments).await;
    assert_eq!(said, "hello", "{output:?}");
}

#[tokio::test]
async fn curl_asks_a_plain_proxy() {
    let world = Making {
        tls: false,
        ..Making::default()
    }
    .make()
    .await;
    let url = format!("http://{}/head", world.site());
    for version in ["--http1.0", "--http1.1", "--http2"] {
        let (said, output) = curl(&world, "", &[version, &url]).await;
        assert!(
            said.starts_with("GET /head HTTP/1.1\n"),
            "{said} {output:?}"
        );
        assert!(!said.to_lowercase().contains("proxy"), "{said}");
        assert!(!said.to_lowercase().contains("upgrade"), "{said}");
    }
}
