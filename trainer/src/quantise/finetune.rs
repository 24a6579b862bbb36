//! Quantisation-aware fine-tuning by self-distillation.
//!
//! The float generator is the teacher, the quantised generator the [`Student`]. The student is trained to
//! draw the teacher's pictures, from new latents in every step, with weights and
//! activations rounded as on the device. No training pictures and no discriminator are
//! needed. The result depends only on the generator and the number of steps.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gen_core::{Latent, quant};
use log::info;
use ndarray::{Array2, ArrayView2, Zip};
use rand::Rng;

use super::calibrate::calibrate;
use super::fold::FloatModel;
use super::model::QuantModel;
use super::student::Student;
use crate::classes::ClassTable;
use crate::config::Range;
use crate::config::finetune::{BATCH, check};
use crate::latents::sample_budget;
use crate::nn::init;
use crate::nn::optim::{Moments, Optimiser};
use crate::terminal::LineTimer;

/// Number of held-out latents for validation. They are used neither for training nor for measuring the final
/// result. A large generator uses fewer.
const HELD_OUT: u32 = 256;
/// Number of validations during fine-tuning.
const VALIDATIONS: u64 = 12;

/// Initial learning rates, in the units of [`student`](super::student). They fall to 0 along half a cosine.
/// A third and three times as much give the same PSNR to 0.1 dB.
const WEIGHTS: f32 = 0.006;
const BIASES: f32 = 0.006;
const LOG_SCALES: f32 = 1e-4;

/// A fine-tuned model and its improvement.
#[derive(Debug, Clone)]
pub struct Tuned {
    /// The best model of all validations.
    pub model: QuantModel,
    /// Number of steps done.
    pub steps: u64,
    /// Number of steps requested: more than were done if fine-tuning was stopped.
    pub asked: u64,
    /// PSNR in dB of the int8 pictures against the float generator's over the held-out latents, without and with
    /// fine-tuning. The second value is never less. `None` if no steps were requested.
    pub psnr: Option<[f64; 2]>,
}

impl Tuned {
    /// Describes the result of fine-tuning; `None` if none was requested.
    pub fn summary(&self) -> Option<String> {
        let change = change(self.psnr?);
        let stopped =
            if self.steps < self.asked { format!(" (stopped; {} were asked for)", self.asked) } else { String::new() };
        Some(format!("{} steps{stopped}, {change} over latents of its own", self.steps))
    }

    /// Whether fine-tuning was stopped before all steps were done.
    pub fn is_stopped(&self) -> bool {
        self.steps < self.asked
    }
}

/// Formats the change as `PSNR 47.2 -> 48.1 dB`, or says that the pictures are equal.
fn change([before, after]: [f64; 2]) -> String {
    if before.is_finite() && after.is_finite() {
        return format!("PSNR {before:.1} -> {after:.1} dB");
    }
    let words = |psnr: f64| if psnr.is_finite() { format!("PSNR {psnr:.1} dB") } else { "no difference".into() };
    format!("{} -> {}", words(before), words(after))
}

/// Progress of fine-tuning.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Number of steps done, and total number of steps.
    pub step: u64,
    pub steps: u64,
    /// PSNR of the pictures in dB, without fine-tuning and of the best model so far; infinite if they are equal.
    pub psnr: [f64; 2],
    /// Estimated time of the remaining steps.
    pub left: Duration,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { step, steps, left, psnr } = self;
        write!(f, "fine-tuning: step {step}/{steps}, {}, {:.0} s left", change(*psnr), left.as_secs_f64())
    }
}

/// Quantises a float generator and fine-tunes it for `steps` steps; 0 for none.
/// Logs the progress if it takes long.
///
/// # Errors
/// When a layer cannot be quantised, or when the steps would take longer than [`check`] allows.
pub fn quantise_tuned(float: &FloatModel, steps: u64) -> Result<Tuned> {
    let mut timer = LineTimer::started();
    quantise_tuned_until(float, steps, &mut |progress| {
        if timer.is_due() {
            info!("{progress}");
        }
        ControlFlow::Continue(())
    })
}

/// Like [`quantise_tuned`], and calls `watch` with the progress after every step. If `watch` returns
/// [`ControlFlow::Break`], fine-tuning ends with the best model so far.
///
/// # Errors
/// The errors of [`quantise_tuned`].
pub fn quantise_tuned_until(
    float: &FloatModel,
    steps: u64,
    watch: &mut dyn FnMut(&Progress) -> ControlFlow<()>,
) -> Result<Tuned> {
    check(float.macs(), steps)?;
    let (equalised, start) = calibrate(float.clone())?;
    if steps == 0 {
        return Ok(Tuned { model: start, steps, asked: steps, psnr: None });
    }
    let validation = Validation::new(float);
    let mut best = start.clone();
    let mut student = Student::new(&equalised, start);
    // Before its parameters are quantised, the student is the model that it was made from.
    let before = validation.psnr(&mut student);
    let mut most = before;
    let mut adam = Adam::new(&student);
    let started = Instant::now();
    let mut done = 0;
    for step in 0..steps {
        student.quantise_params();
        learn(float, &mut student, step)?;
        adam.step(&mut student, step, steps);
        if (step + 1) * VALIDATIONS / steps > step * VALIDATIONS / steps {
            student.quantise_params();
            let psnr = validation.psnr(&mut student);
            // A model that cannot be packed is not kept.
            if psnr > most && student.integers.to_blob().is_ok() {
                most = psnr;
                best = student.integers.clone();
            }
        }
        done = step + 1;
        let left = started.elapsed().div_f64(done as f64).mul_f64((steps - done) as f64);
        if watch(&Progress { step: done, steps, psnr: [before, most], left }).is_break() {
            break;
        }
    }
    Ok(Tuned { model: best, steps: done, asked: steps, psnr: Some([before, most]) })
}

/// Computes the student's gradients for one batch.
fn learn(float: &FloatModel, student: &mut Student, step: u64) -> Result<()> {
    // A separate stream of random numbers; its number is "tune" in ASCII.
    let mut rng = init::rng(0, step, 0x7475_6e65);
    let classes = float.classes.as_ref().map_or(1, ClassTable::len);
    let latents = (0..BATCH).map(|i| {
        // Classes take turns, also from one step to the next.
        let class = (step as usize * BATCH + i) % classes;
        Latent::sample(|| rng.next_u32(), float.latent).with_class(class as u8)
    });
    let batch = float.input().batch(latents);
    let target = levels(float, batch.view());
    let steps = batch / Latent::SCALE;
    let activation = student.integers.layers[student.integers.layers.len() - 1].spec.activation;
    let mut d = Array2::zeros(target.dim());
    // The loss is half the squared error of a picture's pixels, averaged over the batch.
    Zip::from(&mut d).and(student.forward(steps.view())).and(&target).for_each(|d, &n, &level| {
        *d = (f32::from(quant::pixel(activation, n as i32)) - level) / BATCH as f32;
    });
    student.backward(steps.view(), d);
    let numbers = &student.gradients;
    let all = numbers.weights.iter().chain(&numbers.biases).chain(&numbers.log_scales);
    ensure!(all.fold(0.0f32, |sum, g| sum + g.abs()).is_finite(), "fine-tuning: a gradient is not a number");
    Ok(())
}

/// The float generator's pictures in pixel levels 0 to 255, not rounded; `[N, values]`.
fn levels(float: &FloatModel, latents: ArrayView2<'_, f32>) -> Array2<f32> {
    let mut output = float.activations(latents).pop().unwrap_or_default();
    output.mapv_inplace(|v| match float.range {
        Range::Symmetric => (v + 1.0) * 127.5,
        Range::Unit => v.max(0.0) * 255.0,
    });
    output
}

/// Held-out latents and the teacher's pictures of them.
struct Validation {
    latents: Array2<f32>,
    /// The teacher's pixels; `[N, values]`.
    expected: Array2<f32>,
}

impl Validation {
    fn new(float: &FloatModel) -> Self {
        let count = sample_budget(float.macs(), HELD_OUT);
        let batch = float.input().range(0x5800_0000, count);
        let expected = levels(float, batch.view()).mapv(|level| (level + 0.5).floor());
        Self { latents: batch / Latent::SCALE, expected }
    }

    fn psnr(&self, student: &mut Student) -> f64 {
        let activation = student.integers.layers[student.integers.layers.len() - 1].spec.activation;
        let drawn = student.forward(self.latents.view());
        let squared = drawn
            .iter()
            .zip(&self.expected)
            .map(|(&n, &level)| f64::from(f32::from(quant::pixel(activation, n as i32)) - level).powi(2));
        10.0 * (255f64.powi(2) * self.expected.len() as f64 / squared.sum::<f64>()).log10()
    }
}

/// Adam (Kingma & Ba 2015), with one learning rate for each of the three kinds of parameters.
struct Adam {
    rules: [Optimiser; 3],
    moments: [Moments; 3],
}

impl Adam {
    fn new(student: &Student) -> Self {
        // There are few steps, so the second moments average over fewer than Adam's usual 1,000 (beta2 = 0.999).
        let rule = |lr| Optimiser::Adam { lr, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
        let rules = [rule(WEIGHTS), rule(BIASES), rule(LOG_SCALES)];
        let params = &student.params;
        let lengths = [params.weights.len(), params.biases.len(), params.log_scales.len()];
        Self { moments: std::array::from_fn(|i| rules[i].moments(lengths[i])), rules }
    }

    fn step(&mut self, student: &mut Student, step: u64, steps: u64) {
        let factor = 0.5 * (1.0 + (std::f32::consts::PI * step as f32 / steps as f32).cos());
        let (params, gradients) = (&mut student.params, &student.gradients);
        let all = [
            (&mut params.weights, &gradients.weights),
            (&mut params.biases, &gradients.biases),
            (&mut params.log_scales, &gradients.log_scales),
        ];
        for ((rule, moments), (params, gradients)) in self.rules.iter().zip(&mut self.moments).zip(all) {
            rule.step(factor, params, gradients, moments);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::quantise::quantise;
    use crate::train::Trainer;

    fn rough() -> FloatModel {
        let config = Config::preset("pocket").unwrap().narrowed(2);
        let mut params = Trainer::new(config.clone()).unwrap().state.generator;
        for (i, p) in params.iter_mut().enumerate() {
            *p += 0.2 * ((i * 7919) % 13) as f32 / 13.0 - 0.1;
        }
        FloatModel::fold(&config, &params).unwrap()
    }

    #[test]
    fn it_helps_and_threads_change_nothing() {
        let float = rough();
        let tune = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| quantise_tuned(&float, 36).unwrap())
        };
        let (one, two) = (tune(1), tune(2));
        let [before, after] = one.psnr.unwrap();
        assert!(after > before + 0.05, "{before} {after}");
        assert_eq!(one.model, two.model);
        assert_eq!(one.psnr, two.psnr);
        let none = quantise_tuned(&float, 0).unwrap();
        assert_eq!((none.model, none.psnr), (quantise(&float).unwrap(), None));
    }

    #[test]
    fn it_can_be_stopped_and_keeps_the_best_so_far() {
        let float = rough();
        let mut told = Vec::new();
        let stopped = quantise_tuned_until(&float, 36, &mut |progress| {
            told.push((progress.step, progress.steps));
            if progress.step < 6 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let stopped = stopped.unwrap();
        assert_eq!(told, (1..=6).map(|step| (step, 36)).collect::<Vec<_>>());
        assert!(stopped.is_stopped() && stopped.steps == 6 && stopped.asked == 36);
        assert!(stopped.summary().unwrap().contains("6 steps (stopped; 36 were asked for)"));
        let [before, after] = stopped.psnr.unwrap();
        assert!(after >= before && stopped.model.to_blob().is_ok(), "{before} {after}");
        let whole = quantise_tuned(&float, 36).unwrap();
        assert!(!whole.is_stopped() && whole.psnr.unwrap()[1] >= after);
    }
}
