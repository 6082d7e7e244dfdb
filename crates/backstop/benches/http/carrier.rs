//! The carrier alone: a judge that lets everything pass unread, so that what judging costs can be told apart.

use std::collections::HashMap;
use std::sync::Arc;

use backstop_gates::http::{
    Begin, Carried, Client, End, Forward, Head, Judge, Outcome, Problem, ResponseHead, Sent, Site,
    Target, Treatment, Tunnel, Wish,
};
use backstop_wire::http::Scheme;
use hyper::StatusCode;

/// Sends everything on.
pub struct Carrier {
    /// Whom to trust.
    pub target: Arc<Target>,
    /// Where each listener of one API leads.
    pub reverse: HashMap<String, Site>,
}

impl Judge for Carrier {
    type Case = Option<Site>;

    async fn tunnel(&self, _: &Client, _: &Site) -> Tunnel {
        Tunnel::Inspect
    }

    async fn begin(&self, client: &Client, head: &Head) -> Begin<Option<Site>> {
        let site = head.site.clone();
        Begin::Judge {
            case: site.or_else(|| self.reverse.get(&*client.listener).cloned()),
            wish: Wish::Stream,
        }
    }

    async fn judge(&self, site: &mut Option<Site>, head: Head, _: &Carried) -> Outcome {
        let Some(site) = site.clone() else {
            return Outcome::Answer(Box::new(Problem::new(
                StatusCode::NOT_FOUND,
                "bench",
                "No such listener",
                "Nothing is behind this listener.",
            )));
        };
        Outcome::Forward(Box::new(Forward {
            target: Arc::clone(&self.target),
            scheme: Scheme::Https,
            site,
            head,
            body: Sent::AsCame,
            upgrade: None,
            repeatable: true,
        }))
    }

    async fn response(&self, _: &mut Option<Site>, _: &mut ResponseHead) -> Treatment {
        Treatment::Pass
    }

    fn done(&self, _: Option<Site>, _: End) {}
}
