//! The comparisons with a golden set, their tolerances, and the table of them.

use std::fmt;

use ndarray::ArrayD;

/// Tolerance of activations and gradients, as a share of the tensor's largest value.
pub(super) const RELATIVE: f64 = 1e-5;
/// Tolerance of weights.
pub(super) const ABSOLUTE: f64 = 1e-6;

/// All comparisons with a golden set.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Description of the network that was read from the arrays.
    pub network: String,
    /// Descriptions of the units that are 0 except for rounding and were put on Keras's side of 0.
    pub sides: Vec<String>,
    /// If rounding had to be measured: the largest change of gradients by the last bit of the initial weights, as a
    /// share of their tensor's largest value.
    pub last_bits: Option<f64>,
    /// The comparisons, in the order of a step.
    pub checks: Vec<Check>,
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Kind of the compared numbers.
    pub group: &'static str,
    /// Name of the array.
    pub tensor: String,
    /// Shape in the golden set.
    pub shape: Vec<usize>,
    /// Largest magnitude in the golden set.
    pub largest: f64,
    /// Largest difference.
    pub worst: f64,
    /// Description of the tolerance.
    pub tolerance: String,
    /// Whether the difference is within the tolerance.
    pub ok: bool,
}

/// The allowed difference of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tolerance {
    Relative,
    /// For a gradient of a network whose largest gradient is this.
    Gradient(f64),
    Logit,
    Absolute,
}

impl Report {
    /// Whether every comparison is within its tolerance.
    pub fn is_ok(&self) -> bool {
        self.out().next().is_none()
    }

    /// The comparisons that are out of tolerance.
    pub fn out(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| !c.ok)
    }

    pub(super) fn compare<'a>(
        &mut self,
        group: &'static str,
        name: &str,
        stored: &ArrayD<f64>,
        ours: impl IntoIterator<Item = &'a f32>,
        tolerance: Tolerance,
    ) {
        let values: Vec<_> = stored.iter().map(|&v| v as f32).collect();
        let ours: Vec<_> = ours.into_iter().copied().collect();
        self.add(group, name.to_owned(), stored.shape().to_vec(), &values, &ours, tolerance);
    }

    pub(super) fn add(
        &mut self,
        group: &'static str,
        tensor: String,
        shape: Vec<usize>,
        stored: &[f32],
        ours: &[f32],
        tolerance: Tolerance,
    ) {
        let (largest, worst) = (largest(stored), worst(ours, stored));
        let (allowed, tolerance) = match tolerance {
            Tolerance::Relative => (RELATIVE * largest, format!("{RELATIVE:e} of the largest")),
            Tolerance::Gradient(of_network) => {
                let scale = gradient_scale(stored, of_network);
                let of = if scale > largest { "1e-3 of the network's" } else { "the largest" };
                (RELATIVE * scale, format!("{RELATIVE:e} of {of}"))
            }
            Tolerance::Logit => (RELATIVE * largest.max(1.0), format!("{:.1e}", RELATIVE * largest.max(1.0))),
            Tolerance::Absolute => (ABSOLUTE, format!("{ABSOLUTE:e}")),
        };
        self.checks.push(Check { group, tensor, shape, largest, worst, tolerance, ok: worst <= allowed });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.network)?;
        for side in &self.sides {
            writeln!(f, "0 but for rounding, put on the other side of it: {side}")?;
        }
        let mut group = "";
        for c in &self.checks {
            if c.group != group {
                group = c.group;
                writeln!(
                    f,
                    "\n{group:<22} {:>14} {:>9} {:>9} {:>9}  tolerance",
                    "shape", "largest", "worst", "relative"
                )?;
            }
            let shape: Vec<_> = c.shape.iter().map(ToString::to_string).collect();
            let relative = if c.worst == 0.0 { 0.0 } else { c.worst / c.largest };
            let (tensor, shape, verdict) = (&c.tensor, shape.join("x"), if c.ok { "ok" } else { "OUT" });
            let (largest, worst, tolerance) = (c.largest, c.worst, &c.tolerance);
            writeln!(
                f,
                "{tensor:<22} {shape:>14} {largest:>9.2e} {worst:>9.1e} {relative:>9.1e}  {tolerance:<19}  {verdict}"
            )?;
        }
        if let Some(last_bits) = self.last_bits.filter(|_| !self.is_ok()) {
            writeln!(
                f,
                "\nthe last bit of the first weights alone moves gradients by {last_bits:.1e} of their largest"
            )?;
            if last_bits > RELATIVE {
                writeln!(f, "float32 cannot come nearer to this set: weights less large would magnify rounding less")?;
            }
        }
        let out: Vec<_> = self.out().map(|c| format!("{} ({})", c.tensor, c.group)).collect();
        if out.is_empty() {
            write!(f, "\nall {} comparisons are within tolerance", self.checks.len())
        } else {
            write!(f, "\n{} of {} comparisons are out of tolerance: {}", out.len(), self.checks.len(), out.join(", "))
        }
    }
}

/// The value that differences of a gradient are compared with: its largest one, or a thousandth of the network's largest. The
/// latter is for gradients that are 0 except for rounding, such as that of the last bias with a relativistic loss.
pub(super) fn gradient_scale(gradient: &[f32], of_network: f64) -> f64 {
    largest(gradient).max(1e-3 * of_network)
}

pub(super) fn largest(values: &[f32]) -> f64 {
    values.iter().fold(0.0, |largest, &v| f64::from(v).abs().max(largest))
}

/// The largest difference; NaN if any difference is NaN.
pub(super) fn worst(a: &[f32], b: &[f32]) -> f64 {
    let difference = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs();
    a.iter().zip(b).map(difference).fold(0.0, |worst, d| if d <= worst { worst } else { d })
}
