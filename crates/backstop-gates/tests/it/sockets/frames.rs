//! Frames that nobody should send, from either end.

use anyhow::Result;
use backstop_wire::websocket::{Kind, frame};

use super::client::{Client, MASK, piece};
use super::scene::{REAL, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_keep_to_frames_is_closed_and_nothing_of_it_goes_on() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let long = |second: u8, length: &[u8]| [&[0x81, second], length, &MASK, &[0; 200]].concat();
    for (name, bytes, code) in [
        ("not masked", frame(Kind::Text, b"hello", None), 1002),
        ("compressed", piece(0xc1, b"hello"), 1002),
        ("another extension", piece(0x91, b"hello"), 1002),
        ("no kind", piece(0x83, b"hello"), 1002),
        ("a long ping", piece(0x89, &[b'x'; 126]), 1002),
        ("a ping in pieces", piece(0x09, b"x"), 1002),
        ("a piece of nothing", piece(0x80, b"hello"), 1002),
        (
            "a length in eight bytes",
            long(0xff, &[0, 0, 0, 0, 0, 0, 0, 5]),
            1002,
        ),
        ("no text", piece(0x81, &[0xc3, 0x28]), 1007),
        (
            "without end",
            [&[0x82, 0xff, 0, 0, 0, 0, 0x40, 0, 0, 0][..], &MASK].concat(),
            1009,
        ),
        (
            "in pieces without end",
            [
                piece(0x01, &vec![b'x'; 1 << 19]),
                piece(0x00, &vec![b'x'; 1 << 19]),
            ]
            .concat()
            .into_iter()
            .chain(piece(0x80, b"x"))
            .collect(),
            1009,
        ),
    ] {
        let mut client = Client::opened(&scene, &held, "live", "/harmless/echo").await?;
        client.text("before").await?;
        assert_eq!(client.next().await?.expect("it goes on").text(), "before");
        client.send(&bytes).await?;
        let (got, reason) = client.close().await?;
        assert_eq!(got, code, "{name}: {reason}");
        assert!(!reason.is_empty(), "{name}");
        assert_eq!(scene.server.messages(), ["before"], "{name}");
    }
    // What was said before it, in the same breath, passed.
    let mut client = Client::opened(&scene, &held, "live", "/harmless/echo").await?;
    let breath = [frame(Kind::Text, b"good", Some(MASK)), piece(0xc1, b"bad")].concat();
    client.send(&breath).await?;
    assert_eq!(client.close().await?.0, 1002);
    for _ in 0..200 {
        if scene.server.messages() == ["good"] {
            assert_eq!(scene.front.halted(&held.lease), None);
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{:?}", scene.server.messages());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_the_longest_kind_passes() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = Client::opened(&scene, &held, "live", "/harmless/echo").await?;
    let text = "0123456789 words ".repeat((1 << 20) / 17);
    client.text(&text).await?;
    assert_eq!(client.next().await?.expect("it goes on").text(), text);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_comes_back_is_masked_and_frames_stay_as_long() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    let mut client = Client::opened(&scene, &held, "live", "/harmless/secret").await?;
    let mut all = vec![];
    while all.len() < 4 {
        all.push(client.next().await?.expect("it goes on"));
    }
    let stars = |n: usize| "*".repeat(n);
    let whole = all.iter().find(|said| said.kind == Kind::Text && said.last);
    assert_eq!(
        whole.unwrap().text(),
        format!("it is {}, yes", stars(REAL.len()))
    );
    let begun = all.iter().find(|said| !said.last).unwrap();
    assert_eq!(begun.text(), format!("it is {}", stars(9)));
    let ended = all
        .iter()
        .find(|said| said.kind == Kind::Continuation)
        .unwrap();
    assert_eq!(ended.text(), format!("{}!", stars(REAL.len() - 9)));
    let ping = all.iter().find(|said| said.kind == Kind::Ping).unwrap();
    assert_eq!(ping.text(), stars(REAL.len()));
    // A message that ends as a credential begins is not kept back for the next one.
    let mut client = Client::opened(&scene, &held, "live", "/harmless/near").await?;
    let near = client.next().await?.expect("it goes on");
    assert_eq!(near.text(), format!("see {}", &REAL[..6]));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_does_not_keep_to_frames_is_cut_off() -> Result<()> {
    let scene = Scene::set().await?;
    let held = scene.lease().await?;
    for path in ["/harmless/masked", "/harmless/unasked"] {
        let mut client = Client::opened(&scene, &held, "live", path).await?;
        let (code, reason) = client.close().await?;
        assert_eq!(code, 1011, "{path}: {reason}");
    }
    assert_eq!(scene.front.halted(&held.lease), None);
    Ok(())
}
