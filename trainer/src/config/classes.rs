//! Where the classes of the pictures come from.

use std::fmt;
use std::str::FromStr;

use gen_core::spec::MAX_CLASSES;
use serde::{Deserialize, Serialize};

use super::keys::{Kind, Setting};

/// Most numbers that may stand for a class at the generator's input.
pub const MAX_CLASS_EMBEDDING: u8 = 64;

/// Where the classes of the pictures come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClassSource {
    /// Subfolders are classes, if all pictures are in 2 to 64 of them. Other labels are not used.
    #[default]
    Folders,
    /// Labels of any kind: subfolders, and the labels of CIFAR, IDX, `.npz` and the drawn frogs. Without labels there are
    /// no classes.
    Labels,
    /// No classes.
    Off,
    /// So many kinds, 2 to 64, that are found by clustering the pictures ([`quality::kinds`](crate::quality::kinds)).
    Auto(u8),
}

impl ClassSource {
    /// Whether this is what a recipe without the key has.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for ClassSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folders => f.write_str("folders"),
            Self::Labels => f.write_str("labels"),
            Self::Off => f.write_str("off"),
            Self::Auto(count) => write!(f, "auto:{count}"),
        }
    }
}

impl FromStr for ClassSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "folders" => Ok(Self::Folders),
            "labels" => Ok(Self::Labels),
            "off" | "none" => Ok(Self::Off),
            _ => {
                let count = text.strip_prefix("auto:").and_then(|count| count.parse().ok());
                let count = count.filter(|&count: &u8| (2..=MAX_CLASSES).contains(&count.into()));
                count.map(Self::Auto).ok_or_else(|| {
                    format!("classes: \"folders\", \"labels\", \"off\", or \"auto:N\" with 2 to {MAX_CLASSES} kinds, not \"{text}\"")
                })
            }
        }
    }
}

impl TryFrom<String> for ClassSource {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ClassSource> for String {
    fn from(source: ClassSource) -> Self {
        source.to_string()
    }
}

impl Setting for ClassSource {
    fn kind() -> Kind {
        Kind::Text
    }
}
