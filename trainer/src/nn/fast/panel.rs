//! Products of matrices whose columns lie in groups of 16: `[columns / 16][rows][16]`.
//!
//! A group is one AVX-512 register, two of AVX2, four of NEON. In this layout both
//! the broadcast operand and the vector operand are read in order, whichever way
//! round they are multiplied, and nothing has to be packed.

use pulp::Simd;

/// Sixteen neighbouring columns of one row.
pub type Group = [f32; 16];

/// Rows of `a` are handled in blocks of this many, and the rest in blocks of [`SMALL`].
const BLOCK: usize = 12;

/// Products that are added up one after the other; longer sums are sums of such sums.
/// The rounding error of a chain grows with the root of its length, and the way back
/// from the points amplifies it.
const CHAIN: usize = 32;

/// `rows` of [`multiply`] must be a multiple of it.
pub const SMALL: usize = 4;

/// Groups of columns of `rows` rows each, group `i` beginning at `i · stride`.
#[derive(Debug, Clone, Copy)]
pub struct Panel<'a> {
    /// All groups.
    pub groups: &'a [Group],
    /// From one group of columns to the next.
    pub stride: usize,
}

impl<'a> Panel<'a> {
    #[inline(always)]
    fn group(&self, i: usize, rows: usize) -> &'a [Group] {
        &self.groups[i * self.stride..][..rows]
    }
}

/// `c = a·b`: `a` is `rows × 16·ks`, `b` is `16·ks × 16·ns`; both counts are of groups.
///
/// Rows of `a` and `c` are `P` groups apart, groups of their columns `stride`.
#[inline(always)]
pub fn multiply<S: Simd, const P: usize>(
    simd: S,
    a: Panel<'_>,
    rows: usize,
    b: Panel<'_>,
    (ks, ns): (usize, usize),
    c: &mut [Group],
    stride: usize,
) {
    let mut row = 0;
    while row < rows {
        let whole = row + BLOCK <= rows;
        let mut n = 0;
        while n < ns {
            match (S::F32_LANES, whole) {
                (16, true) if n + 2 <= ns => multiply_block::<S, P, BLOCK, 2, 1>(simd, a, row, b, ks, n, c, stride),
                (16, true) => multiply_block::<S, P, BLOCK, 1, 1>(simd, a, row, b, ks, n, c, stride),
                (16, false) if n + 2 <= ns => multiply_block::<S, P, SMALL, 2, 1>(simd, a, row, b, ks, n, c, stride),
                (16, false) => multiply_block::<S, P, SMALL, 1, 1>(simd, a, row, b, ks, n, c, stride),
                (8, true) => {
                    multiply_block::<S, P, 6, 1, 2>(simd, a, row, b, ks, n, c, stride);
                    multiply_block::<S, P, 6, 1, 2>(simd, a, row + 6, b, ks, n, c, stride);
                }
                (8, false) => multiply_block::<S, P, SMALL, 1, 2>(simd, a, row, b, ks, n, c, stride),
                (4, true) => {
                    multiply_block::<S, P, 6, 1, 4>(simd, a, row, b, ks, n, c, stride);
                    multiply_block::<S, P, 6, 1, 4>(simd, a, row + 6, b, ks, n, c, stride);
                }
                (4, false) => multiply_block::<S, P, SMALL, 1, 4>(simd, a, row, b, ks, n, c, stride),
                (_, true) => multiply_block::<S, P, BLOCK, 1, 16>(simd, a, row, b, ks, n, c, stride),
                (_, false) => multiply_block::<S, P, SMALL, 1, 16>(simd, a, row, b, ks, n, c, stride),
            }
            n += if S::F32_LANES == 16 { 2 } else { 1 };
        }
        row += if whole { BLOCK } else { SMALL };
    }
}

/// `ROWS` rows times `GROUPS` groups of columns, kept in registers; `Q` registers a group.
#[inline(always)]
fn multiply_block<S: Simd, const P: usize, const ROWS: usize, const GROUPS: usize, const Q: usize>(
    simd: S,
    a: Panel<'_>,
    row: usize,
    b: Panel<'_>,
    ks: usize,
    n: usize,
    c: &mut [Group],
    stride: usize,
) {
    let b: [&[Group]; GROUPS] = core::array::from_fn(|g| b.group(n + g, ks * 16));
    for first in (0..ks).step_by(CHAIN / 16) {
        let mut sums = [[[simd.splat_f32s(0.0); Q]; GROUPS]; ROWS];
        for i in first..(first + CHAIN / 16).min(ks) {
            let a = &a.groups[i * a.stride + row * P..][..(ROWS - 1) * P + 1];
            let b: [&[Group; 16]; GROUPS] = core::array::from_fn(|g| array(&b[g][i * 16..]));
            for j in 0..16 {
                let b: [[S::f32s; Q]; GROUPS] = core::array::from_fn(|g| load::<S, Q>(&b[g][j]));
                for r in 0..ROWS {
                    let x = simd.splat_f32s(a[r * P][j]);
                    for g in 0..GROUPS {
                        for q in 0..Q {
                            sums[r][g][q] = simd.mul_add_f32s(x, b[g][q], sums[r][g][q]);
                        }
                    }
                }
            }
        }
        for g in 0..GROUPS {
            let c = &mut c[(n + g) * stride + row * P..][..(ROWS - 1) * P + 1];
            for r in 0..ROWS {
                if first > 0 {
                    sums[r][g] = add::<S, Q>(simd, load::<S, Q>(&c[r * P]), sums[r][g]);
                }
                store::<S, Q>(&mut c[r * P], sums[r][g]);
            }
        }
    }
}

/// `c += aᵀ·b`: `a` is `rows × 16·ks`, `b` is `rows × 16·ns`, `c` is `16·ks × 16·ns`.
#[inline(always)]
pub fn accumulate<S: Simd>(
    simd: S,
    a: Panel<'_>,
    b: Panel<'_>,
    rows: usize,
    (ks, ns): (usize, usize),
    c: &mut [Group],
) {
    for i in 0..ks {
        let a = a.group(i, rows);
        let mut n = 0;
        while n < ns {
            match S::F32_LANES {
                16 if n + 2 <= ns => {
                    accumulate_block::<S, 8, 2, 1>(simd, a, 0, b, n, ks, i, c);
                    accumulate_block::<S, 8, 2, 1>(simd, a, 8, b, n, ks, i, c);
                    n += 2;
                    continue;
                }
                16 => accumulate_block::<S, 16, 1, 1>(simd, a, 0, b, n, ks, i, c),
                8 => (0..16).step_by(4).for_each(|j| accumulate_block::<S, 4, 1, 2>(simd, a, j, b, n, ks, i, c)),
                4 => (0..16).step_by(4).for_each(|j| accumulate_block::<S, 4, 1, 4>(simd, a, j, b, n, ks, i, c)),
                _ => (0..16).step_by(4).for_each(|j| accumulate_block::<S, 4, 1, 16>(simd, a, j, b, n, ks, i, c)),
            }
            n += 1;
        }
    }
}

/// Rows `16·i + column …` of `c`, `ROWS` of them, in groups `n …` of its columns.
#[inline(always)]
fn accumulate_block<S: Simd, const ROWS: usize, const GROUPS: usize, const Q: usize>(
    simd: S,
    a: &[Group],
    column: usize,
    b: Panel<'_>,
    n: usize,
    ks: usize,
    i: usize,
    c: &mut [Group],
) {
    let at = |g: usize, r: usize| ((n + g) * ks + i) * 16 + column + r;
    let b: [&[Group]; GROUPS] = core::array::from_fn(|g| b.group(n + g, a.len()));
    for first in (0..a.len()).step_by(CHAIN) {
        let mut sums = [[[simd.splat_f32s(0.0); Q]; GROUPS]; ROWS];
        let end = (first + CHAIN).min(a.len());
        let b: [&[Group]; GROUPS] = core::array::from_fn(|g| &b[g][first..end]);
        for (t, a) in a[first..end].iter().enumerate() {
            let a: &[f32; ROWS] = a[column..column + ROWS].try_into().expect("a part of a group");
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
        for g in 0..GROUPS {
            for r in 0..ROWS {
                let c = &mut c[at(g, r)];
                store::<S, Q>(c, add::<S, Q>(simd, load::<S, Q>(c), sums[r][g]));
            }
        }
    }
}

/// [`multiply`] of complex matrices: the imaginary part of `a` and `c` stands one group
/// after the real one, that of `b` in a panel of its own.
#[inline(always)]
pub fn multiply_complex<S: Simd, const P: usize>(
    simd: S,
    a: Panel<'_>,
    rows: usize,
    b: [Panel<'_>; 2],
    (ks, ns): (usize, usize),
    c: &mut [Group],
    stride: usize,
) {
    let mut row = 0;
    while row < rows {
        let whole = row + BLOCK <= rows;
        let mut n = 0;
        while n < ns {
            match (S::F32_LANES, whole) {
                (16, true) if n + 2 <= ns => {
                    complex_block::<S, P, 6, 2, 1>(simd, a, row, b, ks, n, c, stride);
                    complex_block::<S, P, 6, 2, 1>(simd, a, row + 6, b, ks, n, c, stride);
                }
                (16, false) if n + 2 <= ns => complex_block::<S, P, SMALL, 2, 1>(simd, a, row, b, ks, n, c, stride),
                (16, true) => complex_block::<S, P, BLOCK, 1, 1>(simd, a, row, b, ks, n, c, stride),
                (16, false) => complex_block::<S, P, SMALL, 1, 1>(simd, a, row, b, ks, n, c, stride),
                (lanes, whole) => {
                    let end = row + if whole { BLOCK } else { SMALL };
                    for row in (row..end).step_by(2) {
                        match lanes {
                            8 => complex_block::<S, P, 2, 1, 2>(simd, a, row, b, ks, n, c, stride),
                            4 => complex_block::<S, P, 2, 1, 4>(simd, a, row, b, ks, n, c, stride),
                            _ => complex_block::<S, P, 2, 1, 16>(simd, a, row, b, ks, n, c, stride),
                        }
                    }
                }
            }
            n += if S::F32_LANES == 16 { 2 } else { 1 };
        }
        row += if whole { BLOCK } else { SMALL };
    }
}

#[inline(always)]
fn complex_block<S: Simd, const P: usize, const ROWS: usize, const GROUPS: usize, const Q: usize>(
    simd: S,
    a: Panel<'_>,
    row: usize,
    b: [Panel<'_>; 2],
    ks: usize,
    n: usize,
    c: &mut [Group],
    stride: usize,
) {
    let re: [&[Group]; GROUPS] = core::array::from_fn(|g| b[0].group(n + g, ks * 16));
    let im: [&[Group]; GROUPS] = core::array::from_fn(|g| b[1].group(n + g, ks * 16));
    for first in (0..ks).step_by(CHAIN / 16) {
        let mut sums = [[[[simd.splat_f32s(0.0); Q]; GROUPS]; ROWS]; 2];
        for i in first..(first + CHAIN / 16).min(ks) {
            let a = &a.groups[i * a.stride + row * P..][..(ROWS - 1) * P + 2];
            let re: [&[Group; 16]; GROUPS] = core::array::from_fn(|g| array(&re[g][i * 16..]));
            let im: [&[Group; 16]; GROUPS] = core::array::from_fn(|g| array(&im[g][i * 16..]));
            for j in 0..16 {
                let re: [[S::f32s; Q]; GROUPS] = core::array::from_fn(|g| load::<S, Q>(&re[g][j]));
                let im: [[S::f32s; Q]; GROUPS] = core::array::from_fn(|g| load::<S, Q>(&im[g][j]));
                for r in 0..ROWS {
                    let (x, y) = (simd.splat_f32s(a[r * P][j]), simd.splat_f32s(a[r * P + 1][j]));
                    let minus_y = simd.neg_f32s(y);
                    for g in 0..GROUPS {
                        for q in 0..Q {
                            sums[0][r][g][q] = simd.mul_add_f32s(x, re[g][q], sums[0][r][g][q]);
                            sums[1][r][g][q] = simd.mul_add_f32s(x, im[g][q], sums[1][r][g][q]);
                            sums[0][r][g][q] = simd.mul_add_f32s(minus_y, im[g][q], sums[0][r][g][q]);
                            sums[1][r][g][q] = simd.mul_add_f32s(y, re[g][q], sums[1][r][g][q]);
                        }
                    }
                }
            }
        }
        for g in 0..GROUPS {
            let c = &mut c[(n + g) * stride + row * P..][..(ROWS - 1) * P + 2];
            for r in 0..ROWS {
                for part in 0..2 {
                    let c = &mut c[r * P + part];
                    let mut sum = sums[part][r][g];
                    if first > 0 {
                        sum = add::<S, Q>(simd, load::<S, Q>(c), sum);
                    }
                    store::<S, Q>(c, sum);
                }
            }
        }
    }
}

/// [`accumulate`] of complex matrices, their real and imaginary parts apart. (`aᵀ` is not conjugated.)
#[inline(always)]
pub fn accumulate_complex<S: Simd>(
    simd: S,
    a: [Panel<'_>; 2],
    b: [Panel<'_>; 2],
    rows: usize,
    (ks, ns): (usize, usize),
    c: [&mut [Group]; 2],
) {
    let [re, im] = c;
    for i in 0..ks {
        let a = [a[0].group(i, rows), a[1].group(i, rows)];
        let mut n = 0;
        while n < ns {
            if S::F32_LANES == 16 && n + 2 <= ns {
                for j in (0..16).step_by(4) {
                    accumulate_complex_block::<S, 4, 2, 1>(simd, a, j, b, n, ks, i, re, im);
                }
                n += 2;
                continue;
            }
            for j in (0..16).step_by(2) {
                match S::F32_LANES {
                    16 => accumulate_complex_block::<S, 2, 1, 1>(simd, a, j, b, n, ks, i, re, im),
                    8 => accumulate_complex_block::<S, 2, 1, 2>(simd, a, j, b, n, ks, i, re, im),
                    4 => accumulate_complex_block::<S, 2, 1, 4>(simd, a, j, b, n, ks, i, re, im),
                    _ => accumulate_complex_block::<S, 2, 1, 16>(simd, a, j, b, n, ks, i, re, im),
                }
            }
            n += 1;
        }
    }
}

#[inline(always)]
fn accumulate_complex_block<S: Simd, const ROWS: usize, const GROUPS: usize, const Q: usize>(
    simd: S,
    a: [&[Group]; 2],
    column: usize,
    b: [Panel<'_>; 2],
    n: usize,
    ks: usize,
    i: usize,
    re: &mut [Group],
    im: &mut [Group],
) {
    let at = |g: usize, r: usize| ((n + g) * ks + i) * 16 + column + r;
    let rows = a[0].len();
    let b_re: [&[Group]; GROUPS] = core::array::from_fn(|g| b[0].group(n + g, rows));
    let b_im: [&[Group]; GROUPS] = core::array::from_fn(|g| b[1].group(n + g, rows));
    for first in (0..rows).step_by(CHAIN) {
        let end = (first + CHAIN).min(rows);
        let mut sums = [[[[simd.splat_f32s(0.0); Q]; GROUPS]; ROWS]; 2];
        let b_re: [&[Group]; GROUPS] = core::array::from_fn(|g| &b_re[g][first..end]);
        let b_im: [&[Group]; GROUPS] = core::array::from_fn(|g| &b_im[g][first..end]);
        for (t, (a_re, a_im)) in a[0][first..end].iter().zip(&a[1][first..end]).enumerate() {
            let a_re: &[f32; ROWS] = a_re[column..column + ROWS].try_into().expect("a part of a group");
            let a_im: &[f32; ROWS] = a_im[column..column + ROWS].try_into().expect("a part of a group");
            let b_re: [[S::f32s; Q]; GROUPS] = core::array::from_fn(|g| load::<S, Q>(&b_re[g][t]));
            let b_im: [[S::f32s; Q]; GROUPS] = core::array::from_fn(|g| load::<S, Q>(&b_im[g][t]));
            for r in 0..ROWS {
                let (x, y) = (simd.splat_f32s(a_re[r]), simd.splat_f32s(a_im[r]));
                let minus_y = simd.neg_f32s(y);
                for g in 0..GROUPS {
                    for q in 0..Q {
                        sums[0][r][g][q] = simd.mul_add_f32s(x, b_re[g][q], sums[0][r][g][q]);
                        sums[1][r][g][q] = simd.mul_add_f32s(x, b_im[g][q], sums[1][r][g][q]);
                        sums[0][r][g][q] = simd.mul_add_f32s(minus_y, b_im[g][q], sums[0][r][g][q]);
                        sums[1][r][g][q] = simd.mul_add_f32s(y, b_re[g][q], sums[1][r][g][q]);
                    }
                }
            }
        }
        for g in 0..GROUPS {
            for r in 0..ROWS {
                for (c, sums) in [&mut *re, &mut *im].into_iter().zip(&sums) {
                    let c = &mut c[at(g, r)];
                    store::<S, Q>(c, add::<S, Q>(simd, load::<S, Q>(c), sums[r][g]));
                }
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
    let registers = S::as_simd_f32s(group).0;
    core::array::from_fn(|q| registers[q])
}

#[inline(always)]
fn store<S: Simd, const Q: usize>(group: &mut Group, values: [S::f32s; Q]) {
    S::as_mut_simd_f32s(group).0.copy_from_slice(&values);
}
