//! Binary cross-entropy on logits.

use ndarray::{ArrayView1, ArrayViewMut1};

use super::activation::sigmoid;

/// Mean over `logits` of `max(l,0) − l·t + ln(1 + e^{−|l|})`, which is
/// `−t·ln σ(l) − (1−t)·ln(1−σ(l))` without its overflows; targets over 1 are fine.
/// Writes `dl = (σ(l) − t) / denominator`; the loss is divided by the same number.
pub fn bce(
    logits: ArrayView1<'_, f32>,
    targets: ArrayView1<'_, f32>,
    denominator: f32,
    mut d_logits: ArrayViewMut1<'_, f32>,
) -> f64 {
    let mut sum = 0.0;
    for ((&l, &t), dl) in logits.iter().zip(targets).zip(&mut d_logits) {
        let (l64, t64) = (f64::from(l), f64::from(t));
        sum += l64.max(0.0) - l64 * t64 + (-l64.abs()).exp().ln_1p();
        *dl = (sigmoid(l) - t) / denominator;
    }
    sum / f64::from(denominator)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};

    use super::*;

    #[test]
    fn equals_the_plain_definition_and_survives_the_ends() {
        let (logits, targets) = (array![0.3f32, -2.0, 1.5], array![1.05f32, 0.0, 1.0]);
        let mut d = Array1::zeros(3);
        let loss = bce(logits.view(), targets.view(), 3.0, d.view_mut());
        let plain = |l: f64, t: f64| {
            let p = 1.0 / (1.0 + (-l).exp());
            -t * p.ln() - (1.0 - t) * (1.0 - p).ln()
        };
        let expected: f64 = logits.iter().zip(&targets).map(|(&l, &t)| plain(l.into(), t.into())).sum::<f64>() / 3.0;
        assert!((loss - expected).abs() < 1e-6, "{loss} {expected}");
        for i in 0..3 {
            let (l, t, h) = (f64::from(logits[i]), f64::from(targets[i]), 1e-5);
            let numeric = (plain(l + h, t) - plain(l - h, t)) / (2.0 * h) / 3.0;
            assert!((f64::from(d[i]) - numeric).abs() < 1e-6, "gradient {i}: {} {numeric}", d[i]);
        }
        assert!(
            bce(array![1e4f32, -1e4].view(), array![0.0f32, 1.0].view(), 1.0, d.slice_mut(ndarray::s![..2]))
                .is_finite()
        );
    }
}
