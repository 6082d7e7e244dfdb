use super::*;

const TYPE: &str = "multipart/form-data; boundary=b";

fn reads(media: &str, body: &str) -> Result<Vec<Part>, Refused> {
    read(body.as_bytes(), &Media::read(media)?)
}

fn part(name: &str, file: Option<&str>, media_type: &str, content: &str) -> Part {
    Part {
        name: Some(name.to_owned()),
        file: file.map(ToOwned::to_owned),
        media_type: media_type.to_owned(),
        content: Carried(content.as_bytes().to_vec()),
    }
}

#[test]
fn forms_of_clients_in_use() {
    for (client, media, body, expected) in [
        (
            "curl",
            "multipart/form-data; boundary=------------------------d74496d66958873e",
            "--------------------------d74496d66958873e\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n\
             --------------------------d74496d66958873e\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\n\
             Content-Type: text/plain\r\n\r\none\r\ntwo\n\r\n--------------------------d74496d66958873e--\r\n",
            vec![
                part("a", None, "text/plain", "1"),
                part("f", Some("x.txt"), "text/plain", "one\r\ntwo\n"),
            ],
        ),
        (
            "a browser",
            "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
            "------WebKitFormBoundary7MA4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"f\"; filename=\"bücher \
             %22x%22.png\"\r\nContent-Type: image/PNG\r\n\r\n\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n",
            vec![part("f", Some("bücher %22x%22.png"), "image/png", "")],
        ),
        (
            ".NET",
            "multipart/form-data; boundary=\"b c\"",
            "--b c\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=f; \
             filename=x; filename*=utf-8''x\r\n\r\n{}\r\n--b c--",
            vec![part("f", Some("x"), "text/plain", "{}")],
        ),
        (
            "Apache HttpClient",
            TYPE,
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: text/plain; charset=ISO-8859-1\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\nx\r\n--b--\r\n",
            vec![part("a", None, "text/plain", "x")],
        ),
        (
            "an older urllib3",
            TYPE,
            "--b\r\nContent-Disposition: form-data; name=\"f\"; filename*=utf-8''b%C3%BCcher\r\n\r\nx\r\n--b--\r\n",
            vec![part("f", Some("bücher"), "text/plain", "x")],
        ),
        ("an empty form", TYPE, "--b--\r\n", vec![]),
        (
            "a line break first",
            TYPE,
            "\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--x-b\r\n--b--",
            vec![part("a", None, "text/plain", "--x-b")],
        ),
    ] {
        assert_eq!(reads(media, body), Ok(expected), "{client}");
    }
}

#[test]
fn other_multipart_bodies_need_no_names() {
    let parts = reads(
        "multipart/related; boundary=b; type=\"application/json\"",
        "--b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b--",
    );
    let types: Vec<_> = parts
        .unwrap()
        .into_iter()
        .map(|part| (part.name, part.media_type))
        .collect();
    assert_eq!(
        types,
        [
            (None, "application/json".to_owned()),
            (None, "text/plain".to_owned())
        ]
    );
}

#[test]
fn bodies_that_readers_take_differently() {
    let sound = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n";
    assert!(reads(TYPE, sound).is_ok());
    for (why, body) in [
        ("a preamble", sound.replacen("--b", "x\r\n--b", 1)),
        ("an epilogue", format!("{sound}x")),
        ("another body after the end", format!("{sound}{sound}")),
        ("no end", sound.replace("--b--\r\n", "")),
        ("an end cut short", sound.replace("--b--\r\n", "--b-")),
        ("bare line feeds", sound.replace("\r\n", "\n")),
        (
            "a bare line feed before the boundary",
            sound.replace("1\r\n--b", "1\n--b"),
        ),
        (
            "a bare line feed after a header",
            sound.replace("\"a\"\r\n\r\n", "\"a\"\n\r\n"),
        ),
        (
            "a bare carriage return in a header",
            sound.replace("\"a\"", "\"a\"\r;x=y"),
        ),
        (
            "white space after the boundary",
            sound.replacen("--b\r\n", "--b \r\n", 1),
        ),
        ("a longer boundary", sound.replace("1\r\n", "1\r\n--bb\r\n")),
        (
            "the boundary within a line",
            sound.replace("1\r\n", "1--b\r\n"),
        ),
        ("no name", sound.replace("; name=\"a\"", "")),
        ("an empty name", sound.replace("\"a\"", "\"\"")),
        ("two names", sound.replace("\"a\"", "\"a\"; name=\"c\"")),
        (
            "two names in other letters",
            sound.replace("\"a\"", "\"a\"; NAME=\"c\""),
        ),
        (
            "an extended name",
            sound.replace("\"a\"", "\"a\"; name*=utf-8''c"),
        ),
        (
            "a name in pieces",
            sound.replace("name=\"a\"", "name*0=\"a\"; name*1=\"b\""),
        ),
        (
            "a backslash in the name",
            sound.replace("\"a\"", "\"a\\\"; x=\\\"b\""),
        ),
        ("a name that goes on", sound.replace("\"a\"", "\"a\"b")),
        (
            "two file names",
            sound.replace("\"a\"", "\"a\"; filename=\"x\"; filename*=utf-8''y"),
        ),
        (
            "a file name in Latin 1",
            sound.replace("\"a\"", "\"a\"; filename*=iso-8859-1''%FC"),
        ),
        (
            "a file name with a line break",
            sound.replace("\"a\"", "\"a\"; filename*=utf-8''x%0Ay"),
        ),
        (
            "another disposition",
            sound.replace("form-data", "attachment"),
        ),
        (
            "two dispositions",
            sound.replacen(
                "Content",
                "Content-Disposition: form-data; name=\"c\"\r\nContent",
                1,
            ),
        ),
        ("a folded header", sound.replace("; name", ";\r\n name")),
        (
            "a space in the header's name",
            sound.replace("Disposition:", "Disposition :"),
        ),
        (
            "a header without a name",
            sound.replacen("Content", ": x\r\nContent", 1),
        ),
        ("no headers", "--b\r\n\r\n1\r\n--b--".to_owned()),
        (
            "headers that do not end",
            sound.replace("\r\n\r\n1", "\r\n1"),
        ),
        (
            "base64",
            sound.replacen("Content", "Content-Transfer-Encoding: base64\r\nContent", 1),
        ),
        (
            "quoted-printable",
            sound.replacen(
                "Content",
                "content-transfer-encoding: Quoted-Printable\r\nContent",
                1,
            ),
        ),
        (
            "multipart within",
            sound.replacen(
                "Content",
                "Content-Type: multipart/mixed; boundary=c\r\nContent",
                1,
            ),
        ),
        (
            "another charset",
            sound.replacen(
                "Content",
                "Content-Type: text/plain; charset=utf-16\r\nContent",
                1,
            ),
        ),
    ] {
        assert!(reads(TYPE, &body).is_err(), "{why}");
    }
    for media in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"b \"",
        "multipart/form-data; boundary=b; boundary=c",
        "multipart/form-data; boundary=\"b;\"",
    ] {
        assert!(reads(media, sound).is_err(), "{media}");
    }
    let many = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(PARTS + 1);
    assert!(reads(TYPE, &format!("{many}--b--")).is_err());
}
