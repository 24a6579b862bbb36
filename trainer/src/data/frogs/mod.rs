//! Frogs that the program draws: the data set that needs no files and no network.
//!
//! Picture `index` of `seed` is a pure function of the two. A frog fills most of the picture and
//! is always made of the same parts (two or four legs, a body, a mouth, big eyes); its kind, pose,
//! pattern, size, place, light and background vary. It is always clearly lighter or darker than
//! what is behind it, so that it also reads on a display of 16 greys.

mod brush;
mod poses;
mod random;
mod scene;
mod species;

use brush::{BLACK, Canvas, Ink, WHITE, disc, sin_cos};
use image::RgbImage;
use poses::{Frog, Pose};
use random::Random;
use species::SPECIES;
use tiny_skia::{Pixmap, Transform};

/// Sides, in pixels, that [`picture`] draws.
pub const SIDES: std::ops::RangeInclusive<usize> = 8..=512;

/// From this length of the shorter side on, frogs have details that would blur in smaller pictures: fibres of the iris,
/// folds of the toes, pores of the skin.
const FINE_FROM: u32 = 48;

/// Frogs are drawn at this many times the size and averaged down, which softens edges.
const OVERSAMPLE: u32 = 2;

/// Smallest difference between the mean luma (0 to 255) of the frog and of what is behind it.
const CONTRAST: f32 = 56.0;

/// Names of the species, which are the classes of the drawn frogs. The order is always the same.
pub fn species_names() -> impl ExactSizeIterator<Item = &'static str> {
    SPECIES.iter().map(|species| species.name)
}

/// The species that picture `index` of `seed` shows, as a position in [`species_names`]. Nothing is drawn.
pub fn species_of(seed: u64, index: u64) -> usize {
    species(&mut Random::new(seed, index))
}

/// The species of a picture is the first random number of its generator.
fn species(random: &mut Random) -> usize {
    random.below(SPECIES.len())
}

/// Picture `index` of `seed`, and the kind of frog it shows; `None` for a height or width outside [`SIDES`]. The
/// frog is as large as the shorter of the two allows.
pub fn picture(seed: u64, index: u64, height: usize, width: usize) -> Option<(RgbImage, &'static str)> {
    if !SIDES.contains(&height) || !SIDES.contains(&width) {
        return None;
    }
    let size = [width, height].map(|side| side as u32);
    let mut random = Random::new(seed, index);
    let species = species(&mut random);
    let angle = random.range(-2.5, -0.64); // from the left, from above or from the right
    let (sin, cos) = sin_cos(angle);

    let big = size.map(|side| side * OVERSAMPLE);
    let [x, y] = big.map(|side| side as f32 / 2.0);
    // The background is drawn for a square that covers the picture.
    let half = x.max(y);
    let mut behind = Canvas::new(big, Transform::from_row(half, 0.0, 0.0, half, x, y))?;
    scene::draw(&mut behind, &mut random, (cos, sin));
    let fine = (size[0].min(size[1]) >= FINE_FROM).then(|| Random::new(!seed, index));
    let frog = frog(&mut random, fine, species, (cos, sin), big)?;

    let picture = compose(behind.pixmap(), frog.pixmap(), size, &mut random);
    Some((picture, SPECIES[species].name))
}

/// The frog alone, on a transparent canvas of this width and height in pixels.
fn frog(random: &mut Random, fine: Option<Random>, species: usize, light: (f32, f32), big: [u32; 2]) -> Option<Canvas> {
    let poses: [(Pose, f32); 4] =
        [(poses::front, 0.10), (poses::three_quarter, 0.10), (poses::side, 0.08), (poses::above, 0.45)];
    // Frontal poses, where both eyes show, are the most frequent.
    let (pose, lean) = poses[[0, 0, 1, 1, 2, 3][random.below(6)]];

    let centre = big.map(|side| side as f32 / 2.0);
    let half = centre[0].min(centre[1]);
    let zoom = half * random.range(0.82, 0.95);
    let mirror = if random.chance(0.5) { -1.0 } else { 1.0 };
    let (sin, cos) = sin_cos(random.range(-lean, lean));
    let stretch = random.range(0.94, 1.06);
    let (x, y) = (random.range(-0.05, 0.05), random.range(-0.05, 0.03));
    let to_pixels = Transform::from_row(
        zoom * cos * mirror * stretch,
        zoom * sin * mirror * stretch,
        -zoom * sin / stretch,
        zoom * cos / stretch,
        centre[0] + half * x,
        centre[1] + half * y,
    );
    // The light stays where it is when the frog is mirrored.
    let light = (light.0 * mirror, light.1);

    let mut look = SPECIES[species];
    let gain = random.range(0.9, 1.1);
    let tint: [f32; 3] = std::array::from_fn(|_| gain * random.range(0.92, 1.08));
    for colour in [&mut look.back, &mut look.limbs, &mut look.toes, &mut look.belly] {
        *colour = colour.times(tint);
    }

    let mut frog = Frog {
        canvas: Canvas::new(big, to_pixels)?,
        look,
        eyes: random.range(0.94, 1.12),
        gaze: (random.range(-0.6, 0.6), random.range(-0.2, 0.4)),
        light,
        random,
        fine,
    };
    pose(&mut frog);
    let mut canvas = frog.canvas;
    canvas.oval_atop(
        disc(0.0, 0.0, 3.0),
        Ink::Linear { from: light, to: (-light.0, -light.1), start: (WHITE, 0.12), end: (BLACK, 0.14) },
    );
    Some(canvas)
}

/// Lays the frog over the background, moved away from the frog's brightness where the two are too
/// close, averages down to `size` (width, height) and adds a little noise.
fn compose(behind: &Pixmap, frog: &Pixmap, size: [u32; 2], random: &mut Random) -> RgbImage {
    let luma = |r: f32, g: f32, b: f32| 0.299 * r + 0.587 * g + 0.114 * b;
    // Sums of luma and weight, frog and background. tiny-skia's colours are premultiplied.
    let (mut inside, mut outside) = ((0.0, 1e-3), (0.0, 1e-3));
    for (b, f) in behind.pixels().iter().zip(frog.pixels()) {
        let alpha = f32::from(f.alpha()) / 255.0;
        inside.0 += luma(f.red().into(), f.green().into(), f.blue().into());
        inside.1 += alpha;
        outside.0 += luma(b.red().into(), b.green().into(), b.blue().into()) * (1.0 - alpha);
        outside.1 += 1.0 - alpha;
    }
    let (frog_luma, scene_luma) = (inside.0 / inside.1, outside.0 / outside.1);
    // The background is moved in the direction in which it already differs, unless the range ends there.
    let up = (scene_luma > frog_luma || frog_luma < CONTRAST + 36.0) && frog_luma < 255.0 - CONTRAST - 16.0;
    let (gain, offset) = if up && scene_luma < frog_luma + CONTRAST {
        // Towards white: v + (255 - v) t.
        let t = (frog_luma + CONTRAST - scene_luma) / (255.0 - scene_luma).max(1.0);
        (1.0 - t, 255.0 * t)
    } else if !up && scene_luma > frog_luma - CONTRAST {
        ((frog_luma - CONTRAST).max(0.0) / scene_luma.max(1.0), 0.0)
    } else {
        (1.0, 0.0)
    };

    let mut picture = RgbImage::new(size[0], size[1]);
    let area = (OVERSAMPLE * OVERSAMPLE) as f32;
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let mut sum = [0.0; 3];
        for sy in 0..OVERSAMPLE {
            for sx in 0..OVERSAMPLE {
                let at = (y * OVERSAMPLE + sy) * behind.width() + x * OVERSAMPLE + sx;
                let (b, f) = (behind.pixels()[at as usize], frog.pixels()[at as usize]);
                let through = 1.0 - f32::from(f.alpha()) / 255.0;
                for (sum, (b, f)) in
                    sum.iter_mut().zip([(b.red(), f.red()), (b.green(), f.green()), (b.blue(), f.blue())])
                {
                    *sum += f32::from(f) + through * (f32::from(b) * gain + offset);
                }
            }
        }
        let noise = random.range(-2.5, 2.5);
        // `as` cuts to 0..=255.
        pixel.0 = sum.map(|sum| (sum / area + noise).round() as u8);
    }
    picture
}
