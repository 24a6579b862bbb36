//! A model with two latents, and the picture between them.

use gen_core::{BilinearUpscaler, ClassMix, Engine, EngineError, Latent, Model, ParseError, Pixels, Shape};

/// Bytes of a pixel: red, green, blue, and 255 for opaque.
const RGBA: usize = 4;
/// Longest side of an enlarged picture, in pixels.
pub const MAX_SIDE: u32 = 1024;

/// Which of the two latents of a [`Player`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// The latent of the picture, where a morph begins.
    From,
    /// The latent where a morph ends.
    To,
}

/// Parses the bytes of a model file.
///
/// # Errors
/// The text for people of gen-core's [`ParseError`].
pub fn parse(bytes: &[u8]) -> Result<Model<'_>, String> {
    Model::parse(bytes).map_err(|e: ParseError| e.to_string())
}

/// Draws the pictures of one model.
#[derive(Debug)]
pub struct Player<'a> {
    engine: Engine<'a>,
    shape: Shape,
    latents: [Latent; 2],
    picture: Picture,
}

/// A picture in memory.
#[derive(Debug, Default)]
pub struct Picture {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Row by row from the top, [`RGBA`] bytes a pixel.
    pub rgba: Vec<u8>,
}

impl<'a> Player<'a> {
    /// A player. Both latents are that of picture 0. `workspace` has at least [`Model::workspace_len`] bytes.
    ///
    /// # Errors
    /// If the workspace is too small.
    pub fn new(model: Model<'a>, workspace: &'a mut [i8]) -> Result<Self, EngineError> {
        let (shape, latent) = (model.output_shape(), model.latent(0));
        let engine = Engine::new(model, workspace)?;
        Ok(Self { engine, shape, latents: [latent.clone(), latent], picture: Picture::default() })
    }

    /// The latent in a slot.
    pub fn latent(&self, slot: Slot) -> &Latent {
        &self.latents[slot as usize]
    }

    /// Takes the values of picture number `seed`. The class stays.
    pub fn set_seed(&mut self, slot: Slot, seed: u32) {
        let latent = Latent::from_seed(seed, self.latent(slot).steps().len());
        self.replace(slot, latent);
    }

    /// Takes these values, in steps of [`Latent::SCALE`]. Missing values become 0, and those past the length of the latent
    /// are ignored. The class stays.
    pub fn set_steps(&mut self, slot: Slot, steps: &[i8]) {
        let len = self.latent(slot).steps().len();
        let steps: Vec<i8> = steps.iter().copied().chain(core::iter::repeat(0)).take(len).collect();
        // Never `None`: a latent is not longer than the longest.
        if let Some(latent) = Latent::from_steps(&steps) {
            self.replace(slot, latent);
        }
    }

    /// Takes a class, or a mixture of two. The values stay.
    pub fn set_class(&mut self, slot: Slot, class: ClassMix) {
        self.latents[slot as usize] = self.latent(slot).clone().with_mix(class);
    }

    fn replace(&mut self, slot: Slot, latent: Latent) {
        let class = self.latent(slot).class();
        self.latents[slot as usize] = latent.with_mix(class);
    }

    /// Draws the picture between the two latents, enlarged by a factor.
    ///
    /// `t` goes from 0 ([`Slot::From`]) to 256 ([`Slot::To`]), `share` is the argument of [`Latent::truncated`]: 256 leaves
    /// the latent as it is. `scale` is at least 1; a factor that would make a side longer than [`MAX_SIDE`] becomes the
    /// largest that does not.
    pub fn draw(&mut self, t: u16, share: u16, scale: u32) -> &Picture {
        let [from, to] = &self.latents;
        let latent = from.toward(to, t).truncated(share);
        let scale = scale.clamp(1, largest_scale(self.shape));
        let [width, height] = [self.shape.width, self.shape.height].map(|side| u32::from(side) * scale);
        let picture = &mut self.picture;
        (picture.width, picture.height) = (width, height);
        picture.rgba.clear();
        picture.rgba.reserve_exact(width as usize * height as usize * RGBA);
        let mut upscaler = BilinearUpscaler::new(self.shape, scale);
        self.engine.generate(&latent, |_, row| picture.add(row, scale, &mut upscaler));
        picture
    }

    /// The picture that was drawn last.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }
}

/// The largest factor for pictures of this shape.
pub fn largest_scale(shape: Shape) -> u32 {
    (MAX_SIDE / u32::from(shape.width.max(shape.height)).max(1)).max(1)
}

impl Picture {
    /// Adds the next row of a picture that is being drawn, and the enlarged rows that it completes.
    fn add(&mut self, row: Pixels<'_>, scale: u32, upscaler: &mut BilinearUpscaler) {
        if scale == 1 {
            self.rgba.extend((0..row.len()).filter_map(|x| row.rgb(x)).flat_map(opaque));
            return;
        }
        let Ok(()) = upscaler.row(row, |band| {
            self.rgba.extend(band.flat_map(|(rgb, _, _)| opaque(rgb)));
            Ok::<(), core::convert::Infallible>(())
        });
    }
}

fn opaque([r, g, b]: [u8; 3]) -> [u8; RGBA] {
    [r, g, b, u8::MAX]
}
