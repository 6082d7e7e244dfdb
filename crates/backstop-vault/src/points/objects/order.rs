//! In which order tables are filled so that foreign keys hold: the referenced before the referencing.

use std::collections::{BTreeMap, BTreeSet};

/// Orders `tables` by `references` (from, to); `None` if some reference each other in a circle. A table
/// that references itself is no circle: one COPY checks its keys when it has all rows.
pub(crate) fn referenced_first(tables: &[u32], references: &[(u32, u32)]) -> Option<Vec<u32>> {
    let mut waiting: BTreeMap<u32, BTreeSet<u32>> = tables
        .iter()
        .map(|table| (*table, BTreeSet::new()))
        .collect();
    for (from, to) in references {
        if from != to
            && waiting.contains_key(to)
            && let Some(needs) = waiting.get_mut(from)
        {
            needs.insert(*to);
        }
    }
    let mut ordered = Vec::with_capacity(tables.len());
    while !waiting.is_empty() {
        let (&next, _) = waiting.iter().find(|(_, needs)| needs.is_empty())?;
        waiting.remove(&next);
        for needs in waiting.values_mut() {
            needs.remove(&next);
        }
        ordered.push(next);
    }
    Some(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_referenced_comes_first_and_circles_are_seen() {
        assert_eq!(
            referenced_first(&[1, 2, 3], &[(1, 2), (2, 3), (1, 1), (3, 9)]),
            Some(vec![3, 2, 1])
        );
        assert_eq!(referenced_first(&[1, 2], &[(1, 2), (2, 1)]), None);
        assert_eq!(referenced_first(&[], &[]), Some(vec![]));
    }
}
