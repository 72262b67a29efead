//! A histogram with fixed bounds.

#[derive(Clone, Debug)]
pub struct Histogram {
    /// Upper bounds, rising.
    bounds: &'static [f64],
    /// Observations at or below each bound and above the one before; the last is of those above all.
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    pub fn observe(&mut self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.sum += value;
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Bounds and how many observations are at or below each; the last is of infinity.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> + '_ {
        let bounds = self.bounds.iter().map(|b| Some(*b)).chain(std::iter::once(None));
        self.counts.iter().zip(bounds).scan(0, |total, (count, bound)| {
            *total += count;
            Some((bound, *total))
        })
    }
}
