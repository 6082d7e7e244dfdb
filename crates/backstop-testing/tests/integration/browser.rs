//! The browser opens pages, does what a person does, and makes passkeys that work.

use std::path::Path;

use backstop_testing::browser::{Browser, Colours, Screen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const PAGE: &str = r#"<!doctype html><title>A page</title>
<style>body { color-scheme: light dark; background: Canvas; color: CanvasText } main { height: 3000px }</style>
<h1>Hello</h1>
<form><input id="name" value="old"><button id="go" type="button">Go</button></form>
<p id="said"></p><main></main><button id="far" type="button">Far</button>
<script>
const said = text => document.getElementById('said').textContent = text;
go.onclick = () => said('went as ' + document.getElementById('name').value);
far.onclick = () => said('far');
document.onkeydown = event => { if (event.key === 'Escape') said('escaped') };
</script>"#;

const MAKE_PASSKEY: &str = r#"(async () => {
    const made = await navigator.credentials.create({ publicKey: {
        rp: { id: 'localhost', name: 'test' }, user: { id: new Uint8Array([1]), name: 'ada', displayName: 'Ada' },
        challenge: new Uint8Array(32), pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    }});
    const got = await navigator.credentials.get({ publicKey: {
        rpId: 'localhost', challenge: new Uint8Array(32).fill(7), userVerification: 'required',
    }});
    const flags = new Uint8Array(got.response.authenticatorData)[32];
    return { same: made.id === got.id, flags, data: new TextDecoder().decode(got.response.clientDataJSON) };
})()"#;

/// Serves one page on every path of a free port of localhost.
async fn serve(page: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://localhost:{}/",
        listener.local_addr().unwrap().port()
    );
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    page.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(page.as_bytes()).await;
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_clicks_types_and_presses_keys() {
    let url = serve(PAGE).await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Desktop).await.unwrap();
    tab.goto(&url).await.unwrap();
    assert_eq!(tab.url().await.unwrap(), url);
    tab.fill("#name", "Ada").await.unwrap();
    tab.click("#go").await.unwrap();
    tab.wait_for_text("went as Ada").await.unwrap();
    tab.click("#far").await.unwrap();
    tab.wait_for_text("far").await.unwrap();
    tab.press("Escape").await.unwrap();
    tab.wait_for_text("escaped").await.unwrap();
    assert_eq!(tab.problems(), Vec::<String>::new());
    tab.eval("setTimeout(() => { throw new Error('broken') })")
        .await
        .unwrap();
    tab.eval("new Promise(done => setTimeout(done, 200))")
        .await
        .unwrap();
    assert!(
        tab.problems()
            .iter()
            .any(|problem| problem.contains("broken")),
        "{:?}",
        tab.problems()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passkeys_work_and_an_unverified_person_is_refused() {
    let url = serve(PAGE).await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Phone).await.unwrap();
    tab.goto(&url).await.unwrap();
    let result = tab.eval(MAKE_PASSKEY).await.unwrap();
    assert_eq!(result["same"], true);
    assert_eq!(
        result["flags"].as_u64().unwrap() & 0x05,
        0x05,
        "present and verified"
    );
    assert!(
        result["data"]
            .as_str()
            .unwrap()
            .contains(url.trim_end_matches('/')),
        "{result}"
    );
    assert_eq!(tab.passkeys().await.unwrap(), 1);
    tab.verify_person(false).await.unwrap();
    let error = format!("{:#}", tab.eval(MAKE_PASSKEY).await.unwrap_err());
    assert!(
        error.contains("NotAllowedError") || error.contains("not allowed"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn screens_and_colours_are_what_the_page_sees() {
    let url = serve(PAGE).await;
    let browser = Browser::start().await.unwrap();
    let tab = browser.tab(Screen::Desktop).await.unwrap();
    tab.goto(&url).await.unwrap();
    let seen =
        "[innerWidth, devicePixelRatio, matchMedia('(prefers-color-scheme: dark)').matches].join()";
    assert_eq!(tab.eval(seen).await.unwrap(), "1280,1,false");
    tab.look_with(Screen::Phone).await.unwrap();
    tab.prefer(Colours::Dark).await.unwrap();
    let narrow = tab.eval("screen.width").await.unwrap();
    assert_eq!(narrow, 390);
    assert!(
        tab.eval(seen)
            .await
            .unwrap()
            .as_str()
            .unwrap()
            .ends_with(",3,true")
    );

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.png");
    tab.screenshot(&file).await.unwrap();
    let bytes = std::fs::read(&file).unwrap();
    assert!(bytes.starts_with(b"\x89PNG"));
    let height = u32::from_be_bytes(bytes[20..24].try_into().unwrap());
    assert!(height > 3000, "the whole page, not the window: {height}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn separate_tabs_share_no_cookies_and_nothing_stays_behind() {
    let url = serve(PAGE).await;
    let browser = Browser::start().await.unwrap();
    let (one, two) = (
        browser.tab(Screen::Desktop).await.unwrap(),
        browser.tab(Screen::Desktop).await.unwrap(),
    );
    let other = browser.separate_tab(Screen::Desktop).await.unwrap();
    one.goto(&url).await.unwrap();
    one.eval("document.cookie = 'a=1'").await.unwrap();
    two.goto(&url).await.unwrap();
    other.goto(&url).await.unwrap();
    assert_eq!(two.eval("document.cookie").await.unwrap(), "a=1");
    assert_eq!(other.eval("document.cookie").await.unwrap(), "");

    let folder = browser.folder().to_owned();
    assert!(folder.exists() && runs_in(&folder));
    drop((one, two, other));
    drop(browser);
    assert!(!folder.exists());
    assert!(
        !runs_in(&folder),
        "a Chromium of this test is still running"
    );
}

/// Whether a process names a folder on its command line.
fn runs_in(folder: &Path) -> bool {
    let folder = folder.to_str().unwrap();
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(folder))
    })
}
