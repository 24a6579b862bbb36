//! What changes with the steps of a run: what falls linearly to 0 (the learning rates, the weights of distillation), and the
//! decay of the moving average.

/// Factor of such a value in a step: 1 until the share `start` of the steps is done, then falling linearly to 0 at the end.
pub fn linear_decay(step: u64, steps: u64, start: f32) -> f32 {
    let done = step as f64 / steps.max(1) as f64;
    let from = f64::from(start);
    if done < from || from >= 1.0 { 1.0 } else { ((1.0 - done) / (1.0 - from)).max(0.0) as f32 }
}

/// Decay of the moving average of the generator's weights in its update number `update`, from 0 on: at most `decay`, and so
/// small at first that update `s` counts in proportion to `s` to the power `power` (Karras et al. 2024, arXiv:2312.02696).
/// With a large decay from the start the average would consist mostly of the initial weights.
pub fn ema_decay(update: u64, decay: f32, power: f32) -> f32 {
    let update = update as f32;
    decay.min((1.0 + update) / (2.0 + power + update))
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

    #[test]
    fn updates_count_by_their_power() {
        let power = 2.0;
        let shares: Vec<f64> = (0..1000)
            .map(|update| {
                let later = (update + 1..1000).map(|later| f64::from(ema_decay(later, 1.0, power))).product::<f64>();
                (1.0 - f64::from(ema_decay(update, 1.0, power))) * later
            })
            .collect();
        let ratio = shares[800] / shares[400];
        assert!((ratio - 4.0).abs() < 0.05, "twice as late counts 2^2 times: {ratio}");
        assert_eq!(ema_decay(1_000_000, 0.9995, power), 0.9995);
        assert_eq!(ema_decay(2, 0.9995, 8.0), 3.0 / 12.0);
    }
}
