//! Where a row version lies, and when it was made.

/// A row version's place in its table: `ctid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Tid {
    /// The block.
    pub(super) block: u32,
    /// The item in it.
    pub(super) item: u16,
}

/// A row version: its place, and the transaction that made it, without which a place may be another's by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Version {
    /// The place.
    pub(super) tid: Tid,
    /// `xmin`, as the table keeps it.
    pub(super) xmin: u32,
}

impl Tid {
    /// Reads `(block,item)`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (block, item) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
        Some(Self {
            block: block.parse().ok()?,
            item: item.parse().ok()?,
        })
    }
}

/// The places as a `tid[]` literal, qualified.
pub(super) fn list(tids: impl IntoIterator<Item = Tid>) -> String {
    let mut out = String::from("'{");
    for (n, tid) in tids.into_iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        out.push_str(&format!("\"({},{})\"", tid.block, tid.item));
    }
    out.push_str("}'::pg_catalog.tid[]");
    out
}

/// A 32-bit transaction id as the full one nearest to `near`.
pub(super) fn full(xid: u32, near: u64) -> Option<u64> {
    const ROUND: u64 = 1 << 32;
    let here = (near & !(ROUND - 1)) | u64::from(xid);
    [here.checked_sub(ROUND), Some(here), here.checked_add(ROUND)]
        .into_iter()
        .flatten()
        .min_by_key(|full| full.abs_diff(near))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_strictly() {
        assert_eq!(
            Tid::parse("(4294967294,65535)"),
            Some(Tid {
                block: 4_294_967_294,
                item: 65_535
            })
        );
        for wrong in [
            "",
            "(1,2",
            "1,2)",
            "(1)",
            "(1,65536)",
            "(-1,2)",
            "(1,2),(3,4)",
        ] {
            assert_eq!(Tid::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_id_is_told_from_those_of_other_rounds() {
        let round = 1_u64 << 32;
        assert_eq!(full(7, 9), Some(7));
        assert_eq!(full(u32::MAX, round + 5), Some(round - 1));
        assert_eq!(full(3, round - 2), Some(round + 3));
        assert_eq!(full(5, 3 * round + 4), Some(3 * round + 5));
    }
}
