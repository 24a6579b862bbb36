//! The keys of a recipe with type, default and meaning, taken from the documentation of their declarations.
//!
//! [`recipe!`] declares the structs and enums of a recipe. It makes them ordinary Rust types with serde's derives, and
//! it also keeps their documentation, so that the program knows every key with its type, default and meaning. Three
//! features use this: the page docs/recipe-keys.md, the check of `--set`, and the suggestion of the most similar key.
//!
//! The documentation of a field ends with a paragraph `Default: VALUE.` (TOML in backticks, or `none`) if the key may
//! be left out. A test compares these values with serde's defaults.

use std::fmt::Write as _;

/// The type of a key's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number that is not negative.
    Whole,
    /// Any number.
    Number,
    /// A string.
    Text,
    /// One of a few strings.
    Words(Vec<Word>),
    /// An array of one kind.
    List(Box<Kind>),
    /// A table with these keys.
    Table(Table),
    /// A table whose key `rule` selects one of these variants.
    Rules(Vec<Table>),
    /// One of a few strings, or a table with one of these keys.
    WordsOr(Vec<Word>, Table),
}

/// A string that a key may be set to, and what it means.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    pub name: String,
    pub about: String,
}

/// The keys of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// Name of the Rust type. In a [`Kind::Rules`], the value of `rule`.
    pub name: &'static str,
    /// What the table is for.
    pub about: String,
    pub keys: Vec<Key>,
}

/// A key of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub name: String,
    /// Earlier spellings, which are still accepted.
    pub old: Vec<String>,
    pub kind: Kind,
    /// Default value as TOML; `none` if the key has no effect when it is left out. `None` if the key is required.
    pub default: Option<String>,
    /// Meaning, in Markdown.
    pub about: String,
}

/// A type that a key may have.
pub trait Setting {
    /// The values that TOML may contain for this type.
    fn kind() -> Kind;
}

/// An attribute of a declaration, reduced to what [`recipe!`] needs.
#[derive(Debug, Clone, Copy)]
pub enum Attribute {
    Doc(&'static str),
    /// The text between the brackets of `serde(...)`.
    Serde(&'static str),
    Other,
}

/// Declares a struct or an enum of a recipe.
macro_rules! recipe {
    (
        $(#[$($outer:tt)*])*
        pub struct $name:ident {
            $($(#[$($inner:tt)*])* pub $field:ident: $type:ty,)*
        }
    ) => {
        #[derive(::serde::Serialize, ::serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        $(#[$($outer)*])*
        pub struct $name {
            $($(#[$($inner)*])* pub $field: $type,)*
        }

        impl $crate::config::keys::Setting for $name {
            fn kind() -> $crate::config::keys::Kind {
                use $crate::config::keys::{Key, Kind, Setting, Table};
                Kind::Table(Table {
                    name: stringify!($name),
                    about: $crate::config::keys::about(&[$($crate::config::keys::attribute!($($outer)*)),*]),
                    keys: vec![$(
                        Key::new(stringify!($field), &[$($crate::config::keys::attribute!($($inner)*)),*], <$type as Setting>::kind())
                    ),*],
                })
            }
        }
    };
    (
        $(#[$($outer:tt)*])*
        pub enum $name:ident {
            $($(#[$($inner:tt)*])* $variant:ident,)*
        }
    ) => {
        #[derive(::serde::Serialize, ::serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        $(#[$($outer)*])*
        pub enum $name {
            $($(#[$($inner)*])* $variant,)*
        }

        impl $crate::config::keys::Setting for $name {
            fn kind() -> $crate::config::keys::Kind {
                use $crate::config::keys::{Kind, Word, about, snake_case};
                Kind::Words(vec![$(
                    Word { name: snake_case(stringify!($variant)), about: about(&[$($crate::config::keys::attribute!($($inner)*)),*]) }
                ),*])
            }
        }
    };
}

/// Turns one attribute of a declaration into an [`Attribute`].
macro_rules! attribute {
    (doc = $text:literal) => { $crate::config::keys::Attribute::Doc($text) };
    (serde($($inner:tt)*)) => { $crate::config::keys::Attribute::Serde(stringify!($($inner)*)) };
    ($($other:tt)*) => { $crate::config::keys::Attribute::Other };
}

pub(super) use {attribute, recipe};

impl Key {
    /// Describes a key from the declaration of its field.
    pub fn new(field: &str, attributes: &[Attribute], kind: Kind) -> Self {
        let serde = attributes.iter().filter_map(|attribute| match attribute {
            Attribute::Serde(text) => Some(*text),
            _ => None,
        });
        let serde: Vec<&str> = serde.flat_map(|text| text.split(',')).map(str::trim).collect();
        let strings = |option: &str| -> Vec<String> {
            let pairs = serde.iter().filter_map(|text| text.split_once('='));
            let texts = pairs.filter(|(name, _)| name.trim() == option);
            texts.map(|(_, text)| text.trim().trim_matches('"').to_owned()).collect()
        };
        let text = about(attributes);
        let (about, default) = match text.rsplit_once("Default: ") {
            Some((about, default)) => (about.trim().to_owned(), Some(unquoted(default))),
            None => (text, None),
        };
        let name = strings("rename").pop().unwrap_or_else(|| field.to_owned());
        Self { name, old: strings("alias"), kind, default, about }
    }

    /// Describes a key of a type that is not declared with [`recipe!`].
    pub fn plain(name: &str, kind: Kind, about: &str) -> Self {
        Self { name: name.into(), old: Vec::new(), kind, default: None, about: about.into() }
    }

    /// Whether `name` is the key's name or an earlier spelling.
    pub fn is_named(&self, name: &str) -> bool {
        self.name == name || self.old.iter().any(|old| old == name)
    }
}

/// Removes backticks and the final full stop: ``"`1.0`."`` becomes `"1.0"`.
fn unquoted(text: &str) -> String {
    text.trim().trim_end_matches('.').trim_matches('`').to_owned()
}

/// The documentation in these attributes, one paragraph a line.
pub fn about(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes {
        if let Attribute::Doc(line) = attribute {
            match line.trim() {
                "" => text += "\n",
                line => {
                    let separator = if text.is_empty() || text.ends_with('\n') { "" } else { " " };
                    text += &format!("{separator}{line}");
                }
            }
        }
    }
    text
}

/// Converts a name to snake case: `ConvTranspose` becomes `conv_transpose`.
pub fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

impl Kind {
    /// Describes the type in words that complete the sentence "it has to be ...".
    pub fn words(&self) -> String {
        let names = |words: &[Word]| words.iter().map(|word| word.name.as_str()).collect::<Vec<_>>().join(", ");
        match self {
            Self::Bool => "true or false".into(),
            Self::Whole => "a whole number".into(),
            Self::Number => "a number".into(),
            Self::Text => "text".into(),
            Self::Words(words) => format!("one of {}", names(words)),
            Self::List(kind) => match &**kind {
                Self::Whole => "a list of whole numbers, as in [4, 4]".into(),
                Self::Table(_) => "a list of tables, as in [{ ... }, { ... }]".into(),
                Self::Text => "a list of strings, as in [\"cat\", \"dog\"]".into(),
                kind => format!("a list, each entry {}", kind.words()),
            },
            Self::Table(table) => match table.keys.first() {
                Some(key) => format!("a table, as in {{ {} = ... }}", key.name),
                None => "a table".into(),
            },
            Self::Rules(_) => "a table, as in { rule = ... }".into(),
            Self::WordsOr(words, table) => {
                let key = table.keys.first().map_or("", |key| &key.name);
                format!("{}, or a table, as in {{ {key} = ... }}", names(words))
            }
        }
    }
}

macro_rules! settings {
    ($($kind:ident: $($type:ty),*;)*) => {
        $($(impl Setting for $type { fn kind() -> Kind { Kind::$kind } })*)*
    };
}

settings! {
    Bool: bool;
    Whole: u8, u16, u32, u64, usize;
    Number: f32, f64;
    Text: String, std::path::PathBuf;
}

impl<T: Setting> Setting for Option<T> {
    fn kind() -> Kind {
        T::kind()
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn kind() -> Kind {
        Kind::List(T::kind().into())
    }
}

impl<T: Setting, const N: usize> Setting for [T; N] {
    fn kind() -> Kind {
        Kind::List(T::kind().into())
    }
}

/// The page's text above the tables.
const HEAD: &str = "\
# Keys of a recipe

`trainer presets --keys` prints this page; it is made from the declarations in `trainer/src/config/`. Do not edit it.

A recipe is a TOML file: `trainer presets pocket > mine.toml` writes one, `trainer --config mine.toml` trains with it.
`--set KEY=VALUE` changes one key of a preset or of a recipe on the command line and may be given more than once:

```
trainer --preset pocket --set batch=64 --set generator.optimizer.lr=1e-4
trainer --set generator.layers[0].channels=64 --set augment='{ flip = true }' --set small_dataset=none
```

A dot leads into a table, `[0]` or `.0` into a list. Strings need no quotes. `none` leaves an optional key out.
The run folder's `config.toml` has the result.
";

/// The page docs/recipe-keys.md.
pub fn page(recipe: &Kind) -> String {
    let mut page = HEAD.to_owned();
    let (mut old, mut done) = (Vec::new(), Vec::new());
    section(recipe, "", &mut page, &mut old, &mut done);
    page += "\n## Earlier spellings\n\nThey are still read; a recipe that the program writes has the new ones.\n\n";
    page += "| earlier | now |\n|---|---|\n";
    for (old, now) in old {
        _ = writeln!(page, "| `{old}` | `{now}` |");
    }
    page
}

/// Writes the tables that a value below `path` may contain. `done` lists the types that have been written, each with
/// the path where it was first found.
fn section(
    kind: &Kind,
    path: &str,
    page: &mut String,
    old: &mut Vec<(String, String)>,
    done: &mut Vec<(&'static str, String)>,
) {
    let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match kind {
        Kind::List(kind) => section(kind, &format!("{path}[]"), page, old, done),
        Kind::Table(table) => {
            if let Some((_, first)) = done.iter().find(|(name, _)| *name == table.name) {
                _ = write!(page, "\n## `{path}`\n\nThe keys are those of `{first}`.\n");
                return;
            }
            done.push((table.name, path.to_owned()));
            let heading = if path.is_empty() { "## The recipe".into() } else { format!("## `{path}`") };
            _ = write!(page, "\n{heading}\n\n{}\n\n", table.about.trim_end().replace('\n', "\n\n"));
            rows(&table.keys, page);
            for key in &table.keys {
                let now = inner(&key.name);
                old.extend(key.old.iter().map(|name| (inner(name), now.clone())));
                section(&key.kind, &now, page, old, done);
            }
        }
        Kind::Rules(tables) => {
            if let Some((_, first)) = done.iter().find(|(name, _)| *name == tables[0].name) {
                _ = write!(page, "\n## `{path}`\n\nThe keys are those of `{first}`.\n");
                return;
            }
            done.push((tables[0].name, path.to_owned()));
            _ = write!(
                page,
                "\n## `{path}`\n\nThe key `rule` says which optimiser it is, and so which other keys belong here.\n"
            );
            for table in tables {
                _ = write!(page, "\n`rule = \"{}\"`: {}\n\n", table.name, table.about);
                rows(&table.keys, page);
            }
        }
        Kind::WordsOr(words, table) => {
            _ = write!(page, "\n## `{path}`\n\nA string, or a table with one key.\n\n| value | meaning |\n|---|---|\n");
            for word in words {
                _ = writeln!(page, "| `\"{}\"` | {} |", word.name, cell(&word.about));
            }
            for key in &table.keys {
                _ = writeln!(page, "| `{{ {} = ... }}` | {} |", key.name, cell(&key.about));
            }
        }
        Kind::Words(words) => {
            _ = write!(page, "\n## `{path}`\n\n| value | meaning |\n|---|---|\n");
            for word in words {
                _ = writeln!(page, "| `\"{}\"` | {} |", word.name, cell(&word.about));
            }
        }
        Kind::Bool | Kind::Whole | Kind::Number | Kind::Text => {}
    }
}

fn rows(keys: &[Key], page: &mut String) {
    *page += "| key | type | default | meaning |\n|---|---|---|---|\n";
    for key in keys {
        let kind = match &key.kind {
            Kind::Words(_) => "string".into(),
            Kind::WordsOr(..) => "string or table".into(),
            Kind::Table(_) | Kind::Rules(_) => "table".into(),
            Kind::Text => "string".into(),
            Kind::Whole => "whole number".into(),
            Kind::Number => "number".into(),
            Kind::List(kind) => match &**kind {
                Kind::Table(_) => "list of tables".into(),
                Kind::Text => "list of strings".into(),
                _ => "list of whole numbers".into(),
            },
            Kind::Bool => key.kind.words(),
        };
        let default = match key.default.as_deref() {
            None => "required".into(),
            Some("none") => "none".into(),
            Some(value) => format!("`{value}`"),
        };
        _ = writeln!(page, "| `{}` | {kind} | {default} | {} |", key.name, cell(&key.about));
    }
}

/// Escapes text for a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.trim().replace('\n', " ").replace('|', "\\|")
}
