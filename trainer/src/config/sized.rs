//! A recipe for pictures of any size: a preset, or one that is built by rule from the preset `pocket`.

use anyhow::{Result, ensure};
use gen_core::Shape;

use super::Config;
use super::network::Layer;

/// Height and width of the first map are at least this.
const LEAST_MAP: u16 = 4;
/// Values of the first map of one channel, at most; with more, its dense layer would be larger than all other layers.
const MOST_VALUES: u16 = 128;
/// Channels of the generator's maps, the one before the picture last.
const GENERATOR: [u16; 5] = [64, 48, 32, 24, 12];
/// Channels of the discriminator's maps, the one of the picture's half size first.
const DISCRIMINATOR: [u16; 4] = [64, 128, 256, 256];

/// Presets that are used for pictures of their shape.
const PRESETS: [&str; 4] = ["pocket", "pocket-64", "oled", "digits"];

impl Config {
    /// A recipe for pictures of this shape: the preset for this shape (`pocket`, `pocket-64`, `oled` or `digits`),
    /// otherwise `pocket` with another number of layers.
    ///
    /// The generator's first map is the picture halved up to four times, and each further layer doubles it; the
    /// discriminator halves the picture as often.
    ///
    /// # Errors
    /// When height and width cannot be halved often enough.
    pub fn for_picture(picture: Shape) -> Result<Self> {
        for name in PRESETS {
            let preset = Self::preset(name)?;
            if picture == preset.picture()? {
                return Ok(preset);
            }
        }
        let mut config = Self::preset("pocket")?;
        let Shape { height, width, channels } = picture;
        let can_halve = |n: &usize| {
            let (height, width) = (height >> (n - 1), width >> (n - 1));
            height.is_multiple_of(2) && width.is_multiple_of(2) && height.min(width) / 2 >= LEAST_MAP
        };
        let halvings = (1..=DISCRIMINATOR.len()).take_while(can_halve).count();
        let map = [height >> halvings, width >> halvings];
        ensure!(
            u32::from(map[0]) * u32::from(map[1]) <= MOST_VALUES.into(),
            "there is no network by rule for pictures of {width}x{height}: choose a width and a height that are \
             multiples of 8 or 16, such as {}x{}, or write a recipe",
            width.next_multiple_of(16),
            height.next_multiple_of(16)
        );

        let first = GENERATOR.len() - 1 - halvings;
        let [dense, doubling, last] =
            [0, 1, config.generator.layers.len() - 1].map(|i| config.generator.layers[i].clone());
        let mut layers = vec![Layer { size: Some(map), channels: GENERATOR[first], ..dense }];
        layers.extend(GENERATOR[first + 1..].iter().map(|&channels| Layer { channels, ..doubling.clone() }));
        layers.push(Layer { channels, ..last });
        config.generator.layers = layers;

        let [input, halving, logit] =
            [0, 1, config.discriminator.layers.len() - 1].map(|i| config.discriminator.layers[i].clone());
        let mut layers = vec![input];
        layers.extend(DISCRIMINATOR[1..halvings].iter().map(|&channels| Layer { channels, ..halving.clone() }));
        layers.push(logit);
        config.discriminator.layers = layers;

        let kind = if channels == 1 { "grey" } else { "color" };
        config.name = format!("pocket-{width}x{height}{}", if channels == 1 { "-grey" } else { "" });
        config.about = format!("{width}x{height} {kind} pictures; the network was built by rule");
        config.check()?;
        Ok(config)
    }
}
