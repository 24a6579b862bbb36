//! Checks that kernels do what [`Kernels`] promises, on any processor. It needs no allocator, and less than 24 KiB
//! of memory.
//!
//! ```
//! use gen_core::conformance::{Buffers, check};
//! use gen_core::kernels::Native;
//!
//! let mut buffers = Buffers::new(); // `new` is a `const fn`: where the stack is small, this can be a static
//! let count = check::<Native>(&mut buffers).unwrap();
//! assert!(count.calls > 1000);
//! ```
//!
//! The reference is the definition in plain loops. Inputs and weights are functions of their indices, so that the
//! reference does not depend on any order in memory. Every call is repeated for each kind of output. Memory that
//! a kernel must not write is compared as well.

use core::array::from_fn;
use core::fmt;

use crate::kernels::{Destination, KernelArgs, Kernels};
use crate::no_panic::STRICT;
use crate::plan::{KernelLayout, MAX_BLOCK_PIXELS, MAX_TOEPLITZ_TAPS, PAIR, TILE};
use crate::quant::{I32LeSlice, MultiplierTable};
use crate::winograd::{self, MAX_POINTS};

/// Output channels: numbers around multiples of 2, 4 and 8.
const CHANNELS: [usize; 7] = [1, 2, 3, 4, 5, 8, 17];
const MAX_CHANNELS: usize = 17;
/// Quads of input channels in all rows.
const QUADS: [usize; 5] = [1, 2, 3, 5, 16];
const MAX_QUADS: usize = 16;
/// Input channels of Winograd tiles.
const INPUTS: [usize; 6] = [1, 3, 4, 6, 12, 40];
const MAX_INPUTS: usize = 40;
/// Values between the channels of one pixel and those of the next.
const GAPS: [usize; 3] = [0, 1, 6];
const MAX_STEP: usize = MAX_CHANNELS + 6;

/// Pixels and weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Data {
    /// Random values.
    Random,
    /// All products are as large as they can be: −128 · −128.
    Largest,
    /// All products are as small as they can be: −128 · 127.
    Smallest,
    /// 127 and −128, in random order.
    Extremes,
}

const DATA: [Data; 4] = [Data::Random, Data::Largest, Data::Smallest, Data::Extremes];

impl Data {
    fn pixel(self, random: u32) -> i8 {
        match self {
            Self::Random => random as i8,
            Self::Largest | Self::Smallest => i8::MIN,
            Self::Extremes => extreme(random),
        }
    }

    fn weight(self, random: u32) -> i8 {
        match self {
            Self::Random => random as i8,
            Self::Largest => i8::MIN,
            Self::Smallest => i8::MAX,
            Self::Extremes => extreme(random),
        }
    }
}

fn extreme(random: u32) -> i8 {
    if random & 1 == 0 { i8::MIN } else { i8::MAX }
}

/// Biases: small ones, and those that make sums wrap around in both directions.
const BIASES: [i32; 5] = [0, i32::MAX, -1234, i32::MIN, 77_777];

/// Multipliers: those that give exact halves, the extremes, and ordinary ones.
const MULTIPLIERS: [i32; 7] = [1 << 30, 0, 123_456_789, 1, i32::MAX, 1 << 18, 987_654];

/// The extent of a check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Count {
    /// Calls of kernels.
    pub calls: u32,
    /// Values that were compared.
    pub values: u32,
}

/// The first wrong value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Failure {
    /// Name of the kernels.
    pub kernels: &'static str,
    /// What was called.
    pub case: Case,
    /// Index of the value in the list that the kernel was given for results.
    pub at: usize,
    /// The value found there.
    pub found: i32,
    /// The expected value.
    pub expected: i32,
}

/// A call of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Case {
    /// [`Kernels::stage`]
    Stage {
        /// Quads of a pixel.
        quads: usize,
        /// Pixels.
        columns: usize,
        /// Words from a plane to the next.
        plane: usize,
        /// Values from a pixel to the next.
        step: usize,
    },
    /// [`Kernels::pack`] and [`Kernels::toeplitz`]
    Toeplitz {
        /// Tap columns.
        taps: usize,
        /// Pixels.
        pixels: usize,
        /// Output channels.
        channels: usize,
        /// Quads of input channels, in all rows.
        quads: usize,
        /// Column where the first pixel begins.
        column: usize,
        /// Pixels and weights.
        data: Data,
        /// Values from a pixel to the next; 0 for accumulators.
        step: usize,
    },
    /// [`Kernels::dot`]
    Dot {
        /// Output channels.
        channels: usize,
        /// Quads of input channels, in all rows and taps.
        quads: usize,
        /// Pixels and weights.
        data: Data,
        /// As in [`Toeplitz`](Self::Toeplitz).
        step: usize,
    },
    /// [`Kernels::tile`] and [`Kernels::winograd`]
    Winograd {
        /// Points.
        points: usize,
        /// Input channels.
        inputs: usize,
        /// Tap rows.
        rows: usize,
        /// Output channels.
        channels: usize,
        /// Pixels.
        pixels: usize,
        /// Pixels and weights.
        data: Data,
        /// As in [`Toeplitz`](Self::Toeplitz).
        step: usize,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernels, case, at, found, expected } = self;
        write!(f, "{kernels}: {case:?} left {found} at index {at}, expected {expected}")
    }
}

impl core::error::Error for Failure {}

/// Memory that the kernels read and write during the check.
#[repr(C, align(16))]
pub struct Buffers {
    /// Aligned as in a model.
    filters: [i8; MAX_CHANNELS * MAX_QUADS * MAX_TOEPLITZ_TAPS * 4],
    staged: [u32; 2048],
    sums: [i32; MAX_BLOCK_PIXELS * MAX_CHANNELS],
    biases: [[u8; 4]; MAX_CHANNELS],
    positive: [[u8; 4]; MAX_CHANNELS],
    negative: [[u8; 4]; MAX_CHANNELS],
    row: [i8; MAX_BLOCK_PIXELS * MAX_STEP],
}

/// Prints the size.
impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffers({} bytes)", size_of::<Self>())
    }
}

const _: () = assert!(size_of::<Buffers>() <= 24 * 1024);

impl Buffers {
    /// Buffers full of zeros.
    pub const fn new() -> Self {
        Self {
            staged: [0; _],
            filters: [0; _],
            biases: [[0; 4]; _],
            positive: [[0; 4]; _],
            negative: [[0; 4]; _],
            row: [0; _],
            sums: [0; _],
        }
    }
}

impl Default for Buffers {
    fn default() -> Self {
        Self::new()
    }
}

/// Calls every kernel with many sizes, minimal and maximal ones included, and with random and extreme values.
///
/// # Errors
/// The first value that differs from the definition.
pub fn check<K: Kernels>(buffers: &mut Buffers) -> Result<Count, Failure> {
    let mut count = Count::default();
    stage::<K>(buffers, &mut count)?;
    toeplitz::<K>(buffers, &mut count)?;
    dot::<K>(buffers, &mut count)?;
    winograd_kernels::<K>(buffers, &mut count)?;
    if !STRICT {
        refused::<K>(buffers, &mut count)?; // where they panic instead, a test on the host checks that
    }
    Ok(count)
}

/// A random number, the same for the same indices.
fn random(indices: [usize; 4]) -> u32 {
    let mut x = 0x9e37_79b9u32;
    for i in indices {
        x = (x ^ i as u32).wrapping_mul(0x85eb_ca6b);
        x ^= x >> 15;
    }
    x
}

/// The staged words of four values of one pixel.
fn words<K: Kernels>(value: impl Fn(usize) -> i16) -> [u32; 4] {
    let pair = |low, high| u32::from(value(low) as u16) + (u32::from(value(high) as u16) << 16);
    match K::LAYOUT.words_per_quad {
        1 => [u32::from_le_bytes(from_fn(|i| value(i) as u8)), 0, 0, 0],
        2 => [pair(0, 2), pair(1, 3), 0, 0],
        _ => core::array::from_fn(|i| i32::from(value(i)) as u32),
    }
}

/// Compares the memory that a kernel was given for results with the expected contents.
fn compare<K: Kernels>(
    case: Case,
    count: &mut Count,
    found: impl Iterator<Item = i32>,
    expected: impl Fn(usize) -> i32,
) -> Result<(), Failure> {
    count.calls += 1;
    for (at, found) in found.enumerate() {
        let expected = expected(at);
        count.values += 1;
        if found != expected {
            return Err(Failure { kernels: K::NAME, case, at, found, expected });
        }
    }
    Ok(())
}

fn stage<K: Kernels>(buffers: &mut Buffers, count: &mut Count) -> Result<(), Failure> {
    let Buffers { staged, filters: source, .. } = buffers;
    let per_quad = K::LAYOUT.words_per_quad;
    for quads in [1, 2, 3, 4, 5, 7, 8, 16] {
        for columns in 0..=21 {
            for gap in GAPS {
                // Adjacent pixels, pixels with gaps, or one pixel repeated.
                for step in [4 * quads, 4 * quads + 12, 0] {
                    let (plane, planes) = (columns + gap, quads * per_quad);
                    if planes * plane > staged.len() {
                        continue;
                    }
                    let case = Case::Stage { quads, columns, plane, step };
                    let value = |at| random([at, quads, columns, 1]) as i8;
                    // More than is used, with any alignment.
                    let source = &mut source[columns % 4..][..columns * step + 4 * quads];
                    for (at, to) in source.iter_mut().enumerate() {
                        *to = value(at);
                    }
                    let untouched = |at| random([at, 1, 2, 3]);
                    for (at, to) in staged.iter_mut().enumerate() {
                        *to = untouched(at);
                    }
                    // The last plane ends early.
                    let len = (planes - 1) * plane + columns;
                    K::stage(source, step, quads, columns, plane, &mut staged[..len]);
                    compare::<K>(case, count, staged.iter().map(|v| v.cast_signed()), |at| {
                        if at >= planes * plane || at % plane >= columns {
                            return untouched(at).cast_signed();
                        }
                        let (quad, word, column) = (at / plane / per_quad, at / plane % per_quad, at % plane);
                        words::<K>(|c| value(column * step + 4 * quad + c).into())[word].cast_signed()
                    })?;
                }
            }
        }
    }
    Ok(())
}

fn toeplitz<K: Kernels>(buffers: &mut Buffers, count: &mut Count) -> Result<(), Failure> {
    let mut number = 0;
    for taps in 1..=MAX_TOEPLITZ_TAPS {
        for pixels in K::LAYOUT.pixels[taps - 1].map(usize::from).into_iter().filter(|&p| p > 0) {
            let plane = pixels + taps;
            for channels in CHANNELS {
                for quads in QUADS {
                    let words_len = quads * K::LAYOUT.words_per_quad * plane;
                    let staged_len = words_len + KernelLayout::OVERREAD_WORDS;
                    if staged_len > buffers.staged.len() {
                        continue;
                    }
                    // Some kernels can begin a column later.
                    let column = if K::LAYOUT.shares_phases(taps) { number % 2 } else { 0 };
                    let data = DATA[number / 2 % DATA.len()];
                    let pixel = |at, quad, c| data.pixel(random([at, quad, c, 1]));
                    let weight = |channel, quad, tap, c| data.weight(random([channel, quad, tap, c]));
                    for quad in 0..quads {
                        for at in 0..plane {
                            let spread = words::<K>(|c| pixel(at, quad, c).into());
                            for (word, &value) in spread[..K::LAYOUT.words_per_quad].iter().enumerate() {
                                buffers.staged[(quad * K::LAYOUT.words_per_quad + word) * plane + at] = value;
                            }
                        }
                    }
                    // Words that are read but not used may have any value.
                    buffers.staged[words_len..staged_len].fill(0x1234_5678);
                    K::pack(taps, pixels, &mut buffers.staged[..staged_len]);
                    for channel in 0..channels {
                        for quad in 0..quads {
                            for tap in 0..taps {
                                for c in 0..4 {
                                    buffers.filters[((channel * quads + quad) * taps + tap) * 4 + c] =
                                        weight(channel, quad, tap, c);
                                }
                            }
                        }
                    }
                    let sum = |i, channel| {
                        let mut sum = 0i32;
                        for quad in 0..quads {
                            for tap in 0..taps {
                                for c in 0..4 {
                                    let x = i32::from(pixel(column + i + tap, quad, c));
                                    sum = sum.wrapping_add(x * i32::from(weight(channel, quad, tap, c)));
                                }
                            }
                        }
                        sum
                    };
                    let case = |step| Case::Toeplitz { taps, pixels, channels, quads, column, data, step };
                    outputs::<K>(buffers, count, number, (pixels, channels), case, sum, |staged, args| {
                        K::toeplitz(taps, pixels, column, KernelArgs { staged: &staged[..staged_len], ..args });
                    })?;
                    number += 1;
                }
            }
        }
    }
    Ok(())
}

fn dot<K: Kernels>(buffers: &mut Buffers, count: &mut Count) -> Result<(), Failure> {
    let mut number = 0;
    for channels in CHANNELS {
        // Quads of several rows and taps.
        for quads in [1, 2, 3, 4, 5, 7, 8, 9, 16, 33, MAX_QUADS * MAX_TOEPLITZ_TAPS] {
            let data = DATA[number % DATA.len()];
            let pixel = |quad, c| data.pixel(random([quad, c, number, 1]));
            let weight = |channel, quad, c| data.weight(random([channel, quad, c, 2]));
            let per_quad = K::LAYOUT.words_per_quad;
            for quad in 0..quads {
                let spread = words::<K>(|c| pixel(quad, c).into());
                buffers.staged[quad * per_quad..][..per_quad].copy_from_slice(&spread[..per_quad]);
            }
            for channel in 0..channels {
                for quad in 0..quads {
                    for c in 0..4 {
                        buffers.filters[(channel * quads + quad) * 4 + c] = weight(channel, quad, c);
                    }
                }
            }
            let sum = |_, channel| {
                let mut sum = 0i32;
                for quad in 0..quads {
                    for c in 0..4 {
                        sum = sum.wrapping_add(i32::from(pixel(quad, c)) * i32::from(weight(channel, quad, c)));
                    }
                }
                sum
            };
            let case = |step| Case::Dot { channels, quads, data, step };
            outputs::<K>(buffers, count, number, (1, channels), case, sum, |staged, args| {
                K::dot(KernelArgs { staged: &staged[..quads * per_quad], ..args });
            })?;
            number += 1;
        }
    }
    Ok(())
}

/// Calls with lists that do not fit together, which must not write anything.
fn refused<K: Kernels>(buffers: &mut Buffers, count: &mut Count) -> Result<(), Failure> {
    let Buffers { staged, filters, biases, positive, row, .. } = buffers;
    let (layout, quads, channels) = (K::LAYOUT, 2, 3);
    let (taps, points) = (2, TILE + 1);
    let (pixels, tile_pixels) = (usize::from(layout.pixels[taps - 1][0]), layout.winograd_tiles * TILE);
    let toeplitz = Case::Toeplitz { taps, pixels, channels, quads, column: 0, data: Data::Random, step: channels };
    let dot = Case::Dot { channels, quads, data: Data::Random, step: channels };
    let winograd = Case::Winograd {
        points,
        inputs: 4 * quads,
        rows: 1,
        channels,
        pixels: tile_pixels,
        data: Data::Random,
        step: channels,
    };
    for (case, staged_len, pixels) in [
        (toeplitz, quads * layout.words_per_quad * (pixels + taps) + KernelLayout::OVERREAD_WORDS, pixels),
        (dot, quads * layout.words_per_quad, 1),
        (winograd, points * quads * layout.winograd_words * layout.winograd_tiles, tile_pixels),
    ] {
        // One less of staged words, weights, biases and results.
        for short in 0..4 {
            let less = |list| usize::from(list == short);
            let untouched = |at| random([at, short, 3, 2]) as i8;
            for (at, to) in row.iter_mut().enumerate() {
                *to = untouched(at);
            }
            let multipliers = I32LeSlice::new(&positive[..channels]);
            let args = KernelArgs {
                staged: &staged[..staged_len - less(0)],
                filters: &filters[..case.filters(channels) - less(1)],
                biases: I32LeSlice::new(&biases[..channels - less(2)]),
                output: Destination::Int8 {
                    multipliers: MultiplierTable { positive: multipliers, negative: multipliers },
                    zero_point: 0,
                    row: &mut row[..pixels * channels - less(3)],
                    step: channels,
                },
            };
            match case {
                Case::Toeplitz { .. } => K::toeplitz(taps, pixels, 0, args),
                Case::Winograd { .. } => K::winograd(points, pixels, args),
                _ => K::dot(args),
            }
            compare::<K>(case, count, row.iter().map(|&v| v.into()), |at| untouched(at).into())?;
        }
    }
    Ok(())
}

/// Calls a kernel once for each kind of output, and compares. `number` selects biases, multipliers and gaps.
fn outputs<K: Kernels>(
    buffers: &mut Buffers,
    count: &mut Count,
    number: usize,
    (pixels, channels): (usize, usize),
    case: impl Fn(usize) -> Case,
    sum: impl Fn(usize, usize) -> i32,
    kernel: impl Fn(&[u32], KernelArgs<'_>),
) -> Result<(), Failure> {
    let Buffers { staged, filters, biases, positive, negative, row, sums } = buffers;
    let staged = &staged[..];
    let filters = &filters[..case(0).filters(channels)];
    let bias = |channel| BIASES[(channel + number) % BIASES.len()];
    // In the course of all calls each multiplier is combined with each other one.
    let multiplier = |channel, turn| MULTIPLIERS[(channel + number * turn) % MULTIPLIERS.len()];
    for channel in 0..channels {
        biases[channel] = i32::to_le_bytes(bias(channel));
        positive[channel] = i32::to_le_bytes(multiplier(channel, 1));
        negative[channel] = i32::to_le_bytes(multiplier(channel, 3));
    }
    let biases = I32LeSlice::new(&biases[..channels]);
    let positive = I32LeSlice::new(&positive[..channels]);
    let acc = |i, channel| bias(channel).wrapping_add(sum(i, channel));

    let untouched = |at| (random([at, number, 0, 0]) | 1).cast_signed();
    for (at, to) in sums.iter_mut().enumerate() {
        *to = untouched(at);
    }
    let len = pixels * channels;
    kernel(staged, KernelArgs { staged: &[], filters, biases, output: Destination::Accumulators(&mut sums[..len]) });
    compare::<K>(case(0), count, sums.iter().copied(), |at| {
        if at < len { acc(at / channels, at % channels) } else { untouched(at) }
    })?;

    // Negative accumulators have a list of their own, or the same.
    for one in [false, true] {
        let negative = if one { positive } else { I32LeSlice::new(&negative[..channels]) };
        let step = channels + GAPS[number % GAPS.len()];
        let zero_point = [-128, 0, 127, -40][number % 4];
        let untouched = |at| random([at, number, 0, 1]) as i8;
        for (at, to) in row.iter_mut().enumerate() {
            *to = untouched(at);
        }
        // The row ends with the last channel of the last pixel.
        let to = &mut row[..(pixels - 1) * step + channels];
        let output =
            Destination::Int8 { multipliers: MultiplierTable { positive, negative }, zero_point, row: to, step };
        kernel(staged, KernelArgs { staged: &[], filters, biases, output });
        compare::<K>(case(step), count, row.iter().map(|&v| v.into()), |at| {
            let (i, channel) = (at / step, at % step);
            if i >= pixels || channel >= channels {
                return untouched(at).into();
            }
            let acc = i64::from(acc(i, channel));
            let m = if acc < 0 && !one { multiplier(channel, 3) } else { multiplier(channel, 1) };
            let n = (acc * i64::from(m) + (1 << 31)).div_euclid(1 << 32);
            (n + i64::from(zero_point)).clamp(-128, 127) as i32
        })?;
    }
    Ok(())
}

impl Case {
    /// Bytes of the weights of this many output channels.
    fn filters(self, channels: usize) -> usize {
        match self {
            Self::Toeplitz { taps, quads, .. } => channels * quads * taps * 4,
            Self::Dot { quads, .. } => channels * quads * 4,
            Self::Winograd { points, inputs, rows, .. } => {
                channels.div_ceil(PAIR) * points * rows * inputs.div_ceil(4) * 4 * PAIR * size_of::<i16>()
            }
            Self::Stage { .. } => 0,
        }
    }
}

fn winograd_kernels<K: Kernels>(buffers: &mut Buffers, count: &mut Count) -> Result<(), Failure> {
    let (per_quad, tiles) = (K::LAYOUT.winograd_words, K::LAYOUT.winograd_tiles);
    let mut number = 0;
    for points in [5, 6, 8] {
        let taps = points - TILE + 1;
        for inputs in INPUTS {
            for rows in [1, 2, 3] {
                for channels in CHANNELS {
                    let quads = inputs.div_ceil(4);
                    let per_point = rows * quads * per_quad * tiles;
                    let pixels = 1 + number % (tiles * TILE);
                    let data = DATA[number % DATA.len()];
                    let case = |step| Case::Winograd { points, inputs, rows, channels, pixels, data, step };
                    let filters_len = case(0).filters(channels);
                    if points * per_point > buffers.staged.len() || filters_len > buffers.filters.len() {
                        continue;
                    }
                    let pixel = |row, at, c| data.pixel(random([row, at, c, 1]));
                    let weight = |channel, row, tap, c| data.weight(random([channel * 4 + row, tap, c, 2]));
                    for tile in 0..tiles {
                        for row in 0..rows {
                            let mut columns = [[0; MAX_INPUTS]; MAX_POINTS];
                            for (at, column) in columns.iter_mut().enumerate() {
                                for (c, value) in column.iter_mut().enumerate() {
                                    *value = pixel(row, tile * TILE + at, c);
                                }
                            }
                            let columns = columns.each_ref().map(|column| &column[..inputs]);
                            let from = row * quads * per_quad * tiles + tile;
                            K::tile(&columns[..points], per_point, &mut buffers.staged[from..points * per_point]);
                        }
                    }
                    let filters = &mut buffers.filters[..filters_len];
                    filters.fill(0);
                    for channel in 0..channels {
                        for row in 0..rows {
                            for c in 0..inputs {
                                let weights: [i8; MAX_POINTS] = from_fn(|tap| weight(channel, row, tap, c));
                                let values = winograd::filter(points, &weights[..taps]);
                                for (point, value) in values[..points].iter().enumerate() {
                                    let quad = ((channel / PAIR * points + point) * rows + row) * quads + c / 4;
                                    // Channels 0 and 2 of both outputs, then 1 and 3.
                                    let at = ((quad * 2 + c % 2) * PAIR + channel % PAIR) * 2 + c % 4 / 2;
                                    let [low, high] = value.to_le_bytes();
                                    (filters[2 * at], filters[2 * at + 1]) = (low as i8, high as i8);
                                }
                            }
                        }
                    }
                    let sum = |i, channel| {
                        let mut sum = 0;
                        for row in 0..rows {
                            for tap in 0..taps {
                                for c in 0..inputs {
                                    sum += i32::from(pixel(row, i + tap, c)) * i32::from(weight(channel, row, tap, c));
                                }
                            }
                        }
                        sum
                    };
                    outputs::<K>(buffers, count, number, (pixels, channels), case, sum, |staged, args| {
                        K::winograd(points, pixels, KernelArgs { staged: &staged[..points * per_point], ..args });
                    })?;
                    number += 1;
                }
            }
        }
    }
    Ok(())
}
