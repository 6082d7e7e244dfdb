//! Regions of AWS. A region becomes part of a host's name, and may come from a file: only what has the shape of one is one.

/// A region, such as `eu-central-1`: letters, digits and dashes, so that no host but AWS's own comes of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Region(String);

impl Region {
    /// The region of that name; `None` if it has not the shape of one, or lies in a partition with other hosts (China,
    /// the government's, the isolated ones).
    pub(crate) fn of(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let (first, rest) = parts.split_first()?;
        let (number, words) = rest.split_last()?;
        let lower = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
        let fits = text.len() <= 25
            && first.len() == 2
            && lower(first)
            && (1..=2).contains(&words.len())
            && words.iter().all(lower)
            && number.len() == 1
            && number.bytes().all(|b| b.is_ascii_digit());
        let elsewhere = *first == "cn"
            || words
                .iter()
                .any(|word| ["gov", "iso", "isob"].contains(word));
        (fits && !elsewhere).then(|| Self(text.to_owned()))
    }

    /// The one that global services sign for, and that is looked at where none is named.
    pub(crate) fn first() -> Self {
        Self("us-east-1".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Region;

    #[test]
    fn only_a_region_is_one() {
        for good in ["us-east-1", "eu-central-1", "ap-southeast-7"] {
            assert!(Region::of(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "us-east",
            "evil.example/x-1",
            "us-east-1.evil",
            "us-east-1@evil",
            "US-east-1",
            "cn-north-1",
            "us-gov-west-1",
            "us-iso-east-1",
            "us-east-1/../..",
            "us--1",
            "us-east-11",
            "us-a-b-c-1",
        ] {
            assert!(Region::of(bad).is_none(), "{bad}");
        }
    }
}
