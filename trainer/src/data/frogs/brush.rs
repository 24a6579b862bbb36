//! Colours, and a canvas with its own coordinate system, based on tiny-skia.

use tiny_skia::{
    BlendMode, Color, FillRule, GradientStop, LineCap, LineJoin, LinearGradient, Paint, Path, PathBuilder, Pixmap,
    PixmapPaint, Point, RadialGradient, Shader, SpreadMode, Stroke, Transform,
};

/// Red, green, blue, each 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Colour(pub(super) [f32; 3]);

pub(super) const BLACK: Colour = Colour([0.0; 3]);
pub(super) const WHITE: Colour = Colour([1.0; 3]);

/// A colour from bytes 0 to 255.
pub(super) const fn rgb(r: u8, g: u8, b: u8) -> Colour {
    Colour([r as f32 / 255.0, g as f32 / 255.0, b as f32 / 255.0])
}

impl Colour {
    /// Interpolates linearly: `self` at `t = 0`, `other` at `t = 1`.
    pub(super) fn mix(self, other: Self, t: f32) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + (other.0[i] - self.0[i]) * t))
    }

    pub(super) fn lighter(self, t: f32) -> Self {
        self.mix(WHITE, t)
    }

    pub(super) fn darker(self, t: f32) -> Self {
        self.mix(BLACK, t)
    }

    /// Multiplies channel by channel and clamps to 0..=1.
    pub(super) fn times(self, gain: [f32; 3]) -> Self {
        Self(std::array::from_fn(|i| (self.0[i] * gain[i]).clamp(0.0, 1.0)))
    }

    fn skia(self, alpha: f32) -> Color {
        let [r, g, b] = self.0.map(|v| v.clamp(0.0, 1.0));
        Color::from_rgba(r, g, b, alpha.clamp(0.0, 1.0)).unwrap_or(Color::BLACK)
    }
}

/// Fill of a shape. Alphas are from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ink {
    Flat(Colour, f32),
    /// From `inner` at `at` to `outer` at `radius` and beyond.
    Radial {
        at: (f32, f32),
        radius: f32,
        inner: (Colour, f32),
        outer: (Colour, f32),
    },
    /// From one colour at the first point to another at the second.
    Linear {
        from: (f32, f32),
        to: (f32, f32),
        start: (Colour, f32),
        end: (Colour, f32),
    },
}

impl From<Colour> for Ink {
    fn from(colour: Colour) -> Self {
        Self::Flat(colour, 1.0)
    }
}

impl Ink {
    fn shader(self) -> Shader<'static> {
        let stops = |a: (Colour, f32), b: (Colour, f32)| {
            vec![GradientStop::new(0.0, a.0.skia(a.1)), GradientStop::new(1.0, b.0.skia(b.1))]
        };
        let point = |(x, y)| Point::from_xy(x, y);
        let (gradient, plain) = match self {
            Self::Flat(colour, alpha) => return Shader::SolidColor(colour.skia(alpha)),
            Self::Radial { at, radius, inner, outer } => (
                RadialGradient::new(
                    point(at),
                    point(at),
                    radius,
                    stops(inner, outer),
                    SpreadMode::Pad,
                    Transform::identity(),
                ),
                inner,
            ),
            Self::Linear { from, to, start, end } => (
                LinearGradient::new(point(from), point(to), stops(start, end), SpreadMode::Pad, Transform::identity()),
                start,
            ),
        };
        // A gradient of length 0 has no shader, so its first colour is used.
        gradient.unwrap_or_else(|| Shader::SolidColor(plain.0.skia(plain.1)))
    }
}

/// An ellipse: centre, radii and turn in radians (clockwise on the screen, as y goes down).
#[derive(Clone, Copy, Debug)]
pub(super) struct Oval {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) rx: f32,
    pub(super) ry: f32,
    pub(super) turn: f32,
}

pub(super) fn oval(x: f32, y: f32, rx: f32, ry: f32) -> Oval {
    Oval { x, y, rx, ry, turn: 0.0 }
}

pub(super) fn disc(x: f32, y: f32, r: f32) -> Oval {
    oval(x, y, r, r)
}

impl Oval {
    pub(super) fn turned(self, turn: f32) -> Self {
        Self { turn, ..self }
    }

    pub(super) fn grown(self, by: f32) -> Self {
        Self { rx: self.rx + by, ry: self.ry + by, ..self }
    }

    fn trace(self, path: &mut PathBuilder) {
        let (sin, cos) = sin_cos(self.turn);
        let at = |u: f32, v: f32| {
            let (u, v) = (u * self.rx, v * self.ry);
            (self.x + u * cos - v * sin, self.y + u * sin + v * cos)
        };
        // The usual four cubic arcs; 0.5523 makes them round to within 0.03 %.
        const K: f32 = 0.552_285;
        let start = at(1.0, 0.0);
        path.move_to(start.0, start.1);
        for [a, b, end] in [
            [(1.0, K), (K, 1.0), (0.0, 1.0)],
            [(-K, 1.0), (-1.0, K), (-1.0, 0.0)],
            [(-1.0, -K), (-K, -1.0), (0.0, -1.0)],
            [(K, -1.0), (1.0, -K), (1.0, 0.0)],
        ] {
            let (a, b, end) = (at(a.0, a.1), at(b.0, b.1), at(end.0, end.1));
            path.cubic_to(a.0, a.1, b.0, b.1, end.0, end.1);
        }
        path.close();
    }
}

/// A picture being drawn, in the artist's coordinates.
#[derive(Clone)]
pub(super) struct Canvas {
    pixmap: Pixmap,
    to_pixels: Transform,
}

impl Canvas {
    /// A transparent canvas of this width and height in pixels; `None` for a size that tiny-skia refuses.
    pub(super) fn new([width, height]: [u32; 2], to_pixels: Transform) -> Option<Self> {
        Some(Self { pixmap: Pixmap::new(width, height)?, to_pixels })
    }

    /// A transparent canvas of the same size and coordinates.
    pub(super) fn blank(&self) -> Self {
        let mut blank = self.clone();
        blank.pixmap.fill(Color::TRANSPARENT);
        blank
    }

    pub(super) fn pixmap(&self) -> &Pixmap {
        &self.pixmap
    }

    /// Draws `above` over this canvas, pixel by pixel.
    pub(super) fn put(&mut self, above: &Canvas) {
        let paint = PixmapPaint::default();
        let source = above.pixmap.as_ref();
        self.pixmap.draw_pixmap(0, 0, source, &paint, Transform::identity(), None);
    }

    pub(super) fn oval(&mut self, oval: Oval, ink: impl Into<Ink>) {
        self.ovals(&[oval], ink);
    }

    /// Draws several ellipses at once, which is faster than one by one.
    pub(super) fn ovals(&mut self, ovals: &[Oval], ink: impl Into<Ink>) {
        let path = traced(|path| ovals.iter().for_each(|oval| oval.trace(path)));
        self.fill(path, ink.into(), BlendMode::SourceOver);
    }

    /// Like [`Canvas::oval`], but only where something has been painted already.
    pub(super) fn oval_atop(&mut self, oval: Oval, ink: impl Into<Ink>) {
        self.fill(traced(|path| oval.trace(path)), ink.into(), BlendMode::SourceAtop);
    }

    /// A closed, smooth shape through `points`.
    pub(super) fn blob(&mut self, points: &[(f32, f32)], ink: impl Into<Ink>) {
        self.fill(traced(|path| smooth(path, points, true)), ink.into(), BlendMode::SourceOver);
    }

    /// The outline of [`Canvas::blob`].
    pub(super) fn blob_rim(&mut self, points: &[(f32, f32)], width: f32, ink: impl Into<Ink>) {
        self.stroke(traced(|path| smooth(path, points, true)), width, ink.into(), BlendMode::SourceOver);
    }

    /// A round-ended, smooth line through `points`.
    pub(super) fn line(&mut self, points: &[(f32, f32)], width: f32, ink: impl Into<Ink>) {
        self.stroke(traced(|path| smooth(path, points, false)), width, ink.into(), BlendMode::SourceOver);
    }

    /// Straight lines from `from` to each of `to`, round at their ends.
    pub(super) fn fan(&mut self, from: (f32, f32), to: &[(f32, f32)], width: f32, ink: impl Into<Ink>) {
        let path = traced(|path| to.iter().for_each(|&to| smooth(path, &[from, to], false)));
        self.stroke(path, width, ink.into(), BlendMode::SourceOver);
    }

    /// Like [`Canvas::line`], but only where something has been painted already.
    pub(super) fn line_atop(&mut self, points: &[(f32, f32)], width: f32, ink: impl Into<Ink>) {
        self.stroke(traced(|path| smooth(path, points, false)), width, ink.into(), BlendMode::SourceAtop);
    }

    fn fill(&mut self, path: Option<Path>, ink: Ink, blend: BlendMode) {
        if let Some(path) = path {
            let paint = paint(ink, blend);
            self.pixmap.fill_path(&path, &paint, FillRule::Winding, self.to_pixels, None);
        }
    }

    fn stroke(&mut self, path: Option<Path>, width: f32, ink: Ink, blend: BlendMode) {
        if let Some(path) = path {
            let stroke = Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
            let paint = paint(ink, blend);
            self.pixmap.stroke_path(&path, &paint, &stroke, self.to_pixels, None);
        }
    }
}

fn paint(ink: Ink, blend_mode: BlendMode) -> Paint<'static> {
    Paint { shader: ink.shader(), blend_mode, anti_alias: true, force_hq_pipeline: false }
}

/// The path that `trace` builds; `None` if it is not a valid path.
fn traced(trace: impl FnOnce(&mut PathBuilder)) -> Option<Path> {
    let mut path = PathBuilder::new();
    trace(&mut path);
    path.finish()
}

/// A Catmull-Rom curve through `points`; nothing for fewer than two.
fn smooth(path: &mut PathBuilder, points: &[(f32, f32)], closed: bool) {
    let n = points.len();
    if n < 2 {
        return;
    }
    // Neighbours past an open end repeat the end; those of a closed curve go round.
    let at = |i: isize| {
        let last = n as isize - 1;
        points[if closed { i.rem_euclid(n as isize) } else { i.clamp(0, last) } as usize]
    };
    path.move_to(points[0].0, points[0].1);
    let segments = if closed { n } else { n - 1 };
    for i in 0..segments as isize {
        let (p0, p1, p2, p3) = (at(i - 1), at(i), at(i + 1), at(i + 2));
        path.cubic_to(
            p1.0 + (p2.0 - p0.0) / 6.0,
            p1.1 + (p2.1 - p0.1) / 6.0,
            p2.0 - (p3.0 - p1.0) / 6.0,
            p2.1 - (p3.1 - p1.1) / 6.0,
            p2.0,
            p2.1,
        );
    }
    if closed {
        path.close();
    }
}

/// Sine and cosine with an error of about 1e-4, computed with multiplications only: the pictures must not depend
/// on how the platform's libm rounds.
pub(super) fn sin_cos(angle: f32) -> (f32, f32) {
    use std::f32::consts::{FRAC_PI_2, PI, TAU};
    let wrap = |a: f32| a - TAU * (a / TAU).round();
    let sin = |a: f32| {
        // Folded into a quarter turn, where the series converges fast.
        let a = if a > FRAC_PI_2 {
            PI - a
        } else if a < -FRAC_PI_2 {
            -PI - a
        } else {
            a
        };
        let s = a * a;
        a * (1.0 - s / 6.0 * (1.0 - s / 20.0 * (1.0 - s / 42.0)))
    };
    (sin(wrap(angle)), sin(wrap(angle + FRAC_PI_2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_and_cosine_are_close() {
        for step in -1000..1000 {
            let angle = step as f32 * 0.01;
            let (sin, cos) = sin_cos(angle);
            assert!((sin - angle.sin()).abs() < 2e-4 && (cos - angle.cos()).abs() < 2e-4, "{angle}");
        }
    }

    #[test]
    fn degenerate_shapes_draw_nothing() {
        let mut canvas = Canvas::new([8, 8], Transform::identity()).unwrap();
        canvas.line(&[], 1.0, WHITE);
        canvas.blob(&[(1.0, 1.0)], WHITE);
        canvas.oval(disc(f32::NAN, 1.0, 1.0), WHITE);
        assert!(canvas.pixmap().data().iter().all(|&byte| byte == 0));
    }
}
