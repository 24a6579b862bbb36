//! The linear part of a layer: dense, convolution, transposed convolution.
//!
//! | | weights | forward |
//! |---|---|---|
//! | dense | `[in, out]` | `y = x·W` |
//! | convolution | `[(ky, kx, in), out]` | `y = patches(x)·W` |
//! | transposed | `[in, (ky, kx, out)]` | `y = scatter(x·W)` |
//!
//! Each is one matrix product for each lane, in the forward pass and for both gradients. The layouts are reshaped Keras
//! kernels, except that in Keras `in` is the last axis of a transposed convolution's kernel.
//!
//! Other algorithms are faster for some layers. [`fast`](super::fast) is used if its estimated cost is lower, and so is
//! [`bf16`](super::bf16) where it is allowed, because it rounds what is multiplied. A convolution with few output channels, whose patches would be much larger than its maps, is computed as a transposed
//! convolution with mirrored weights: it scatters `x·W'`, where `W'` is the kernel rotated by 180 degrees.

use std::cell::RefCell;

use gen_core::spec::{Activation, Geometry, LayerSpec, Op};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::bf16::{self, Unit};
use super::fast::{Correlation, Epilogue, Plan, Scratch};
use super::gemm::gemm;
use super::params::Weights;
use super::patches::{MIRROR_BELOW, Patches};
use super::{activation, lane_len};

/// Number of patch values that are computed at a time, so that they stay in the cache.
const SCRATCH_LEN: usize = 1 << 17;

thread_local! {
    /// Shared by all layers that a thread computes. Taken out while in use, because rayon may run another layer on a thread
    /// that waits for others.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fn with_scratch(work: impl FnOnce(&mut Scratch)) {
    let mut scratch = SCRATCH.take();
    work(&mut scratch);
    SCRATCH.set(scratch);
}

/// A linear layer's shape, and its scratch memory.
#[derive(Debug)]
pub struct Linear {
    op: Op,
    /// Shapes.
    pub geometry: Geometry,
    method: Method,
    /// Plans of fast convolutions for the forward pass, `dx` and `d_weights`; `None` where the matrix product is faster.
    fast: [Option<Plan>; 3],
    /// Plans of products in bf16 for the same passes; `None` where float32 is faster, or bf16 is not allowed.
    bf16: [Option<bf16::Plan>; 3],
    /// The algorithms that are allowed.
    kernels: Kernels,
    /// The mirrored weights, for [`Method::Mirrored`].
    mirrored: Vec<f32>,
    lanes: Vec<Lane>,
}

/// The algorithms for convolutions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernels {
    /// The definition, without saving multiplications.
    Direct,
    /// Algorithms with fewer multiplications where they are faster, as exact as the definition.
    #[default]
    Fast,
    /// Like `Fast`, and also Winograd's F(4×4, 2×2), whose error is some ten times as large: 3e-6 of the largest value. It is
    /// useful for 4x4 kernels with stride 2 on small maps.
    Faster,
}

impl Kernels {
    /// Whether tiles that lose digits are allowed.
    fn lossy(self) -> bool {
        self == Self::Faster
    }
}

/// How a layer is computed as a matrix product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Dense,
    /// Patches of the input times the weights.
    Gather(Patches),
    /// The input times the weights, added to patches of the output.
    Scatter(Patches),
    /// A convolution computed like [`Method::Scatter`], with mirrored weights.
    Mirrored(Patches),
}

/// One of the three computations of a layer in a training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// The output.
    Forward,
    /// The gradient of the input.
    InputGradient,
    /// The gradient of the weights.
    WeightGradient,
}

impl Task {
    /// All tasks, in the order of a step.
    pub const ALL: [Self; 3] = [Self::Forward, Self::InputGradient, Self::WeightGradient];

    /// Name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::InputGradient => "dX",
            Self::WeightGradient => "dW",
        }
    }
}

#[derive(Debug, Default)]
struct Lane {
    patches: Vec<f32>,
    d_weights: Vec<f32>,
}

impl Linear {
    /// A layer of this shape, computed with the fastest algorithm that `kernels` allows.
    pub fn new(spec: &LayerSpec, geometry: Geometry, kernels: Kernels) -> Self {
        let direct = Self::direct(spec, geometry);
        if kernels == Kernels::Direct {
            return direct;
        }
        let fast = direct.passes().map(|(c, gradient)| c?.fastest(gradient, kernels.lossy()).map(Plan::new));
        Self { fast, kernels, ..direct }
    }

    /// The same layer, multiplied in bf16 by this unit where that is faster; `None` for float32 only. Dense layers stay float32: a step reads each of
    /// their weights only a few times, so packing them would take longer than the products.
    #[must_use]
    pub fn with_bf16(self, unit: Option<Unit>) -> Self {
        let plan = |(correlation, gradient): (Option<Correlation>, bool)| {
            let correlation = correlation?;
            let plan = bf16::Plan::new(correlation, gradient, unit?);
            (plan.cost() < correlation.cost_in_float32(gradient, self.kernels.lossy())).then_some(plan)
        };
        Self { bf16: self.passes().map(plan), ..self }
    }

    /// The correlation of each task, and whether its result is the gradient of the weights; `None` for a dense layer.
    fn passes(&self) -> [(Option<Correlation>, bool); 3] {
        // The size of the tiles is chosen later.
        let forward = Correlation::forward(self.op, &self.geometry, 0);
        let backward = Correlation::backward(self.op, &self.geometry, 0);
        [(forward, false), (backward, false), (forward, true)]
    }

    /// A layer of this shape, computed by its definition, without saving multiplications.
    fn direct(spec: &LayerSpec, geometry: Geometry) -> Self {
        let method = match (spec.op, Patches::of(spec.op, &geometry)) {
            (Op::Conv { channels, stride: 1, .. }, _)
                if channels < MIRROR_BELOW && channels < geometry.input.channels =>
            {
                Method::Mirrored(Patches::mirrored(&geometry))
            }
            (Op::Conv { .. }, Some(p)) => Method::Gather(p),
            (Op::ConvTranspose { .. }, Some(p)) => Method::Scatter(p),
            _ => Method::Dense,
        };
        Self {
            op: spec.op,
            geometry,
            method,
            fast: [None, None, None],
            bf16: [None, None, None],
            kernels: Kernels::Direct,
            mirrored: Vec::new(),
            lanes: Vec::new(),
        }
    }

    /// Rows and columns of the weight matrix.
    pub fn weight_dim(&self) -> (usize, usize) {
        weight_dim(self.op, &self.geometry)
    }

    /// Rows and columns of the matrix in the product, which has mirrored weights if the method needs them.
    fn product_dim(&self) -> (usize, usize) {
        match self.method {
            Method::Mirrored(p) => (self.geometry.input.channels.into(), p.size()),
            _ => self.weight_dim(),
        }
    }

    /// Name of the algorithm that was chosen for a task.
    pub fn algorithm(&self, task: Task) -> String {
        if let Some(plan) = &self.bf16[task as usize] {
            return plan.name();
        }
        match (&self.fast[task as usize], self.method) {
            (Some(plan), _) => plan.name(),
            (None, Method::Dense) => "product".into(),
            (None, Method::Gather(_) | Method::Scatter(_)) => "product, patches".into(),
            (None, Method::Mirrored(_)) => "product, mirrored".into(),
        }
    }

    /// Number of real multiplications of a task with the chosen algorithm. Multiplications by the constants of a transform and
    /// the padding of a product's last registers are not counted.
    pub fn multiplications(&self, task: Task, pictures: usize) -> u64 {
        if let Some(plan) = &self.bf16[task as usize] {
            return plan.multiplications(pictures);
        }
        if let Some(plan) = &self.fast[task as usize] {
            return plan.parts().map(|part| part.multiplications(pictures)).sum();
        }
        let (rows, columns) = self.product_dim();
        let places = match self.method {
            Method::Dense => 1,
            Method::Gather(p) | Method::Scatter(p) | Method::Mirrored(p) => p.count(),
        };
        (pictures * places) as u64 * (rows * columns) as u64
    }

    /// Fraction of these multiplications that is spent on padding, 0 … 1: channels are multiplied in groups of 16, and tiles
    /// as a whole.
    pub fn padding_fraction(&self, task: Task) -> f64 {
        if let Some(plan) = &self.bf16[task as usize] {
            return plan.padding_fraction();
        }
        let Some(plan) = &self.fast[task as usize] else { return 0.0 };
        let (mut all, mut useful) = (0.0, 0.0);
        for part in plan.parts() {
            all += part.multiplications(1) as f64;
            useful += part.multiplications(1) as f64 * part.utilisation();
        }
        1.0 - useful / all
    }

    /// Calls `f(index in the weights, index in the mirrored ones)` for each weight of a convolution.
    fn for_each_mirrored(&self, mut f: impl FnMut(usize, usize)) {
        let (taps, cin) = (usize::from(self.geometry.y.kernel).pow(2), usize::from(self.geometry.input.channels));
        let cout = usize::from(self.geometry.output.channels);
        for tap in 0..taps {
            for i in 0..cin {
                for o in 0..cout {
                    f((tap * cin + i) * cout + o, (i * taps + taps - 1 - tap) * cout + o);
                }
            }
        }
    }

    /// The weights as the product needs them, mirrored if necessary.
    fn mirror(&mut self, weights: &[f32]) {
        if let Method::Mirrored(_) = self.method {
            let mut mirrored = std::mem::take(&mut self.mirrored);
            mirrored.resize(weights.len(), 0.0);
            self.for_each_mirrored(|from, to| mirrored[to] = weights[from]);
            self.mirrored = mirrored;
        }
    }

    /// Number of pictures whose patches fit the scratch memory.
    fn pictures_at_a_time(&self) -> usize {
        match self.method {
            Method::Dense => usize::MAX,
            Method::Gather(p) | Method::Scatter(p) | Method::Mirrored(p) => {
                (SCRATCH_LEN / (p.count() * p.size())).max(1)
            }
        }
    }

    /// Computes the layer's output `y`, `[N, out]`, of the input `x`, `[N, in]`, and applies `epilogue` to it.
    pub fn forward(
        &mut self,
        weights: Weights<'_>,
        x: ArrayView2<'_, f32>,
        mut y: ArrayViewMut2<'_, f32>,
        epilogue: Epilogue<'_>,
    ) {
        if let Some(bf16) = &mut self.bf16[0] {
            let (x, y) = (contiguous(&x), y.as_slice_mut().expect("a batch is contiguous"));
            bf16.run(weights, x, y, epilogue);
            return;
        }
        if let Some(fast) = &mut self.fast[0] {
            let (x, y) = (contiguous(&x), y.as_slice_mut().expect("a batch is contiguous"));
            with_scratch(|scratch| fast.run(weights, x, y, epilogue, scratch));
            return;
        }
        let weights = weights.values;
        self.mirror(weights);
        let (method, at_a_time, dim) = (self.method, self.pictures_at_a_time(), self.product_dim());
        let w = matrix(if let Method::Mirrored(_) = method { &self.mirrored } else { weights }, dim);
        let lane = lane_len(x.nrows());
        self.lanes.resize_with(x.nrows().div_ceil(lane), Lane::default);
        let work = x.axis_chunks_iter(Axis(0), lane).into_par_iter().zip(y.axis_chunks_iter_mut(Axis(0), lane));
        work.zip(&mut self.lanes).for_each(|((x, mut y), lane)| {
            let step = at_a_time.min(x.nrows());
            for (x, mut y) in x.axis_chunks_iter(Axis(0), step).zip(y.axis_chunks_iter_mut(Axis(0), step)) {
                match method {
                    Method::Scatter(p) | Method::Mirrored(p) => {
                        let products = lane.patches(x.nrows() * p.count(), p.size());
                        gemm(per_place(&x, p.count()), w, products, false);
                        y.fill(0.0);
                        for (mut y, products) in
                            y.rows_mut().into_iter().zip(lane.patches.chunks_exact(p.count() * p.size()))
                        {
                            p.scatter_add(products, slice_mut(&mut y));
                        }
                    }
                    Method::Gather(p) => {
                        lane.gather(&p, &x);
                        let seen = matrix(
                            &lane.patches[..x.nrows() * p.count() * p.size()],
                            (x.nrows() * p.count(), p.size()),
                        );
                        gemm(seen, w, per_place_mut(&mut y, p.count()), false);
                    }
                    Method::Dense => gemm(x, w, y.view_mut(), false),
                }
                epilogue.apply(y.as_slice_mut().expect("a batch is contiguous"));
            }
        });
    }

    /// Computes the output with a bias for each channel (or for each output) and the activation.
    pub fn forward_activated(
        &mut self,
        weights: Weights<'_>,
        bias: &[f32],
        activation: Activation,
        x: ArrayView2<'_, f32>,
        mut y: ArrayViewMut2<'_, f32>,
    ) {
        // Work on outputs that are still in the cache saves a pass over them.
        let slope = activation.negative_slope();
        self.forward(weights, x, y.view_mut(), Epilogue::BiasLeaky { bias, slope: slope.unwrap_or(1.0) });
        if slope.is_none() {
            activation::forward(activation, y);
        }
    }

    /// Adds the gradient of the weights to `d_weights` if given, and writes the gradient of the input to `dx` if given.
    pub fn backward(
        &mut self,
        weights: Weights<'_>,
        mut d_weights: Option<&mut [f32]>,
        x: ArrayView2<'_, f32>,
        dy: ArrayView2<'_, f32>,
        mut dx: Option<ArrayViewMut2<'_, f32>>,
    ) {
        let [_, bf16_dx, bf16_dw] = &mut self.bf16;
        if let Some(bf16) = bf16_dx
            && let Some(mut dx) = dx.take()
        {
            bf16.run(weights, contiguous(&dy), dx.as_slice_mut().expect("a batch is contiguous"), Epilogue::Store);
        }
        if let Some(bf16) = bf16_dw
            && let Some(d_weights) = d_weights.take()
        {
            bf16.add_gradient(d_weights, contiguous(&x), contiguous(&dy));
        }
        let [_, fast_dx, fast_dw] = &mut self.fast;
        if let Some(fast) = fast_dx
            && let Some(mut dx) = dx.take()
        {
            let dy = contiguous(&dy);
            let dx = dx.as_slice_mut().expect("a batch is contiguous");
            with_scratch(|scratch| fast.run(weights, dy, dx, Epilogue::Store, scratch));
        }
        if let Some(fast) = fast_dw
            && let Some(d_weights) = d_weights.take()
        {
            let (x, dy) = (contiguous(&x), contiguous(&dy));
            with_scratch(|scratch| fast.add_gradient(d_weights, x, dy, scratch));
        }
        if dx.is_none() && d_weights.is_none() {
            return;
        }
        let weights = weights.values;
        self.mirror(weights);
        let (method, at_a_time, dim) = (self.method, self.pictures_at_a_time(), self.product_dim());
        let lane_len = lane_len(x.nrows());
        self.lanes.resize_with(x.nrows().div_ceil(lane_len), Lane::default);
        let w = matrix(if let Method::Mirrored(_) = method { &self.mirrored } else { weights }, dim);
        let want_dw = d_weights.is_some();

        // One entry for each lane, so that lanes can be given to threads with or without dx.
        let mut dx: Vec<_> = match &mut dx {
            Some(dx) => dx.axis_chunks_iter_mut(Axis(0), lane_len).map(Some).collect(),
            None => self.lanes.iter().map(|_| None).collect(),
        };
        let work = x.axis_chunks_iter(Axis(0), lane_len).into_par_iter().zip(dy.axis_chunks_iter(Axis(0), lane_len));
        work.zip(&mut self.lanes).zip(&mut dx).for_each(|(((x, dy), lane), dx)| {
            if want_dw {
                lane.d_weights.resize(dim.0 * dim.1, 0.0);
            }
            let step = at_a_time.min(x.nrows());
            for (i, (x, dy)) in x.axis_chunks_iter(Axis(0), step).zip(dy.axis_chunks_iter(Axis(0), step)).enumerate() {
                let n = x.nrows();
                let dx = dx.as_mut().map(|dx| dx.slice_mut(s![i * step..i * step + n, ..]));
                let add = i > 0;
                match method {
                    Method::Scatter(p) | Method::Mirrored(p) => {
                        lane.gather(&p, &dy);
                        let d_products = matrix(&lane.patches[..n * p.count() * p.size()], (n * p.count(), p.size()));
                        if want_dw {
                            gemm(
                                per_place(&x, p.count()).reversed_axes(),
                                d_products,
                                matrix_mut(&mut lane.d_weights, dim),
                                add,
                            );
                        }
                        if let Some(mut dx) = dx {
                            gemm(d_products, w.reversed_axes(), per_place_mut(&mut dx, p.count()), false);
                        }
                    }
                    Method::Gather(p) => {
                        let dy = per_place(&dy, p.count());
                        if want_dw {
                            lane.gather(&p, &x);
                            let seen = matrix(&lane.patches[..n * p.count() * p.size()], (n * p.count(), p.size()));
                            gemm(seen.reversed_axes(), dy, matrix_mut(&mut lane.d_weights, dim), add);
                        }
                        if let Some(mut dx) = dx {
                            gemm(dy, w.reversed_axes(), lane.patches(n * p.count(), p.size()), false);
                            dx.fill(0.0);
                            for (mut dx, d_seen) in
                                dx.rows_mut().into_iter().zip(lane.patches.chunks_exact(p.count() * p.size()))
                            {
                                p.scatter_add(d_seen, slice_mut(&mut dx));
                            }
                        }
                    }
                    Method::Dense => {
                        if want_dw {
                            gemm(x.reversed_axes(), dy, matrix_mut(&mut lane.d_weights, dim), add);
                        }
                        if let Some(dx) = dx {
                            gemm(dy, w.reversed_axes(), dx, false);
                        }
                    }
                }
            }
        });
        if let Some(d_weights) = d_weights {
            if let Method::Mirrored(_) = method {
                // The mirrored weights are no longer needed.
                let mut sum = std::mem::take(&mut self.mirrored);
                sum.fill(0.0);
                add_lanes(&mut sum, &self.lanes);
                self.for_each_mirrored(|to, from| d_weights[to] += sum[from]);
                self.mirrored = sum;
            } else {
                add_lanes(d_weights, &self.lanes);
            }
        }
    }
}

/// Rows and columns of the weight matrix of a layer.
pub fn weight_dim(op: Op, g: &Geometry) -> (usize, usize) {
    let [rows, columns] = op.weight_matrix(g.input);
    (rows, columns)
}

/// Adds the gradients of all lanes in a fixed order, independent of the threads that computed them.
fn add_lanes(d_weights: &mut [f32], lanes: &[Lane]) {
    const PIECE: usize = 1 << 12;
    d_weights.par_chunks_mut(PIECE).enumerate().for_each(|(i, sum)| {
        for lane in lanes {
            for (s, d) in sum.iter_mut().zip(&lane.d_weights[i * PIECE..]) {
                *s += d;
            }
        }
    });
}

impl Lane {
    /// The first `rows × columns` values of the scratch memory.
    fn patches(&mut self, rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
        if self.patches.len() < rows * columns {
            self.patches.resize(rows * columns, 0.0);
        }
        matrix_mut(&mut self.patches[..rows * columns], (rows, columns))
    }

    /// Fills the scratch memory with the patches of each picture of `maps`.
    fn gather(&mut self, p: &Patches, maps: &ArrayView2<'_, f32>) {
        self.patches(maps.nrows() * p.count(), p.size());
        for (map, patches) in maps.rows().into_iter().zip(self.patches.chunks_exact_mut(p.count() * p.size())) {
            p.gather(map.to_slice().expect("a batch is contiguous"), patches);
        }
    }
}

fn matrix(values: &[f32], dim: (usize, usize)) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape(dim, values).expect("as many values as the matrix has")
}

fn matrix_mut(values: &mut [f32], dim: (usize, usize)) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape(dim, values).expect("as many values as the matrix has")
}

/// A view of `[N, places·C]` as `[N·places, C]`.
fn per_place<'a>(x: &ArrayView2<'a, f32>, places: usize) -> ArrayView2<'a, f32> {
    let dim = (x.nrows() * places, x.ncols() / places);
    matrix(x.to_slice().expect("a batch is contiguous"), dim)
}

fn per_place_mut<'a>(x: &'a mut ArrayViewMut2<'_, f32>, places: usize) -> ArrayViewMut2<'a, f32> {
    let dim = (x.nrows() * places, x.ncols() / places);
    matrix_mut(x.as_slice_mut().expect("a batch is contiguous"), dim)
}

fn contiguous<'a>(x: &ArrayView2<'a, f32>) -> &'a [f32] {
    x.to_slice().expect("a batch is contiguous")
}

fn slice_mut<'a>(row: &'a mut ndarray::ArrayViewMut1<'_, f32>) -> &'a mut [f32] {
    row.as_slice_mut().expect("a batch is contiguous")
}
