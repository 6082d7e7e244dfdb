//! Which tables refer to each other, and in what order.

/// Groups `count` tables by the pairs (child, parent) among them; in each group parents come before their children,
/// and where there is a cycle, in the order of their numbers.
pub(super) fn families(count: usize, refers: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut out: Vec<Vec<usize>> = vec![];
    for one in parents_first(count, refers) {
        let related = |family: &Vec<usize>| {
            refers.iter().any(|(child, parent)| {
                (*child == one && family.contains(parent))
                    || (*parent == one && family.contains(child))
            })
        };
        let (mine, others): (Vec<_>, Vec<_>) = out.into_iter().partition(related);
        out = others;
        let mut family: Vec<usize> = mine.into_iter().flatten().collect();
        family.push(one);
        out.push(family);
    }
    out
}

fn parents_first(count: usize, refers: &[(usize, usize)]) -> Vec<usize> {
    let mut left: Vec<usize> = (0..count).collect();
    let mut out = vec![];
    while !left.is_empty() {
        let free = |n: &usize| {
            !refers
                .iter()
                .any(|(child, parent)| child == n && left.contains(parent))
        };
        // In a cycle there is no first one; any will do, and the server will say.
        let next = left
            .iter()
            .copied()
            .find(|n| free(n))
            .or(left.first().copied());
        left.retain(|n| Some(*n) != next);
        out.extend(next);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relatives_are_together_and_parents_first() {
        let families = families(7, &[(0, 1), (1, 2), (4, 3), (3, 4), (5, 2)]);
        assert_eq!(families.len(), 3);
        assert!(families.contains(&vec![6]));
        assert!(families.contains(&vec![3, 4]));
        let big = families.iter().find(|f| f.len() == 4).unwrap();
        let place = |n: usize| big.iter().position(|x| *x == n).unwrap();
        assert!(place(2) < place(1) && place(1) < place(0) && place(2) < place(5));
    }
}
