//! Whatever comes.

use super::arguments::PATCH;
use super::*;

proptest::proptest! {
    /// No text makes the reader of packs, or the reading by one, fail otherwise than by an error.
    #[test]
    fn any_request_is_read(method in "[A-Z]{1,8}", path in "(/[a-z%{}.*]{0,6}){0,6}", name in ".{0,12}", value in ".{0,12}") {
        let pack = pack(&format!("{DELETE}{PATCH}"));
        let mut request = request_of("GET /", &[], Some(json!({name.clone(): value.clone()})));
        request.method = method;
        request.segments = path.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        request.query = vec![(name, value)];
        let reading = pack.read(&request);
        proptest::prop_assert!(!reading.operations.is_empty());
        // What is complete was matched by an entry.
        if reading.analysis.is_complete() {
            proptest::prop_assert!(matches!(request.method.as_str(), "DELETE" | "PATCH"));
            proptest::prop_assert_eq!(request.segments.len(), 3);
        }
    }

    #[test]
    fn any_text_is_a_pack_or_an_error(text in "(name|match|effect|\\[\\[operation\\]\\]|[= \"\\n{}/a-z]){0,40}") {
        let _ = Pack::parse(&text);
    }
}
