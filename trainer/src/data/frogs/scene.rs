//! Backgrounds. Coordinates go from -1 to 1 over the whole picture, y points down.

use super::brush::{BLACK, Canvas, Colour, Ink, WHITE, disc, oval, rgb, sin_cos};
use super::random::Random;

/// Draws a background over all of `canvas`; `light` is a unit vector towards the light.
pub(super) fn draw(canvas: &mut Canvas, random: &mut Random, light: (f32, f32)) {
    let scenes = [leaf, water, sand, night, moss, lily_pad, bokeh, stone];
    scenes[random.below(scenes.len())](canvas, random);
    // Light falls off away from its source, and towards the corners.
    canvas.oval(
        disc(0.0, 0.0, 2.0),
        Ink::Linear { from: (light.0, light.1), to: (-light.0, -light.1), start: (WHITE, 0.14), end: (BLACK, 0.22) },
    );
}

fn wash(canvas: &mut Canvas, top: Colour, bottom: Colour) {
    canvas.oval(
        disc(0.0, 0.0, 2.0),
        Ink::Linear { from: (0.0, -1.0), to: (0.0, 1.0), start: (top, 1.0), end: (bottom, 1.0) },
    );
}

/// A disc that fades out to its rim.
fn glow(canvas: &mut Canvas, x: f32, y: f32, r: f32, colour: Colour, alpha: f32) {
    canvas.oval(disc(x, y, r), Ink::Radial { at: (x, y), radius: r, inner: (colour, alpha), outer: (colour, 0.0) });
}

/// `n` specks of two tones at random places below `top`.
fn specks(canvas: &mut Canvas, random: &mut Random, n: usize, top: f32, size: f32, tone: Colour) {
    for _ in 0..n {
        let (x, y) = (random.range(-1.0, 1.0), random.range(top, 1.0));
        let colour = if random.chance(0.5) { tone.lighter(0.35) } else { tone.darker(0.35) };
        let r = size * random.range(0.6, 1.4);
        canvas.oval(oval(x, y, r, r * 0.7), Ink::Flat(colour, 0.5));
    }
}

fn leaf(canvas: &mut Canvas, random: &mut Random) {
    let deep = rgb(12, 52, 30);
    wash(canvas, deep, deep.lighter(0.12));
    let green = rgb(70, 150, 56).mix(rgb(150, 190, 80), random.unit());
    let turn = random.range(-0.5, 0.5);
    let (sin, cos) = sin_cos(turn);
    canvas.oval(oval(0.0, 0.25, 1.35, 0.72).turned(turn), green);
    let at = |u: f32, v: f32| (u * cos - v * sin, 0.25 + u * sin + v * cos);
    canvas.line(&[at(-1.4, 0.0), at(1.4, 0.0)], 0.05, green.lighter(0.35));
    for step in -3..=3 {
        let u = step as f32 * 0.4;
        for v in [-0.6, 0.6] {
            canvas.line(&[at(u, 0.0), at(u + 0.3, v)], 0.025, Ink::Flat(green.darker(0.3), 0.7));
        }
    }
}

fn water(canvas: &mut Canvas, random: &mut Random) {
    let deep = rgb(20, 78, 112).mix(rgb(40, 120, 120), random.unit());
    wash(canvas, deep.lighter(0.4), deep.darker(0.2));
    let (x, y) = (random.range(-0.2, 0.2), 0.5 + random.range(0.0, 0.2));
    for ring in (1..=4).rev() {
        let r = ring as f32 * 0.36;
        canvas.oval(oval(x, y, r, r * 0.38), Ink::Flat(deep.lighter(0.55), 0.35));
        canvas.oval(oval(x, y, r - 0.05, r * 0.38 - 0.04), Ink::Flat(deep, 0.55));
    }
}

fn sand(canvas: &mut Canvas, random: &mut Random) {
    let tan = rgb(222, 190, 140).mix(rgb(196, 160, 112), random.unit());
    wash(canvas, tan.lighter(0.3), tan);
    specks(canvas, random, 40, -1.0, 0.035, tan);
}

fn night(canvas: &mut Canvas, random: &mut Random) {
    let sky = rgb(14, 22, 62).mix(rgb(34, 20, 70), random.unit());
    wash(canvas, sky, sky.lighter(0.12));
    for _ in 0..10 {
        let (x, y) = (random.range(-1.0, 1.0), random.range(-1.0, 0.2));
        canvas.oval(disc(x, y, 0.028), Ink::Flat(WHITE, 0.8));
    }
    let side = if random.chance(0.5) { 1.0 } else { -1.0 };
    let (x, y) = (side * random.range(0.6, 0.85), random.range(-0.85, -0.65));
    glow(canvas, x, y, 0.5, rgb(230, 230, 180), 0.5);
    canvas.oval(disc(x, y, 0.2), rgb(250, 246, 214));
    canvas.oval(oval(0.0, 1.1, 1.6, 0.45), rgb(22, 40, 40));
}

fn moss(canvas: &mut Canvas, random: &mut Random) {
    let dark = rgb(34, 58, 28).mix(rgb(62, 78, 24), random.unit());
    wash(canvas, dark.darker(0.4), dark);
    for _ in 0..26 {
        let (x, y, r) = (random.range(-1.0, 1.0), random.range(-0.2, 1.0), random.range(0.1, 0.25));
        glow(canvas, x, y, r, dark.lighter(0.3), 0.5);
    }
}

fn lily_pad(canvas: &mut Canvas, random: &mut Random) {
    let deep = rgb(16, 62, 84).mix(rgb(24, 44, 72), random.unit());
    wash(canvas, deep.lighter(0.15), deep);
    let green = rgb(60, 140, 84).mix(rgb(110, 170, 70), random.unit());
    let (x, y) = (random.range(-0.1, 0.1), 0.62);
    canvas.oval(oval(x, y + 0.05, 1.02, 0.42), Ink::Flat(BLACK, 0.4));
    canvas.oval(oval(x, y, 1.0, 0.4), green.lighter(0.25));
    canvas.oval(oval(x, y, 0.94, 0.36), green);
    for step in 0..8 {
        let (sin, cos) = sin_cos(step as f32 * std::f32::consts::FRAC_PI_4 + 0.3);
        canvas.line(&[(x, y), (x + 0.9 * cos, y + 0.34 * sin)], 0.025, Ink::Flat(green.lighter(0.4), 0.6));
    }
    if random.chance(0.5) {
        let side = if random.chance(0.5) { 0.8 } else { -0.8 };
        for (dx, dy) in [(-0.12, 0.0), (0.12, 0.0), (0.0, -0.1), (0.0, 0.08)] {
            canvas.oval(oval(side + dx, -0.55 + dy, 0.13, 0.1), rgb(250, 190, 214));
        }
        canvas.oval(disc(side, -0.55, 0.07), rgb(250, 220, 90));
    }
}

fn bokeh(canvas: &mut Canvas, random: &mut Random) {
    let tones = [
        rgb(44, 96, 60),
        rgb(96, 70, 50),
        rgb(40, 70, 110),
        rgb(214, 220, 160),
        rgb(230, 196, 180),
        rgb(180, 214, 226),
    ];
    let tone = tones[random.below(tones.len())];
    wash(canvas, tone.lighter(0.1), tone.darker(0.25));
    for _ in 0..9 {
        let (x, y) = (random.range(-1.0, 1.0), random.range(-1.0, 0.8));
        let colour = tone.lighter(random.range(0.15, 0.6));
        let r = random.range(0.18, 0.5);
        glow(canvas, x, y, r, colour, 0.6);
    }
}

fn stone(canvas: &mut Canvas, random: &mut Random) {
    let grey = rgb(150, 150, 156).mix(rgb(96, 92, 92), random.unit());
    wash(canvas, grey.darker(0.5), grey.darker(0.3));
    canvas.oval(oval(0.0, 0.85, 1.35, 0.75), grey);
    specks(canvas, random, 24, 0.2, 0.04, grey);
}
