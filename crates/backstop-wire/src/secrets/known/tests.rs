use backstop_core::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

use super::*;

const TOKEN: &str = "bk_Zx81qPvQ2mLx8ZbN4rW";
const PASSWORD: &str = "p\"a/s<s&w\\o'rd 9";

fn known(secrets: &[&str]) -> Known<usize> {
    let secrets = secrets
        .iter()
        .map(|secret| Secret::new((*secret).to_owned()));
    Known::new(secrets.enumerate()).unwrap()
}

fn percent(text: &str, every: usize) -> String {
    text.bytes()
        .enumerate()
        .map(|(at, byte)| match at % every {
            0 => format!("%{byte:02x}"),
            _ => char::from(byte).to_string(),
        })
        .collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unicode(text: &str) -> String {
    text.bytes().map(|byte| format!("\\u{byte:04X}")).collect()
}

/// Every way to write a secret, with something around it.
fn written(secret: &str) -> Vec<String> {
    let mut all = vec![
        format!("a {secret} b"),
        secret.to_owned(),
        format!("{{\"k\":{}}}", serde_json::to_string(secret).unwrap()),
        format!(
            "{{\"k\":{}}}",
            serde_json::to_string(secret).unwrap().replace('/', "\\/")
        ),
        format!("x={}&y", percent(secret, 1)),
        format!("x={}&y", percent(secret, 3)),
        format!("x={}&y", percent(&percent(secret, 1), 1)),
        format!("x={}&y", percent(secret, 2).replace('%', "%25")),
        format!("\"{}\"", unicode(secret)),
        format!("\"\\u{:04x}{}", secret.as_bytes()[0], &secret[1..]),
        hex(secret),
        hex(secret).to_uppercase(),
        format!(
            "<p>{}</p>",
            secret
                .replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('"', "&quot;")
                .replace('\'', "&#39;")
        ),
    ];
    for before in ["", "u", "us", "use", "user:"] {
        for after in ["", "\n", ":x", "abc"] {
            let text = format!("{before}{secret}{after}");
            all.push(format!("Basic {}", STANDARD.encode(&text)));
            all.push(URL_SAFE_NO_PAD.encode(&text));
            all.push(percent(&STANDARD.encode(&text), 1));
        }
    }
    all
}

/// Characters beyond ASCII and controls have escapes of their own in JSON.
#[test]
fn a_secret_in_any_script_is_found_as_json_has_it() {
    let secret = "k\u{fc}n\"st/lich\\\u{4e16}\u{1f512}\n9";
    let itself = serde_json::to_string(secret).unwrap();
    let small = r#"k\u00fcn\"st/lich\\\u4e16\ud83d\udd12\n9"#;
    let capital = r#"k\u00FCn\"st\/lich\\\u4E16\uD83D\uDD12\n9"#;
    let percent = "k%C3%BCn%22st%2Flich%5C%E4%B8%96%F0%9F%94%92%0A9";
    let known = known(&["another-secret-1", secret]);
    for text in [
        itself.as_str(),
        &itself.replace('/', "\\/"),
        small,
        capital,
        &percent.to_lowercase(),
        percent,
        secret,
    ] {
        let mut text = format!("{{\"echo\":\"{text}\"}}").into_bytes();
        let found = known.find_in(&text);
        assert!(found.iter().any(|found| *found.id == 1));
        known.mask(&mut text);
        let shown = String::from_utf8_lossy(&text);
        assert!(!shown.contains("lich"), "{shown}");
    }
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let known = known(&["another-secret-1", TOKEN, PASSWORD]);
    for (id, secret) in [(1, TOKEN), (2, PASSWORD)] {
        for text in written(secret) {
            let found = known.find_in(text.as_bytes());
            assert!(found.iter().any(|found| *found.id == id), "{text}");
            assert!(found.iter().all(|found| *found.id == id), "{text}");
            let mut bytes = text.clone().into_bytes();
            assert!(known.mask(&mut bytes) > 0);
            assert_eq!(bytes.len(), text.len());
            let masked = String::from_utf8(bytes).unwrap();
            assert!(known.find_in(masked.as_bytes()).is_empty(), "{masked}");
            assert!(!masked.contains(&secret[3..9]), "{masked}");
        }
    }
    let host = format!("{}.example.com", TOKEN.to_lowercase());
    assert_eq!(known.find_in(host.as_bytes())[0].form, Form::LowerCase);
}

#[test]
fn what_is_not_there_is_not_found() {
    let known = known(&[TOKEN, PASSWORD, "short", "Password1"]);
    for text in [
        "bk_Zx81qPvQ2mLx8ZbN4r",
        "shorter is not short",
        "password1 in lower case is a word",
        "100%, %zz, \\n \\u12",
        "",
        "%62k_Zx81qPvQ2mLx8ZbN4r%5",
    ] {
        assert!(known.find_in(text.as_bytes()).is_empty(), "{text}");
    }
    assert_eq!(known.whole(b"short"), Some(&2));
    assert_eq!(known.whole(b"c2hvcnQ="), Some(&2));
    assert_eq!(known.whole(b"s%68ort"), Some(&2));
    assert_eq!(known.find_in(b"short")[0].id, &2);
    assert_eq!(known.whole(b"shor"), None);
    assert!(
        Known::<u8>::new([])
            .unwrap()
            .find_in(b"anything at all")
            .is_empty()
    );
    assert!(
        Known::new([(1, Secret::new(String::new()))])
            .unwrap()
            .is_empty()
    );
}

#[test]
fn nothing_shows_a_secret() {
    let known = known(&[TOKEN]);
    let found = known.find_in(TOKEN.as_bytes());
    assert!(!format!("{known:?}{found:?}").contains("Zx81"));
}

#[test]
fn a_secret_in_pieces_is_found() {
    let known = known(&[TOKEN, PASSWORD]);
    let across = |values: &[&str]| {
        let values: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
        known
            .across(&values)
            .iter()
            .map(|found| (*found.id, found.range.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        across(&["curl/8", "bk_Zx81qPvQ", "2mLx8ZbN4rW", "x"]),
        [(0, 1..3)]
    );
    assert_eq!(
        across(&["Bearer bk", "_", "Zx81qPvQ2mLx8ZbN4rW"]),
        [(0, 0..3)]
    );
    assert_eq!(across(&["2mLx8ZbN4rW", "gzip", "bk_Zx81qPvQ"]), [(0, 0..3)]);
    assert_eq!(
        across(&["qPvQ2mLx", "bk_Zx81", "-", "8ZbN4rW"]),
        [(0, 0..4)]
    );
    // A whole one in one value is found there, and half of one is none.
    assert_eq!(across(&[TOKEN, "x"]), []);
    assert_eq!(across(&["bk_Zx81qPvQ", "2mLx8Zb"]), []);
}

/// A secret's id, and where it starts and ends.
type Place = (usize, u64, u64);

fn stream(
    known: &Known<usize>,
    text: &[u8],
    cuts: &[usize],
) -> (Vec<u8>, Vec<Vec<u8>>, Vec<Place>) {
    let (mut stream, mut out, mut steps, mut found) = (known.masker(), Vec::new(), vec![], vec![]);
    let mut from = 0;
    for cut in cuts.iter().copied().chain([text.len()]) {
        let found_now = stream.feed(&text[from..cut.max(from)], &mut out);
        found.extend(
            found_now
                .iter()
                .map(|found| (*found.id, found.range.start, found.range.end)),
        );
        steps.push(out.clone());
        from = cut.max(from);
    }
    stream.finish(&mut out);
    (out, steps, found)
}

#[test]
fn what_cannot_be_one_is_given_on_at_once() {
    let known = known(&[TOKEN]);
    let mut out = Vec::new();
    let mut stream = known.masker();
    assert!(stream.feed(b"data: 1\n\n", &mut out).is_empty());
    assert_eq!((out.as_slice(), stream.held()), (&b"data: 1\n\n"[..], 0));
    assert!(stream.feed(b"data: bk_Zx8", &mut out).is_empty());
    assert_eq!(
        (out.as_slice(), stream.held()),
        (&b"data: 1\n\ndata: "[..], 6)
    );
    assert!(stream.feed(b"2", &mut out).is_empty());
    assert_eq!(stream.held(), 0);
    assert!(stream.feed(b"\nbk_Zx81qPvQ2mLx8Zb", &mut out).is_empty());
    assert_eq!(stream.feed(b"N4rW.", &mut out)[0].range, 23..45);
    stream.finish(&mut out);
    assert!(out.ends_with(b"bk_Zx82\n**********************."));
}

#[test]
fn what_is_kept_back_is_bounded() {
    let known = known(&[TOKEN]);
    for text in ["%25", "bk_", "%", "\\", "\\u005c", "%5C", "b"] {
        let (mut out, mut stream) = (Vec::new(), known.finder());
        for _ in 0..2000 {
            let _ = stream.feed(text.as_bytes(), &mut out);
            assert!(stream.held() < 1024, "{text}");
        }
        stream.finish(&mut out);
        assert_eq!(out, text.repeat(2000).as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// However a text is cut, as much is found and masked as in the whole, and nothing of a secret gets out before.
    #[test]
    fn cuts_change_nothing(which in 0usize..200, noise in "[ -~]{0,12}", mut cuts in prop::collection::vec(0usize..900, 0..12)) {
        let known = known(&[TOKEN, PASSWORD, "Zx81qPvQ"]);
        let forms: Vec<String> = [TOKEN, PASSWORD].iter().flat_map(|secret| written(secret)).collect();
        let text = format!("{noise}{}{noise}", forms[which % forms.len()]);
        let text = text.as_bytes();
        cuts.iter_mut().for_each(|cut| *cut %= text.len() + 1);
        cuts.sort_unstable();
        let mut whole = text.to_vec();
        known.mask(&mut whole);
        let (masked, steps, found) = stream(&known, text, &cuts);
        prop_assert_eq!(&masked, &whole);
        for step in steps {
            prop_assert!(whole.starts_with(&step));
        }
        let mut expected: Vec<_> = known.find_in(text).iter().map(|found| (*found.id, found.range.start, found.range.end)).collect();
        let mut found = found;
        expected.sort_unstable();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }

    /// Bytes made to look like beginnings and escapes come out as they went in.
    #[test]
    fn nothing_else_is_changed(text in "[bk_Zx81%\\\\u0625c]{0,300}", cut in 0usize..300) {
        let known = known(&[TOKEN]);
        prop_assume!(known.find_in(text.as_bytes()).is_empty());
        let (out, ..) = stream(&known, text.as_bytes(), &[cut.min(text.len())]);
        prop_assert_eq!(out, text.as_bytes());
    }
}
