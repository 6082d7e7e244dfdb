//! Identifiers and moments as Railway writes them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A random UUID of version 4: what ids are, and tokens, too.
pub(super) fn uuid() -> String {
    // A hasher's key is the standard library's one source of random numbers.
    let half = |salt: u8| u128::from(RandomState::new().hash_one(salt));
    let random = (half(0) << 64) | half(1);
    let versioned = (random & !(0xf << 76)) | (0x4 << 76);
    let bits = (versioned & !(0x3 << 62)) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let mut rest = hex.as_str();
    let mut groups = vec![];
    for length in [8, 4, 4, 4, 12] {
        let (group, after) = rest.split_at(length);
        groups.push(group);
        rest = after;
    }
    groups.join("-")
}

/// Decimal digits that name a trace.
pub(super) fn trace() -> String {
    RandomState::new().hash_one(2_u8).to_string()
}

/// Now, as the scalar `DateTime` has it.
pub(super) fn now() -> String {
    stamp(OffsetDateTime::now_utc())
}

/// Some days from now.
pub(super) fn in_days(days: i64) -> String {
    stamp(OffsetDateTime::now_utc() + time::Duration::days(days))
}

fn stamp(moment: OffsetDateTime) -> String {
    let milliseconds = moment
        .replace_millisecond(moment.millisecond())
        .unwrap_or(moment);
    milliseconds.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_4_and_differ() {
        let (one, two) = (uuid(), uuid());
        assert_ne!(one, two);
        for id in [one, two] {
            let letters: Vec<char> = id.chars().collect();
            assert_eq!(letters.len(), 36);
            assert_eq!(letters[14], '4');
            assert!("89ab".contains(letters[19]), "{id}");
            assert!([8, 13, 18, 23].iter().all(|at| letters[*at] == '-'), "{id}");
        }
    }

    #[test]
    fn moments_are_utc_in_the_form_of_the_scalar() {
        let now = now();
        assert!(now.ends_with('Z') && now.len() <= 24, "{now}");
        assert!(in_days(6) > now);
    }
}
