//! Text to PostgreSQL's own parse tree, on a stack that is deep enough for it.
//! It must not judge: a tree comes out, or an error.

use pg_query::NodeEnum;
use pg_query::protobuf::{Node, RawStmt};

use super::error::SqlError;
use super::limits;

/// Runs `work` where a tree that `sql` can produce cannot exhaust the stack.
///
/// `libpg_query` limits its own recursion by the stack it finds, and its trees to 10,000 levels. Decoding,
/// walking and dropping such a tree recurses too, so that all three happen inside `work`.
pub(super) fn with_stack<T: Send>(
    sql: &str,
    work: impl FnOnce() -> T + Send,
) -> Result<T, SqlError> {
    if !limits::may_nest_deeply(sql) {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("sql".into())
            .stack_size(limits::DEEP_STACK)
            .spawn_scoped(scope, work)
            .map_err(|_| SqlError::Internal("no thread to read it on"))?
            .join()
            .map_err(|_| SqlError::Internal("the reader failed"))
    })
}

/// The statements of `sql`. Call it inside [`with_stack`].
pub(super) fn parse(sql: &str) -> Result<Vec<RawStmt>, SqlError> {
    limits::check(sql)?;
    match pg_query::parse(sql, 0) {
        Ok(result) => Ok(result.protobuf.stmts),
        Err(pg_query::Error::Parse(message)) => Err(refusal(message)),
        Err(pg_query::Error::Decode(_)) => Err(SqlError::TooDeep),
        Err(pg_query::Error::Conversion(_)) => Err(SqlError::ZeroByte),
        Err(_) => Err(SqlError::Internal("the parser failed")),
    }
}

/// The one statement of a text that PostgreSQL itself wrote: a view's body, `select` and an expression.
pub(super) fn parse_one(sql: &str) -> Option<NodeEnum> {
    let mut statements = parse(sql).ok()?;
    if statements.len() != 1 {
        return None;
    }
    statements.pop()?.stmt.and_then(|stmt: Box<Node>| stmt.node)
}

fn refusal(message: String) -> SqlError {
    let depth = ["nested too deeply", "stack depth limit", "memory exhausted"];
    if depth.iter().any(|words| message.contains(words)) {
        SqlError::TooDeep
    } else {
        SqlError::Syntax { message }
    }
}
