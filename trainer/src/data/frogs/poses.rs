//! The four poses of a frog. Coordinates: the frog is about 2 units wide, its middle is at the
//! origin, y points down. A pose is drawn from back to front.

use super::brush::{BLACK, Canvas, Colour, Ink, Oval, WHITE, disc, oval, sin_cos};
use super::random::Random;
use super::species::{Pattern, Pupil, Species};

/// A frog being drawn.
pub(super) struct Frog<'a> {
    pub(super) canvas: Canvas,
    pub(super) look: Species,
    pub(super) random: &'a mut Random,
    /// Where the light comes from, a unit vector in frog coordinates.
    pub(super) light: (f32, f32),
    /// Eye size, about 1.
    pub(super) eyes: f32,
    /// Where the frog looks, -1 to 1 each way.
    pub(super) gaze: (f32, f32),
    /// Random numbers of the details that only large pictures have room for; `None` for small ones. They have a
    /// generator of their own, so that a frog has the same pose and colours at every size.
    pub(super) fine: Option<Random>,
}

pub(super) type Pose = fn(&mut Frog<'_>);

/// Faces the viewer.
pub(super) fn front(frog: &mut Frog<'_>) {
    frog.shadow(oval(0.0, 0.84, 0.98, 0.16));
    let limb = frog.look.limbs;
    for s in [-1.0, 1.0] {
        frog.foot((s * 0.60, 0.76), (s * 0.96, 0.86), 0.20);
        frog.body_part(oval(s * 0.64, 0.46, 0.33, 0.42).turned(s * 0.35), limb);
    }
    frog.layer(|frog| {
        frog.body_part(oval(0.0, 0.28, 0.60, 0.56), frog.look.back);
        frog.belly(oval(0.0, 0.46, 0.42, 0.46));
    });
    for s in [-1.0, 1.0] {
        frog.limb(&[(s * 0.40, 0.22), (s * 0.47, 0.50), (s * 0.32, 0.78)], 0.20);
        frog.foot((s * 0.32, 0.80), (s * 0.36, 0.94), 0.16);
    }
    for s in [-1.0, 1.0] {
        frog.body_part(disc(s * 0.46, -0.56, 0.30 * frog.eyes), frog.look.back);
    }
    frog.layer(|frog| {
        let head = oval(0.0, -0.20, 0.76, 0.46);
        frog.body_part(head, frog.look.back);
        frog.marks(oval(0.0, -0.34, 0.62, 0.24), 0.0);
        frog.belly(oval(0.0, 0.16, 0.62, 0.24));
    });
    frog.mouth(&[(-0.62, -0.10), (-0.30, 0.05), (0.0, 0.08), (0.30, 0.05), (0.62, -0.10)]);
    for s in [-1.0, 1.0] {
        frog.nostril(s * 0.10, -0.24);
        frog.eye(s * 0.46, -0.58, 0.245);
    }
}

/// In profile, facing right.
pub(super) fn side(frog: &mut Frog<'_>) {
    frog.shadow(oval(0.0, 0.84, 1.0, 0.14));
    frog.body_part(disc(0.66, -0.46, 0.20 * frog.eyes), frog.look.back.darker(0.25));
    frog.limb(&[(0.48, 0.30), (0.68, 0.52), (0.62, 0.78)], 0.16);
    frog.foot((0.62, 0.80), (0.90, 0.84), 0.14);
    frog.layer(|frog| {
        let body = [
            (0.98, -0.16),
            (0.80, -0.42),
            (0.42, -0.52),
            (-0.02, -0.40),
            (-0.46, -0.10),
            (-0.80, 0.34),
            (-0.78, 0.66),
            (-0.30, 0.78),
            (0.20, 0.74),
            (0.52, 0.46),
            (0.70, 0.18),
            (0.92, 0.04),
        ];
        frog.shape(&body, oval(0.0, 0.05, 0.95, 0.75), frog.look.back);
        frog.marks(oval(-0.18, 0.0, 0.62, 0.26), 0.62);
        frog.belly(oval(0.42, 0.56, 0.62, 0.30).turned(-0.75));
        frog.belly(oval(0.72, 0.14, 0.30, 0.15).turned(-0.2));
    });
    frog.limb(&[(0.30, 0.26), (0.44, 0.54), (0.30, 0.78)], 0.20);
    frog.foot((0.30, 0.80), (0.60, 0.90), 0.16);
    // The folded hind leg: shin behind, thigh over it, long foot on the ground.
    frog.foot((-0.56, 0.80), (0.04, 0.90), 0.17);
    frog.limb(&[(-0.06, 0.38), (-0.34, 0.62), (-0.62, 0.78)], 0.22);
    frog.layer(|frog| {
        frog.body_part(oval(-0.40, 0.42, 0.46, 0.29).turned(-0.35), frog.look.limbs);
        frog.marks(oval(-0.40, 0.40, 0.34, 0.18), -0.35);
    });
    frog.mouth(&[(0.99, -0.10), (0.76, -0.02), (0.46, -0.06), (0.34, -0.14)]);
    frog.nostril(0.86, -0.24);
    if frog.look.pupil == Pupil::Flat {
        let tone = frog.look.back.darker(0.45);
        frog.canvas.oval(disc(0.18, -0.16, 0.11), tone);
        frog.canvas.oval(disc(0.18, -0.16, 0.065), frog.look.back);
    }
    frog.body_part(disc(0.48, -0.46, 0.29 * frog.eyes), frog.look.back);
    frog.eye(0.50, -0.47, 0.24);
}

/// Turned half to the right.
pub(super) fn three_quarter(frog: &mut Frog<'_>) {
    frog.shadow(oval(0.0, 0.84, 0.98, 0.16));
    let limb = frog.look.limbs;
    frog.foot((0.62, 0.70), (0.94, 0.78), 0.16);
    frog.body_part(oval(0.58, 0.46, 0.24, 0.34).turned(0.3), limb.darker(0.15));
    frog.layer(|frog| {
        let body = [
            (0.30, -0.30),
            (-0.26, -0.30),
            (-0.70, 0.10),
            (-0.88, 0.52),
            (-0.62, 0.80),
            (0.10, 0.84),
            (0.56, 0.74),
            (0.66, 0.30),
        ];
        frog.shape(&body, oval(-0.10, 0.20, 0.85, 0.70), frog.look.back);
        frog.marks(oval(-0.45, 0.16, 0.34, 0.34), 0.7);
        frog.belly(oval(0.30, 0.50, 0.34, 0.42));
    });
    frog.foot((-0.62, 0.80), (-0.14, 0.93), 0.18);
    frog.layer(|frog| {
        frog.body_part(oval(-0.60, 0.50, 0.36, 0.35).turned(-0.3), limb);
        frog.marks(oval(-0.60, 0.48, 0.26, 0.22), 0.3);
    });
    frog.limb(&[(0.54, 0.22), (0.62, 0.50), (0.54, 0.76)], 0.17);
    frog.foot((0.54, 0.78), (0.70, 0.92), 0.15);
    frog.limb(&[(0.00, 0.24), (-0.02, 0.54), (0.08, 0.78)], 0.20);
    frog.foot((0.08, 0.80), (0.22, 0.95), 0.17);
    frog.body_part(disc(-0.16, -0.54, 0.30 * frog.eyes), frog.look.back);
    frog.body_part(disc(0.66, -0.50, 0.25 * frog.eyes), frog.look.back.darker(0.1));
    frog.layer(|frog| {
        frog.body_part(oval(0.22, -0.17, 0.70, 0.44).turned(0.06), frog.look.back);
        frog.marks(oval(0.12, -0.34, 0.52, 0.22), 0.0);
        frog.belly(oval(0.32, 0.20, 0.54, 0.22));
    });
    frog.mouth(&[(-0.36, -0.10), (-0.08, 0.06), (0.34, 0.10), (0.66, 0.04), (0.88, -0.12)]);
    frog.nostril(0.34, -0.22);
    frog.nostril(0.52, -0.21);
    frog.eye(-0.14, -0.56, 0.245);
    frog.eye(0.66, -0.52, 0.20);
}

/// Seen from above, head up.
pub(super) fn above(frog: &mut Frog<'_>) {
    frog.shadow(oval(-frog.light.0 * 0.1, 0.12 - frog.light.1 * 0.1, 0.62, 0.80));
    for s in [-1.0, 1.0] {
        frog.foot((s * 0.62, 0.78), (s * 0.92, 0.98), 0.22);
        frog.limb(&[(s * 0.80, 0.30), (s * 0.78, 0.56), (s * 0.58, 0.80)], 0.19);
        frog.limb(&[(s * 0.26, 0.60), (s * 0.58, 0.50), (s * 0.80, 0.28)], 0.27);
        frog.foot((s * 0.80, -0.26), (s * 0.86, -0.52), 0.22);
        frog.limb(&[(s * 0.34, -0.04), (s * 0.70, -0.02), (s * 0.80, -0.28)], 0.19);
    }
    for s in [-1.0, 1.0] {
        frog.body_part(disc(s * 0.36, -0.50, 0.24 * frog.eyes), frog.look.back);
    }
    frog.layer(|frog| {
        let body = [
            (0.0, -0.94),
            (0.34, -0.74),
            (0.46, -0.42),
            (0.40, -0.18),
            (0.52, 0.16),
            (0.42, 0.56),
            (0.0, 0.80),
            (-0.42, 0.56),
            (-0.52, 0.16),
            (-0.40, -0.18),
            (-0.46, -0.42),
            (-0.34, -0.74),
        ];
        frog.shape(&body, oval(0.0, -0.05, 0.60, 0.95), frog.look.back);
        frog.marks(oval(0.0, 0.14, 0.38, 0.50), std::f32::consts::FRAC_PI_2);
    });
    for s in [-1.0, 1.0] {
        frog.nostril(s * 0.09, -0.80);
        frog.eye(s * 0.36, -0.54, 0.20);
    }
}

impl Frog<'_> {
    /// Draws on a separate layer, so that the "atop" functions paint over this part only.
    fn layer(&mut self, draw: impl FnOnce(&mut Self)) {
        let blank = self.canvas.blank();
        let below = std::mem::replace(&mut self.canvas, blank);
        draw(self);
        let above = std::mem::replace(&mut self.canvas, below);
        self.canvas.put(&above);
    }

    fn shadow(&mut self, place: Oval) {
        let ink = Ink::Flat(BLACK, 0.38);
        self.canvas.oval(place, ink);
    }

    /// Shading of a ball with this `colour` over `round`: bright towards the light, dark away from it.
    fn shading(&self, round: Oval, colour: Colour) -> Ink {
        let (x, y) = (round.x + self.light.0 * round.rx * 0.45, round.y + self.light.1 * round.ry * 0.45);
        Ink::Radial {
            at: (x, y),
            radius: round.rx.max(round.ry) * 1.5,
            inner: (colour.lighter(0.34), 1.0),
            outer: (colour.darker(0.38), 1.0),
        }
    }

    /// A rounded part with a dark rim, which keeps parts of one colour apart.
    fn body_part(&mut self, part: Oval, colour: Colour) {
        self.canvas.oval(part.grown(0.035), colour.darker(0.62));
        let ink = self.shading(part, colour);
        self.canvas.oval(part, ink);
    }

    /// Like [`Frog::body_part`], for any outline; `round` places the shading.
    fn shape(&mut self, points: &[(f32, f32)], round: Oval, colour: Colour) {
        self.canvas.blob_rim(points, 0.07, colour.darker(0.62));
        let ink = self.shading(round, colour);
        self.canvas.blob(points, ink);
    }

    fn limb(&mut self, points: &[(f32, f32)], width: f32) {
        let colour = self.look.limbs;
        self.canvas.line(points, width + 0.07, colour.darker(0.62));
        self.canvas.line(points, width, colour);
        // The lit side.
        let shift = width * 0.18;
        let lit: Vec<_> = points.iter().map(|p| (p.0 + self.light.0 * shift, p.1 + self.light.1 * shift)).collect();
        self.canvas.line(&lit, width * 0.4, Ink::Flat(colour.lighter(0.4), 0.6));
    }

    /// Three toes from the heel to around `tip`, spread by `spread` units.
    fn foot(&mut self, heel: (f32, f32), tip: (f32, f32), spread: f32) {
        let colour = self.look.toes;
        let (dx, dy) = (tip.0 - heel.0, tip.1 - heel.1);
        let length = (dx * dx + dy * dy).sqrt().max(1e-3);
        let (nx, ny) = (-dy / length * spread, dx / length * spread);
        let toes = [-0.75, 0.0, 0.75].map(|t: f32| {
            let back = t.abs() * 0.22;
            (tip.0 - dx * back + nx * t, tip.1 - dy * back + ny * t)
        });
        let pads = |r| toes.map(|(x, y)| disc(x, y, r));
        self.canvas.fan(heel, &toes, 0.14, colour.darker(0.6));
        self.canvas.ovals(&pads(0.085), colour.darker(0.6));
        self.canvas.fan(heel, &toes, 0.08, colour);
        self.canvas.ovals(&pads(0.055), colour.lighter(0.2));
        if self.fine.is_some() {
            // The webs' folds, and a lit spot on each pad.
            let folds = toes.map(|(x, y)| (heel.0 + (x - heel.0) * 0.7, heel.1 + (y - heel.1) * 0.7));
            self.canvas.fan(heel, &folds, 0.022, Ink::Flat(colour.darker(0.4), 0.8));
            let lit = toes.map(|(x, y)| disc(x + self.light.0 * 0.02, y + self.light.1 * 0.02, 0.024));
            self.canvas.ovals(&lit, colour.lighter(0.65));
        }
    }

    fn belly(&mut self, place: Oval) {
        let ink = self.shading(place.grown(0.2), self.look.belly);
        self.canvas.oval_atop(place, ink);
    }

    fn mouth(&mut self, line: &[(f32, f32)]) {
        let tone = self.look.back.darker(0.78);
        self.canvas.line(line, 0.07, tone);
    }

    fn nostril(&mut self, x: f32, y: f32) {
        let tone = self.look.back.darker(0.7);
        self.canvas.oval(disc(x, y, 0.035), tone);
        if self.fine.is_some() {
            let lit = Ink::Flat(self.look.back.lighter(0.4), 0.7);
            self.canvas.oval(disc(x + self.light.0 * 0.05, y + self.light.1 * 0.05, 0.02), lit);
        }
    }

    /// An eye with iris, pupil and a highlight towards the light.
    fn eye(&mut self, x: f32, y: f32, r: f32) {
        let r = r * self.eyes;
        let iris = self.look.iris;
        self.canvas.oval(disc(x, y, r), BLACK);
        let ball = disc(x, y, r * 0.86);
        let ink =
            Ink::Radial { at: (x, y), radius: r, inner: (iris.lighter(0.25), 1.0), outer: (iris.darker(0.15), 1.0) };
        self.canvas.oval(ball, ink);
        if self.fine.is_some() {
            // Fibres of the iris, a quarter of them lighter.
            for step in 0..16 {
                let (sin, cos) = sin_cos(step as f32 * std::f32::consts::FRAC_PI_8 + 0.1);
                let at = |radius: f32| (x + cos * r * radius, y + sin * r * radius);
                let tone = if step % 4 == 0 { iris.lighter(0.45) } else { iris.darker(0.35) };
                self.canvas.line(&[at(0.35), at(0.8)], 0.014, Ink::Flat(tone, 0.7));
            }
        }
        let (px, py) = (x + self.gaze.0 * r * 0.2, y + self.gaze.1 * r * 0.2);
        let pupil = match self.look.pupil {
            Pupil::Round => oval(px, py, 0.52, 0.52),
            Pupil::Flat => oval(px, py, 0.62, 0.40),
            Pupil::Upright => oval(px, py, 0.30, 0.68),
        };
        self.canvas.oval(oval(px, py, pupil.rx * r, pupil.ry * r), BLACK);
        let (hx, hy) = (x + self.light.0 * r * 0.42, y + self.light.1 * r * 0.42);
        self.canvas.oval(disc(hx, hy, r * 0.30), WHITE);
        let (gx, gy) = (x - self.light.0 * r * 0.5, y - self.light.1 * r * 0.5);
        self.canvas.oval(disc(gx, gy, r * 0.12), Ink::Flat(WHITE, 0.6));
    }

    /// Small dark and light dots of the skin over `place`, where there is room for them.
    fn pores(&mut self, place: Oval) {
        let Some(random) = &mut self.fine else { return };
        for _ in 0..24 {
            let (x, y) = (place.x + place.rx * random.range(-1.1, 1.1), place.y + place.ry * random.range(-1.1, 1.1));
            let back = self.look.back;
            let tone = if random.chance(0.5) { back.lighter(0.45) } else { back.darker(0.4) };
            self.canvas.oval_atop(disc(x, y, random.range(0.012, 0.022)), Ink::Flat(tone, 0.6));
        }
    }

    /// The species' pattern over `place`, whose long axis is turned by `axis` radians.
    fn marks(&mut self, place: Oval, axis: f32) {
        self.pores(place);
        let marks = self.look.marks;
        let (sin, cos) = sin_cos(axis);
        // Coordinates along and across the back, -1 to 1 each.
        let (along, across) = (place.rx.max(place.ry), place.rx.min(place.ry));
        let at = |u: f32, v: f32| {
            let (u, v) = (u * along, v * across);
            (place.x + u * cos - v * sin, place.y + u * sin + v * cos)
        };
        match self.look.pattern {
            Pattern::Plain => {}
            Pattern::Spots(size) => {
                // Spots are on a jittered lattice, so they do not overlap much.
                let count = ((along / (size * 1.9)) as usize).clamp(2, 6);
                let rows = ((across / (size * 1.3)) as usize).clamp(1, 3);
                for row in 0..rows {
                    for column in 0..count {
                        let odd = if row % 2 == 0 { 0.0 } else { 0.5 };
                        let u = (column as f32 + 0.5 + odd) / count as f32 * 2.0 - 1.0;
                        let v = (row as f32 + 0.5) / rows as f32 * 2.0 - 1.0;
                        let (u, v) = (u + self.random.range(-0.12, 0.12), v + self.random.range(-0.2, 0.2));
                        let (x, y) = at(u, v);
                        let r = size * self.random.range(0.7, 1.15);
                        self.canvas.oval_atop(oval(x, y, r * 1.1, r * 0.9), marks);
                        if self.fine.is_some() {
                            self.canvas.oval_atop(oval(x, y, r * 0.55, r * 0.45), marks.mix(self.look.back, 0.35));
                        }
                    }
                }
            }
            Pattern::Blotches => {
                for step in 0..4 {
                    let u = step as f32 * 0.55 - 0.82 + self.random.range(-0.12, 0.12);
                    let v = if step % 2 == 0 { -0.5 } else { 0.5 } + self.random.range(-0.3, 0.3);
                    let (x, y) = at(u, v);
                    let (rx, ry) = (self.random.range(0.10, 0.20), self.random.range(0.07, 0.13));
                    let turn = self.random.range(-1.5, 1.5);
                    self.canvas.oval_atop(oval(x, y, rx, ry).turned(turn), marks);
                }
            }
            Pattern::Stripes | Pattern::Ridges => {
                let lines: &[f32] = match self.look.pattern {
                    Pattern::Stripes => &[-0.8, 0.0, 0.8],
                    _ => &[-0.62, 0.62],
                };
                for &v in lines {
                    let line = [at(-1.1, v * 0.7), at(0.0, v), at(1.1, v * 0.7)];
                    self.canvas.line_atop(&line, 0.085, marks);
                }
            }
            Pattern::Warts => {
                for _ in 0..14 {
                    let (x, y) = at(self.random.range(-1.0, 1.0), self.random.range(-1.0, 1.0));
                    let r = self.random.range(0.03, 0.06);
                    self.canvas.oval_atop(disc(x, y, r * 1.3), Ink::Flat(marks, 0.8));
                    let (lx, ly) = (x + self.light.0 * r * 0.5, y + self.light.1 * r * 0.5);
                    let lit = self.look.back.lighter(0.35);
                    self.canvas.oval_atop(disc(lx, ly, r * 0.7), lit);
                }
            }
        }
    }
}
