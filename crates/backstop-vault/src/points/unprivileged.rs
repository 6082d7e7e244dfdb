//! Who may restore: what is restored is code, and it runs as whoever restores it (invariant 12).

use super::question::Question;
use super::{PointError, Session, sql};

/// Refuses a session whose role is a superuser, or may leave the database by files or programs.
///
/// # Errors
/// [`PointError::Refused`] when it may, and when the server does not say.
pub(crate) async fn unprivileged(session: &mut Session) -> Result<(), PointError> {
    let rows = session
        .ask(
            "SELECT r.rolsuper,
                pg_catalog.pg_has_role(r.oid, 'pg_execute_server_program', 'MEMBER')
                OR pg_catalog.pg_has_role(r.oid, 'pg_write_server_files', 'MEMBER')
                OR pg_catalog.pg_has_role(r.oid, 'pg_read_server_files', 'MEMBER')
             FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER",
        )
        .await?;
    let row = rows.first().cloned().unwrap_or_default();
    let refuse = |what: &str| {
        Err(PointError::Refused(format!(
            "the role to restore as {what}, and code in what is restored would run with its rights; hint: \
             restore as the role that owned the objects"
        )))
    };
    match (sql::text(&row, 0).as_str(), sql::text(&row, 1).as_str()) {
        ("f", "f") => Ok(()),
        ("f", _) => refuse("may use the server's files or programs"),
        _ => refuse("is a superuser"),
    }
}
