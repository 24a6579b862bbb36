//! First seed and idle time: words such as `seed=42 idle=6000`.
//!
//! A board takes them from wherever it can; under QEMU they are the semihosting
//! command line, so that one binary serves people and tests.

#![forbid(unsafe_code)]

use core::fmt;

/// What can be chosen without building again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Number of the first frog, or of the only one.
    pub seed: Option<u32>,
    /// Milliseconds until a frog turns into the next by itself; 0 for never.
    pub idle_ms: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: None, idle_ms: 6000 }
    }
}

/// A word is no setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadSetting;

impl fmt::Display for BadSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a setting is seed=NUMBER or idle=MILLISECONDS")
    }
}

impl core::error::Error for BadSetting {}

impl Settings {
    /// Number of the first frog of a program that goes on with others.
    pub fn first_seed(&self) -> u32 {
        self.seed.unwrap_or(42)
    }

    /// Applies one word.
    ///
    /// # Errors
    /// [`BadSetting`], and nothing is changed.
    pub fn apply(&mut self, word: &str) -> Result<(), BadSetting> {
        let (name, value) = word.split_once('=').ok_or(BadSetting)?;
        let value = value.parse().map_err(|_| BadSetting)?;
        match name {
            "seed" => self.seed = Some(value),
            "idle" => self.idle_ms = value,
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
        assert_eq!(settings, Settings { seed: Some(u32::MAX), idle_ms: 0 });
    }

    #[test]
    fn other_words_are_refused() {
        let mut settings = Settings::default();
        for word in ["", "seed", "seed=", "seed=-1", "seed=4294967296", "speed=1"] {
            assert_eq!(settings.apply(word), Err(BadSetting), "{word:?}");
        }
        assert_eq!(settings, Settings::default());
    }
}
