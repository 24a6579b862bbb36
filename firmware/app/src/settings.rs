//! Settings that can be changed without a new build, written as words such as `seed=42 mode=gallery`.
//!
//! Under QEMU they come from the semihosting command line. On a chip the user types them in the debugger's terminal.

use core::fmt;

/// The mode of the app: how pictures follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Shows one picture until the button is pressed.
    Single,
    /// Interpolates from one picture to the next.
    Morph,
    /// Fills the display with a grid of pictures.
    Gallery,
    /// Shows one picture after the other.
    Slides,
}

impl Mode {
    /// All modes, in their order.
    pub const ALL: [Self; 4] = [Self::Single, Self::Morph, Self::Gallery, Self::Slides];

    /// The name of the mode, at most 7 letters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Morph => "morph",
            Self::Gallery => "gallery",
            Self::Slides => "slides",
        }
    }

    /// The previous mode; before the first comes the last.
    pub const fn previous(self) -> Self {
        match self {
            Self::Single => Self::Slides,
            Self::Morph => Self::Single,
            Self::Gallery => Self::Morph,
            Self::Slides => Self::Gallery,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The settings of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Number of the first picture. `None`: random, or 42 without entropy.
    pub seed: Option<u32>,
    /// Milliseconds until the next picture in the modes morph and slides; 0 for never.
    pub idle_ms: u32,
    /// The mode at the start.
    pub mode: Mode,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: None, idle_ms: 6000, mode: Mode::Morph }
    }
}

/// The word is not a valid setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSetting;

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting is seed=NUMBER, idle=MILLISECONDS or mode=single, morph, gallery or slides")
    }
}

impl core::error::Error for BadSetting {}

impl Settings {
    /// Number of the first picture on a chip without entropy.
    pub fn first_seed(&self) -> u32 {
        self.seed.unwrap_or(42)
    }

    /// Applies one word: `seed=NUMBER`, `idle=MILLISECONDS` or `mode=NAME`.
    ///
    /// # Errors
    /// [`BadSetting`] if the word is not valid; nothing is changed then.
    pub fn apply(&mut self, word: &str) -> Result<(), BadSetting> {
        let (name, value) = word.split_once('=').ok_or(BadSetting)?;
        let number = || value.parse().map_err(|_| BadSetting);
        match name {
            "seed" => self.seed = Some(number()?),
            "idle" => self.idle_ms = number()?,
            "mode" => self.mode = Mode::ALL.into_iter().find(|mode| mode.name() == value).ok_or(BadSetting)?,
            _ => return Err(BadSetting),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_change_what_they_name() {
        let mut settings = Settings::default();
        assert_eq!(settings.first_seed(), 42);
        assert_eq!(settings.apply("seed=4294967295"), Ok(()));
        assert_eq!(settings.apply("idle=0"), Ok(()));
        assert_eq!(settings.apply("mode=slides"), Ok(()));
        assert_eq!(settings, Settings { seed: Some(u32::MAX), idle_ms: 0, mode: Mode::Slides });
    }

    #[test]
    fn other_words_are_refused() {
        let mut settings = Settings::default();
        for word in ["", "seed", "seed=", "seed=-1", "seed=4294967296", "speed=1", "mode=", "mode=Morph"] {
            assert_eq!(settings.apply(word), Err(BadSetting), "{word:?}");
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn going_back_passes_all_modes() {
        let mut mode = Mode::Single;
        for expected in Mode::ALL.into_iter().rev() {
            mode = mode.previous();
            assert_eq!(mode, expected);
            assert!(mode.name().len() <= 7);
        }
    }
}
