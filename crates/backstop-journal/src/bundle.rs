//! Entry bundles of C2SP tlog-tiles: up to 256 entries, each behind its length in two bytes.
//!
//! Pure encoding and strict decoding; leftover or missing bytes are errors, never guesses.

/// How many entries a full bundle has, and how many hashes a full tile.
pub(crate) const WIDTH: u64 = 256;

/// The longest entry that a bundle can carry, in bytes.
pub const MAX_ENTRY: usize = u16::MAX as usize;

/// Appends one entry. The caller has checked its length; a longer one is refused.
pub(crate) fn push(bundle: &mut Vec<u8>, entry: &[u8]) -> Option<()> {
    let len = u16::try_from(entry.len()).ok()?;
    bundle.extend_from_slice(&len.to_be_bytes());
    bundle.extend_from_slice(entry);
    Some(())
}

/// Splits a bundle into its entries; the error names the first entry that cannot be read.
pub(crate) fn parse(mut bytes: &[u8]) -> Result<Vec<&[u8]>, String> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let (entry, rest) = split_entry(bytes)
            .ok_or_else(|| format!("entry {} of the bundle is cut off", entries.len()))?;
        entries.push(entry);
        bytes = rest;
    }
    Ok(entries)
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_limits() {
        let mut bundle = Vec::new();
        let longest = vec![7; MAX_ENTRY];
        for entry in [&b"a"[..], b"", &longest] {
            push(&mut bundle, entry).unwrap();
        }
        assert_eq!(parse(&bundle).unwrap(), [&b"a"[..], b"", &longest]);
        assert!(push(&mut bundle, &vec![7; MAX_ENTRY + 1]).is_none());
    }

    #[test]
    fn a_cut_bundle_names_the_entry() {
        assert!(parse(&[0, 1, 9, 0]).unwrap_err().contains("entry 1"));
        assert!(parse(&[0, 2, 9]).unwrap_err().contains("entry 0"));
    }
}
