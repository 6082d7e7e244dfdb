//! Step one: a request is read. What stands in it that should not stops the lease, and what it would do is understood.

use backstop_core::verdict::Decision;
use backstop_wire::http::{self, Request};
use backstop_wire::providers::{self, Reading};
use bytes::Bytes;
use hyper::header;

use super::case::Case;
use super::config::{Api, Placing};
use super::foreign::{Found, Stands};
use super::raw;
use super::{HttpShared, answer, aws, foreign, mismatch, objects, pack_of, place, quotes, swap};
use crate::http::{Carried, Head, Problem};

impl HttpShared {
    /// Takes the lease's own placeholder out of its place.
    pub(super) fn clean(&self, case: &mut Case, mut head: Head, body: &Carried) -> (Head, Bytes) {
        let mut bytes = match body {
            Carried::Whole { bytes, .. } => bytes.clone(),
            Carried::Absent | Carried::Streamed { .. } => Bytes::new(),
        };
        if let (Some(api), Some(placeholder)) = (&case.api, &case.placeholder) {
            let scope = aws::scope(&head.headers);
            case.taken = place::take_out(&mut head, &mut bytes, &api.placing, placeholder);
            if case.taken && api.placing == Placing::Aws {
                case.signed = scope;
            }
        }
        (head, bytes)
    }

    /// Reads it. A credential that is not the lease's stops the lease, however the rest reads.
    pub(super) async fn read(
        &self,
        case: &mut Case,
        clean: &Head,
        bytes: &Bytes,
        body: &Carried,
    ) -> Result<Request, Box<Problem>> {
        let headers = raw::headers(clean);
        let told = raw::told(case);
        let raw = raw::raw(clean, &headers, &told, bytes, body);
        let read = http::read(&raw);
        let ring = self.ring().map_err(|e| answer::broken(&e))?;
        let request = read.as_ref().ok();
        let said = request.and_then(|request| self.without_quoted(case, request));
        case.said = said.as_ref().map(text_of);
        let read_as = request.map(|request| foreign::Read {
            request,
            raw: &raw,
            said: said.as_ref().zip(case.said.as_deref()),
        });
        let found = foreign::find(
            &self.engine,
            &ring,
            clean,
            bytes,
            read_as.as_ref(),
            |owner, stands| case.kept(owner) || stands == Stands::Quoted && case.own(owner),
            |value| {
                case.is_neutral(value) || self.issued(case, value) || case.is_kept(&ring, value)
            },
        );
        if let Found::Missed(why) = found {
            self.intend_refused(case, "unsearched", Decision::Deny, why)
                .await?;
            self.count_denials(&case.record.lease.id).await;
            return Err(answer::unsearched(why));
        }
        if let Found::Foreign(found) = found {
            let why = mismatch::foreign(
                &self.store,
                &*self.config.explain,
                &case.record.lease.id,
                &case.source,
                case.site.host(),
                *found,
            )
            .await;
            self.intend_refused(case, "foreign-credential", Decision::Halt, &why)
                .await?;
            case.result = "halted";
            return Err(super::who::stopped(&why));
        }
        match read {
            Ok(request) => Ok(request),
            Err(refused) => {
                self.intend_refused(case, "ambiguous", Decision::Deny, &refused.what)
                    .await?;
                self.count_denials(&case.record.lease.id).await;
                Err(answer::ambiguous(&refused))
            }
        }
    }

    /// The request without what its body only quotes, by the pack of the API that it is for.
    fn without_quoted(&self, case: &Case, request: &Request) -> Option<Request> {
        let api = case.api.as_ref().filter(|api| quotes(api))?;
        http::without_quoted(request, self.understand(api, request).quoted())
    }

    /// The request with what this target revealed to this lease in the place of its placeholders. It must do the same
    /// then: a value that people saw as a credential could be anything.
    pub(super) async fn swapped(
        &self,
        case: &mut Case,
        api: &Api,
        clean: &Head,
        bytes: &Bytes,
        body: &Carried,
        reading: &Reading,
    ) -> Result<Option<(Head, Bytes)>, Box<Problem>> {
        let kept = self.keep.of(&case.record.lease.id, &api.name);
        let said = case.said.as_ref().unwrap_or(bytes);
        if kept.is_empty() || !swap::stands(clean, said, &kept) {
            return Ok(None);
        }
        let mut head = clean.clone();
        let put = match &case.said {
            None => swap::put_in(&mut head, bytes, &kept),
            Some(said) => swap::put_in_head(&mut head, said, &kept).map(|()| bytes.clone()),
        };
        let place = match put {
            Ok(bytes) if self.does_the_same(case, api, &mut head, &bytes, body, reading) => {
                return Ok(Some((head, bytes)));
            }
            Ok(_) => "a place where it changes what the request does",
            Err(swap::Misplaced(place)) => place,
        };
        self.intend_refused(case, "misplaced", Decision::Deny, place)
            .await?;
        Err(answer::misplaced(place))
    }

    fn does_the_same(
        &self,
        case: &Case,
        api: &Api,
        head: &mut Head,
        bytes: &Bytes,
        body: &Carried,
        reading: &Reading,
    ) -> bool {
        if head.headers.contains_key(header::CONTENT_LENGTH) {
            head.headers
                .insert(header::CONTENT_LENGTH, bytes.len().into());
        }
        let Some(mut again) = read_again(case, head, bytes, body) else {
            return false;
        };
        if let Some(scope) = &case.signed {
            aws::tell(&mut again, scope);
        }
        let again = self.understand(api, &again);
        let names = |reading: &Reading| -> Vec<String> {
            reading.operations.iter().map(|o| o.name.clone()).collect()
        };
        again.analysis == reading.analysis && names(&again) == names(reading)
    }

    pub(super) fn understand(&self, api: &Api, request: &Request) -> Reading {
        let mut reading = match &api.own {
            Some(pack) => providers::read_by(request, pack),
            None => providers::read(request, Some(&pack_of(api))),
        };
        objects::any_of_a_kind(&mut reading.analysis);
        reading
    }
}

/// A request that was made of one that was read.
pub(super) fn read_again(
    case: &Case,
    head: &Head,
    bytes: &Bytes,
    body: &Carried,
) -> Option<Request> {
    let headers = raw::headers(head);
    let told = raw::told(case);
    http::read(&raw::raw(head, &headers, &told, bytes, body)).ok()
}

/// The body of a request from which texts were taken out.
fn text_of(request: &Request) -> Bytes {
    match &request.body {
        http::Body::Json(value) => value.to_string().into(),
        _ => Bytes::new(),
    }
}
