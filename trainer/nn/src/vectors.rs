//! The vector instructions that this crate uses: the best ones of the processor, or fewer, to measure what other
//! processors get.
//!
//! This is the only place that asks the processor. The choice holds for the whole process, because results of different
//! kinds differ in their last bits.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use pulp::Arch;
use thiserror::Error;

static USED: OnceLock<Arch> = OnceLock::new();

/// The vector instructions to use, for [`Arch::dispatch`]. The first call decides for the best ones of the processor, unless
/// [`Vectors::limit_to`] was called before.
#[inline]
pub fn arch() -> Arch {
    *USED.get_or_init(Arch::new)
}

/// A kind of vector instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vectors {
    /// None.
    Scalar,
    /// 4 values of f32, on aarch64.
    Neon,
    /// AVX2 with FMA: 8 values of f32, on x86-64.
    Avx2,
    /// AVX-512: 16 values of f32, on x86-64.
    Avx512,
}

/// Why vector instructions cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VectorsError {
    /// There is no kind of this name.
    #[error("there are no vector instructions called {0:?}")]
    Unknown(String),
    /// The processor does not have them.
    #[error("this processor does not have {0}; its best kind is {1}")]
    Missing(Vectors, Vectors),
    /// The process has already used others.
    #[error("{0} cannot be chosen any more, because {1} are in use")]
    InUse(Vectors, Vectors),
}

impl Vectors {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Neon, Self::Avx2, Self::Avx512];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The name for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Scalar => "no vector instructions",
            Self::Neon => "NEON",
            Self::Avx2 => "AVX2 and FMA",
            Self::Avx512 => "AVX-512",
        }
    }

    /// The kind that this process uses.
    pub fn used() -> Self {
        Self::of(arch())
    }

    /// Makes this process use these instead of the best ones. To be called before any computation.
    ///
    /// # Errors
    /// When the processor does not have them, or others are in use.
    pub fn limit_to(self) -> Result<(), VectorsError> {
        let arch = self.arch().ok_or_else(|| VectorsError::Missing(self, Self::of(Arch::new())))?;
        match Self::of(*USED.get_or_init(|| arch)) {
            used if used == self => Ok(()),
            used => Err(VectorsError::InUse(self, used)),
        }
    }

    /// These, if the processor has them.
    pub(crate) fn arch(self) -> Option<Arch> {
        match self {
            Self::Scalar => Some(Arch::Scalar),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => pulp::aarch64::Neon::try_new().map(Arch::Neon),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().map(Arch::V3),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().map(Arch::V4),
            _ => None,
        }
    }

    fn of(arch: Arch) -> Self {
        match arch {
            #[cfg(target_arch = "aarch64")]
            Arch::Neon(_) => Self::Neon,
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => Self::Avx2,
            #[cfg(target_arch = "x86_64")]
            Arch::V4(_) => Self::Avx512,
            _ => Self::Scalar,
        }
    }
}

impl fmt::Display for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.words())
    }
}

impl FromStr for Vectors {
    type Err = VectorsError;

    fn from_str(name: &str) -> Result<Self, VectorsError> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| VectorsError::Unknown(name.into()))
    }
}

/// All kinds that this processor has.
#[cfg(test)]
pub(crate) fn archs() -> impl Iterator<Item = Arch> {
    Vectors::ALL.into_iter().filter_map(Vectors::arch)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use gen_core::spec::{LayerSpec, Op, Shape};
    use gen_core::{Activation, Padding};
    use ndarray::Array2;

    use super::*;
    use crate::fast::{Correlation, Epilogue, Plan, Scratch};
    use crate::gemm::{gemm, gemm_on};

    /// The variable with which a test starts itself again, with a limit.
    const LIMIT: &str = "NN_TEST_LIMIT";

    #[test]
    fn names_are_read_and_unknown_ones_refused() {
        for kind in Vectors::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert_eq!(
            "sse9".parse::<Vectors>().unwrap_err().to_string(),
            "there are no vector instructions called \"sse9\""
        );
    }

    #[test]
    fn what_the_processor_lacks_is_refused() {
        for kind in Vectors::ALL.into_iter().filter(|kind| kind.arch().is_none()) {
            let text = kind.limit_to().unwrap_err().to_string();
            assert!(text.starts_with(&format!("this processor does not have {kind}; its best kind is ")), "{text}");
        }
    }

    /// A limit holds for a process, so each kind has one of its own, which runs this test.
    #[test]
    fn everything_keeps_to_the_limit() {
        if let Ok(name) = std::env::var(LIMIT) {
            return check_limited(name.parse().unwrap());
        }
        for kind in Vectors::ALL.into_iter().filter(|kind| kind.arch().is_some()) {
            let mut again = Command::new(std::env::current_exe().unwrap());
            again.args(["--exact", "vectors::tests::everything_keeps_to_the_limit"]).env(LIMIT, kind.name());
            let output = again.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && text.contains("1 passed"), "{kind}: {text}");
        }
    }

    fn check_limited(kind: Vectors) {
        kind.limit_to().unwrap();
        assert_eq!(Vectors::used(), kind);
        kind.limit_to().unwrap(); // once more is no mistake
        for other in Vectors::ALL.into_iter().filter(|other| *other != kind && other.arch().is_some()) {
            assert_eq!(other.limit_to(), Err(VectorsError::InUse(other, kind)));
        }
        let arch = kind.arch().unwrap();
        let value = |i: usize| ((i * 37 + 11) % 101) as f32 / 101.0 - 0.5;

        let matrix = |rows, columns| Array2::from_shape_fn((rows, columns), |(i, j)| value(i * columns + j));
        let (a, b) = (matrix(40, 300), matrix(300, 50));
        let (mut ours, mut expected) = (Array2::zeros((40, 50)), Array2::zeros((40, 50)));
        gemm(a.view(), b.view(), ours.view_mut(), false);
        gemm_on(arch, a.view(), b.view(), expected.view_mut(), false);
        assert_eq!(ours, expected);

        let op = Op::Conv { channels: 20, kernel: 5, stride: 1, padding: Padding::Same };
        let g = LayerSpec { op, activation: Activation::Linear }.geometry(Shape::new(9, 7, 19)).unwrap();
        let x: Vec<_> = (0..g.input.len()).map(value).collect();
        let weights: Vec<_> = (0..g.weight_count()).map(value).collect();
        let correlation = Correlation::forward(op, &g, 8).unwrap();
        let mut scratch = Scratch::default();
        let (mut ours, mut expected) = (vec![0.0; g.output.len()], vec![0.0; g.output.len()]);
        Plan::new(vec![correlation]).run(weights[..].into(), &x, &mut ours, Epilogue::Store, &mut scratch);
        let points = &mut Default::default();
        correlation.run_on(arch, weights[..].into(), &x, &mut expected, Epilogue::Store, points, &mut scratch);
        assert_eq!(ours, expected);
    }
}
