//! Losses of the discriminator and the generator, computed from logits.

use ndarray::{ArrayView1, ArrayViewMut1, Zip};
use serde::{Deserialize, Serialize};

use super::activation::sigmoid;

/// The loss of both networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Binary cross-entropy against labels; the generator's is the
    /// non-saturating one (Goodfellow et al. 2014, arXiv:1406.2661).
    #[default]
    Bce,
    /// Hinge loss: the discriminator is trained for real logits above 1 and generated ones below -1, the generator for large
    /// ones (Lim & Ye 2017, arXiv:1705.02894).
    Hinge,
    /// Relativistic pairing: each generated picture is compared with one real picture, with the loss `softplus(generated - real)` for
    /// the discriminator, the reverse for the generator (Jolicoeur-Martineau 2018,
    /// arXiv:1807.00734; Huang et al. 2024, arXiv:2501.05441).
    Relativistic,
}

impl Loss {
    /// Whether the loss of a logit also depends on the logit of a picture of the other kind (real or generated).
    pub fn compares(self) -> bool {
        self == Self::Relativistic
    }

    /// Whether the loss has targets, so that labels can be smoothed or made noisy.
    pub fn has_targets(self) -> bool {
        self == Self::Bce
    }

    /// Name and unit, for the label of a plot's axis.
    pub fn axis_label(self) -> &'static str {
        match self {
            Self::Bce => "cross-entropy (nats)",
            Self::Hinge => "hinge loss",
            Self::Relativistic => "relativistic loss",
        }
    }

    /// The discriminator's loss over real (or generated) pictures, divided by `denominator`; also writes its derivatives.
    /// `targets` are the targets of the cross-entropy. `others` are the logits of as many pictures of the other kind, for a
    /// loss that compares.
    pub fn of_discriminator(
        self,
        logits: ArrayView1<'_, f32>,
        others: ArrayView1<'_, f32>,
        targets: ArrayView1<'_, f32>,
        is_real: bool,
        denominator: f32,
        d_logits: ArrayViewMut1<'_, f32>,
    ) -> f64 {
        let sign = if is_real { -1.0 } else { 1.0 };
        match self {
            Self::Bce => bce(logits, targets, denominator, d_logits),
            Self::Hinge => {
                let hinge =
                    |l: f32, _| (f64::from((1.0 + sign * l).max(0.0)), if 1.0 + sign * l > 0.0 { sign } else { 0.0 });
                each(logits, logits, denominator, d_logits, hinge)
            }
            Self::Relativistic => each(logits, others, denominator, d_logits, |l, o| softplus_of(sign, l - o)),
        }
    }

    /// The generator's loss, with the same arguments; `others` are the logits of real pictures.
    pub fn of_generator(
        self,
        logits: ArrayView1<'_, f32>,
        others: ArrayView1<'_, f32>,
        targets: ArrayView1<'_, f32>,
        denominator: f32,
        d_logits: ArrayViewMut1<'_, f32>,
    ) -> f64 {
        match self {
            Self::Bce => bce(logits, targets, denominator, d_logits),
            Self::Hinge => each(logits, logits, denominator, d_logits, |l, _| (-f64::from(l), -1.0)),
            Self::Relativistic => each(logits, others, denominator, d_logits, |l, o| softplus_of(-1.0, l - o)),
        }
    }
}

/// `ln(1 + e^{sign * x})` and its derivative.
fn softplus_of(sign: f32, x: f32) -> (f64, f32) {
    let y = f64::from(sign * x);
    (y.max(0.0) + (-y.abs()).exp().ln_1p(), sign * sigmoid(sign * x))
}

/// Adds up the losses that `f` computes from each logit and its counterpart, and writes the derivatives.
fn each(
    logits: ArrayView1<'_, f32>,
    others: ArrayView1<'_, f32>,
    denominator: f32,
    d_logits: ArrayViewMut1<'_, f32>,
    f: impl Fn(f32, f32) -> (f64, f32),
) -> f64 {
    let mut sum = 0.0;
    Zip::from(logits).and(others).and(d_logits).for_each(|&l, &o, dl| {
        let (loss, derivative) = f(l, o);
        sum += loss;
        *dl = derivative / denominator;
    });
    sum / f64::from(denominator)
}

/// Mean over `logits` of `max(l,0) − l·t + ln(1 + e^{−|l|})`, which is
/// `−t·ln σ(l) − (1−t)·ln(1−σ(l))` without overflow; targets above 1 are valid.
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
    fn derivatives_are_those_of_the_losses() {
        let (logits, others) = (array![0.3f32, -2.0, 1.5, -0.4], array![1.0f32, -1.0, 0.2, 0.0]);
        let targets = array![1.0f32, 0.0, 1.0, 1.0];
        for loss in [Loss::Bce, Loss::Hinge, Loss::Relativistic] {
            for player in ["generator", "real", "generated"] {
                let run = |logits: &Array1<f32>, d: &mut Array1<f32>| match player {
                    "generator" => loss.of_generator(logits.view(), others.view(), targets.view(), 4.0, d.view_mut()),
                    _ => {
                        let is_real = player == "real";
                        loss.of_discriminator(logits.view(), others.view(), targets.view(), is_real, 4.0, d.view_mut())
                    }
                };
                let (mut d, mut unused) = (Array1::zeros(4), Array1::zeros(4));
                run(&logits, &mut d);
                for i in 0..4 {
                    let mut at = |h: f32| {
                        let mut moved = logits.clone();
                        moved[i] += h;
                        run(&moved, &mut unused)
                    };
                    let numeric = (at(1e-2) - at(-1e-2)) / 2e-2;
                    assert!((f64::from(d[i]) - numeric).abs() < 1e-4, "{loss:?} {player} {i}: {} {numeric}", d[i]);
                }
            }
        }
    }

    #[test]
    fn each_player_wants_what_the_other_does_not() {
        let zero = array![0.0f32];
        for loss in [Loss::Hinge, Loss::Relativistic] {
            let at = |l: f32, is_real| {
                let mut d = array![0.0f32];
                loss.of_discriminator(array![l].view(), zero.view(), zero.view(), is_real, 1.0, d.view_mut())
            };
            assert!(at(0.5, true) < at(-0.5, true) && at(-0.5, false) < at(0.5, false), "{loss:?}");
            let generator =
                |l: f32| loss.of_generator(array![l].view(), zero.view(), zero.view(), 1.0, array![0.0f32].view_mut());
            assert!(generator(0.5) < generator(-0.5), "{loss:?}");
        }
    }

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
