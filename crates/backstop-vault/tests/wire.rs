//! Everything that the gate's road takes, tried with the gate's own credential.

use backstop_core::digest::Digest;
use backstop_vault::{
    Class, Refusal,
    protocol::{End, Frame, HEAD, Kind, MAX_PAYLOAD, VERSION},
    server::operator::Operate,
    verify::verify,
};
use bytes::Bytes;

use crate::{
    raw::Raw,
    support::{Served, label},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_again_change_nothing() {
    let served = Served::new().await;
    let mut raw = Raw::connect(&served.socket()).await;
    let object = b"what looks sealed".as_slice();
    let name = Digest::of(object);
    raw.put(&label(Class::Images), name, object).await;
    let first = raw.stored().await;
    let mut other = label(Class::Point);
    other.lease = Some("lease_of_another".to_owned());
    other.note = "something else".to_owned();
    for _ in 0..3 {
        raw.put(&other, name, object).await;
        assert_eq!(raw.stored().await, first);
    }
    assert_eq!(served.client().status().await.unwrap().sequence, 1);
    let (home, _) = served.stop().await;
    let report = verify(&home.path().join("vault")).unwrap();
    assert!(report.is_sound(), "{report:#?}");
    let index = std::fs::read_to_string(home.path().join("vault/index")).unwrap();
    assert!(
        index.contains("lease_1") && !index.contains("something else"),
        "{index}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_from_many_at_once_are_one_object() {
    let served = Served::new().await;
    let object = vec![5; 40_000];
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (socket, object) = (served.socket(), object.clone());
            tokio::spawn(async move {
                let mut raw = Raw::connect(&socket).await;
                raw.put(&label(Class::Images), Digest::of(&object), &object)
                    .await;
                raw.stored().await
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().sequence, 1);
    }
    assert_eq!(served.vault.status().used, 40_960);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_their_name_are_refused() {
    let served = Served::new().await;
    let mut raw = Raw::connect(&served.socket()).await;
    raw.put(&label(Class::Images), Digest::of(b"one thing"), b"another")
        .await;
    assert_eq!(raw.fault().await.code, Refusal::WrongHash);
    // An empty object would have a name, and nothing to bring back.
    raw.put(&label(Class::Images), Digest::of(b""), b"").await;
    assert_eq!(raw.fault().await.code, Refusal::WrongHash);
    let begin = serde_json::to_vec(&label(Class::Point)).unwrap();
    for (name, bytes) in [(Digest::of(b"else"), 5), (Digest::of(b"piece"), 6)] {
        let mut raw = Raw::connect(&served.socket()).await;
        raw.send(Kind::Begin, 3, begin.clone()).await;
        raw.send(Kind::Data, 3, b"piece".as_slice()).await;
        let end = End {
            name,
            plain: name,
            bytes,
        };
        raw.send(Kind::End, 3, serde_json::to_vec(&end).unwrap())
            .await;
        assert_eq!(raw.fault().await.code, Refusal::WrongHash);
        assert!(raw.hear().await.is_none());
    }
    assert_eq!(served.vault.status().objects, 0);
    assert_eq!(files(&served, "tmp"), 0);
}

/// Every kind of message that there could be, with several payloads: none but the known few is answered, and
/// none of those says anything about what it was not asked for by name.
#[tokio::test(flavor = "multi_thread")]
async fn no_message_reads_lists_replaces_or_deletes() {
    let served = Served::new().await;
    let secret = Bytes::from_static(b"a row that nobody may read back");
    let stored = served
        .client()
        .put(&label(Class::Images), secret)
        .await
        .unwrap();
    served.vault.store().settle().unwrap();
    let file = served.dir().join(format!(
        "objects/{}/{}",
        &stored.name.to_hex()[..2],
        stored.name.to_hex()
    ));
    let bytes = std::fs::read(&file).unwrap();
    let ask = format!("{{\"name\":\"{}\"}}", stored.name.to_hex());
    for kind in 0..=255_u8 {
        for payload in ["", "{}", ask.as_str(), "\u{0}\u{0}"] {
            let mut raw = Raw::connect(&served.socket()).await;
            let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
            let head = [&[VERSION, kind, 0, 0, 0, 1][..], &length].concat();
            raw.say(&[&head, payload.as_bytes()].concat()).await;
            tokio::io::AsyncWriteExt::shutdown(&mut raw.stream)
                .await
                .unwrap();
            let mut told = 0;
            while let Some(frame) = raw.hear().await {
                told += frame.payload.len();
                let known = matches!(frame.kind, Kind::Fault | Kind::Held | Kind::StatusAnswer);
                assert!(known, "{kind} was answered by {frame:?}");
                assert!(
                    !frame
                        .payload
                        .windows(16)
                        .any(|w| bytes.windows(16).any(|b| b == w))
                );
            }
            assert!(told < 1500, "kind {kind} told {told} bytes");
        }
    }
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    assert_eq!(
        served.client().has(stored.name).await.unwrap(),
        Some(stored)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_requests_are_not_for_the_gate() {
    let served = Served::new().await;
    let client = served.client();
    let stored = client
        .put(&label(Class::Images), Bytes::from_static(b"x"))
        .await
        .unwrap();
    let (names, reason) = (vec![stored.name], "room".to_owned());
    for asked in [
        Operate::AskDeletion {
            names: names.clone(),
            reason: reason.clone(),
        },
        Operate::Extend {
            names,
            until_ms: i64::MAX,
        },
        Operate::LiftFreeze { reason },
        Operate::Requests,
        Operate::Settle,
    ] {
        let mut raw = Raw::connect(&served.socket()).await;
        raw.send(Kind::Operate, 1, serde_json::to_vec(&asked).unwrap())
            .await;
        assert_eq!(raw.fault().await.code, Refusal::NotAllowed);
    }
    assert_eq!(client.status().await.unwrap().sequence, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_giants_end_the_connection_and_nothing_else() {
    let served = Served::new().await;
    let giant = u32::MAX.to_be_bytes();
    let barely = u32::try_from(MAX_PAYLOAD + 1).unwrap().to_be_bytes();
    let cases: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: vault\r\n\r\n".to_vec(),
        vec![0; 64],
        vec![255; 64],
        [&[VERSION, 1, 0, 0, 0, 1][..], &giant].concat(),
        [&[VERSION, 1, 0, 0, 0, 1][..], &barely].concat(),
        [&[VERSION + 1, 8, 0, 0, 0, 1][..], &[0; 4]].concat(),
        // A label that is longer than the frame it is in.
        [&[VERSION, 1, 0, 0, 0, 1, 0, 0, 0, 3][..], &[255, 255, b'{']].concat(),
        // A piece of no upload, and an end of none.
        [&[VERSION, 3, 0, 0, 0, 1][..], &[0; 4]].concat(),
        [&[VERSION, 4, 0, 0, 0, 1][..], &[0; 4]].concat(),
    ];
    for case in cases {
        let mut raw = Raw::connect(&served.socket()).await;
        raw.say(&case).await;
        let code = raw.fault().await.code;
        assert!(
            matches!(code, Refusal::Malformed | Refusal::NotAllowed),
            "{code:?} {case:?}"
        );
    }
    // Bytes that some generator makes up.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..200 {
        let mut noise = vec![VERSION];
        for _ in 0..64 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            noise.push(seed as u8);
        }
        let mut raw = Raw::connect(&served.socket()).await;
        raw.say(&noise).await;
        tokio::io::AsyncWriteExt::shutdown(&mut raw.stream)
            .await
            .unwrap();
        while let Some(frame) = raw.hear().await {
            assert_eq!(frame.kind, Kind::Fault, "{noise:?}");
        }
    }
    let status = served.client().status().await.unwrap();
    assert_eq!((status.objects, status.stopped), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_words_and_never_paths() {
    let served = Served::new().await;
    let client = served.client();
    let mut odd = label(Class::Images);
    odd.target = "../../../../tmp/x".to_owned();
    odd.lease = Some("/etc/passwd".to_owned());
    odd.note = "..".to_owned();
    client.put(&odd, Bytes::from_static(b"a")).await.unwrap();
    for bad in ["a\nb", "a\u{1b}[2J", "a\u{0}"] {
        let mut raw = Raw::connect(&served.socket()).await;
        let mut odd = label(Class::Images);
        odd.note = bad.to_owned();
        raw.put(&odd, Digest::of(b"b"), b"b").await;
        assert_eq!(raw.fault().await.code, Refusal::Malformed, "{bad:?}");
    }
    let mut long = label(Class::Images);
    long.target = "x".repeat(300);
    assert!(client.put(&long, Bytes::from_static(b"c")).await.is_err());
    // A name that is no hash never gets as far as a file.
    let mut raw = Raw::connect(&served.socket()).await;
    raw.send(
        Kind::Has,
        1,
        r#"{"name":"../../../index"}"#.as_bytes().to_vec(),
    )
    .await;
    assert_eq!(raw.fault().await.code, Refusal::Malformed);
    let (home, _) = served.stop().await;
    let report = verify(&home.path().join("vault")).unwrap();
    assert!(report.is_sound() && report.objects == 1, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_an_upload_leaves_nothing() {
    let served = Served::new().await;
    let begin = serde_json::to_vec(&label(Class::Point)).unwrap();
    for _ in 0..3 {
        let mut raw = Raw::connect(&served.socket()).await;
        raw.send(Kind::Begin, 1, begin.clone()).await;
        for _ in 0..20 {
            raw.send(Kind::Data, 1, vec![3; 100_000]).await;
        }
    }
    // A caller of our own who gives up, and one that is cut off in mid-frame.
    let mut upload = served
        .client()
        .put_stream(&label(Class::Point))
        .await
        .unwrap();
    upload.write(Bytes::from(vec![9; 3_000_000])).await.unwrap();
    drop(upload);
    let mut raw = Raw::connect(&served.socket()).await;
    raw.send(Kind::Begin, 1, begin).await;
    raw.say(&[VERSION, 3, 0, 0, 0, 1, 0, 0, 9, 9, 1, 2, 3])
        .await;
    drop(raw);
    for _ in 0..200 {
        if files(&served, "tmp") == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(files(&served, "tmp"), 0);
    let status = served.vault.status();
    assert_eq!((status.objects, status.used, status.sequence), (0, 0, 0));
    let full = status.room;
    served
        .client()
        .put(&label(Class::Point), Bytes::from_static(b"x"))
        .await
        .unwrap();
    assert_eq!(
        served.vault.status().room[2],
        full[2] - 4096,
        "what was promised is given back"
    );
}

/// A caller who says half a frame, or asks and never listens, keeps nobody else waiting.
#[tokio::test(flavor = "multi_thread")]
async fn slow_callers_keep_nobody_out() {
    let served = Served::new().await;
    let mut slow = Vec::new();
    for n in 0..100 {
        let mut raw = Raw::connect(&served.socket()).await;
        if n % 2 == 0 {
            raw.say(&[VERSION, 1, 0, 0]).await;
        } else {
            let mut ask = bytes::BytesMut::new();
            Frame {
                kind: Kind::Status,
                id: 1,
                payload: Bytes::new(),
            }
            .write(&mut ask);
            for _ in 0..200 {
                raw.say(&ask).await;
            }
        }
        slow.push(raw);
    }
    let client = served.client();
    for n in 0..20_u8 {
        client
            .put(&label(Class::Images), Bytes::from(vec![n; 100]))
            .await
            .unwrap();
    }
    assert_eq!(client.status().await.unwrap().objects, 20);
    assert_eq!(HEAD, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_another_user_is_sent_away() {
    let home = tempfile::tempdir().unwrap();
    backstop_vault::init::make(&home.path().join("vault"), "vault.test").unwrap();
    let served = Served::serve_for(home, vec![crate::support::uid() + 1]).await;
    let mut raw = Raw::connect(&served.socket()).await;
    raw.send(Kind::Status, 1, Bytes::new()).await;
    assert!(raw.hear().await.is_none());
    let error = served.client().status().await.unwrap_err().to_string();
    assert!(
        error.contains("cannot reach the vault") && error.contains("hint:"),
        "{error}"
    );
}

/// The gate's connections take no place from the operator, who has to see what goes on.
#[tokio::test(flavor = "multi_thread")]
async fn the_operator_gets_in_however_many_callers_there_are() {
    let served = Served::new().await;
    let mut callers = Vec::new();
    for _ in 0..300 {
        callers.push(Raw::connect(&served.socket()).await);
    }
    let status = backstop_vault::server::operator::status(&served.dir()).await;
    assert_eq!(status.unwrap().objects, 0);
}

/// What one lease stored, another cannot find, read, count on or take the place of.
#[tokio::test(flavor = "multi_thread")]
async fn another_leases_objects_are_out_of_reach() {
    let served = Served::new().await;
    let client = served.client();
    let content = Bytes::from_static(b"the same row");
    let mine = client
        .put(&label(Class::Images), content.clone())
        .await
        .unwrap();
    let mut theirs = label(Class::Images);
    theirs.lease = Some("lease_2".to_owned());
    // The same row sealed again is another object: what is in the vault cannot be guessed by asking.
    let second = client.put(&theirs, content).await.unwrap();
    assert_ne!(mine.name, second.name);
    assert_eq!(client.has(mine.plain).await.unwrap(), None);
}

fn files(served: &Served, folder: &str) -> usize {
    std::fs::read_dir(served.dir().join(folder))
        .unwrap()
        .count()
}
