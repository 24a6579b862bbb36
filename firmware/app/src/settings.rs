//! Settings that can be changed without a new build, written as words such as `seed=42 mode=gallery`.
//!
//! Under QEMU they come from the semihosting command line. On a chip the user types them in the debugger's terminal.

use core::fmt;

use gen_core::Latent;
use gen_core::spec::MAX_CLASS_NAME;
use heapless::String;

/// The mode of the app: how pictures follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Shows one picture until the button is pressed.
    Single,
    /// Shows the next class of the same picture at every press of the button. For models with classes.
    Classes,
    /// Interpolates from one picture to the next.
    Morph,
    /// Fills the display with a grid of pictures.
    Gallery,
    /// Shows one picture after the other.
    Slides,
}

impl Mode {
    /// All modes, in their order.
    pub const ALL: [Self; 5] = [Self::Single, Self::Classes, Self::Morph, Self::Gallery, Self::Slides];

    /// The name of the mode, at most 7 letters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Classes => "classes",
            Self::Morph => "morph",
            Self::Gallery => "gallery",
            Self::Slides => "slides",
        }
    }

    /// The previous mode; before the first comes the last. Without classes the mode `classes` is left out.
    pub const fn previous(self, has_classes: bool) -> Self {
        match self {
            Self::Single => Self::Slides,
            Self::Classes => Self::Single,
            Self::Morph if has_classes => Self::Classes,
            Self::Morph => Self::Single,
            Self::Gallery => Self::Morph,
            Self::Slides => Self::Gallery,
        }
    }

    /// The mode for a model: `classes` is `single` for a model without classes.
    #[must_use]
    pub const fn possible(self, has_classes: bool) -> Self {
        match self {
            Self::Classes if !has_classes => Self::Single,
            mode => mode,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name or the number of a class, in bytes as many as a model's names may have.
pub type ClassWord = String<MAX_CLASS_NAME>;

/// The settings of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Number of the first picture. `None`: random, or 42 without entropy.
    pub seed: Option<u32>,
    /// The latent of the first picture, instead of the number's. Ignored with a warning if it has another length than the
    /// model's.
    pub latent: Option<Latent>,
    /// The class of all pictures, by name or number. `None`, or `all`: the modes that show several pictures go through
    /// all classes, and the first picture has the first one. Ignored with a warning if the model does not have it.
    pub class: Option<ClassWord>,
    /// Milliseconds until the next picture in the modes morph and slides; 0 for never.
    pub idle_ms: u32,
    /// The mode at the start.
    pub mode: Mode,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: None, latent: None, class: None, idle_ms: 6000, mode: Mode::Morph }
    }
}

/// The word is not a valid setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSetting;

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a setting is seed=NUMBER, latent=HEX, class=NAME, idle=MILLISECONDS or mode=single, classes, morph, ",
        )?;
        f.write_str("gallery or slides")
    }
}

impl core::error::Error for BadSetting {}

/// A word that changes one setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting<'w> {
    /// `seed=NUMBER`
    Seed(u32),
    /// `latent=HEX`: the [text](Latent::hex) of a latent. Only the model knows its length.
    Latent(&'w str),
    /// `class=NAME`: name or number of a class, or `all`. Only the model knows which exist.
    Class(&'w str),
    /// `idle=MILLISECONDS`
    Idle(u32),
    /// `mode=NAME`
    Mode(Mode),
}

impl<'w> Setting<'w> {
    /// Reads a word.
    ///
    /// # Errors
    /// [`BadSetting`] if the word is not valid.
    pub fn parse(word: &'w str) -> Result<Self, BadSetting> {
        let (name, value) = word.split_once('=').ok_or(BadSetting)?;
        let number = || value.parse().map_err(|_| BadSetting);
        match name {
            "seed" => number().map(Self::Seed),
            "latent" => Ok(Self::Latent(value)),
            "class" if value.len() <= MAX_CLASS_NAME => Ok(Self::Class(value)),
            "idle" => number().map(Self::Idle),
            "mode" => Mode::ALL.into_iter().find(|mode| mode.name() == value).map(Self::Mode).ok_or(BadSetting),
            _ => Err(BadSetting),
        }
    }
}

impl Settings {
    /// Number of the first picture on a chip without entropy.
    pub fn first_seed(&self) -> u32 {
        self.seed.unwrap_or(42)
    }

    /// The settings with which a program starts: the default ones, with the latent and the class that were given when it was
    /// built, `model::LATENT` and `model::CLASS`.
    pub fn built_with(latent: Option<&[i8]>, class: Option<&str>) -> Self {
        let class = class.and_then(|class| class.try_into().ok());
        Self { latent: latent.and_then(Latent::from_steps), class, ..Self::default() }
    }

    /// Applies one word: `seed=NUMBER`, `latent=HEX`, `class=NAME`, `idle=MILLISECONDS` or `mode=NAME`.
    ///
    /// # Errors
    /// [`BadSetting`] if the word is not valid; nothing is changed then.
    pub fn apply(&mut self, word: &str) -> Result<(), BadSetting> {
        match Setting::parse(word)? {
            Setting::Seed(number) => self.seed = Some(number),
            Setting::Latent(text) => {
                // As many values as the text has; the app compares that with the model.
                self.latent = Some(Latent::from_hex(text, text.len().div_ceil(2)).map_err(|_| BadSetting)?);
            }
            Setting::Class(class) => self.class = Some(class.try_into().map_err(|_| BadSetting)?),
            Setting::Idle(ms) => self.idle_ms = ms,
            Setting::Mode(mode) => self.mode = mode,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gen_core::spec::MAX_LATENT;

    use super::*;

    #[test]
    fn words_change_what_they_name() {
        let mut settings = Settings::default();
        assert_eq!(settings.first_seed(), 42);
        let longest = "class=abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz лягуш";
        for word in ["seed=4294967295", "latent=00fF7f80", "class=frog", "idle=0", "mode=slides"] {
            assert_eq!(settings.apply(word), Ok(()), "{word}");
        }
        let class = Some("frog".try_into().expect("short"));
        assert_eq!(
            settings,
            Settings {
                seed: Some(u32::MAX),
                latent: Latent::from_steps(&[0, -1, 127, -128]),
                class,
                idle_ms: 0,
                mode: Mode::Slides
            }
        );
        assert_eq!((longest.len(), settings.apply(longest)), ("class=".len() + MAX_CLASS_NAME, Ok(())));
        assert_eq!(settings.apply("class=a=b"), Ok(()));
        assert_eq!(settings.class.as_deref(), Some("a=b"));
    }

    #[test]
    fn a_program_starts_with_what_it_was_built_with() {
        assert_eq!(Settings::built_with(None, None), Settings::default());
        let settings = Settings::built_with(Some(&[1, -1]), Some("frog"));
        let class = Some("frog".try_into().expect("short"));
        assert_eq!(settings, Settings { latent: Latent::from_steps(&[1, -1]), class, ..Settings::default() });
    }

    #[test]
    fn other_words_are_refused() {
        let mut settings = Settings::default();
        let long = "class=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        assert_eq!(long.len(), "class=".len() + MAX_CLASS_NAME + 1);
        for word in [
            "",
            "seed",
            "seed=",
            "seed=-1",
            "seed=4294967296",
            "speed=1",
            "mode=",
            "mode=Morph",
            "class",
            long,
            "latent",
            "latent=f",
            "latent=0g",
            "latent=é",
        ] {
            assert_eq!(settings.apply(word), Err(BadSetting), "{word:?}");
        }
        assert_eq!(settings, Settings::default());
        let longer = std::format!("latent={}", "0".repeat(2 * MAX_LATENT + 2));
        assert_eq!(settings.apply(&longer), Err(BadSetting));
    }

    #[test]
    fn going_back_passes_all_modes() {
        let mut mode = Mode::Single;
        for expected in Mode::ALL.into_iter().rev() {
            mode = mode.previous(true);
            assert_eq!(mode, expected);
            assert!(mode.name().len() <= 7);
        }
        for expected in Mode::ALL.into_iter().rev().filter(|mode| *mode != Mode::Classes) {
            mode = mode.previous(false);
            assert_eq!(mode, expected);
        }
    }

    #[test]
    fn without_classes_they_cannot_be_stepped_through() {
        for mode in Mode::ALL {
            assert_eq!(mode.possible(true), mode);
            let expected = if mode == Mode::Classes { Mode::Single } else { mode };
            assert_eq!(mode.possible(false), expected);
        }
    }
}
