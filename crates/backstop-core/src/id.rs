//! Names of things that Backstop makes: leases, holds, people. Short, unambiguous, safe in a role name.

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// `prefix_` followed by 16 characters that carry the 80 random bits given.
///
/// The alphabet has no letters that look like digits, and every character is legal in an unquoted
/// PostgreSQL identifier.
#[must_use]
pub fn make(prefix: &str, random: [u8; 10]) -> String {
    let mut bits: u128 = 0;
    for byte in random {
        bits = (bits << 8) | u128::from(byte);
    }
    let mut out = String::with_capacity(prefix.len() + 17);
    out.push_str(prefix);
    out.push('_');
    for i in (0..16).rev() {
        let index = usize::try_from((bits >> (i * 5)) & 31).unwrap_or(0);
        out.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'0')));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_prefix_and_sixteen_characters() {
        assert_eq!(make("hold", [0; 10]), "hold_0000000000000000");
        assert_eq!(make("hold", [255; 10]), "hold_zzzzzzzzzzzzzzzz");
        assert_ne!(make("hold", [1; 10]), make("hold", [2; 10]));
    }
}
