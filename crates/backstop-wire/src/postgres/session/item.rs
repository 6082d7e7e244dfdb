//! One message that the server has been sent and has not answered yet.
//!
//! It knows which answers belong to it, nothing of what they mean.

use bytes::Bytes;

use super::super::backend::{Report, SqlState};
use super::super::tag::backend as tag;
use super::Show;

/// What kind of message it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Parse,
    Bind,
    DescribeStatement,
    DescribePortal,
    Execute {
        copy_in: bool,
    },
    Close,
    /// `ours`: it follows a refused Query in place of what the client sent.
    Sync {
        ours: bool,
    },
    Query {
        copy_in: bool,
    },
    FunctionCall,
    /// A message that must fail at the server, in place of one that the gate refused.
    Refusal,
    /// Nothing was sent: the gate answers when its turn comes.
    Local {
        ready: bool,
    },
}

impl Kind {
    /// Whether the server skips until Sync after it has failed.
    pub(super) fn is_extended(self) -> bool {
        !matches!(
            self,
            Self::Sync { .. } | Self::Query { .. } | Self::FunctionCall | Self::Local { .. }
        )
    }

    pub(super) fn is_sync(self) -> bool {
        matches!(self, Self::Sync { .. })
    }

    /// Whether a message of this type answers it; errors and `ReadyForQuery` apart.
    pub(super) fn accepts(self, message: u8) -> bool {
        match self {
            Self::Parse => message == tag::PARSE_COMPLETE,
            Self::Bind => message == tag::BIND_COMPLETE,
            Self::DescribeStatement => matches!(
                message,
                tag::PARAMETER_DESCRIPTION | tag::ROW_DESCRIPTION | tag::NO_DATA
            ),
            Self::DescribePortal => matches!(message, tag::ROW_DESCRIPTION | tag::NO_DATA),
            Self::Execute { .. } => matches!(
                message,
                tag::DATA_ROW
                    | tag::COMMAND_COMPLETE
                    | tag::PORTAL_SUSPENDED
                    | tag::EMPTY_QUERY_RESPONSE
                    | tag::COPY_IN_RESPONSE
                    | tag::COPY_OUT_RESPONSE
                    | tag::COPY_DATA
                    | tag::COPY_DONE
            ),
            Self::Close => message == tag::CLOSE_COMPLETE,
            Self::Query { .. } => matches!(
                message,
                tag::ROW_DESCRIPTION
                    | tag::DATA_ROW
                    | tag::COMMAND_COMPLETE
                    | tag::EMPTY_QUERY_RESPONSE
                    | tag::COPY_IN_RESPONSE
                    | tag::COPY_OUT_RESPONSE
                    | tag::COPY_DATA
                    | tag::COPY_DONE
            ),
            Self::FunctionCall => message == tag::FUNCTION_CALL_RESPONSE,
            // A refusal that does not fail is a server that disagrees with us.
            Self::Sync { .. } | Self::Refusal | Self::Local { .. } => false,
        }
    }

    /// Whether a message that it accepts is its last.
    pub(super) fn is_ended_by(self, message: u8) -> bool {
        match self {
            Self::Parse | Self::Bind | Self::Close | Self::DescribePortal => true,
            Self::DescribeStatement => message != tag::PARAMETER_DESCRIPTION,
            Self::Execute { .. } => matches!(
                message,
                tag::COMMAND_COMPLETE | tag::PORTAL_SUSPENDED | tag::EMPTY_QUERY_RESPONSE
            ),
            // These end with `ReadyForQuery`.
            _ => false,
        }
    }
}

/// A message in flight.
#[derive(Debug)]
pub(super) struct Item<M> {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) show: Show,
    pub(super) meta: Option<M>,
    /// The error that the server reported, for kinds that end with `ReadyForQuery`.
    pub(super) failed: Option<SqlState>,
    /// How many statements of it are complete.
    pub(super) commands: u32,
    /// What the client sees in place of the server's answer; boxed, since it is rare and items are many.
    pub(super) instead: Option<Box<Instead>>,
}

/// What the client sees in place of a server's answer.
#[derive(Debug)]
pub(super) enum Instead {
    /// Of an error.
    Report(Report),
    /// Of everything: nothing was sent.
    Answer(Bytes),
}

impl<M> Item<M> {
    pub(super) fn new(id: u64, kind: Kind, show: Show, meta: Option<M>) -> Self {
        Self {
            id,
            kind,
            show,
            meta,
            failed: None,
            commands: 0,
            instead: None,
        }
    }
}
