//! Lines over time as SVG paths. Whole numbers in a box of its own, stretched by the page: what has to be read stands
//! beside the drawing, so that it is legible at any width.

/// The box that everything is drawn in.
const WIDTH: i128 = 10_000;
const HEIGHT: i128 = 1_000;
/// What stays free above and below, so that nothing is cut off.
const EDGE: i128 = 40;

/// A moment and a value, both in milliseconds.
pub(crate) type Sample = (i64, i64);

/// How time and values become places.
pub(crate) struct Frame {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    pub(crate) most: i64,
}

impl Frame {
    /// A frame that holds all of these, over this time.
    pub(crate) fn around<'a>(
        from_ms: i64,
        to_ms: i64,
        samples: impl Iterator<Item = &'a Sample>,
    ) -> Self {
        Self {
            from_ms,
            to_ms: to_ms.max(from_ms.saturating_add(1)),
            most: samples.map(|(_, value)| *value).max().unwrap_or(0).max(1),
        }
    }

    fn place(&self, (at_ms, value): Sample) -> (i128, i128) {
        let long = i128::from(self.to_ms) - i128::from(self.from_ms);
        let along = (i128::from(at_ms) - i128::from(self.from_ms)) * WIDTH / long.max(1);
        let room = HEIGHT - 2 * EDGE;
        let up = i128::from(value.clamp(0, self.most)) * room / i128::from(self.most);
        (along.clamp(0, WIDTH), HEIGHT - EDGE - up)
    }

    /// A line through these.
    pub(crate) fn line(&self, samples: &[Sample]) -> String {
        let mut path = String::new();
        for (n, sample) in samples.iter().enumerate() {
            let (x, y) = self.place(*sample);
            let verb = if n == 0 { "M" } else { "L" };
            path.push_str(&format!("{verb}{x} {y}"));
        }
        path
    }

    /// A dot at each of these: lines of no length, whose round ends are not stretched.
    pub(crate) fn dots(&self, samples: &[Sample]) -> String {
        let dot = |sample: &Sample| {
            let (x, y) = self.place(*sample);
            format!("M{x} {y}h0")
        };
        samples.iter().map(dot).collect()
    }
}

/// How old the newest of what was gained is, at each moment: it rises with time and falls with each gain.
/// `gains` are, in order, when something was gained and the moment that it reaches back to.
pub(crate) fn age(gains: &[Sample], from_ms: i64, to_ms: i64) -> Vec<Sample> {
    let mut newest: Option<i64> = None;
    let mut line = vec![];
    for (at_ms, reaches) in gains {
        let at_ms = (*at_ms).min(to_ms);
        if let Some(before) = newest.filter(|_| at_ms >= from_ms) {
            if line.is_empty() {
                line.push((from_ms, from_ms.saturating_sub(before)));
            }
            line.push((at_ms, at_ms.saturating_sub(before)));
        }
        let now = newest.map_or(*reaches, |before| before.max(*reaches));
        newest = Some(now);
        if at_ms >= from_ms {
            line.push((at_ms, at_ms.saturating_sub(now)));
        }
    }
    if let Some(now) = newest {
        if line.is_empty() {
            line.push((from_ms, from_ms.saturating_sub(now)));
        }
        line.push((to_ms, to_ms.saturating_sub(now)));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_rises_with_time_and_falls_with_each_gain() {
        let gains = [(10, 5), (30, 25), (40, 20)];
        assert_eq!(
            age(&gains, 0, 50),
            [(10, 5), (30, 25), (30, 5), (40, 15), (40, 15), (50, 25)]
        );
        // What came before the frame still counts in it.
        assert_eq!(age(&gains, 20, 50)[..2], [(20, 15), (30, 25)]);
        assert_eq!(age(&gains, 45, 50), [(45, 20), (50, 25)]);
        assert_eq!(age(&[], 0, 50), []);
    }

    #[test]
    fn everything_lies_in_the_box() {
        let samples = [(0, 0), (50, 10), (200, 20), (-5, i64::MAX)];
        let frame = Frame::around(0, 100, samples[..2].iter());
        assert_eq!(frame.line(&samples), "M0 960L5000 40L10000 40L0 40");
        assert_eq!(frame.dots(&samples[..1]), "M0 960h0");
        let empty = Frame::around(5, 5, [].iter());
        assert_eq!(empty.line(&[(5, 0)]), "M0 960");
    }
}
