//! How a service tells of errors, for whoever answers in its place: each protocol has a form of its own, and a client shows
//! the message of no other.

use super::data::catalogue;

/// The form of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorForm {
    /// JSON with `__type` and `message`.
    Json,
    /// The same as CBOR.
    Cbor,
    /// XML: an `Error` in an `ErrorResponse`. The query protocol's, and that of REST with XML.
    Xml,
    /// XML: EC2 has a list of errors.
    Ec2,
    /// XML: S3's `Error` stands alone.
    S3,
}

/// The form that a client reads. `service` is as its signature names it, `media_type` that of its request, in lower case and
/// without parameters.
#[must_use]
pub fn error_form(service: Option<&str>, media_type: &str) -> ErrorForm {
    let services = service.map_or_else(Vec::new, |name| catalogue().signed(name));
    let one_speaks = |protocol: &str| services.iter().any(|s| s.speaks(protocol));
    if services.iter().any(|s| s.name == "s3") {
        return ErrorForm::S3;
    }
    if one_speaks("rest-xml") {
        return ErrorForm::Xml;
    }
    if one_speaks("ec2") {
        return ErrorForm::Ec2;
    }
    // A query without a body has no media type, and the service alone tells.
    let by_query = one_speaks("query") && services.iter().all(|s| !s.is_rest());
    match media_type {
        "application/x-www-form-urlencoded" => ErrorForm::Xml,
        "application/cbor" => ErrorForm::Cbor,
        "" if by_query => ErrorForm::Xml,
        _ => ErrorForm::Json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protocol_has_its_form() {
        const FORM: &str = "application/x-www-form-urlencoded";
        for (service, media_type, expected) in [
            ("rds", FORM, ErrorForm::Xml),
            ("sts", "", ErrorForm::Xml),
            ("ec2", FORM, ErrorForm::Ec2),
            ("ec2", "", ErrorForm::Ec2),
            ("s3", "", ErrorForm::S3),
            // An object can be of any type.
            ("s3", "application/json", ErrorForm::S3),
            ("s3", FORM, ErrorForm::S3),
            ("s3express", "", ErrorForm::S3),
            ("route53", "application/xml", ErrorForm::Xml),
            ("cloudfront", "", ErrorForm::Xml),
            ("dynamodb", "application/x-amz-json-1.0", ErrorForm::Json),
            ("lambda", "", ErrorForm::Json),
            ("eks", "application/json", ErrorForm::Json),
            ("monitoring", FORM, ErrorForm::Xml),
            ("monitoring", "application/cbor", ErrorForm::Cbor),
            ("monitoring", "application/x-amz-json-1.0", ErrorForm::Json),
            // One API in forms, another in JSON, under one name.
            ("ses", FORM, ErrorForm::Xml),
            ("ses", "", ErrorForm::Json),
            ("nobody", "", ErrorForm::Json),
        ] {
            assert_eq!(
                error_form(Some(service), media_type),
                expected,
                "{service} {media_type}"
            );
        }
        assert_eq!(error_form(None, FORM), ErrorForm::Xml);
        assert_eq!(error_form(None, ""), ErrorForm::Json);
    }
}
