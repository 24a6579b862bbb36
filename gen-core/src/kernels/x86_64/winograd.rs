//! The products of Winograd tiles.

use super::vector::Vector;
use crate::plan::{self, PAIR};

/// Winograd tiles that are computed together.
pub(super) const TILES: usize = plan::X86_64.winograd_tiles;

/// Multiplies the points of [`TILES`] tiles with the filters of two output channels, and sums over the quads.
///
/// # Safety
/// The processor has the vector, and `VECTORS` of them have a lane for each tile.
/// `staged` has `[points][quads][2][TILES]` words, `filters` `[points][quads][2][PAIR]`, and
/// `sums` `[points][PAIR][TILES]`.
#[inline(always)]
pub(super) unsafe fn products<V: Vector, const VECTORS: usize>(
    staged: *const i32,
    filters: *const i32,
    points: usize,
    quads: usize,
    sums: *mut i32,
) {
    const { assert!(VECTORS * V::LANES == TILES) };
    let (mut staged, mut filters) = (staged, filters);
    for point in 0..points {
        // SAFETY: as the caller promises; each turn advances by one quad.
        unsafe {
            // Separate sums for the two words, so that more additions are independent of each other.
            let mut accs = [[[V::zero(); VECTORS]; PAIR]; 2];
            for _ in 0..quads {
                for (word, accs) in accs.iter_mut().enumerate() {
                    for v in 0..VECTORS {
                        let tiles = V::load(staged.add(word * TILES + v * V::LANES));
                        for c in 0..PAIR {
                            accs[c][v] = accs[c][v].multiply_add(tiles, V::splat(filters.add(word * PAIR + c)));
                        }
                    }
                }
                staged = staged.add(2 * TILES);
                filters = filters.add(2 * PAIR);
            }
            for c in 0..PAIR {
                for v in 0..VECTORS {
                    let to = sums.add((point * PAIR + c) * TILES + v * V::LANES);
                    accs[0][c][v].add(accs[1][c][v]).store(to);
                }
            }
        }
    }
}
