//! The doubles record what they are sent.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use backstop_testing::doubles::{HttpDouble, SmtpDouble};

const PATIENCE: Duration = Duration::from_secs(5);

/// Sends text, ends the sending side, and reads all that comes back.
fn exchange(port: u16, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn requests_are_recorded_and_answered_as_told() {
    let double = HttpDouble::start().unwrap();
    double.answer_with(503);
    let answer = exchange(
        double.port(),
        "POST /hook?a=1 HTTP/1.1\r\nHost: x\r\nX-Title: held\r\nContent-Length: 4\r\n\r\nbodyGET / HTTP/1.1\r\n\r\n",
    );
    assert_eq!(answer.matches("HTTP/1.1 503").count(), 2);
    let requests = double.wait_for(2, PATIENCE).unwrap();
    assert_eq!(
        (requests[0].method.as_str(), requests[0].path.as_str()),
        ("POST", "/hook?a=1")
    );
    assert_eq!(requests[0].header("x-title"), Some("held"));
    assert_eq!(requests[0].text(), "body");
    assert_eq!(requests[1].method, "GET");
    assert!(double.url("/x").ends_with(&format!(":{}/x", double.port())));
}

#[test]
fn half_a_request_is_not_recorded() {
    let double = HttpDouble::start().unwrap();
    exchange(
        double.port(),
        "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf",
    );
    assert!(double.requests().is_empty());
    assert!(double.wait_for(1, Duration::from_millis(10)).is_err());
}

#[test]
fn a_mail_is_recorded_with_its_envelope() {
    let double = SmtpDouble::start().unwrap();
    let answer = exchange(
        double.port(),
        "EHLO me\r\nAUTH PLAIN AHUAcA==\r\nMAIL FROM:<gate@example.com>\r\nRCPT TO:<ada@example.com>\r\n\
         RCPT TO:<bob@example.com>\r\nDATA\r\nSubject: A hold waits\r\n\r\n..dot\r\nend\r\n.\r\nQUIT\r\n",
    );
    assert!(answer.ends_with("250 taken\r\n221 bye\r\n"), "{answer}");
    let mails = double.wait_for(1, PATIENCE).unwrap();
    assert_eq!(mails[0].from, "gate@example.com");
    assert_eq!(mails[0].to, ["ada@example.com", "bob@example.com"]);
    assert_eq!(mails[0].header("subject"), Some("A hold waits"));
    assert_eq!(mails[0].body(), ".dot\nend\n");
    assert_eq!(mails[0].auth.as_deref(), Some("PLAIN AHUAcA=="));
}
