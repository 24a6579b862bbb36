//! Differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738). Real and
//! generated pictures undergo random changes of the same distribution, and the generator's gradient
//! passes back through them, so the generator does not learn to draw the changes.

use gen_core::Shape;
use ndarray::{ArrayView2, ArrayViewMut2, Axis, Zip};
use rand::RngExt;
use rand_xoshiro::Xoshiro128PlusPlus;

use crate::config::Augment;

/// The change of one picture. The default changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Change {
    colour: Option<Colour>,
    flip: bool,
    dy: isize,
    dx: isize,
    /// Rows that are cut out: the first one, and one past the last.
    rows: (usize, usize),
    columns: (usize, usize),
}

/// A change of colours, applied in the order of the fields.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Colour {
    /// Added to every value.
    brightness: f32,
    /// Factor of the difference between a pixel's values and their mean.
    saturation: f32,
    /// Factor of the difference between all values and their mean.
    contrast: f32,
}

impl Augment {
    /// Draws a random change of one picture.
    pub fn draw(&self, shape: Shape, rng: &mut Xoshiro128PlusPlus) -> Change {
        let mut shift = |side: u16| match i32::from(self.shift(side)) {
            0 => 0,
            t => rng.random_range(-t..=t) as isize,
        };
        let (dy, dx) = (shift(shape.height), shift(shape.width));
        let mut hole = |side: u16| match usize::from(self.hole(side)) {
            0 => (0, 0),
            cut => {
                let centre = rng.random_range(0..u32::from(side)) as usize;
                let half = cut / 2;
                (centre.saturating_sub(half), (centre + cut - half).min(side.into()))
            }
        };
        let (rows, columns) = (hole(shape.height), hole(shape.width));
        let flip = self.flip && rng.random_range(0..2u32) == 1;
        let colour = self.colour.then(|| Colour {
            brightness: rng.random::<f32>() - 0.5,
            saturation: 2.0 * rng.random::<f32>(),
            contrast: 0.5 + rng.random::<f32>(),
        });
        Change { colour, flip, dy, dx, rows, columns }
    }
}

/// How many numbers describe a change: see [`Change::numbers`].
pub const NUMBERS: usize = 10;

impl Change {
    /// The change as numbers, for other programs: flip (0 or 1), shift down and to the right in pixels, first and last row
    /// and first and last column that are cut out (the last ones are one past), brightness, saturation, contrast.
    pub fn numbers(&self) -> [f32; NUMBERS] {
        let Self { colour, flip, dy, dx, rows, columns } = *self;
        let Colour { brightness, saturation, contrast } = colour.unwrap_or(Colour::UNCHANGED);
        let places = [dy as f32, dx as f32, rows.0 as f32, rows.1 as f32, columns.0 as f32, columns.1 as f32];
        let [dy, dx, top, bottom, left, right] = places;
        [flip.into(), dy, dx, top, bottom, left, right, brightness, saturation, contrast]
    }

    /// The inverse of [`numbers`](Self::numbers). Places are rounded down to whole pixels.
    pub fn from_numbers(numbers: [f32; NUMBERS]) -> Self {
        let [flip, dy, dx, top, bottom, left, right, brightness, saturation, contrast] = numbers;
        let colour = Colour { brightness, saturation, contrast };
        Self {
            colour: (colour != Colour::UNCHANGED).then_some(colour),
            flip: flip != 0.0,
            dy: dy as isize,
            dx: dx as isize,
            rows: (top as usize, bottom as usize),
            columns: (left as usize, right as usize),
        }
    }
}

/// Applies the changes to the pictures `x` and writes the results to `y`; both are `[N, H·W·C]`.
pub fn forward(changes: &[Change], shape: Shape, x: ArrayView2<'_, f32>, y: ArrayViewMut2<'_, f32>) {
    each(changes, x, y, |change, x, y| {
        // Colours are changed first, so that pixels that move in or are cut out are 0.
        let coloured = change.colour.map(|colour| colour.applied(shape, x));
        let x = coloured.as_deref().unwrap_or(x);
        y.fill(0.0);
        change.for_each_pixel(shape, |from, to, c| y[to..to + c].copy_from_slice(&x[from..from + c]));
    });
}

/// Converts `dy`, the gradient with respect to the changed pictures, to `dx`, that with respect to the original ones;
/// both are `[N, H·W·C]`.
pub fn backward(changes: &[Change], shape: Shape, dy: ArrayView2<'_, f32>, dx: ArrayViewMut2<'_, f32>) {
    each(changes, dy, dx, |change, dy, dx| {
        dx.fill(0.0);
        change.for_each_pixel(shape, |from, to, c| dx[from..from + c].copy_from_slice(&dy[to..to + c]));
        if let Some(colour) = change.colour {
            colour.transpose(shape, dx);
        }
    });
}

fn each(
    changes: &[Change],
    input: ArrayView2<'_, f32>,
    mut output: ArrayViewMut2<'_, f32>,
    f: impl Fn(&Change, &[f32], &mut [f32]) + Sync,
) {
    Zip::indexed(output.axis_iter_mut(Axis(0))).and(input.rows()).par_for_each(|i, mut output, input| {
        let input = input.to_slice().expect("a batch is contiguous");
        f(&changes[i], input, output.as_slice_mut().expect("a batch is contiguous"));
    });
}

impl Colour {
    /// The colours stay as they are.
    const UNCHANGED: Self = Self { brightness: 0.0, saturation: 1.0, contrast: 1.0 };

    fn applied(&self, shape: Shape, x: &[f32]) -> Vec<f32> {
        let mut y: Vec<f32> = x.iter().map(|x| x + self.brightness).collect();
        self.saturate(shape, &mut y);
        self.stretch(&mut y);
        y
    }

    /// Multiplies `dy` by the transpose. Both scalings are symmetric matrices, so they are applied in reverse order.
    fn transpose(&self, shape: Shape, dy: &mut [f32]) {
        self.stretch(dy);
        self.saturate(shape, dy);
    }

    fn saturate(&self, shape: Shape, x: &mut [f32]) {
        x.chunks_exact_mut(shape.channels.into()).for_each(|pixel| from_mean(pixel, self.saturation));
    }

    fn stretch(&self, x: &mut [f32]) {
        from_mean(x, self.contrast);
    }
}

/// Scales the differences between values and their mean.
fn from_mean(values: &mut [f32], scale: f32) {
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    values.iter_mut().for_each(|v| *v = mean + scale * (*v - mean));
}

impl Change {
    /// Calls `f(from, to, channels)` for every pixel that is neither moved out nor cut out.
    fn for_each_pixel(&self, shape: Shape, mut f: impl FnMut(usize, usize, usize)) {
        let (h, w, c) = (shape.height as usize, shape.width as usize, shape.channels as usize);
        let inside = |i: usize, d: isize, n: usize| Some(i.wrapping_add_signed(-d)).filter(|&i| i < n);
        for y in 0..h {
            let Some(from_y) = inside(y, self.dy, h) else { continue };
            for x in 0..w {
                let Some(from_x) = inside(x, self.dx, w) else { continue };
                let is_cut = (self.rows.0..self.rows.1).contains(&y) && (self.columns.0..self.columns.1).contains(&x);
                if !is_cut {
                    let from_x = if self.flip { w - 1 - from_x } else { from_x };
                    f((from_y * w + from_x) * c, (y * w + x) * c, c);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use rand::SeedableRng;

    use super::*;

    const SHAPE: Shape = Shape::new(8, 6, 2);

    #[test]
    fn the_backward_pass_is_the_transpose_of_the_forward_pass() {
        let augment = Augment { flip: true, translate: 0.4, cutout: 4.0, colour: true };
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(1);
        let changes: Vec<_> = (0..20).map(|_| augment.draw(SHAPE, &mut rng)).collect();
        let mut random = || Array2::from_shape_simple_fn((20, SHAPE.len()), || rng.random_range(-1.0f32..1.0));
        let (x, dy) = (random(), random());
        let (mut y, mut dx) = (x.clone(), x.clone());
        // Brightness adds a constant, which does not affect the transpose.
        let mut dark = y.clone();
        forward(&changes, SHAPE, Array2::zeros(x.dim()).view(), dark.view_mut());
        forward(&changes, SHAPE, x.view(), y.view_mut());
        backward(&changes, SHAPE, dy.view(), dx.view_mut());
        let (left, right) = (((&y - &dark) * &dy).sum(), (&x * &dx).sum());
        assert!((left - right).abs() < 1e-3, "<Ax, y> = {left}, <x, A'y> = {right}");
        assert_ne!(x, y);
    }

    #[test]
    fn a_share_of_the_side_is_the_same_as_its_pixels() {
        let share = Augment { translate: 0.125, cutout: 0.5, ..Augment::default() };
        let pixels = Augment { translate: 4.0, cutout: 16.0, ..share };
        let draw = |augment: Augment, shape| {
            let mut rng = Xoshiro128PlusPlus::seed_from_u64(1);
            (0..50).map(|_| augment.draw(shape, &mut rng)).collect::<Vec<_>>()
        };
        let square = Shape::new(32, 32, 3);
        assert_eq!(draw(share, square), draw(pixels, square));
        let wide = Shape::new(32, 64, 1);
        let changes = draw(share, wide);
        assert_eq!(changes.iter().map(|change| change.dx.abs()).max(), Some(8));
        assert!(changes.iter().all(|change| change.dy.abs() <= 4 && change.rows.1 - change.rows.0 <= 16));
    }

    #[test]
    fn numbers_describe_a_change() {
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(3);
        let all = Augment { flip: true, translate: 0.4, cutout: 4.0, colour: true };
        for augment in [all, Augment { colour: false, ..all }, Augment::default()] {
            for _ in 0..20 {
                let change = augment.draw(SHAPE, &mut rng);
                assert_eq!(Change::from_numbers(change.numbers()), change);
            }
        }
    }

    #[test]
    fn no_change_changes_nothing() {
        let mut rng = Xoshiro128PlusPlus::seed_from_u64(1);
        let change = [Augment::default().draw(SHAPE, &mut rng)];
        let x = Array2::from_shape_fn((1, SHAPE.len()), |(_, i)| i as f32);
        let mut y = Array2::zeros((1, SHAPE.len()));
        forward(&change, SHAPE, x.view(), y.view_mut());
        assert_eq!(x, y);
    }
}
