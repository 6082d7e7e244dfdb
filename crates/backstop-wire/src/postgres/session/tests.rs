//! The state machine step by step, where a server would be in the way: what is seen, what is told, and
//! what the names mean in between. Random clients against servers are in `tests/postgres`.

use super::super::backend::{BackendMessage, write_ready};
use super::super::frame::{Limits, Peek, peek};
use super::super::tag::frontend as ask;
use super::*;
use crate::postgres::backend::{Report, Severity};

type TestSession = Session<&'static str, u32>;

fn session() -> TestSession {
    Session::new(Config::default())
}

/// A session in a transaction block, with nothing in flight.
fn in_transaction() -> TestSession {
    let mut session = session();
    send(&mut session, query(), Show::ALL);
    assert_eq!(answer(&mut session, b'C', b"BEGIN\0"), Action::Relay);
    assert_eq!(answer(&mut session, b'Z', b"T"), Action::Relay);
    while session.next_event().is_some() {}
    session
}

fn query<'a>() -> Sent<'a, u32> {
    Sent::Query { copy_in: false }
}

fn execute<'a>() -> Sent<'a, u32> {
    Sent::Execute { copy_in: false }
}

fn parse(statement: &str, means: u32) -> Sent<'_, u32> {
    Sent::Parse { statement, means }
}

fn send(session: &mut TestSession, sent: Sent<'_, u32>, show: Show) {
    session.send(sent, show, Some("sent")).unwrap();
}

fn answer(session: &mut TestSession, tag: u8, body: &[u8]) -> Action {
    session.on_backend(tag, body).unwrap()
}

fn error(session: &mut TestSession, code: &str) -> Action {
    let report = Report::error(SqlState::new(code).unwrap(), "no");
    answer(session, b'E', &report.to_bytes()[5..])
}

fn refusal() -> Report {
    Report::error(SqlState::new("42501").unwrap(), "refused").hint("ask a person")
}

fn outcomes(session: &mut TestSession) -> Vec<Outcome> {
    std::iter::from_fn(|| session.next_event())
        .map(|event| event.outcome)
        .collect()
}

/// The types of messages in what the session made itself.
fn tags(bytes: Option<Bytes>) -> String {
    let limits = Limits::frontend(1 << 16, 1 << 16);
    let limits = super::super::tag::backend::ALL
        .into_iter()
        .fold(limits, |limits, tag| limits.refusing(tag, 1 << 16));
    let bytes = bytes.unwrap_or_default();
    let mut rest = &bytes[..];
    let mut tags = String::new();
    while let Ok(Peek::Whole(message)) = peek(rest, &limits) {
        tags.push(char::from(message.tag));
        rest = &rest[message.total()..];
    }
    assert!(rest.is_empty(), "half a message: {rest:?}");
    tags
}

#[test]
fn an_idle_session_refuses_without_the_server() {
    let mut session = session();
    assert_eq!(session.admit(ask::QUERY), Ok(Admission::Judge));
    session.refuse(ask::QUERY, refusal(), Some("drop")).unwrap();
    assert_eq!(tags(session.take_to_client()), "EZ");
    assert_eq!(session.take_to_server(), None);
    assert_eq!(outcomes(&mut session), [Outcome::Refused]);
    assert!(session.is_idle());
}

#[test]
fn a_refused_series_is_skipped_until_sync_without_the_server() {
    let mut session = session();
    session.refuse(ask::PARSE, refusal(), None).unwrap();
    assert_eq!(tags(session.take_to_client()), "E");
    for tag in [ask::BIND, ask::EXECUTE, ask::QUERY, ask::FLUSH] {
        assert_eq!(session.admit(tag), Ok(Admission::Drop));
    }
    assert!(!session.is_idle());
    assert_eq!(session.admit(ask::SYNC), Ok(Admission::Drop));
    assert_eq!(tags(session.take_to_client()), "Z");
    assert_eq!(session.take_to_server(), None);
    assert!(session.is_idle());
}

#[test]
fn a_refusal_in_a_transaction_fails_it_at_the_server() {
    let mut session = in_transaction();
    session.refuse(ask::QUERY, refusal(), Some("drop")).unwrap();
    assert_eq!(tags(session.take_to_server()), "BS");
    assert_eq!(
        session.take_to_client(),
        None,
        "not before the server says so"
    );
    assert_eq!(error(&mut session, "26000"), Action::Swallow);
    let told = session.take_to_client().unwrap();
    let Ok(BackendMessage::ErrorResponse(fields)) = BackendMessage::parse(b'E', &told[5..]) else {
        panic!("the client is told of an error");
    };
    assert_eq!(fields.code().as_str(), "42501");
    assert_eq!(answer(&mut session, b'Z', b"E"), Action::Relay);
    assert_eq!(session.client_status(), TransactionStatus::Failed);
    assert_eq!(outcomes(&mut session), [Outcome::Refused]);
}

#[test]
fn a_refusal_that_the_server_obeys_is_a_desync() {
    let mut session = in_transaction();
    session.refuse(ask::PARSE, refusal(), None).unwrap();
    assert_eq!(session.on_backend(b'2', b""), Err(Desync { tag: b'2' }));
}

#[test]
fn a_refused_query_behind_a_failure_is_skipped_with_it() {
    let mut session = session();
    send(&mut session, parse("", 1), Show::ALL);
    session.refuse(ask::QUERY, refusal(), Some("drop")).unwrap();
    assert_eq!(tags(session.take_to_server()), "BS");
    // The server would skip the Query, but our Sync ends its skipping: nothing may follow yet.
    assert_eq!(session.admit(ask::EXECUTE), Ok(Admission::Wait));
    assert_eq!(error(&mut session, "42601"), Action::Relay);
    assert_eq!(answer(&mut session, b'Z', b"I"), Action::Swallow);
    assert_eq!(session.admit(ask::EXECUTE), Ok(Admission::Drop));
    assert_eq!(session.admit(ask::SYNC), Ok(Admission::Judge));
    send(&mut session, Sent::Sync, Show::ALL);
    assert_eq!(answer(&mut session, b'Z', b"I"), Action::Relay);
    assert_eq!(session.take_to_client(), None);
    assert!(session.is_idle());
    let expected = [
        Outcome::Failed(SqlState::new("42601").unwrap()),
        Outcome::Skipped,
        Outcome::Succeeded,
    ];
    assert_eq!(outcomes(&mut session), expected);
}

#[test]
fn a_pending_name_is_certain_only_within_its_series() {
    let mut session = session();
    send(&mut session, parse("s", 1), Show::ALL);
    assert_eq!(session.statement("s"), Meaning::Known(&1));
    send(&mut session, Sent::Sync, Show::ALL);
    assert_eq!(session.statement("s"), Meaning::Unsettled);
    assert!(!session.settle());
    assert_eq!(session.admit(ask::BIND), Ok(Admission::Wait));
    let _ = answer(&mut session, b'1', b"");
    let _ = answer(&mut session, b'Z', b"I");
    assert_eq!(session.admit(ask::BIND), Ok(Admission::Judge));
    assert_eq!(session.statement("s"), Meaning::Known(&1));
}

#[test]
fn a_failed_parse_leaves_the_older_statement_under_the_name() {
    let mut session = session();
    send(&mut session, parse("s", 1), Show::ALL);
    send(&mut session, Sent::Sync, Show::ALL);
    let _ = answer(&mut session, b'1', b"");
    let _ = answer(&mut session, b'Z', b"I");
    // The attack: a harmless text under the name of a harmful one, then using the name.
    send(&mut session, parse("s", 2), Show::ALL);
    send(&mut session, Sent::Sync, Show::ALL);
    assert_eq!(session.statement("s"), Meaning::Unsettled);
    let _ = error(&mut session, "42P05");
    let _ = answer(&mut session, b'Z', b"I");
    assert_eq!(session.statement("s"), Meaning::Known(&1));
}

#[test]
fn a_failed_parse_takes_the_unnamed_statement_with_it() {
    let mut session = session();
    send(&mut session, parse("", 1), Show::ALL);
    let _ = answer(&mut session, b'1', b"");
    assert_eq!(session.statement(""), Meaning::Known(&1));
    send(&mut session, parse("", 2), Show::ALL);
    let _ = error(&mut session, "42601");
    assert_eq!(session.statement(""), Meaning::Unknown);
}

#[test]
fn portals_end_with_their_transaction_unless_held() {
    let mut session = in_transaction();
    let held = Change::SetPortal {
        name: "h".into(),
        means: 7,
        holdable: true,
    };
    session
        .send_changing(query(), Show::ALL, None, [(0, held)])
        .unwrap();
    let _ = answer(&mut session, b'C', b"DECLARE CURSOR\0");
    let _ = answer(&mut session, b'Z', b"T");
    let bind = Sent::Bind {
        portal: "p",
        means: 8,
    };
    send(&mut session, bind, Show::ALL);
    send(&mut session, Sent::Sync, Show::ALL);
    let _ = answer(&mut session, b'2', b"");
    let _ = answer(&mut session, b'Z', b"T");
    assert_eq!(session.portal("p"), Meaning::Known(&8));
    send(&mut session, query(), Show::ALL);
    let _ = answer(&mut session, b'C', b"COMMIT\0");
    assert_eq!(session.portal("p"), Meaning::Unknown);
    assert_eq!(session.portal("h"), Meaning::Known(&7));
}

#[test]
fn changes_count_when_their_statement_is_complete() {
    let mut session = session();
    let set = |name: &str, means| Change::SetStatement(name.into(), means);
    let changes = [(0, set("a", 1)), (2, set("b", 2))];
    session
        .send_changing(query(), Show::ALL, None, changes)
        .unwrap();
    assert_eq!(session.statement("a"), Meaning::Unsettled);
    let _ = answer(&mut session, b'C', b"PREPARE\0");
    assert_eq!(session.statement("a"), Meaning::Known(&1));
    let _ = answer(&mut session, b'C', b"SELECT 1\0");
    let _ = error(&mut session, "22012");
    let _ = answer(&mut session, b'Z', b"I");
    assert_eq!(session.statement("b"), Meaning::Unknown);
}

/// A text whose second statement changes a name, and then fails.
fn change_then_fail(session: &mut TestSession, change: Change<u32>, code: &str) {
    session
        .send_changing(query(), Show::ALL, None, [(1, change)])
        .unwrap();
    let _ = answer(session, b'C', b"INSERT 0 2\0");
    let _ = error(session, code);
    let _ = answer(session, b'Z', b"I");
}

fn prepared(means: u32) -> Change<u32> {
    Change::SetStatement("s".into(), means)
}

#[test]
fn what_was_prepared_before_a_commit_that_failed_is_prepared() {
    let mut session = session();
    change_then_fail(&mut session, prepared(1), "23505");
    assert_eq!(session.statement("s"), Meaning::Known(&1));
    // The server would have said so if it had the name: it has the first one.
    change_then_fail(&mut session, prepared(2), "42P05");
    assert_eq!(session.statement("s"), Meaning::Known(&1));
}

#[test]
fn what_may_have_been_prepared_or_forgotten_is_not_believed() {
    let forgotten = || Change::DropStatement("s".into());
    // Whether DEALLOCATE failed, or the COMMIT after it, does not show; nor does what raised P0001.
    for (first, code) in [(forgotten(), "23505"), (prepared(2), "P0001")] {
        let mut session = session();
        change_then_fail(&mut session, prepared(1), "23505");
        assert_eq!(session.statement("s"), Meaning::Known(&1));
        change_then_fail(&mut session, first, code);
        assert_eq!(session.statement("s"), Meaning::Unknown);
    }
    // So that no text is taken for another one.
    let mut session = session();
    change_then_fail(&mut session, prepared(1), "23505");
    change_then_fail(&mut session, forgotten(), "23503");
    change_then_fail(&mut session, prepared(2), "23503");
    assert_eq!(session.statement("s"), Meaning::Known(&2));
    change_then_fail(&mut session, Change::DropAllStatements, "40001");
    assert_eq!(session.statement("s"), Meaning::Unknown);
}

#[test]
fn a_refused_parse_takes_the_unnamed_statement_out_of_use() {
    let mut session = in_transaction();
    send(&mut session, parse("", 1), Show::ALL);
    let _ = answer(&mut session, b'1', b"");
    session.refuse(ask::PARSE, refusal(), None).unwrap();
    let _ = error(&mut session, "26000");
    assert_eq!(session.statement(""), Meaning::Unknown);
}

#[test]
fn the_gates_own_transaction_is_not_seen() {
    let mut session = session();
    send(&mut session, query(), Show::NOTHING);
    send(&mut session, query(), Show::UNTIL_ENDED);
    send(&mut session, query(), Show::ENDING);
    for (tag, body) in [
        (b'C', &b"BEGIN\0"[..]),
        (b'Z', b"T"),
        (b'C', b"DELETE 3\0"),
        (b'Z', b"T"),
    ] {
        assert_eq!(answer(&mut session, tag, body), Action::Swallow);
        assert_eq!(session.take_to_client(), None);
    }
    assert_eq!(answer(&mut session, b'C', b"COMMIT\0"), Action::Swallow);
    let told = session.take_to_client().unwrap();
    assert_eq!(&told[5..], b"DELETE 3\0");
    assert_eq!(answer(&mut session, b'Z', b"I"), Action::Relay);
    assert!(session.is_idle());
}

#[test]
fn a_question_in_between_neither_reports_it_done_nor_forgets_it() {
    let mut session = session();
    send(&mut session, query(), Show::UNTIL_ENDED);
    let _ = answer(&mut session, b'C', b"UPDATE 1\0");
    let _ = answer(&mut session, b'Z', b"T");
    assert_eq!(session.take_to_client(), None);
    for fails in [false, true] {
        send(&mut session, query(), Show::NOTHING);
        if fails {
            assert_eq!(error(&mut session, "22012"), Action::Swallow);
        } else {
            assert_eq!(answer(&mut session, b'C', b"SELECT 1\0"), Action::Swallow);
        }
        assert_eq!(answer(&mut session, b'Z', b"T"), Action::Swallow);
        assert_eq!(session.take_to_client(), None);
    }
    send(&mut session, query(), Show::ENDING);
    assert_eq!(answer(&mut session, b'C', b"COMMIT\0"), Action::Swallow);
    assert_eq!(tags(session.take_to_client()), "C");
    assert_eq!(answer(&mut session, b'Z', b"I"), Action::Relay);
}

#[test]
fn what_failed_to_commit_is_not_reported_done() {
    let mut session = session();
    send(&mut session, query(), Show::UNTIL_ENDED);
    send(&mut session, query(), Show::ENDING);
    let _ = answer(&mut session, b'C', b"INSERT 0 1\0");
    let _ = answer(&mut session, b'Z', b"T");
    assert_eq!(error(&mut session, "23505"), Action::Relay);
    assert_eq!(session.take_to_client(), None);
    assert_eq!(answer(&mut session, b'Z', b"I"), Action::Relay);
}

#[test]
fn an_answer_of_the_gates_waits_for_its_turn() {
    let mut session = session();
    send(&mut session, query(), Show::ALL);
    let own = Bytes::from_static(b"C\0\0\0\x09SHOW\0");
    session.answer(own, true, Some("show")).unwrap();
    assert_eq!(session.take_to_client(), None);
    let _ = answer(&mut session, b'C', b"BEGIN\0");
    assert_eq!(session.take_to_client(), None);
    assert_eq!(answer(&mut session, b'Z', b"T"), Action::Relay);
    let told = session.take_to_client().unwrap();
    assert_eq!(&told[..10], b"C\0\0\0\x09SHOW\0");
    assert_eq!(&told[10..], b"Z\0\0\0\x05T");
    assert_eq!(
        outcomes(&mut session),
        [Outcome::Succeeded, Outcome::Answered]
    );
}

#[test]
fn an_answer_of_the_gates_is_skipped_with_what_it_follows() {
    let mut session = session();
    send(&mut session, parse("", 1), Show::ALL);
    let own = Bytes::from_static(b"C\0\0\0\x09SHOW\0");
    session.answer(own, true, Some("show")).unwrap();
    assert_eq!(tags(session.take_to_server()), "H");
    assert_eq!(error(&mut session, "42601"), Action::Relay);
    assert_eq!(session.take_to_client(), None);
    let failed = Outcome::Failed(SqlState::new("42601").unwrap());
    assert_eq!(outcomes(&mut session), [failed, Outcome::Skipped]);
    assert_eq!(session.admit(ask::EXECUTE), Ok(Admission::Drop));
}

#[test]
fn what_follows_a_copy_waits_for_the_servers_word() {
    let mut session = session();
    send(&mut session, Sent::Query { copy_in: true }, Show::ALL);
    assert_eq!(session.admit(ask::COPY_DATA), Ok(Admission::Wait));
    assert_eq!(answer(&mut session, b'G', b"\0\0\0"), Action::Relay);
    assert_eq!(session.admit(ask::COPY_DATA), Ok(Admission::Judge));
    assert_eq!(session.admit(ask::SYNC), Ok(Admission::Drop));
    assert_eq!(
        session.admit(ask::QUERY),
        Err(crate::postgres::ProtocolError::DuringCopy(b'Q'))
    );
    send(&mut session, Sent::CopyDone, Show::ALL);
    assert_eq!(session.admit(ask::QUERY), Ok(Admission::Wait));
    let _ = answer(&mut session, b'C', b"COPY 1\0");
    let _ = answer(&mut session, b'Z', b"I");
    assert_eq!(session.admit(ask::QUERY), Ok(Admission::Judge));
    // Data for nothing are dropped, as the server drops them.
    assert_eq!(session.admit(ask::COPY_DATA), Ok(Admission::Drop));
}

#[test]
fn a_sync_during_a_copy_that_fails_is_answered() {
    let mut session = session();
    send(&mut session, Sent::Execute { copy_in: true }, Show::ALL);
    let _ = answer(&mut session, b'G', b"\0\0\0");
    assert_eq!(session.admit(ask::SYNC), Ok(Admission::Drop));
    assert_eq!(session.take_to_server(), None);
    assert_eq!(error(&mut session, "22P02"), Action::Relay);
    assert_eq!(tags(session.take_to_server()), "S");
    assert_eq!(session.admit(ask::COPY_DONE), Ok(Admission::Drop));
    assert_eq!(answer(&mut session, b'Z', b"I"), Action::Relay);
    assert!(session.is_idle());
}

#[test]
fn a_sync_before_the_data_of_a_copy_that_fails_is_not_answered() {
    // The server read that Sync while it waited for data, and skips to the one behind them.
    let mut session = session();
    send(&mut session, Sent::Execute { copy_in: true }, Show::ALL);
    let _ = answer(&mut session, b'G', b"\0\0\0");
    assert_eq!(session.admit(ask::SYNC), Ok(Admission::Drop));
    assert_eq!(session.admit(ask::COPY_DATA), Ok(Admission::Judge));
    send(&mut session, Sent::CopyData, Show::ALL);
    assert_eq!(error(&mut session, "22P04"), Action::Relay);
    assert_eq!(session.take_to_server(), None);
    assert_eq!(session.admit(ask::COPY_DONE), Ok(Admission::Drop));
    assert_eq!(session.admit(ask::SYNC), Ok(Admission::Judge));
    send(&mut session, Sent::Sync, Show::ALL);
    assert_eq!(answer(&mut session, b'Z', b"I"), Action::Relay);
    assert!(session.is_idle());
}

#[test]
fn a_sync_before_the_data_of_a_copy_that_is_cancelled_is_not_answered() {
    let mut session = session();
    send(&mut session, Sent::Execute { copy_in: true }, Show::ALL);
    let _ = answer(&mut session, b'G', b"\0\0\0");
    assert_eq!(session.admit(ask::SYNC), Ok(Admission::Drop));
    assert_eq!(error(&mut session, "57014"), Action::Relay);
    assert_eq!(session.take_to_server(), None);
    assert_eq!(session.admit(ask::COPY_FAIL), Ok(Admission::Drop));
    assert_eq!(session.admit(ask::SYNC), Ok(Admission::Judge));
}

#[test]
fn refused_copied_data_fail_with_the_gates_report() {
    let mut session = session();
    send(&mut session, Sent::Query { copy_in: true }, Show::ALL);
    let _ = answer(&mut session, b'G', b"\0\0\0");
    session
        .refuse(ask::COPY_DATA, refusal(), Some("data"))
        .unwrap();
    assert_eq!(tags(session.take_to_server()), "f");
    assert_eq!(session.admit(ask::COPY_DATA), Ok(Admission::Wait));
    assert_eq!(error(&mut session, "57014"), Action::Swallow);
    assert_eq!(tags(session.take_to_client()), "E");
    assert_eq!(answer(&mut session, b'Z', b"I"), Action::Relay);
    assert!(session.is_idle());
}

#[test]
fn a_copy_that_nobody_expected_is_a_desync() {
    let mut session = session();
    send(&mut session, query(), Show::ALL);
    assert_eq!(
        session.on_backend(b'G', b"\0\0\0"),
        Err(Desync { tag: b'G' })
    );
}

#[test]
fn answers_out_of_turn_are_a_desync() {
    for (tag, body) in [
        (b'D', &b"\0\0"[..]),
        (b'C', b"SELECT 1\0"),
        (b'Z', b"I"),
        (b'd', b"x"),
        (b'1', b""),
        (b'R', b"\0\0\0\0"),
        (b'K', b"\0\0\0\0keys"),
        (b'W', b"\0\0\0"),
    ] {
        let result = session().on_backend(tag, body);
        assert_eq!(result, Err(Desync { tag }));
    }
    let mut session = session();
    send(&mut session, parse("", 1), Show::ALL);
    assert_eq!(session.on_backend(b'2', b""), Err(Desync { tag: b'2' }));
}

#[test]
fn what_nobody_asked_for_is_passed_on_unless_it_is_the_gates() {
    let mut session = session();
    let notice = Report::new(Severity::Notice, SqlState::UNKNOWN, "x").to_bytes();
    let notify = b"\0\0\0\x01c\0p\0";
    assert_eq!(answer(&mut session, b'N', &notice[5..]), Action::Relay);
    assert_eq!(answer(&mut session, b'A', notify), Action::Relay);
    assert_eq!(answer(&mut session, b'S', b"a\0b\0"), Action::Relay);
    send(&mut session, query(), Show::NOTHING);
    assert_eq!(answer(&mut session, b'N', &notice[5..]), Action::Swallow);
    assert_eq!(answer(&mut session, b'S', b"a\0b\0"), Action::Swallow);
    assert_eq!(answer(&mut session, b'A', notify), Action::Relay);
}

#[test]
fn a_fatal_error_is_seen_and_nothing_is_known_of_the_rest() {
    let mut session = session();
    send(&mut session, query(), Show::NOTHING);
    let code = SqlState::new("57P01").unwrap();
    let fatal = Report::new(Severity::Fatal, code, "terminating").to_bytes();
    assert_eq!(answer(&mut session, b'E', &fatal[5..]), Action::Relay);
    assert!(session.is_closing());
    session.lost();
    assert_eq!(outcomes(&mut session), [Outcome::Lost]);
}

#[test]
fn the_servers_answers_are_asked_for_when_somebody_waits() {
    let config = Config {
        most_in_flight: 2,
        ..Config::default()
    };
    let mut session: TestSession = Session::new(config);
    send(&mut session, parse("", 1), Show::ALL);
    send(&mut session, parse("", 2), Show::ALL);
    assert_eq!(session.admit(ask::PARSE), Ok(Admission::Wait));
    assert_eq!(tags(session.take_to_server()), "H");
    assert_eq!(session.admit(ask::PARSE), Ok(Admission::Wait));
    assert_eq!(session.take_to_server(), None, "asked once is enough");
    let _ = answer(&mut session, b'1', b"");
    assert_eq!(session.admit(ask::PARSE), Ok(Admission::Judge));
}

#[test]
fn names_are_bounded_and_the_refusals_name_is_reserved() {
    let config = Config {
        most_names: 1,
        ..Config::default()
    };
    let mut session: TestSession = Session::new(config);
    let reserved = session.send(parse("backstop_refused", 1), Show::ALL, None);
    assert_eq!(reserved, Err(SendError::ReservedName));
    send(&mut session, parse("a", 1), Show::ALL);
    let _ = answer(&mut session, b'1', b"");
    let full = session.send(parse("b", 1), Show::ALL, None);
    assert_eq!(full, Err(SendError::TooManyNames));
    assert_eq!(session.send(parse("", 1), Show::ALL, None), Ok(()));
}

#[test]
fn nothing_is_sent_that_the_server_would_skip() {
    let mut session = session();
    send(&mut session, execute(), Show::ALL);
    let _ = error(&mut session, "34000");
    let skipped = session.send(execute(), Show::ALL, None);
    assert_eq!(skipped, Err(SendError::Skipping));
    assert_eq!(session.admit(ask::EXECUTE), Ok(Admission::Drop));
    send(&mut session, Sent::Sync, Show::ALL);
    let _ = answer(&mut session, b'Z', b"I");
    assert_eq!(session.send(execute(), Show::ALL, None), Ok(()));
}

#[test]
fn ready_is_written_as_it_is_read() {
    let mut out = BytesMut::new();
    write_ready(TransactionStatus::Failed, &mut out);
    assert_eq!(&out[..], b"Z\0\0\0\x05E");
}
