//! Notifications reach a command, webhooks and a mail server, carry no data, and hold nothing up.

use std::time::Duration;

use backstop_console::Origin;
use backstop_console::notify::{
    CommandConfig, Config, MailConfig, MailTls, Message, Notifier, WebhookConfig, WebhookShape,
};
use backstop_core::target::Environment;
use backstop_testing::doubles::{HttpDouble, SmtpDouble};

use crate::site::{Site, wipe};

const PATIENCE: Duration = Duration::from_secs(10);

fn message() -> Message {
    Message {
        hold: Some("hold_0123456789abcdef".into()),
        sentence: "waits for a person on production: DELETE on public.\"<a&b>\"".into(),
        link: "http://localhost:7000/holds/hold_0123456789abcdef".into(),
        urgent: true,
    }
}

fn webhook(url: String, shape: WebhookShape) -> WebhookConfig {
    WebhookConfig {
        url,
        shape,
        token_file: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_get_their_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "tk_secret\n").unwrap();
    let (ntfy, slack) = (HttpDouble::start().unwrap(), HttpDouble::start().unwrap());
    let config = Config {
        webhook: vec![
            WebhookConfig {
                token_file: Some(token),
                ..webhook(ntfy.url("/alerts"), WebhookShape::Ntfy)
            },
            webhook(slack.url("/services/x"), WebhookShape::Slack),
        ],
        ..Config::default()
    };
    let notifier = Notifier::new(&config).unwrap();
    for (name, result) in notifier.try_all(&message()).await {
        assert_eq!(result, Ok(()), "{name}");
    }
    let got = ntfy.wait_for(1, PATIENCE).unwrap().remove(0);
    assert_eq!(
        (got.method.as_str(), got.path.as_str()),
        ("POST", "/alerts")
    );
    assert_eq!(got.text(), message().sentence);
    assert_eq!(got.header("title"), Some("Backstop: hold_0123456789abcdef"));
    assert_eq!(got.header("click"), Some(message().link.as_str()));
    assert_eq!(got.header("priority"), Some("urgent"));
    assert_eq!(got.header("authorization"), Some("Bearer tk_secret"));
    let got = slack.wait_for(1, PATIENCE).unwrap().remove(0);
    let body: serde_json::Value = serde_json::from_str(&got.text()).unwrap();
    let text = body["text"].as_str().unwrap();
    assert!(
        text.contains("public.\"&lt;a&amp;b&gt;\" (hold_0123456789abcdef)"),
        "{text}"
    );
    assert!(text.ends_with("|Open the console>"), "{text}");
    ntfy.answer_with(500);
    let results = notifier.try_all(&message()).await;
    assert!(
        results[0]
            .1
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("500")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_short_and_plain() {
    let server = SmtpDouble::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "pw\n").unwrap();
    let config = MailConfig {
        server: "127.0.0.1".into(),
        port: Some(server.port()),
        tls: MailTls::None,
        from: "Backstop <backstop@example.org>".into(),
        to: vec!["ada@example.org".into(), "grace@example.org".into()],
        user: Some("backstop".into()),
        password_file: Some(password),
    };
    let notifier = Notifier::new(&Config {
        mail: Some(config.clone()),
        ..Config::default()
    })
    .unwrap();
    assert_eq!(
        notifier.try_all(&message()).await,
        [("mail".to_owned(), Ok(()))]
    );
    let mail = server.wait_for(1, PATIENCE).unwrap().remove(0);
    assert_eq!(mail.to.len(), 2);
    assert_eq!(
        mail.header("subject"),
        Some("Backstop: hold_0123456789abcdef")
    );
    assert!(mail.auth.is_some());
    assert!(
        mail.body().contains(&message().sentence) && mail.body().contains(&message().link),
        "{}",
        mail.body()
    );
    for (bad, part) in [
        (
            MailConfig {
                server: "mail.example.org".into(),
                ..config.clone()
            },
            "plain text",
        ),
        (
            MailConfig {
                to: vec![],
                ..config.clone()
            },
            "nobody is written to",
        ),
        (
            MailConfig {
                to: vec!["ada".into()],
                ..config.clone()
            },
            "not a mail address",
        ),
        (
            MailConfig {
                password_file: None,
                ..config
            },
            "no password",
        ),
    ] {
        let error = Notifier::new(&Config {
            mail: Some(bad),
            ..Config::default()
        })
        .err()
        .unwrap()
        .to_string();
        assert!(error.contains(part) && error.contains("hint: "), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_gets_the_message_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let script = format!(
        "cat > {0}.tmp; env | sort >> {0}.tmp; printf '%s' \"$1\" >> {0}.tmp; mv {0}.tmp {0}",
        out.display()
    );
    let command = |arguments: Vec<String>| {
        let config = Config {
            command: Some(CommandConfig {
                program: "/bin/sh".into(),
                arguments,
            }),
            ..Config::default()
        };
        Notifier::new(&config).unwrap()
    };
    let notifier = command(vec![
        "-c".into(),
        script,
        "sh".into(),
        "$(touch /nowhere)".into(),
    ]);
    assert_eq!(
        notifier.try_all(&message()).await,
        [("command".to_owned(), Ok(()))]
    );
    let text = std::fs::read_to_string(&out).unwrap();
    let (json, _) = text.split_once('}').unwrap();
    let json: serde_json::Value = serde_json::from_str(&format!("{json}}}")).unwrap();
    assert_eq!(json["hold"], "hold_0123456789abcdef");
    assert!(
        text.contains("BACKSTOP_LINK=http://localhost:7000/holds/hold_0123456789abcdef"),
        "{text}"
    );
    assert!(
        !text.contains("CARGO") && text.ends_with("$(touch /nowhere)"),
        "{text}"
    );
    let failing = command(vec!["-c".into(), "exit 3".into()])
        .try_all(&message())
        .await;
    assert!(
        failing[0]
            .1
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("exit status: 3")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_called_for_holds_and_stops_once_each() {
    let site = Site::start().await;
    let double = HttpDouble::start().unwrap();
    let config = Config {
        webhook: vec![webhook(double.url("/x"), WebhookShape::Ntfy)],
        ..Config::default()
    };
    let notifier = Notifier::new(&config).unwrap();
    let lease = site.lease("Clean up", Environment::Production).await;
    site.hold(&lease, wipe("DELETE FROM old")).await;
    let (store, origin) = (site.store.clone(), Origin::parse(&site.origin).unwrap());
    let following = tokio::spawn(async move {
        notifier
            .follow(store, &origin, std::future::pending())
            .await
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let hold = site
        .hold(&lease, wipe("DELETE FROM secret_table WHERE x = 'private'"))
        .await;
    let called = double.wait_for(1, PATIENCE).unwrap();
    assert_eq!(
        called[0].header("click"),
        Some(site.url(&format!("/holds/{hold}")).as_str())
    );
    assert_eq!(
        called[0].text(),
        "waits for a person on production: DELETE on public.payments"
    );
    // The identical action coalesces, and calls nobody again.
    site.hold(&lease, wipe("DELETE FROM secret_table WHERE x = 'private'"))
        .await;
    site.store
        .halt(Some(&lease), "a foreign credential", false)
        .await
        .unwrap();
    let called = double.wait_for(2, PATIENCE).unwrap();
    assert_eq!(called[1].text(), "a lease was halted");
    site.store.freeze("looking").await.unwrap();
    double.wait_for(3, PATIENCE).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let all = double.requests();
    assert_eq!(all.len(), 3);
    assert!(
        all.iter()
            .all(|call| !call.text().contains("private") && !call.text().contains("secret"))
    );
    following.abort();
    site.stop().await;
}
