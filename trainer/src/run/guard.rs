//! Detects divergence and collapse of a run.
//!
//! [`RunHealth`] records losses and scores, and returns a [`TrainingAlert`] when a limit of [`Guard`] is crossed. The
//! session then restores the weights of the best (or last) snapshot and lowers the learning rates. The step counter
//! continues, and with it the random numbers, so that the same steps are not repeated. Of a discriminator that
//! [guesses](guessing) the session only tells the user.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::metrics::{Measured, Row};
use crate::config::Guard;
use crate::quality::Scores;
use crate::train::Losses;

/// A quality score up to this many times the lowest one does not count as clearly worse. Differences of less than a
/// quarter within a run are mostly noise, and of two similar snapshots the later one is better: it has seen more
/// pictures, averages more steps, and had lower learning rates (`docs/quality.md` has an example).
pub const AS_GOOD: f64 = 1.25;

/// Describes which snapshot is kept as the best.
pub const RULE: &str = "the last one that is not clearly worse than the lowest (at most 1.25 times as high)";

/// This many steps at the end of a run are examined by [`guessing`].
const GUESSING_STEPS: u64 = 2000;

/// A discriminator that is right about at most this share of its pictures only guesses. It was never below 0.56 over
/// 1,000 steps in the presets' runs that went well, and 0.51 to 0.52 in one that stood still (`docs/recipes.md`).
const GUESS: f64 = 0.53;

/// The snapshot that is kept: the last one that is not clearly worse than the lowest score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Steps done when the snapshot was taken.
    pub step: u64,
    /// Quality score of the snapshot; 0 is best.
    pub quality_score: f64,
    /// The lowest quality score so far.
    pub lowest: f64,
}

impl fmt::Display for Best {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, quality_score, lowest } = self;
        write!(f, "kept: {quality_score:.1} of step {step}, lowest: {lowest:.1}")
    }
}

/// The health of a run so far; part of its checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunHealth {
    /// Factor of the learning rates: 1 until the first roll-back.
    pub rate: f32,
    /// Number of roll-backs so far.
    pub rollbacks: u32,
    /// The best snapshot so far.
    pub best: Option<Best>,
    /// Consecutive steps in which the discriminator made no mistake.
    winning: u64,
    /// Consecutive measurements that were far worse than the best.
    worse: u32,
}

impl Default for RunHealth {
    fn default() -> Self {
        Self { rate: 1.0, rollbacks: 0, best: None, winning: 0, worse: 0 }
    }
}

/// What is wrong with a run. The run then goes back, except for [`Guessing`](Self::Guessing), of which the user is only
/// told: lower rates do not mend it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrainingAlert {
    /// A loss has this value: not finite, or beyond `max_loss`.
    Loss(f64),
    /// A weight has this value: not finite, or beyond `max_weight`.
    Weight(f32),
    /// All pictures look alike: the diversity has this value, below `min_diversity`.
    Alike(f64),
    /// The quality score is this many times the lowest one, and has been too high for this many measurements.
    Worse(f64, u32),
    /// The discriminator has made no mistake for this many steps.
    Winning(u64),
    /// The discriminator was right about this share of the pictures of the last steps, which is a guess.
    Guessing(f64),
}

impl TrainingAlert {
    /// What the user can change if roll-backs do not help.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Loss(_) | Self::Weight(_) => "lower `lr` of both optimisers in a --config file, to a tenth",
            Self::Alike(_) | Self::Worse(..) => {
                "lower `lr` of both optimisers in a --config file, make `batch` larger, or make [augment] stronger"
            }
            Self::Winning(_) => {
                "make the discriminator weaker in a --config file: stronger [augment], fewer channels, a lower `lr`"
            }
            Self::Guessing(_) => {
                "begin again with a generator's `lr` of a quarter of the discriminator's in a --config file, or with more \
                 channels in the discriminator"
            }
        }
    }
}

impl fmt::Display for TrainingAlert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss(loss) if loss.is_finite() => write!(f, "training diverged, a loss is {loss:.3e}"),
            Self::Loss(_) => f.write_str("training diverged, a loss is not a number"),
            Self::Weight(weight) if weight.is_finite() => write!(f, "training diverged, a weight is {weight:.3e}"),
            Self::Weight(_) => f.write_str("training diverged, a weight is not a number"),
            Self::Alike(diversity) => {
                write!(f, "all pictures look alike (diversity {diversity:.2}; that of the real ones is 1)")
            }
            Self::Worse(times, count) => {
                write!(
                    f,
                    "pictures are {times:.1} times as far from real ones as the best were, {count} times in a row"
                )
            }
            Self::Winning(steps) => write!(f, "the discriminator was not wrong once in {steps} steps"),
            Self::Guessing(share) => write!(
                f,
                "the discriminator guesses, so the generator learns nothing: it was right about {:.0} % of the pictures in \
                 the last {GUESSING_STEPS} steps, and the quality score was lowest before them",
                100.0 * share
            ),
        }
    }
}

impl RunHealth {
    /// Records the losses of a step; an alert if a limit is crossed.
    pub fn step(&mut self, losses: &Losses, guard: &Guard) -> Option<TrainingAlert> {
        for loss in [losses.d_loss, losses.g_loss] {
            if !loss.is_finite() || loss.abs() > guard.max_loss {
                return Some(TrainingAlert::Loss(loss));
            }
        }
        let is_winning = losses.d_real > 0.99 && losses.d_fake < 0.01;
        self.winning = if is_winning { self.winning + 1 } else { 0 };
        // Without measurements it is unknown whether the pictures get worse, so this is no reason for an alert.
        (self.best.is_some() && self.winning >= guard.max_winning_steps).then_some(TrainingAlert::Winning(self.winning))
    }

    /// Whether a snapshot with these scores is to be kept as the best: its quality score is at most [`AS_GOOD`] times
    /// the lowest one.
    pub fn is_best(&self, scores: &Scores) -> bool {
        scores.quality_score.is_finite() && self.best.is_none_or(|best| scores.quality_score <= AS_GOOD * best.lowest)
    }

    /// Records the best snapshot.
    pub fn keep(&mut self, step: u64, quality_score: f64) {
        let lowest = self.best.map_or(quality_score, |best| best.lowest.min(quality_score));
        (self.best, self.winning, self.worse) = (Some(Best { step, quality_score, lowest }), 0, 0);
    }

    /// Records the scores of a snapshot that is not kept; an alert if a limit is crossed. There is no alert before a
    /// first snapshot has been kept, because there is nothing to go back to.
    pub fn measurement(&mut self, scores: &Scores, guard: &Guard) -> Option<TrainingAlert> {
        let best = self.best?;
        if scores.diversity < guard.min_diversity {
            return Some(TrainingAlert::Alike(scores.diversity));
        }
        let times = scores.quality_score / best.lowest.max(f64::MIN_POSITIVE);
        self.worse = if times > guard.max_score_ratio { self.worse + 1 } else { 0 };
        (self.worse >= guard.patience).then_some(TrainingAlert::Worse(times, self.worse))
    }

    /// Records a roll-back. `false` when the allowed number of roll-backs is used up.
    #[must_use]
    pub fn roll_back(&mut self, guard: &Guard) -> bool {
        if self.rollbacks >= guard.max_rollbacks {
            return false;
        }
        (self.winning, self.worse) = (0, 0);
        self.rollbacks += 1;
        self.rate *= guard.lr_factor;
        true
    }
}

/// An alert for the first weight that is not finite or is larger than allowed.
pub fn weights<'a>(lists: impl IntoIterator<Item = &'a Vec<f32>>, guard: &Guard) -> Option<TrainingAlert> {
    let is_wrong = |w: &&f32| !w.is_finite() || w.abs() > guard.max_weight;
    lists.into_iter().flatten().find(is_wrong).map(|&w| TrainingAlert::Weight(w))
}

/// An alert if the discriminator was right about at most [`GUESS`] of the pictures of the last [`GUESSING_STEPS`] steps,
/// and no measurement of these steps has the lowest quality score. `rows` and `measured` are all lines of the run, in the
/// order of their steps.
pub fn guessing(rows: &[Row], measured: &[Measured]) -> Option<TrainingAlert> {
    let from = measured.last()?.step.checked_sub(GUESSING_STEPS)?;
    let score = |measured: &&Measured| measured.scores.quality_score;
    let lowest = measured.iter().min_by(|a, b| score(a).total_cmp(&score(b)))?;
    let last: Vec<_> = rows.iter().filter(|row| row.step > from).collect();
    let share =
        last.iter().map(|row| (row.losses.d_real + 1.0 - row.losses.d_fake) / 2.0).sum::<f64>() / last.len() as f64;
    (lowest.step <= from && share <= GUESS).then_some(TrainingAlert::Guessing(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(quality_score: f64, diversity: f64) -> Scores {
        Scores {
            pictures: 1000,
            quality_score,
            frechet: quality_score,
            swd: vec![],
            precision: 0.5,
            recall: 0.5,
            density: 0.5,
            coverage: 0.5,
            diversity,
            diversity_ratio: 0.5,
            classes: vec![],
        }
    }

    fn losses(d_loss: f64, d_real: f64, d_fake: f64) -> Losses {
        Losses { d_loss, g_loss: 1.0, d_real, d_fake, ..Losses::default() }
    }

    #[test]
    fn divergence_is_noticed_at_once() {
        let (mut health, guard) = (RunHealth::default(), Guard::default());
        assert_eq!(health.step(&losses(0.7, 0.8, 0.2), &guard), None);
        assert!(matches!(health.step(&losses(f64::NAN, 0.8, 0.2), &guard), Some(TrainingAlert::Loss(_))));
        assert_eq!(health.step(&losses(-5000.0, 0.8, 0.2), &guard), Some(TrainingAlert::Loss(-5000.0)));
        assert_eq!(weights([&vec![1.0, -2.0]], &guard), None);
        assert_eq!(weights([&vec![1.0], &vec![-2e6]], &guard), Some(TrainingAlert::Weight(-2e6)));
        assert!(matches!(weights([&vec![f32::NAN]], &guard), Some(TrainingAlert::Weight(_))));
    }

    #[test]
    fn pictures_that_are_all_alike_are_a_collapse_once_they_were_not() {
        let (mut health, guard) = (RunHealth::default(), Guard::default());
        assert_eq!(health.measurement(&scores(90.0, 0.0), &guard), None, "an untrained generator");
        assert!(health.is_best(&scores(50.0, 0.9)));
        health.keep(100, 50.0);
        assert!(health.is_best(&scores(60.0, 0.9)), "what is later and as good");
        assert!(!health.is_best(&scores(63.0, 0.9)), "what is clearly worse");
        let mut later = health;
        later.keep(200, 60.0);
        assert_eq!(later.best, Some(Best { step: 200, quality_score: 60.0, lowest: 50.0 }));
        assert!(!later.is_best(&scores(63.0, 0.9)), "it does not creep");
        assert!(!health.is_best(&scores(f64::NAN, 0.9)));
        assert_eq!(health.measurement(&scores(70.0, 0.8), &guard), None);
        assert_eq!(health.measurement(&scores(70.0, 0.1), &guard), Some(TrainingAlert::Alike(0.1)));
    }

    #[test]
    fn far_worse_for_long_is_a_collapse_too() {
        let (mut health, guard) = (RunHealth::default(), Guard { patience: 3, ..Guard::default() });
        health.keep(100, 10.0);
        let bad = scores(30.0, 0.9);
        assert_eq!(health.measurement(&bad, &guard), None);
        assert_eq!(health.measurement(&bad, &guard), None);
        assert_eq!(health.measurement(&scores(12.0, 0.9), &guard), None, "it recovered");
        assert_eq!(health.measurement(&bad, &guard), None);
        assert_eq!(health.measurement(&bad, &guard), None);
        assert_eq!(health.measurement(&bad, &guard), Some(TrainingAlert::Worse(3.0, 3)));
    }

    #[test]
    fn a_discriminator_that_always_wins_is_noticed_where_quality_is_measured() {
        let (mut health, guard) = (RunHealth::default(), Guard { max_winning_steps: 10, ..Guard::default() });
        let won = losses(0.0, 1.0, 0.0);
        assert!((0..50).all(|_| health.step(&won, &guard).is_none()));
        health.keep(50, 10.0);
        assert!((0..9).all(|_| health.step(&won, &guard).is_none()));
        assert_eq!(health.step(&losses(0.1, 0.9, 0.1), &guard), None);
        assert!((0..9).all(|_| health.step(&won, &guard).is_none()));
        assert_eq!(health.step(&won, &guard), Some(TrainingAlert::Winning(10)));
    }

    #[test]
    fn a_discriminator_that_guesses_is_noticed_once_the_score_no_longer_falls() {
        let run = |share: f64, quality: &[f64]| {
            let rows: Vec<_> = (1..=10 * quality.len() as u64)
                .map(|i| {
                    let losses = losses(0.69, share, 1.0 - share);
                    Row { step: 100 * i, seconds: 0.0, pictures_per_second: 0.0, losses }
                })
                .collect();
            let measured = (1..).zip(quality).map(|(i, &quality)| {
                let scores = scores(quality, 0.9);
                Measured { step: 1000 * i, seconds: 0.0, scores }
            });
            guessing(&rows, &measured.collect::<Vec<_>>())
        };
        let guess =
            |alert: Option<TrainingAlert>| matches!(alert, Some(TrainingAlert::Guessing(share)) if share < 0.52);
        // Scores of `pocket-large` at rates of 2e-4 and 4e-4, continued with 1e-4 for the generator.
        assert!(guess(run(0.515, &[26.2, 23.3, 22.4, 29.4, 32.2])));
        assert_eq!(run(0.515, &[26.2, 23.3, 22.4, 29.4]), None, "1,000 steps could be chance");
        assert_eq!(run(0.515, &[26.2, 23.3, 22.4, 22.0, 21.9]), None, "the pictures still improve");
        assert_eq!(run(0.565, &[17.5, 18.0, 18.1]), None, "it does not guess");
        assert_eq!(run(0.515, &[20.0, f64::NAN]), None, "too short");
        assert_eq!(run(0.5, &[]), None);
        assert!(guess(run(0.5, &[20.0, f64::NAN, f64::NAN])));
        let words = format!("{}; {}", TrainingAlert::Guessing(0.514), TrainingAlert::Guessing(0.514).advice());
        assert!(words.contains("right about 51 % of the pictures in the last 2000 steps"), "{words}");
    }

    #[test]
    fn going_back_halves_the_rate_and_ends_some_time() {
        let (mut health, guard) = (RunHealth::default(), Guard { max_rollbacks: 2, ..Guard::default() });
        assert!(health.roll_back(&guard) && health.roll_back(&guard) && !health.roll_back(&guard));
        assert_eq!((health.rate, health.rollbacks), (0.25, 2));
    }

    #[test]
    fn the_rule_in_words_is_the_rule() {
        assert!(RULE.contains(&format!("at most {AS_GOOD} times")));
    }
}
