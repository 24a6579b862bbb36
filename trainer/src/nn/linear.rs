//! The linear part of a layer: dense, convolution, transposed convolution.
//!
//! | | weights | forward |
//! |---|---|---|
//! | dense | `[in, out]` | `y = x·W` |
//! | convolution | `[(ky, kx, in), out]` | `y = patches(x)·W` |
//! | transposed | `[in, (ky, kx, out)]` | `y = scatter(x·W)` |
//!
//! Each is one matrix product a lane, forward and for both gradients; the layouts
//! are Keras's kernels reshaped, but that Keras keeps `in` last in a transposed one.

use gen_core::spec::{Geometry, LayerSpec, Op};
use ndarray::{ArrayView2, ArrayViewMut2, Axis, s};
use rayon::prelude::*;

use super::gemm::gemm;
use super::lane_len;
use super::patches::Patches;

/// Values of patches that are handled at a time, so that they stay in the cache.
const SCRATCH: usize = 1 << 17;

/// A linear layer's shape, and its scratch memory.
#[derive(Debug)]
pub struct Linear {
    op: Op,
    /// Shapes.
    pub geometry: Geometry,
    patches: Option<Patches>,
    lanes: Vec<Lane>,
}

#[derive(Debug, Default)]
struct Lane {
    patches: Vec<f32>,
    d_weights: Vec<f32>,
}

impl Linear {
    /// A layer of this shape.
    pub fn new(spec: &LayerSpec, geometry: Geometry) -> Self {
        Self { op: spec.op, geometry, patches: Patches::of(spec.op, &geometry), lanes: Vec::new() }
    }

    /// Rows and columns of the weight matrix.
    pub fn weight_dim(&self) -> (usize, usize) {
        weight_dim(self.op, &self.geometry)
    }

    /// Pictures whose patches fit the scratch memory.
    fn pictures_at_a_time(&self) -> usize {
        self.patches.map_or(usize::MAX, |p| (SCRATCH / (p.count() * p.size())).max(1))
    }

    /// `y` = the layer of `x`, without bias. `x` is `[N, in]`, `y` is `[N, out]`.
    pub fn forward(&mut self, weights: &[f32], x: ArrayView2<'_, f32>, mut y: ArrayViewMut2<'_, f32>) {
        let (op, patches, at_a_time) = (self.op, self.patches, self.pictures_at_a_time());
        let w = matrix(weights, self.weight_dim());
        let lane = lane_len(x.nrows());
        self.lanes.resize_with(x.nrows().div_ceil(lane), Lane::default);
        let work = x.axis_chunks_iter(Axis(0), lane).into_par_iter().zip(y.axis_chunks_iter_mut(Axis(0), lane));
        work.zip(&mut self.lanes).for_each(|((x, mut y), lane)| {
            let step = at_a_time.min(x.nrows());
            for (x, mut y) in x.axis_chunks_iter(Axis(0), step).zip(y.axis_chunks_iter_mut(Axis(0), step)) {
                match (op, patches) {
                    (Op::ConvTranspose { .. }, Some(p)) => {
                        let products = lane.patches(x.nrows() * p.count(), p.size());
                        gemm(per_place(&x, p.count()), w, products, false);
                        y.fill(0.0);
                        for (mut y, products) in
                            y.rows_mut().into_iter().zip(lane.patches.chunks_exact(p.count() * p.size()))
                        {
                            p.scatter_add(products, slice_mut(&mut y));
                        }
                    }
                    (Op::Conv { .. }, Some(p)) => {
                        lane.gather(&p, &x);
                        let seen = matrix(
                            &lane.patches[..x.nrows() * p.count() * p.size()],
                            (x.nrows() * p.count(), p.size()),
                        );
                        gemm(seen, w, per_place_mut(&mut y, p.count()), false);
                    }
                    _ => gemm(x, w, y, false),
                }
            }
        });
    }

    /// Adds to `d_weights`, and writes `dx` unless it is not wanted.
    pub fn backward(
        &mut self,
        weights: &[f32],
        d_weights: Option<&mut [f32]>,
        x: ArrayView2<'_, f32>,
        dy: ArrayView2<'_, f32>,
        dx: Option<ArrayViewMut2<'_, f32>>,
    ) {
        let (op, patches, at_a_time) = (self.op, self.patches, self.pictures_at_a_time());
        let dim = self.weight_dim();
        let w = matrix(weights, dim);
        let lane_len = lane_len(x.nrows());
        self.lanes.resize_with(x.nrows().div_ceil(lane_len), Lane::default);
        let want_dw = d_weights.is_some();

        // One entry a lane, so that lanes can be handed to threads whether or not dx is wanted.
        let mut dx = dx;
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
                match (op, patches) {
                    (Op::ConvTranspose { .. }, Some(p)) => {
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
                    (Op::Conv { .. }, Some(p)) => {
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
                    _ => {
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
            add_lanes(d_weights, &self.lanes);
        }
    }
}

/// Rows and columns of the weight matrix of a layer.
pub fn weight_dim(op: Op, g: &Geometry) -> (usize, usize) {
    match op {
        Op::Dense { .. } => (g.input.len(), g.output.len()),
        Op::Conv { .. } => (g.weight_count() / g.output.channels as usize, g.output.channels.into()),
        Op::ConvTranspose { .. } => (g.input.channels.into(), g.weight_count() / g.input.channels as usize),
    }
}

/// Adds every lane's share in a fixed order, whatever thread made it.
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

/// `[N, places·C]` seen as `[N·places, C]`.
fn per_place<'a>(x: &ArrayView2<'a, f32>, places: usize) -> ArrayView2<'a, f32> {
    let dim = (x.nrows() * places, x.ncols() / places);
    matrix(x.to_slice().expect("a batch is contiguous"), dim)
}

fn per_place_mut<'a>(x: &'a mut ArrayViewMut2<'_, f32>, places: usize) -> ArrayViewMut2<'a, f32> {
    let dim = (x.nrows() * places, x.ncols() / places);
    matrix_mut(x.as_slice_mut().expect("a batch is contiguous"), dim)
}

fn slice_mut<'a>(row: &'a mut ndarray::ArrayViewMut1<'_, f32>) -> &'a mut [f32] {
    row.as_slice_mut().expect("a batch is contiguous")
}
