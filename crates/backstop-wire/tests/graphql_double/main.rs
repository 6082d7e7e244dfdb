//! What a request does is read as its server carries it out, or refused: random requests, told to Railway's double as
//! several kinds of server would understand them, and to our reader.
//!
//! The double says which root fields it carried out with which ids; our reading of the same bytes must name the same, in
//! the same order.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

mod documents;
mod requests;
mod servers;

use backstop_testing::railway::{RailwayDouble, Ran};
use backstop_wire::graphql::{self, Call, Document};
use backstop_wire::http::{self, Raw, RawBody, Scheme, Version};
use backstop_wire::providers::{self, railway};

use requests::Sent;

/// Raise it to look longer.
const ROUNDS: u64 = 600;
/// What was deleted is there again after so many.
const FRESH: u64 = 30;

/// A small generator, so that a failing round can be had again by its number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % n.max(1)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[self.below(from.len())]
    }
}

/// What we say that a request runs: for each thing that it asks, the fields in order. `None` if a person would have to
/// look at it.
fn ours(sent: &Sent) -> Option<Vec<Vec<Ran>>> {
    let host = [("host", b"backboard.railway.com".as_slice())];
    let stated = sent.headers.iter().map(|(n, v)| (*n, v.as_bytes()));
    let headers: Vec<_> = host.into_iter().chain(stated).collect();
    let request = http::read(&Raw {
        method: sent.method,
        version: Version::Http11,
        scheme: Scheme::Https,
        authority: None,
        target: &sent.target,
        headers: &headers,
        tls_name: None,
        tunnel: None,
        reverse: None,
        body: match sent.method {
            "GET" => RawBody::Absent,
            _ => RawBody::Whole(&sent.body),
        },
    })
    .ok()?;
    let reading = providers::read(&request, Some("railway"));
    if !reading.analysis.is_complete() {
        return None;
    }
    let schema = railway::pack().unwrap().schema();
    let mut all = Vec::new();
    let mut names = Vec::new();
    for incoming in graphql::requests(&request).unwrap() {
        let document = Document::parse(incoming.text(&|_| None).unwrap()).unwrap();
        let calls = graphql::resolve(Some(schema), &document, &incoming).unwrap();
        names.extend(calls.iter().map(|call| call.field.to_owned()));
        let ran = calls.iter().filter(|call| !call.field.starts_with("__"));
        all.push(ran.map(ran_of).collect());
    }
    // The pack tells of all of them, and takes none that changes for a read.
    let told: Vec<String> = reading.operations.into_iter().map(|o| o.name).collect();
    assert_eq!(told, names);
    let changes = all
        .iter()
        .flatten()
        .any(|ran: &Ran| ran.field.ends_with("Delete"));
    assert!(!changes || !(reading.analysis.effects.is_empty() || reading.analysis.is_read()));
    Some(all)
}

fn ran_of(call: &Call<'_>) -> Ran {
    let is_id = |name: &str| name == "id" || name.ends_with("Id");
    let ids = call.arguments.iter().filter(|(name, _)| is_id(name));
    let ids = ids.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let mut ids: Vec<_> = ids.collect();
    ids.sort_unstable();
    Ran {
        field: call.field.to_owned(),
        ids,
    }
}

#[test]
fn our_reading_is_the_servers_or_the_request_is_refused() {
    let mut double = RailwayDouble::start().unwrap();
    // By the server, how many requests that ran something we read and how many we refused.
    let mut agreed = [0; servers::COUNT];
    let mut refused = [0; servers::COUNT];
    for round in 0..ROUNDS {
        if round % FRESH == FRESH - 1 {
            double = RailwayDouble::start().unwrap();
        }
        let mut dice = Dice((round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let sent = requests::request(&mut dice, double.tenancy());
        let ours = ours(&sent);
        for (server, done) in servers::all(&double, &sent).into_iter().enumerate() {
            let ran = done.iter().any(|one| !one.ran.is_empty());
            let Some(ours) = &ours else {
                refused[server] += usize::from(ran);
                continue;
            };
            agreed[server] += usize::from(ran);
            for (at, one) in done.iter().enumerate() {
                let told = ours.get(at).map_or(&[][..], Vec::as_slice);
                let as_far = told.get(..one.ran.len()).unwrap_or(told);
                assert_eq!(as_far, one.ran, "round {round}, server {server}: {sent:?}");
                // Only a field that fails ends it early.
                assert!(
                    one.failed || told.len() == one.ran.len(),
                    "round {round}, server {server} ran less than {told:?}: {sent:?}"
                );
            }
        }
    }
    // Otherwise this would say nothing.
    let rounds = usize::try_from(ROUNDS).unwrap();
    let enough = |n: &usize| *n > rounds / 20;
    assert!(agreed.iter().all(enough), "{agreed:?} {refused:?}");
    assert!(refused.iter().any(enough), "{agreed:?} {refused:?}");
}
