//! The body, by its media type, after its content encoding is taken off.
//!
//! A body without a media type is [`Body::Bytes`] with an empty one, whatever it looks like, and JSON that is called
//! `text/plain` is [`Body::Text`]: whether a server would read it all the same, its pack must know. A pack that does not
//! must not take such a body for harmless.

use super::encoding::{self, Decoded};
use super::headers::Headers;
use super::media::Kind;
use super::refuse::refused;
use super::{Body, Carried, Media, RawBody, Refused, cbor, charset, form, json, multipart, xml};

pub(super) fn read(raw: &RawBody<'_>, headers: &Headers) -> Result<Body, Refused> {
    let sent = match *raw {
        RawBody::Absent | RawBody::Whole([]) => return Ok(Body::Absent),
        RawBody::Whole(bytes) => Some(bytes),
        RawBody::Streamed { .. } => None,
    };
    let media = headers.one("content-type").map(Media::read).transpose()?;
    let length = match *raw {
        RawBody::Streamed { length } => length,
        _ => None,
    };
    let Some(sent) = sent else {
        let media_type = media.map(|media| media.essence).unwrap_or_default();
        return Ok(Body::Streamed { media_type, length });
    };
    let decoded = encoding::take_off(
        sent,
        headers.one("content-encoding"),
        headers.one("x-amz-decoded-content-length"),
    )?;
    match media {
        Some(media) => of_type(&decoded, &media),
        None => Ok(bytes(String::new(), &decoded)),
    }
}

fn of_type(decoded: &Decoded<'_>, media: &Media<'_>) -> Result<Body, Refused> {
    let kind = media.kind();
    let content = decoded.bytes.as_ref();
    // Many servers take the bytes as they came. Encoded JSON or XML is none, and they would say so; in a form they
    // would find pairs in what a client can write around and into the encoded stream.
    if decoded.is_legible && matches!(kind, Kind::Form | Kind::Multipart) {
        return Err(refused(
            "an encoded form holds text that a server could read without decoding it",
            "send the form plain",
        ));
    }
    Ok(match kind {
        Kind::Json => Body::Json(json::read(content, media)?),
        Kind::Form => Body::Form(form::read(content, media)?),
        Kind::Multipart => Body::Multipart(multipart::read(content, media)?),
        Kind::Xml => Body::Xml(xml::read(content, media)?),
        Kind::Cbor => Body::Cbor(cbor::read(content)?),
        Kind::Text => {
            charset::without_mark(content)?;
            text(media, charset::text(content, media.charset())?)
        }
        Kind::Prose => match charset::text(content, media.charset()) {
            Ok(content) => text(media, content),
            Err(_) => bytes(media.essence.clone(), decoded),
        },
        Kind::Bytes => bytes(media.essence.clone(), decoded),
    })
}

fn text(media: &Media<'_>, text: &str) -> Body {
    Body::Text {
        media_type: media.essence.clone(),
        text: text.to_owned(),
    }
}

fn bytes(media_type: String, decoded: &Decoded<'_>) -> Body {
    Body::Bytes {
        media_type,
        bytes: Carried(decoded.bytes.to_vec()),
    }
}
