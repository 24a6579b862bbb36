//! Estimates which tiles are fastest for a correlation, compared with one large matrix product.

use super::fourier::REAL;
use super::geometry::{Correlation, Side};
use crate::patches::MIRROR_BELOW;

/// The tile sizes that have a transform.
pub(super) const TILES: [usize; 4] = [2, 3, 4, 8];

/// The size of the tiles that have a fourth finite point besides 0, 1 and −1, and therefore lose digits.
pub(super) const LOSSY: usize = 4;

impl Correlation {
    /// The fastest way to compute this correlation; `None` if one matrix product is faster. `gradient`: for the gradient of
    /// the weights. `lossy`: tiles that lose digits are allowed.
    pub fn fastest(self, gradient: bool, lossy: bool) -> Option<Vec<Self>> {
        // With fewer channels, most of a group would be padding.
        if self.input.channels < 16 || self.output.channels < 16 {
            return None;
        }
        let candidates = [vec![self], self.split_by_pixel()].into_iter().flat_map(|parts| {
            let with = move |tile| parts.iter().map(|part| Self { tile, ..*part }).collect::<Vec<_>>();
            TILES.into_iter().filter(move |tile| lossy || *tile != LOSSY).map(with)
        });
        let cost = |parts: &Vec<Self>| parts.iter().map(|part| part.cost(gradient)).sum::<f64>();
        let candidates = candidates.filter(|parts| parts.iter().all(Self::has_transform));
        let best = candidates.min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
        (cost(&best) < self.cost_of_product()).then_some(best)
    }

    /// Nanoseconds for a picture with the fastest of all ways in float32, estimated as [`fastest`](Self::fastest) does.
    pub(crate) fn cost_in_float32(self, gradient: bool, lossy: bool) -> f64 {
        let parts = self.fastest(gradient, lossy);
        parts.map_or_else(|| self.cost_of_product(), |parts| parts.iter().map(|part| part.cost(gradient)).sum())
    }

    /// Nanoseconds for a picture on one core of a Zen 4, fitted to
    /// `cargo run --release -p trainer --example layer_speed`: the product of two groups takes 5 here and 5.5 in one large
    /// matrix product. The transform or the inverse transform of a group of channels takes 6 for each point, and 12 where
    /// the tile does not stay in the cache. Copying a group of channels, or a part of one, into a patch takes 2.
    fn cost(&self, gradient: bool) -> f64 {
        let (ks, ns) = (self.input.groups(), self.output.groups());
        let group = if gradient { 12.0 } else { 6.0 };
        let (rows, columns) = self.tiles();
        let points = (self.tile + self.taps - 1).pow(2);
        (rows * columns) as f64 * (5.0 * (self.products() * ks * ns) as f64 + group * (points * (ks + ns)) as f64)
    }

    /// The estimate for one matrix product of all patches, which does not multiply padding of channels.
    fn cost_of_product(&self) -> f64 {
        let channels = |side: &Side| (side.step * side.step * side.channels) as f64 / 16.0;
        // Few outputs are computed with mirrored weights, which writes patches, too.
        let few = usize::from(MIRROR_BELOW).min(self.input.channels);
        let writes = self.output.step > 1 || self.input.step == 1 && self.output.channels < few;
        let places = if writes { (self.input.height, self.input.width) } else { self.positions };
        let patches = (places.0 * places.1 * self.taps * self.taps) as f64;
        let (input, output) = (channels(&self.input), channels(&self.output));
        patches * (5.5 * input * output + 2.0 * (if writes { output } else { input }).max(1.0))
    }

    /// Whether there is a transform for this tile size and number of taps.
    pub fn has_transform(&self) -> bool {
        let step = self.input.step.max(self.output.step);
        let whole = self.weights.kernel == self.taps * step && step <= 2;
        whole && matches!((self.tile, self.taps), (2..=4, 2) | (2, 3) | (8, 5))
    }

    /// Number of real multiplications that a tile needs for one input and one output channel.
    pub(super) fn products(&self) -> usize {
        match (self.tile + self.taps - 1).pow(2) {
            144 => REAL + (144 - REAL) / 2 * 3,
            points => points,
        }
    }

    /// Number of real multiplications in the products of the transformed tiles, of this correlation or of the gradient of its weights,
    /// for a number of pictures. Includes the padding of groups of channels and of tiles.
    pub fn multiplications(&self, pictures: usize) -> u64 {
        let (rows, columns) = self.tiles();
        let channels = (16 * self.input.groups(), 16 * self.output.groups());
        (pictures * rows * columns) as u64 * (self.products() * channels.0 * channels.1) as u64
    }

    /// Fraction of the multiplications that are not for padding of channels or tiles, 0 … 1.
    pub fn utilisation(&self) -> f64 {
        let full = |channels: usize| channels as f64 / channels.next_multiple_of(16) as f64;
        let along = |len: usize, positions: usize| {
            let (outputs, step) = if self.output.only.is_some() { (positions, 1) } else { (len, self.output.step) };
            outputs as f64 / (positions.next_multiple_of(self.tile) * step) as f64
        };
        let outputs = along(self.output.height, self.positions.0) * along(self.output.width, self.positions.1);
        outputs * full(self.input.channels) * full(self.output.channels)
    }
}
