//! What an AWS host name says: the service, the region, and for S3 the bucket.
//!
//! `{service}.{region}.amazonaws.com` and its kin: China, IPv6 (`dualstack`, `api.aws`), FIPS, VPC endpoints, global
//! services, labels for accounts and resources in front.

/// What stands behind service and region.
const SUFFIXES: &[&str] = &[
    "vpce.amazonaws.com",
    "vpce.amazonaws.com.cn",
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
];

/// An AWS host, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Host {
    /// What tells the service: `rds`, `api.ecr`, with labels for accounts and resources still in front.
    pub(super) key: Vec<String>,
    /// Where it is told.
    pub(super) region: Option<String>,
    /// Where the host is S3's object interface.
    pub(super) s3: Option<Bucket>,
}

/// Where a request to S3 names its bucket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bucket {
    /// In the path.
    Path,
    /// In the host: a bucket, or an access point that stands for one.
    Host(String),
}

impl Host {
    /// `None` for a host that is not one of AWS's. `host` is in lower case.
    pub(super) fn parse(host: &str) -> Option<Self> {
        let suffix = SUFFIXES
            .iter()
            .filter(|s| host.strip_suffix(*s).is_some_and(|h| h.ends_with('.')))
            .max_by_key(|s| s.len())?;
        let before = host.strip_suffix(suffix)?.strip_suffix('.')?;
        let mut labels: Vec<&str> = before.split('.').collect();
        let private = suffix.starts_with("vpce.");
        let region = take_region(&mut labels);
        if let Some(bucket) = s3_bucket(&labels, region.as_deref(), private) {
            return Some(Self {
                key: vec!["s3".to_owned()],
                region: region.or_else(|| legacy_region(&labels)),
                s3: Some(bucket),
            });
        }
        let words = ["dualstack", "fips", "global", "us-gov"];
        let told = labels
            .iter()
            .filter(|l| !(words.contains(l) || private && l.starts_with("vpce-")));
        Some(Self {
            key: told.map(|l| without_fips(l).to_owned()).collect(),
            region,
            s3: None,
        })
    }
}

/// Takes the rightmost label that is a region's name.
fn take_region(labels: &mut Vec<&str>) -> Option<String> {
    let at = labels.iter().rposition(|l| is_region(l))?;
    Some(labels.remove(at).to_owned())
}

/// Whether a label has the form of a region: `eu-west-1`, `us-gov-east-1`, `eusc-de-east-1`.
pub(super) fn is_region(label: &str) -> bool {
    let parts: Vec<&str> = label.split('-').collect();
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
        return false;
    };
    let letters = |p: &&str| p.bytes().all(|b| b.is_ascii_lowercase()) && !p.is_empty();
    (3..=4).contains(&parts.len())
        && (first.len() == 2 || *first == "eusc")
        && last.len() <= 2
        && last.bytes().all(|b| b.is_ascii_digit())
        && parts.iter().take(parts.len() - 1).all(letters)
}

fn without_fips(label: &str) -> &str {
    let label = label.strip_prefix("fips-").unwrap_or(label);
    label.strip_suffix("-fips").unwrap_or(label)
}

/// The bucket, where the labels before the region are S3's.
fn s3_bucket(labels: &[&str], region: Option<&str>, private: bool) -> Option<Bucket> {
    let mut left: Vec<&str> = labels.to_vec();
    if left.last() == Some(&"dualstack") {
        left.pop();
    }
    let word = left.pop()?;
    if !is_objects(word) {
        return None;
    }
    if private {
        left.retain(|l| !l.starts_with("vpce-"));
        match left.pop() {
            Some("control") => return None,
            Some("bucket" | "accesspoint") | None => {}
            Some(other) => left.push(other),
        }
    }
    if word == "s3-outposts" && left.is_empty() {
        return None;
    }
    if left.is_empty() {
        return Some(Bucket::Path);
    }
    let name = left.join(".");
    Some(Bucket::Host(
        access_point(&name, word, region).unwrap_or(name),
    ))
}

/// An access point is no bucket of that name: it is called by its ARN.
fn access_point(name: &str, word: &str, region: Option<&str>) -> Option<String> {
    let service = match without_fips(word) {
        "s3-accesspoint" => "s3",
        "s3-object-lambda" => "s3-object-lambda",
        _ => return None,
    };
    let (name, account) = name.rsplit_once('-')?;
    let region = region?;
    let partition = match region {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    Some(format!(
        "arn:{partition}:{service}:{region}:{account}:accesspoint/{name}"
    ))
}

/// Whether a label is one of the object interface's, websites and the control interfaces not among them.
fn is_objects(word: &str) -> bool {
    let word = without_fips(word);
    let names = [
        "s3",
        "s3-accelerate",
        "s3-external-1",
        "s3-accesspoint",
        "s3-object-lambda",
        "s3-outposts",
        "s3-global",
    ];
    names.contains(&word)
        || word.strip_prefix("s3-").is_some_and(is_region)
        || (word.starts_with("s3express-") && word != "s3express-control")
}

/// `s3-eu-west-1.amazonaws.com`.
fn legacy_region(labels: &[&str]) -> Option<String> {
    let region = labels.last()?.strip_prefix("s3-")?;
    is_region(region).then(|| region.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_apart() {
        for (host, key, region, bucket) in [
            ("rds.eu-west-1.amazonaws.com", "rds", "eu-west-1", None),
            (
                "rds-fips.us-gov-west-1.amazonaws.com",
                "rds",
                "us-gov-west-1",
                None,
            ),
            ("rds.eu-west-1.api.aws", "rds", "eu-west-1", None),
            ("rds.cn-north-1.amazonaws.com.cn", "rds", "cn-north-1", None),
            ("iam.amazonaws.com", "iam", "", None),
            ("iam.us-gov.amazonaws.com", "iam", "", None),
            ("iam.global.api.aws", "iam", "", None),
            (
                "api.ecr.us-east-1.amazonaws.com",
                "api.ecr",
                "us-east-1",
                None,
            ),
            (
                "ec2.dualstack.eu-west-1.amazonaws.com",
                "ec2",
                "eu-west-1",
                None,
            ),
            (
                "vpce-0a1b-2c.kms.us-east-1.vpce.amazonaws.com",
                "kms",
                "us-east-1",
                None,
            ),
            (
                "111122223333.s3-control.us-east-1.amazonaws.com",
                "111122223333.s3-control",
                "us-east-1",
                None,
            ),
            (
                "s3express-control.us-east-1.amazonaws.com",
                "s3express-control",
                "us-east-1",
                None,
            ),
            (
                "control.vpce-1-2.s3.us-east-1.vpce.amazonaws.com",
                "control.s3",
                "us-east-1",
                None,
            ),
            (
                "s3-website.eu-west-1.amazonaws.com",
                "s3-website",
                "eu-west-1",
                None,
            ),
            ("s3.amazonaws.com", "s3", "", Some("")),
            (
                "s3.dualstack.us-west-2.amazonaws.com",
                "s3",
                "us-west-2",
                Some(""),
            ),
            ("s3-us-west-2.amazonaws.com", "s3", "us-west-2", Some("")),
            ("b.s3-us-west-2.amazonaws.com", "s3", "us-west-2", Some("b")),
            ("b.s3.amazonaws.com", "s3", "", Some("b")),
            (
                "a.s3.b.s3.eu-west-1.amazonaws.com",
                "s3",
                "eu-west-1",
                Some("a.s3.b"),
            ),
            (
                "eu-west-1.s3.eu-west-2.amazonaws.com",
                "s3",
                "eu-west-2",
                Some("eu-west-1"),
            ),
            (
                "b.s3-fips.dualstack.us-east-1.amazonaws.com",
                "s3",
                "us-east-1",
                Some("b"),
            ),
            ("b.s3-accelerate.amazonaws.com", "s3", "", Some("b")),
            (
                "b--use1-az4--x-s3.s3express-use1-az4.us-east-1.amazonaws.com",
                "s3",
                "us-east-1",
                Some("b--use1-az4--x-s3"),
            ),
            (
                "ap-111122223333.s3-accesspoint.us-east-1.amazonaws.com",
                "s3",
                "us-east-1",
                Some("arn:aws:s3:us-east-1:111122223333:accesspoint/ap"),
            ),
            (
                "x.mrap.accesspoint.s3-global.amazonaws.com",
                "s3",
                "",
                Some("x.mrap.accesspoint"),
            ),
            (
                "bucket.vpce-1-2.s3.us-east-1.vpce.amazonaws.com",
                "s3",
                "us-east-1",
                Some(""),
            ),
            (
                "b.bucket.vpce-1-2.s3.us-east-1.vpce.amazonaws.com",
                "s3",
                "us-east-1",
                Some("b"),
            ),
        ] {
            let found = Host::parse(host).unwrap();
            assert_eq!(found.key.join("."), key, "{host}");
            assert_eq!(
                found.region.as_deref().unwrap_or_default(),
                region,
                "{host}"
            );
            let named = found.s3.map(|b| match b {
                Bucket::Path => String::new(),
                Bucket::Host(name) => name,
            });
            assert_eq!(named.as_deref(), bucket, "{host}");
        }
    }

    #[test]
    fn other_hosts_are_not_aws() {
        for host in [
            "localhost",
            "127.0.0.1",
            "amazonaws.com",
            "s3.amazonaws.com.evil.example",
            "evilamazonaws.com",
            "s3.example.com",
        ] {
            assert_eq!(Host::parse(host), None, "{host}");
        }
    }
}
