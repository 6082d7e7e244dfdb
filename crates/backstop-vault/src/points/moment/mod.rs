//! Whether a target can be brought back to any moment, or only to its recovery points: judged by what its server
//! says about archiving its write-ahead log; and [`restore`], which does it from what its operator has archived.

pub mod restore;

use serde::{Deserialize, Serialize};

use super::question::Question;
use super::sql;

/// How old the newest archived segment may be, beyond the server's own `archive_timeout`, in seconds.
const LATE: i64 = 3_600;

/// What a server says about its archive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Archiving {
    /// `wal_level`.
    pub level: String,
    /// `archive_mode`.
    pub mode: String,
    /// Whether `archive_command` or `archive_library` is set; `None` where the role may not see it.
    pub configured: Option<bool>,
    /// `archive_timeout` in seconds; zero if a quiet server archives nothing.
    pub timeout_s: i64,
    /// How long ago the last segment was archived, in seconds; `None` if none ever was.
    pub archived_s: Option<i64>,
    /// How long ago archiving last failed, in seconds; `None` if it never did.
    pub failed_s: Option<i64>,
    /// Names of clients that stream the log: `pg_receivewal` and the like.
    pub receivers: Vec<String>,
}

/// To what a target can be brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reach", rename_all = "snake_case")]
pub enum Reach {
    /// To any moment since the archive's last base backup, if there is one: that is for the archive to show.
    AnyMoment {
        /// What keeps the log, in words.
        by: String,
    },
    /// To the recovery points in the vault, and to nothing between them.
    PointsOnly {
        /// Why, in a sentence.
        why: String,
    },
}

/// Judges what a server said.
#[must_use]
pub fn reach(archiving: &Archiving) -> Reach {
    let only = |why: String| Reach::PointsOnly { why };
    if let Some(receiver) = archiving.receivers.first() {
        return Reach::AnyMoment {
            by: format!("`{receiver}` receives the write-ahead log"),
        };
    }
    if archiving.level == "minimal" {
        return only("wal_level is minimal, so the log lacks what a restore needs".to_owned());
    }
    if !matches!(archiving.mode.as_str(), "on" | "always") {
        return only(format!("archive_mode is {}", archiving.mode));
    }
    if archiving.configured == Some(false) {
        return only(
            "archive_mode is on, but there is neither archive_command nor archive_library"
                .to_owned(),
        );
    }
    let Some(archived) = archiving.archived_s else {
        return only("archiving is on, but nothing has been archived yet".to_owned());
    };
    if archiving.failed_s.is_some_and(|failed| failed <= archived) {
        return only("archiving fails since the last segment that was archived".to_owned());
    }
    // A quiet server without a timeout archives nothing for days and lacks nothing.
    if archiving.timeout_s > 0 && archived > archiving.timeout_s.saturating_add(LATE) {
        return only(format!("nothing has been archived for {archived} s"));
    }
    Reach::AnyMoment {
        by: "the server archives its write-ahead log".to_owned(),
    }
}

/// Asks a server how it archives. The session's `search_path` must be empty.
///
/// # Errors
/// When it does not answer.
pub async fn ask<Q: Question>(session: &mut Q) -> Result<Archiving, Q::Error> {
    let rows = session
        .ask(
            "SELECT pg_catalog.current_setting('wal_level'), pg_catalog.current_setting('archive_mode'),
                (SELECT pg_catalog.bool_or(s.setting <> '' AND s.setting <> '(disabled)')
                    FROM pg_catalog.pg_settings s WHERE s.name IN ('archive_command', 'archive_library')),
                (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'archive_timeout'),
                EXTRACT(epoch FROM pg_catalog.now() - a.last_archived_time)::pg_catalog.int8,
                EXTRACT(epoch FROM pg_catalog.now() - a.last_failed_time)::pg_catalog.int8,
                (SELECT pg_catalog.json_agg(r.application_name) FROM pg_catalog.pg_stat_replication r
                    WHERE r.state = 'streaming' AND r.application_name LIKE '%receivewal%')
             FROM pg_catalog.pg_stat_archiver a",
        )
        .await?;
    let row = rows.first().cloned().unwrap_or_default();
    let seconds = |column: usize| row.get(column).cloned().flatten()?.parse().ok();
    Ok(Archiving {
        level: sql::text(&row, 0),
        mode: sql::text(&row, 1),
        configured: row.get(2).cloned().flatten().map(|set| set == "t"),
        timeout_s: sql::number(&row, 3),
        archived_s: seconds(4),
        failed_s: seconds(5),
        receivers: serde_json::from_str(&sql::text(&row, 6)).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archiving() -> Archiving {
        Archiving {
            level: "replica".to_owned(),
            mode: "on".to_owned(),
            configured: Some(true),
            timeout_s: 60,
            archived_s: Some(30),
            failed_s: Some(4000),
            receivers: vec![],
        }
    }

    fn is_any(archiving: &Archiving) -> bool {
        matches!(reach(archiving), Reach::AnyMoment { .. })
    }

    #[test]
    fn an_archive_counts_only_while_it_works() {
        assert!(is_any(&archiving()));
        let quiet = Archiving {
            timeout_s: 0,
            archived_s: Some(900_000),
            failed_s: None,
            ..archiving()
        };
        assert!(is_any(&quiet));
        for broken in [
            Archiving {
                level: "minimal".to_owned(),
                ..archiving()
            },
            Archiving {
                mode: "off".to_owned(),
                ..archiving()
            },
            Archiving {
                configured: Some(false),
                ..archiving()
            },
            Archiving {
                archived_s: None,
                ..archiving()
            },
            Archiving {
                failed_s: Some(5),
                ..archiving()
            },
            Archiving {
                archived_s: Some(9_000),
                failed_s: None,
                ..archiving()
            },
        ] {
            assert!(!is_any(&broken), "{broken:?}");
        }
        let received = Archiving {
            mode: "off".to_owned(),
            receivers: vec!["pg_receivewal".to_owned()],
            ..archiving()
        };
        assert!(is_any(&received));
    }
}
