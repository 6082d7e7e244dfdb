//! Whatever a client sends: startup packets, messages, and their way through a session. Nothing may
//! panic, hang or change on the way.
//!
//! Run with `scripts/fuzz.sh 60 frontend_messages`.

#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

use backstop_wire::postgres::Limits;
use backstop_wire::postgres::backend::{Report, SqlState};
use backstop_wire::postgres::frame::next_frame;
use backstop_wire::postgres::frontend::{FrontendMessage, Named, SaslInitialResponse, bind_names};
use backstop_wire::postgres::scram::{PLAIN, Server, Verifier};
use backstop_wire::postgres::session::{Admission, Config, Sent, Session, Show};
use backstop_wire::postgres::startup::{Packet, next_packet};

fuzz_target!(|data: &[u8]| {
    startup(data);
    messages(data);
    let _ = bind_names(data);
    let verifier = Verifier::mock(b"secret", "nobody");
    if let Ok((_, challenged)) = Server::new(verifier, None).challenge(PLAIN, data) {
        assert!(challenged.finish(data).is_err());
    }
});

fn startup(data: &[u8]) {
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(packet)) = next_packet(&mut buffer) {
        if let Packet::Startup(startup) = packet {
            let _ = (startup.agreement(), startup.settings());
            let mut out = BytesMut::new();
            startup.write(&mut out).unwrap();
            assert_eq!(next_packet(&mut out), Ok(Some(Packet::Startup(startup))));
        }
    }
}

fn messages(data: &[u8]) {
    let limits = Limits::frontend(1 << 16, 1 << 12);
    let mut session: Session<(), u8> = Session::new(Config::default());
    let mut buffer = BytesMut::from(data);
    while let Ok(Some(frame)) = next_frame(&mut buffer, &limits) {
        let Ok(message) = FrontendMessage::parse(frame.tag, frame.body()) else {
            return;
        };
        let mut out = BytesMut::new();
        message.write(&mut out).unwrap();
        if message != FrontendMessage::Terminate {
            assert_eq!(&out[..], &frame.raw()[..]);
        }
        if let FrontendMessage::Password(body) = message {
            let _ = SaslInitialResponse::parse(body);
        }
        match session.admit(frame.tag) {
            Ok(Admission::Judge) => judge(&mut session, message),
            Ok(Admission::Drop | Admission::Wait) => {}
            Ok(Admission::Close) | Err(_) => return,
        }
    }
    session.lost();
    assert!(session.is_settled());
}

/// Sends what looks harmless and refuses the rest.
fn judge(session: &mut Session<(), u8>, message: FrontendMessage<'_>) {
    let sent = match message {
        FrontendMessage::Parse(parse) if parse.sql.len() % 2 == 0 => Sent::Parse {
            statement: parse.statement,
            means: 0,
        },
        FrontendMessage::Bind(bind) => Sent::Bind {
            portal: bind.portal,
            means: 0,
        },
        FrontendMessage::Execute(_) => Sent::Execute { copy_in: false },
        FrontendMessage::Close(Named::Statement(name)) => Sent::CloseStatement(name),
        FrontendMessage::Sync => Sent::Sync,
        FrontendMessage::Flush => Sent::Flush,
        other => {
            let report = Report::error(SqlState::UNKNOWN, "refused");
            let _ = session.refuse(other.tag(), report, Some(()));
            return;
        }
    };
    let _ = session.send(sent, Show::ALL, Some(()));
}
