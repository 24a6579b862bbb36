//! Matrix products in a blocked layout: groups of 16 columns, `[columns / 16][rows][16]`. oneDNN has this layout for
//! channels, as nChw16c.
//!
//! A group of one row is one AVX-512 register, two of AVX2, four of NEON. The structure is that of BLIS: operands are
//! packed, so that they are read in order, and a micro-kernel keeps the sums of a micro-tile in registers. [`multiply`] packs
//! only its left operand, because the right one has this order already.

use pulp::Simd;

/// Sixteen neighbouring columns of one row. The alignment is that of a cache line, so that no load crosses two lines.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Group(pub [f32; 16]);

impl Group {
    /// Zeros.
    pub const ZERO: Self = Self([0.0; 16]);
}

/// Rows of `a` that are packed together. The rows that remain are packed by [`REMAINDER_ROWS`].
const PACKED_ROWS: usize = 12;

/// Number of products in a partial sum. Longer sums add up partial sums, because the rounding error of one sum grows with
/// the square root of its length, and the inverse transform amplifies it.
const PARTIAL_SUM: usize = 64;

/// The number of rows that [`multiply`] takes must be a multiple of this.
pub const REMAINDER_ROWS: usize = 4;

/// A matrix in the blocked layout. The first row of column group `i` is at `i · stride`.
#[derive(Debug, Clone, Copy)]
pub struct Panel<'a> {
    /// The elements of all groups.
    pub groups: &'a [Group],
    /// Distance from one group of columns to the next.
    pub stride: usize,
}

impl<'a> Panel<'a> {
    #[inline(always)]
    fn group(&self, i: usize, rows: usize) -> &'a [Group] {
        &self.groups[i * self.stride..][..rows]
    }
}

/// Buffers for packed operands, which the micro-kernels read in order. For complex products they also hold the sums that
/// Gauss's three multiplications take.
#[derive(Debug, Default)]
pub struct Packed {
    a: Vec<Group>,
    b: Vec<Group>,
}

impl Packed {
    fn grow(&mut self, a: usize, b: usize) {
        for (memory, len) in [(&mut self.a, a), (&mut self.b, b)] {
            if memory.len() < len {
                memory.resize(len, Group::ZERO);
            }
        }
    }
}

/// `c = a·b`. `a` is `rows × 16·ks`, `b` is `16·ks × 16·ns`, where `ks` and `ns` are numbers of groups. The distance
/// between rows of `a` and `c` is `P` groups, that between groups of their columns `stride`.
///
/// With three panels of `b` the matrices are complex, and a product takes three real multiplications instead of four
/// (Gauss): `(x + iy)(u + iv)` is `k₁ − k₃ + i(k₁ + k₂)` with `k₁ = (x + y)u`, `k₂ = x(v − u)`, `k₃ = y(u + v)`. The panels
/// of `b` are `u`, `v − u` and `u + v`. In `a` and `c` the imaginary part follows one group after the real part.
#[inline(always)]
pub fn multiply<S: Simd, const P: usize, const PRODUCTS: usize>(
    simd: S,
    a: Panel<'_>,
    rows: usize,
    b: [Panel<'_>; PRODUCTS],
    (ks, ns): (usize, usize),
    c: &mut [Group],
    stride: usize,
    packed: &mut Packed,
) {
    packed.grow(PRODUCTS * ks * PACKED_ROWS, 0);
    let packed = &mut packed.a[..];
    let mut row = 0;
    while row < rows {
        let whole = row + PACKED_ROWS <= rows;
        let count = if whole { PACKED_ROWS } else { REMAINDER_ROWS };
        pack_rows::<S, P, PRODUCTS>(simd, a, row, count, ks, packed);
        let mut n = 0;
        while n < ns {
            let c = &mut c[n * stride + row * P..];
            macro_rules! tile {
                ($rows:literal, $groups:literal, $q:literal) => {
                    for r in (0..count).step_by($rows) {
                        micro_kernel::<S, P, PRODUCTS, $rows, $groups, $q>(simd, packed, count, r, b, ks, n, c, stride);
                    }
                };
            }
            match (S::F32_LANES, whole) {
                (16, true) if n + 2 <= ns => tile!(12, 2, 1),
                (16, true) => tile!(12, 1, 1),
                (16, false) if n + 2 <= ns => tile!(4, 2, 1),
                (16, false) => tile!(4, 1, 1),
                (8, true) => tile!(6, 1, 2),
                (8, false) => tile!(4, 1, 2),
                (4, true) => tile!(6, 1, 4),
                (4, false) => tile!(4, 1, 4),
                (_, _) => tile!(4, 1, 16),
            }
            n += if S::F32_LANES == 16 { 2 } else { 1 };
        }
        row += count;
    }
}

/// Packs `count` rows of `a` as `[product][group of columns][row]`.
#[inline(always)]
fn pack_rows<S: Simd, const P: usize, const PRODUCTS: usize>(
    simd: S,
    a: Panel<'_>,
    row: usize,
    count: usize,
    ks: usize,
    packed: &mut [Group],
) {
    for i in 0..ks {
        let from = &a.groups[i * a.stride + row * P..];
        for r in 0..count {
            let at = i * count + r;
            if PRODUCTS == 1 {
                packed[at] = from[r * P];
            } else {
                let (x, y) = (from[r * P], from[r * P + 1]);
                for q in 0..16 / S::F32_LANES {
                    let (x, y) = (S::as_simd_f32s(&x.0).0[q], S::as_simd_f32s(&y.0).0[q]);
                    S::as_mut_simd_f32s(&mut packed[at].0).0[q] = simd.add_f32s(x, y);
                }
                packed[ks * count + at] = x;
                packed[2 * ks * count + at] = y;
            }
        }
    }
}

/// The micro-kernel of [`multiply`]: a micro-tile of `ROWS` packed rows and `GROUPS` groups of columns, whose sums stay in
/// registers. A group takes `Q` registers.
#[inline(always)]
fn micro_kernel<
    S: Simd,
    const P: usize,
    const PRODUCTS: usize,
    const ROWS: usize,
    const GROUPS: usize,
    const Q: usize,
>(
    simd: S,
    a: &[Group],
    count: usize,
    row: usize,
    b: [Panel<'_>; PRODUCTS],
    ks: usize,
    n: usize,
    c: &mut [Group],
    stride: usize,
) {
    let mut totals = [[[[simd.splat_f32s(0.0); Q]; GROUPS]; ROWS]; PRODUCTS];
    for product in 0..PRODUCTS {
        let b: [&[Group]; GROUPS] = core::array::from_fn(|g| b[product].group(n + g, ks * 16));
        for first in (0..ks).step_by(PARTIAL_SUM / 16) {
            let mut sums = [[[simd.splat_f32s(0.0); Q]; GROUPS]; ROWS];
            for i in first..(first + PARTIAL_SUM / 16).min(ks) {
                let a: &[Group; ROWS] = array(&a[(product * ks + i) * count + row..]);
                let b: [&[Group; 16]; GROUPS] = core::array::from_fn(|g| array(&b[g][i * 16..]));
                for j in 0..16 {
                    let b: [[S::f32s; Q]; GROUPS] = core::array::from_fn(|g| load::<S, Q>(&b[g][j]));
                    for r in 0..ROWS {
                        let x = simd.splat_f32s(a[r].0[j]);
                        for g in 0..GROUPS {
                            for q in 0..Q {
                                sums[r][g][q] = simd.mul_add_f32s(x, b[g][q], sums[r][g][q]);
                            }
                        }
                    }
                }
            }
            let totals = &mut totals[product];
            for r in 0..ROWS {
                for g in 0..GROUPS {
                    totals[r][g] = if first == 0 { sums[r][g] } else { add::<S, Q>(simd, totals[r][g], sums[r][g]) };
                }
            }
        }
    }
    for g in 0..GROUPS {
        let c = &mut c[g * stride + row * P..][..(ROWS - 1) * P + PRODUCTS.min(2)];
        for r in 0..ROWS {
            if PRODUCTS == 1 {
                store::<S, Q>(&mut c[r * P], totals[0][r][g]);
            } else {
                let [re, im] = combine::<S, Q>(simd, core::array::from_fn(|k| totals[k.min(PRODUCTS - 1)][r][g]));
                store::<S, Q>(&mut c[r * P], re);
                store::<S, Q>(&mut c[r * P + 1], im);
            }
        }
    }
}

/// The real and the imaginary part from Gauss's three products.
#[inline(always)]
fn combine<S: Simd, const Q: usize>(simd: S, k: [[S::f32s; Q]; 3]) -> [[S::f32s; Q]; 2] {
    let mut parts = [k[0]; 2];
    for q in 0..Q {
        parts[0][q] = simd.sub_f32s(k[0][q], k[2][q]);
        parts[1][q] = simd.add_f32s(k[0][q], k[1][q]);
    }
    parts
}

/// `c = aᵀ·b`, or `c += aᵀ·b` with `add`: `a` is `rows × 16·ks`, `b` is `rows × 16·ns`, `c` is `16·ks × 16·ns`. With
/// two parts, real and imaginary, all three are complex (and `aᵀ` is not conjugated).
#[inline(always)]
pub fn accumulate<S: Simd, const PARTS: usize, const PRODUCTS: usize>(
    simd: S,
    a: [Panel<'_>; PARTS],
    b: [Panel<'_>; PARTS],
    rows: usize,
    (ks, ns): (usize, usize),
    mut c: [&mut [Group]; PARTS],
    add: bool,
    packed: &mut Packed,
) {
    packed.grow(PRODUCTS * ks * rows, PRODUCTS * 2 * rows);
    for i in 0..ks {
        pack_operand::<S, PARTS>(simd, a.map(|a| a.group(i, rows)), &mut packed.a[PRODUCTS * i * rows..], false);
    }
    let mut n = 0;
    while n < ns {
        let groups = if S::F32_LANES == 16 { 2.min(ns - n) } else { 1 };
        for g in 0..groups {
            pack_operand::<S, PARTS>(simd, b.map(|b| b.group(n + g, rows)), &mut packed.b[PRODUCTS * g * rows..], true);
        }
        for i in 0..ks {
            macro_rules! tile {
                ($rows:literal, $groups:literal, $q:literal) => {
                    for column in (0..16).step_by($rows) {
                        transposed_micro_kernel::<S, PARTS, PRODUCTS, $rows, $groups, $q>(
                            simd,
                            &packed.a[PRODUCTS * i * rows..][..PRODUCTS * rows],
                            column,
                            &packed.b,
                            rows,
                            |g, r| ((n + g) * ks + i) * 16 + column + r,
                            &mut c,
                            add,
                        );
                    }
                };
            }
            match S::F32_LANES {
                16 if groups == 2 => tile!(8, 2, 1),
                16 => tile!(16, 1, 1),
                8 => tile!(4, 1, 2),
                4 => tile!(4, 1, 4),
                _ => tile!(4, 1, 16),
            }
        }
        n += groups;
    }
}

/// Packs one operand as `[product][row]`. For complex numbers these are `x + y`, `x`, `y` of the left operand, or `u`,
/// `v − u`, `u + v` of the right one.
#[inline(always)]
fn pack_operand<S: Simd, const PARTS: usize>(simd: S, parts: [&[Group]; PARTS], packed: &mut [Group], is_right: bool) {
    let rows = parts[0].len();
    if PARTS == 1 {
        packed[..rows].copy_from_slice(parts[0]);
        return;
    }
    let (sums, rest) = packed.split_at_mut(rows);
    let (second, third) = rest.split_at_mut(rows);
    let third = &mut third[..rows];
    for (t, (x, y)) in parts[0].iter().zip(parts[PARTS - 1]).enumerate() {
        for q in 0..16 / S::F32_LANES {
            let (a, b) = (S::as_simd_f32s(&x.0).0[q], S::as_simd_f32s(&y.0).0[q]);
            let to = if is_right { [a, simd.sub_f32s(b, a), simd.add_f32s(a, b)] } else { [simd.add_f32s(a, b), a, b] };
            S::as_mut_simd_f32s(&mut sums[t].0).0[q] = to[0];
            S::as_mut_simd_f32s(&mut second[t].0).0[q] = to[1];
            S::as_mut_simd_f32s(&mut third[t].0).0[q] = to[2];
        }
    }
}

/// The micro-kernel of [`accumulate`]: `ROWS` columns of one group of `a`, from `column`, and `GROUPS` groups of `b`. `at`
/// gives the index in `c` of a row of sums.
#[inline(always)]
fn transposed_micro_kernel<
    S: Simd,
    const PARTS: usize,
    const PRODUCTS: usize,
    const ROWS: usize,
    const GROUPS: usize,
    const Q: usize,
>(
    simd: S,
    a: &[Group],
    column: usize,
    b: &[Group],
    rows: usize,
    at: impl Fn(usize, usize) -> usize,
    c: &mut [&mut [Group]; PARTS],
    add_to: bool,
) {
    let mut totals = [[[[simd.splat_f32s(0.0); Q]; GROUPS]; ROWS]; PRODUCTS];
    for product in 0..PRODUCTS {
        for first in (0..rows).step_by(PARTIAL_SUM) {
            let end = (first + PARTIAL_SUM).min(rows);
            let a = &a[product * rows + first..product * rows + end];
            let b: [&[Group]; GROUPS] =
                core::array::from_fn(|g| &b[(g * PRODUCTS + product) * rows + first..][..end - first]);
            let mut sums = [[[simd.splat_f32s(0.0); Q]; GROUPS]; ROWS];
            for (t, a) in a.iter().enumerate() {
                let a: &[f32; ROWS] = a.0[column..column + ROWS].try_into().expect("a part of a group");
                let b: [[S::f32s; Q]; GROUPS] = core::array::from_fn(|g| load::<S, Q>(&b[g][t]));
                for r in 0..ROWS {
                    let x = simd.splat_f32s(a[r]);
                    for g in 0..GROUPS {
                        for q in 0..Q {
                            sums[r][g][q] = simd.mul_add_f32s(x, b[g][q], sums[r][g][q]);
                        }
                    }
                }
            }
            let totals = &mut totals[product];
            for r in 0..ROWS {
                for g in 0..GROUPS {
                    totals[r][g] = if first == 0 { sums[r][g] } else { add::<S, Q>(simd, totals[r][g], sums[r][g]) };
                }
            }
        }
    }
    for g in 0..GROUPS {
        for r in 0..ROWS {
            let parts = if PRODUCTS == 1 {
                [totals[0][r][g]; 2]
            } else {
                combine::<S, Q>(simd, core::array::from_fn(|k| totals[k.min(PRODUCTS - 1)][r][g]))
            };
            for (c, part) in c.iter_mut().zip(parts) {
                let c = &mut c[at(g, r)];
                store::<S, Q>(c, if add_to { add::<S, Q>(simd, load::<S, Q>(c), part) } else { part });
            }
        }
    }
}

#[inline(always)]
fn add<S: Simd, const Q: usize>(simd: S, a: [S::f32s; Q], b: [S::f32s; Q]) -> [S::f32s; Q] {
    let mut sum = a;
    for q in 0..Q {
        sum[q] = simd.add_f32s(a[q], b[q]);
    }
    sum
}

#[inline(always)]
fn array<const N: usize>(groups: &[Group]) -> &[Group; N] {
    groups[..N].try_into().expect("a slice of this length")
}

#[inline(always)]
fn load<S: Simd, const Q: usize>(group: &Group) -> [S::f32s; Q] {
    let registers = S::as_simd_f32s(&group.0).0;
    core::array::from_fn(|q| registers[q])
}

#[inline(always)]
fn store<S: Simd, const Q: usize>(group: &mut Group, values: [S::f32s; Q]) {
    S::as_mut_simd_f32s(&mut group.0).0.copy_from_slice(&values);
}
