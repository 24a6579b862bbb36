//! What falls linearly to 0 in a run: the learning rates, and the weights of distillation.

/// Factor of such a value in a step: 1 until the share `start` of the steps is done, then falling linearly to 0 at the end.
pub fn linear_decay(step: u64, steps: u64, start: f32) -> f32 {
    let done = step as f64 / steps.max(1) as f64;
    let from = f64::from(start);
    if done < from || from >= 1.0 { 1.0 } else { ((1.0 - done) / (1.0 - from)).max(0.0) as f32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_factor_falls_to_zero_at_the_end() {
        let factors: Vec<_> = [0, 50, 75, 100].iter().map(|&s| linear_decay(s, 100, 0.5)).collect();
        assert_eq!(factors, [1.0, 1.0, 0.5, 0.0]);
        assert_eq!(linear_decay(100, 100, 1.0), 1.0);
    }
}
