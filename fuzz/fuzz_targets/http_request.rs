//! Any bytes as a request: reading ends without a panic, and what is read is in order.
//!
//! Run with `scripts/fuzz.sh 60 http_request`.

#![no_main]

mod sent;

use backstop_wire::http;
use libfuzzer_sys::fuzz_target;
use sent::Sent;

fuzz_target!(|data: &[u8]| {
    let Some(sent) = Sent::of(data) else { return };
    let Ok(request) = http::read(&sent.raw()) else { return };
    assert!(request.method.bytes().all(|byte| !byte.is_ascii_lowercase()));
    assert_eq!(request.host, request.host.to_ascii_lowercase());
    for segment in &request.segments {
        assert!(!segment.is_empty() && !segment.contains('\\') && !segment.chars().any(char::is_control));
        assert!(segment.split('/').all(|piece| piece != "." && piece != ".."));
    }
    assert!(request.headers.iter().all(|(_, value)| !value.contains(['\r', '\n', '\0'])));
    let _ = http::forwardable(&request.headers);
    // The same bytes read the same.
    assert!(http::read(&sent.raw()).is_ok_and(|again| again == request));
});
