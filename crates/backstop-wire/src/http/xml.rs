//! XML: well-formed, without a document type, in the encoding that it says.

use roxmltree::{Document, ParsingOptions};

use super::refuse::refused;
use super::{Media, Refused, charset};

/// Elements, texts and comments; each takes many times the memory that it took to send.
const NODES: u32 = 500_000;

pub(super) fn read(bytes: &[u8], media: &Media<'_>) -> Result<String, Refused> {
    let text = charset::text(bytes, media.charset())?;
    // Here a byte order mark is part of the standard, and says what is so anyway.
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let options = ParsingOptions {
        nodes_limit: NODES,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options)
        .map_err(|_| unreadable("is not well-formed, has a document type, or is too large"))?;
    let prolog = text
        .get(..document.root_element().range().start)
        .unwrap_or_default();
    // The parser lets an empty one pass; and in a comment nobody needs one.
    if prolog.contains("<!DOCTYPE") {
        return Err(unreadable("has a document type"));
    }
    check_declaration(prolog)?;
    Ok(text.to_owned())
}

/// `<?xml version="1.0" encoding="UTF-8"?>`: a server reads the rest as the declaration says.
fn check_declaration(prolog: &str) -> Result<(), Refused> {
    let Some((declaration, _)) = prolog
        .strip_prefix("<?xml ")
        .and_then(|rest| rest.split_once("?>"))
    else {
        return Ok(());
    };
    if said(declaration, "version") != Some("1.0") {
        return Err(unreadable("is of another version than 1.0"));
    }
    let is_utf_8 = match said(declaration, "encoding") {
        Some(encoding) => ["utf-8", "utf8", "us-ascii"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(encoding)),
        None => !declaration.contains("encoding"),
    };
    if !is_utf_8 {
        return Err(unreadable("says that it is in another encoding than UTF-8"));
    }
    Ok(())
}

/// The quoted value behind `name`.
fn said<'d>(declaration: &'d str, name: &str) -> Option<&'d str> {
    let (_, rest) = declaration.split_once(name)?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest.split(quote).nth(1)
}

fn unreadable(why: &str) -> Refused {
    refused(
        format!("the XML body {why}"),
        "send XML 1.0 in UTF-8 without a document type",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(text: &str) -> Result<String, Refused> {
        read(text.as_bytes(), &Media::read("application/xml").unwrap())
    }

    #[test]
    fn xml_is_read() {
        for text in [
            "<Delete><Object><Key>a&amp;b</Key></Object></Delete>",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a xmlns='urn:x'>ü<!-- c --></a>\n",
            "<?xml version='1.0' encoding = 'utf-8' standalone='yes'?><a/>",
            "<a><![CDATA[<!DOCTYPE x>]]></a>",
        ] {
            assert_eq!(reads(text).as_deref(), Ok(text));
        }
        assert_eq!(reads("\u{feff}<a/>").as_deref(), Ok("<a/>"));
        let depth = 100_000;
        assert!(reads(&format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth))).is_ok());
    }

    #[test]
    fn xml_that_servers_read_differently() {
        for text in [
            "",
            "a",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a b='1' b='2'/>",
            "<a>&x;</a>",
            "<!DOCTYPE a><a/>",
            "<!DOCTYPE a []><a/>",
            "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
            "<?xml version='1.1'?><a/>",
            "<?xml version='1.0' encoding='utf-7'?><a/>",
            "<?xml version='1.0' encoding='UTF-16'?><a/>",
            "<a/>x",
            "<a>\0</a>",
            " <?xml version='1.0' encoding='utf-7'?><a/>",
        ] {
            assert!(reads(text).is_err(), "{text}");
        }
        assert!(reads(&format!("<a>{}</a>", "<b/>".repeat(NODES as usize))).is_err());
    }
}
