//! Gathers tiles from a map and transforms them. Values at the points are loaded and stored here too.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::domain::{Domain, Load, Store};
use super::geometry::OUTSIDE;
use super::panel::{Group, Panel};

/// The panel that begins at group `at`.
pub(super) fn panel_at(groups: &[Group], at: usize, stride: usize) -> Panel<'_> {
    Panel { groups: &groups[at.min(groups.len())..], stride }
}

/// Loads the channels of one register at an offset of a map. Channels that do not exist are 0.
#[inline(always)]
fn read<S: Simd>(simd: S, map: &[f32], offset: u32, (first, channels): (usize, usize), q: usize) -> S::f32s {
    if offset == OUTSIDE {
        return simd.splat_f32s(0.0);
    }
    let at = offset as usize + first + q * S::F32_LANES;
    if channels == 16 {
        return S::as_simd_f32s(&map[at..at + S::F32_LANES]).0[0];
    }
    let there = channels.saturating_sub(q * S::F32_LANES).min(S::F32_LANES);
    let mut group = [0.0; 16];
    if there > 0 {
        group[..there].copy_from_slice(&map[at..at + there]);
    }
    S::as_simd_f32s(&group).0[0]
}

/// A tile of a map, for one register of a group of channels.
struct Tile<'a, S> {
    simd: S,
    pub(super) map: &'a [f32],
    pub(super) offsets: &'a [u32],
    pub(super) channels: (usize, usize),
    pub(super) q: usize,
}

impl<S: Simd> Load<S> for Tile<'_, S> {
    #[inline(always)]
    fn load(&self, at: usize) -> S::f32s {
        read::<S>(self.simd, self.map, self.offsets[at], self.channels, self.q)
    }
}

/// The transformed values of a tile, for one register of a group of channels. Points are `stride` groups apart.
pub(super) struct TilePoints<P> {
    pub(super) groups: P,
    pub(super) stride: usize,
    pub(super) q: usize,
    /// Number of points whose values are real.
    pub(super) real: usize,
}

impl<S: Simd> Load<S> for TilePoints<&[Group]> {
    #[inline(always)]
    fn load(&self, at: usize) -> S::f32s {
        S::as_simd_f32s(&self.groups[at * self.stride].0).0[self.q]
    }
}

impl<S: Simd> Store<S> for TilePoints<&mut [Group]> {
    #[inline(always)]
    fn store(&mut self, at: usize, value: S::f32s) {
        S::as_mut_simd_f32s(&mut self.groups[at * self.stride].0).0[self.q] = value;
    }

    #[inline(always)]
    fn store_complex(&mut self, point: usize, re: S::f32s, im: S::f32s) {
        <Self as Store<S>>::store(self, self.real + 2 * point, re);
        <Self as Store<S>>::store(self, self.real + 2 * point + 1, im);
    }
}

/// Transforms one group of channels of some tiles.
pub(super) struct ToPoints<'a, D, const M: usize, const R: usize, const T: usize> {
    pub(super) domain: PhantomData<D>,
    /// Whether the map is an input. Otherwise it is the gradient of an output.
    pub(super) is_input: bool,
    pub(super) map: &'a [f32],
    pub(super) offsets: &'a [u32],
    pub(super) channels: (usize, usize),
    /// Distances from point to point and from tile to tile.
    pub(super) strides: (usize, usize),
    pub(super) to: &'a mut [Group],
}

impl<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize> WithSimd for ToPoints<'_, D, M, R, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { is_input, map, offsets, channels, strides, to, .. } = self;
        let side = if is_input { T } else { M };
        for (tile, offsets) in offsets.chunks_exact(side * side).enumerate() {
            for q in 0..16 / S::F32_LANES {
                let x = Tile { simd, map, offsets, channels, q };
                let mut to = TilePoints { groups: &mut to[tile * strides.1..], stride: strides.0, q, real: D::REAL };
                if is_input {
                    D::input::<S>(simd, &x, &mut to);
                } else {
                    D::d_output::<S>(simd, &x, &mut to);
                }
            }
        }
    }
}
