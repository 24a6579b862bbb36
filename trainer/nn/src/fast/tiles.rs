//! Transforms tiles of a map to the points of a domain, and back.

use std::marker::PhantomData;

use pulp::{Simd, WithSimd};

use super::domain::{Domain, Load, Store};
use super::geometry::OUTSIDE;
use super::panel::{Group, Panel};

/// The groups of one point, `at` behind the first.
pub(super) fn panel_at(groups: &[Group], at: usize, stride: usize) -> Panel<'_> {
    Panel { groups: &groups[at.min(groups.len())..], stride }
}

/// Values of a group at a place of a map.
#[inline(always)]
fn read<S: Simd>(simd: S, map: &[f32], place: u32, (first, channels): (usize, usize), q: usize) -> S::f32s {
    if place == OUTSIDE {
        return simd.splat_f32s(0.0);
    }
    let at = place as usize + first + q * S::F32_LANES;
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

/// A tile of a map, one register of a group of channels.
struct Tile<'a, S> {
    simd: S,
    pub(super) map: &'a [f32],
    pub(super) places: &'a [u32],
    pub(super) channels: (usize, usize),
    pub(super) q: usize,
}

impl<S: Simd> Load<S> for Tile<'_, S> {
    #[inline(always)]
    fn load(&self, at: usize) -> S::f32s {
        read::<S>(self.simd, self.map, self.places[at], self.channels, self.q)
    }
}

/// The points of a tile, one register of a group of channels, `stride` groups apart.
pub(super) struct TilePoints<P> {
    pub(super) groups: P,
    pub(super) stride: usize,
    pub(super) q: usize,
    /// Number of points that are real.
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

/// The transform of one group of channels of some tiles to the points.
pub(super) struct ToPoints<'a, D, const M: usize, const R: usize, const T: usize> {
    pub(super) domain: PhantomData<D>,
    /// Whether the map is an input; otherwise it is the gradient of an output.
    pub(super) is_input: bool,
    pub(super) map: &'a [f32],
    pub(super) places: &'a [u32],
    pub(super) channels: (usize, usize),
    /// Distances from point to point and from tile to tile.
    pub(super) strides: (usize, usize),
    pub(super) to: &'a mut [Group],
}

impl<D: Domain<M, R, T>, const M: usize, const R: usize, const T: usize> WithSimd for ToPoints<'_, D, M, R, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { is_input, map, places, channels, strides, to, .. } = self;
        let side = if is_input { T } else { M };
        for (tile, places) in places.chunks_exact(side * side).enumerate() {
            for q in 0..16 / S::F32_LANES {
                let x = Tile { simd, map, places, channels, q };
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
