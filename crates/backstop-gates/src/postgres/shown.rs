//! A statement's parameters as a person reads them before they decide.
//!
//! Must not guess: a binary value whose type the client declared is read as that type, one whose type is not
//! known is shown in hex, beside what it would say as a number or as text. What is cut is said to be.

use backstop_wire::postgres::frontend::Bind;

/// Characters, or bytes, of a value that are shown.
const LONG: usize = 2_000;
/// From 1970 to 2000, where PostgreSQL counts from, in days.
const EPOCH_DAYS: i64 = 10_957;

/// Every parameter of `bind`; `types` are those that the client declared.
pub(super) fn parameters(bind: &Bind<'_>, types: &[u32]) -> Vec<Option<String>> {
    let one = |n: usize, bytes: &[u8]| {
        let text = matches!(bind.parameter_formats.of(n), Some(0) | None);
        match std::str::from_utf8(bytes) {
            Ok(value) if text => cut(value),
            _ => binary(bytes, types.get(n).copied().unwrap_or(0)),
        }
    };
    let values = bind.parameters.iter().enumerate();
    values
        .map(|(n, value)| value.map(|bytes| one(n, bytes)))
        .collect()
}

fn cut(text: &str) -> String {
    let left = text.chars().count().saturating_sub(LONG);
    if left == 0 {
        return text.to_owned();
    }
    let shown: String = text.chars().take(LONG).collect();
    format!("{shown} [cut: {left} more characters are not shown]")
}

fn in_hex(bytes: &[u8]) -> String {
    let shown = bytes.get(..bytes.len().min(LONG / 2)).unwrap_or(bytes);
    let left = bytes.len() - shown.len();
    let hex = hex::encode(shown);
    if left == 0 {
        format!("\\x{hex}")
    } else {
        format!("\\x{hex} [cut: {left} more bytes are not shown]")
    }
}

/// A value in the binary format of the type with this OID in `pg_type`; 0 where the client declared none.
fn binary(bytes: &[u8], oid: u32) -> String {
    let known = match oid {
        16 => boolean(bytes),
        20 | 21 | 23 | 26 => whole(bytes).map(|n| n.to_string()),
        700 => bytes
            .try_into()
            .ok()
            .map(|b| f32::from_be_bytes(b).to_string()),
        701 => bytes
            .try_into()
            .ok()
            .map(|b| f64::from_be_bytes(b).to_string()),
        18 | 19 | 25 | 114 | 705 | 1042 | 1043 => std::str::from_utf8(bytes).ok().map(cut),
        3802 => bytes
            .strip_prefix(&[1])
            .and_then(|json| std::str::from_utf8(json).ok())
            .map(cut),
        2950 => uuid(bytes),
        1082 => whole(bytes).and_then(date),
        1114 => whole(bytes).and_then(moment),
        1184 => whole(bytes).and_then(moment).map(|at| format!("{at} UTC")),
        0 => return undeclared(bytes),
        _ => None,
    };
    known.unwrap_or_else(|| in_hex(bytes))
}

/// In hex, and what it would say as the two kinds of value that are common.
fn undeclared(bytes: &[u8]) -> String {
    let number = whole(bytes).map(|n| format!("as a number: {n}"));
    let text = std::str::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty() && !text.chars().any(char::is_control))
        .map(|text| format!("as text: {}", cut(text)));
    let readings: Vec<String> = number.into_iter().chain(text).collect();
    if readings.is_empty() {
        in_hex(bytes)
    } else {
        format!("{} ({})", in_hex(bytes), readings.join("; "))
    }
}

fn boolean(bytes: &[u8]) -> Option<String> {
    match bytes {
        [0] => Some("false".to_owned()),
        [1] => Some("true".to_owned()),
        _ => None,
    }
}

fn whole(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        2 => bytes.try_into().ok().map(i16::from_be_bytes).map(i64::from),
        4 => bytes.try_into().ok().map(i32::from_be_bytes).map(i64::from),
        8 => bytes.try_into().ok().map(i64::from_be_bytes),
        _ => None,
    }
}

fn uuid(bytes: &[u8]) -> Option<String> {
    let hex = hex::encode(<[u8; 16]>::try_from(bytes).ok()?);
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32];
    let parts: Vec<&str> = parts.into_iter().filter_map(|part| hex.get(part)).collect();
    Some(parts.join("-"))
}

/// Days since 2000-01-01; none for `infinity`.
fn date(days: i64) -> Option<String> {
    if days == i64::from(i32::MAX) || days == i64::from(i32::MIN) {
        return None;
    }
    // The proleptic Gregorian calendar, counted from 0000-03-01 in cycles of 400 years.
    let shifted = days.checked_add(EPOCH_DAYS)?.checked_add(719_468)?;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

/// Microseconds since 2000-01-01 00:00; none for `infinity`.
fn moment(micros: i64) -> Option<String> {
    if micros == i64::MAX || micros == i64::MIN {
        return None;
    }
    let (seconds, fraction) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let clock = format!(
        "{:02}:{:02}:{:02}",
        second / 3_600,
        second % 3_600 / 60,
        second % 60
    );
    let fraction = if fraction == 0 {
        String::new()
    } else {
        format!(".{fraction:06}")
    };
    Some(format!("{} {clock}{fraction}", date(days)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_values_are_read_by_their_declared_type() {
        for (bytes, oid, shown) in [
            (&5_i16.to_be_bytes()[..], 21, "5"),
            (&(-7_i32).to_be_bytes(), 23, "-7"),
            (&i64::MAX.to_be_bytes(), 20, "9223372036854775807"),
            (&[1], 16, "true"),
            (&1.5_f64.to_be_bytes(), 701, "1.5"),
            ("Jürgen".as_bytes(), 25, "Jürgen"),
            (b"\x01{\"a\":1}", 3802, "{\"a\":1}"),
            (&0_i32.to_be_bytes(), 1082, "2000-01-01"),
            (&8_825_i32.to_be_bytes(), 1082, "2024-02-29"),
            (&(-1_i32).to_be_bytes(), 1082, "1999-12-31"),
            (
                &762_566_400_000_001_i64.to_be_bytes(),
                1184,
                "2024-03-01 00:00:00.000001 UTC",
            ),
            (&i64::MAX.to_be_bytes(), 1114, "\\x7fffffffffffffff"),
        ] {
            assert_eq!(binary(bytes, oid), shown, "{oid}");
        }
        assert_eq!(
            binary(&[0x11; 16], 2950),
            "11111111-1111-1111-1111-111111111111"
        );
    }

    /// A type that does not fit, or that nobody declared, is never taken for another.
    #[test]
    fn what_is_not_known_stays_hex() {
        assert_eq!(binary(&[0, 5, 0], 23), "\\x000500");
        assert_eq!(binary(&[2], 16), "\\x02");
        assert_eq!(binary(&[0, 5], 17), "\\x0005");
        assert_eq!(binary(&[0, 0, 0, 5], 0), "\\x00000005 (as a number: 5)");
        assert_eq!(
            binary(b"abcd", 0),
            "\\x61626364 (as a number: 1633837924; as text: abcd)"
        );
        assert_eq!(binary(&[0xff, 0, 1], 0), "\\xff0001");
    }

    #[test]
    fn what_is_cut_is_said() {
        assert!(in_hex(&[7; 1_500]).ends_with(" [cut: 500 more bytes are not shown]"));
        assert!(cut(&"ä".repeat(2_001)).ends_with(" [cut: 1 more characters are not shown]"));
    }
}
