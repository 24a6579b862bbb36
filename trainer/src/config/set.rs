//! `--set KEY=VALUE`: changes single keys of a recipe.

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use toml::Value;

use super::Config;
use super::keys::{Key, Kind, Setting as _, Table};

/// One part of a key's path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl Config {
    /// The recipe with these settings, each `KEY=VALUE`, applied in order.
    ///
    /// # Errors
    /// When a key or a value is wrong, or the resulting recipe is invalid; the message says which and why.
    pub fn with<S: AsRef<str>>(self, settings: &[S]) -> Result<Self> {
        if settings.is_empty() {
            return Ok(self);
        }
        let mut recipe: toml::Table = self.to_toml().parse().context("the recipe as TOML")?;
        for setting in settings {
            set(&mut recipe, setting.as_ref())?;
        }
        let all: Vec<_> = settings.iter().map(AsRef::as_ref).collect();
        let read = || {
            let config: Self = toml::from_str(&toml::to_string(&recipe)?).map_err(|e| anyhow!("{}", e.message()))?;
            config.check().map(|()| config)
        };
        read().with_context(|| format!("the recipe with --set {}", all.join(" --set ")))
    }
}

/// Sets one key of a recipe: `batch=64`, `every.pair=100`, `generator.layers[0].channels=64`, `init=glorot_uniform`,
/// `augment={ flip = true }`. A dot leads into a table, `[0]` or `.0` into a list; strings need no quotes; `none` removes an
/// optional key. Earlier spellings of keys are accepted.
///
/// The table has to use the keys' present spelling, as [`Config::to_toml`] writes them: keys in an earlier
/// spelling are not found.
///
/// # Errors
/// When there is no such key (the message names the most similar one), or when the value has the wrong type (the
/// message says what is expected).
pub fn set(recipe: &mut toml::Table, setting: &str) -> Result<()> {
    let fail = || format!("--set {setting}");
    let (path, text) =
        setting.split_once('=').with_context(|| "it has to be KEY=VALUE, as in batch=64").with_context(fail)?;
    let steps = steps(path.trim()).with_context(fail)?;
    let mut root = Value::Table(std::mem::take(recipe));
    let done = set_at(&mut root, &Config::kind(), &steps, &mut String::new(), text.trim(), false);
    if let Value::Table(table) = root {
        *recipe = table;
    }
    done.with_context(fail)
}

/// Splits a path such as `generator.layers[0].channels` into its parts.
fn steps(path: &str) -> Result<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (name, indices) = part.find('[').map_or((part, ""), |at| part.split_at(at));
        ensure!(!name.is_empty(), "the key \"{path}\" has an empty part");
        steps.push(name.parse().map_or(Step::Key(name), Step::Index));
        for index in indices.split_terminator(']') {
            let number = index.strip_prefix('[').and_then(|number| number.parse().ok());
            let number = number.with_context(|| format!("\"{part}\": a place in a list is written as in layers[0]"))?;
            steps.push(Step::Index(number));
        }
        ensure!(indices.is_empty() || indices.ends_with(']'), "\"{part}\": the closing ] is missing");
    }
    Ok(steps)
}

/// Sets the value at `steps`, starting from `value`, which is at `path`. `is_optional` says whether `value` itself
/// may be left out of the recipe.
fn set_at(
    value: &mut Value,
    kind: &Kind,
    steps: &[Step<'_>],
    path: &mut String,
    text: &str,
    is_optional: bool,
) -> Result<()> {
    let Some((step, rest)) = steps.split_first() else {
        let place = if path.is_empty() { "the recipe" } else { path };
        *value = parse(kind, text).ok_or_else(|| {
            let none = if is_optional { ", or none" } else { "" };
            anyhow!("`{place}` has to be {}{none}, not {text}", kind.words())
        })?;
        return Ok(());
    };
    match (kind, step) {
        (Kind::List(kind), Step::Index(index)) => {
            let Value::Array(values) = value else { bail!("`{path}` is not set; set the whole list") };
            let len = values.len();
            let value = values.get_mut(*index);
            let value =
                value.with_context(|| format!("`{path}` has {len} entries, counted from 0; there is no [{index}]"))?;
            *path += &format!("[{index}]");
            set_at(value, kind, rest, path, text, false)
        }
        (Kind::List(_), Step::Key(name)) => bail!("`{path}` is a list: write `{path}[0].{name}` for its first entry"),
        (_, Step::Index(index)) => bail!("`{path}` is not a list, so it has no [{index}]"),
        (kind, Step::Key(name)) => {
            let table = keys(kind, value).with_context(|| format!("`{path}` is {}; it has no keys", kind.words()))?;
            let Some(key) = table.keys.iter().find(|key| key.is_named(name)) else {
                bail!(unknown(&table, name, path));
            };
            // A value that had no keys before, such as a string or an unset key, becomes a table.
            if !value.is_table() {
                *value = Value::Table(toml::Table::new());
            }
            let Value::Table(values) = value else { bail!("`{path}` is not a table") };
            if let Kind::WordsOr(..) = kind {
                // Such a table has one key.
                values.retain(|name, _| *name == key.name);
            }
            if !path.is_empty() {
                path.push('.');
            }
            *path += &key.name;
            let is_optional = key.default.is_some();
            if rest.is_empty() && is_optional && text == "none" {
                values.remove(&key.name);
                return Ok(());
            }
            let mut inner = values.remove(&key.name).unwrap_or_else(|| empty(&key.kind));
            set_at(&mut inner, &key.kind, rest, path, text, is_optional)?;
            values.insert(key.name.clone(), inner);
            Ok(())
        }
    }
}

/// The initial value of an unset key, before a key inside of it is set.
fn empty(kind: &Kind) -> Value {
    match kind {
        Kind::Table(_) => Value::Table(toml::Table::new()),
        _ => Value::Boolean(false),
    }
}

/// The keys that a table of this kind may have. For a [`Kind::Rules`] this depends on `value`.
fn keys(kind: &Kind, value: &Value) -> Option<Table> {
    match kind {
        Kind::Table(table) | Kind::WordsOr(_, table) => Some(table.clone()),
        Kind::Rules(tables) => {
            let rule = value.get("rule").and_then(Value::as_str);
            tables.iter().find(|table| Some(table.name) == rule).or(tables.first()).cloned()
        }
        _ => None,
    }
}

/// Message for an unknown key, with the most similar known one.
fn unknown(table: &Table, name: &str, path: &str) -> String {
    let names = table.keys.iter().flat_map(|key| [&key.name].into_iter().chain(&key.old).map(move |name| (name, key)));
    let nearest = names.min_by_key(|(known, _)| strsim::damerau_levenshtein(known, name));
    let near = nearest.filter(|(known, _)| strsim::damerau_levenshtein(known, name) <= known.len().max(name.len()) / 2);
    let place = if path.is_empty() { "a recipe".into() } else { format!("`{path}`") };
    let known: Vec<_> = table.keys.iter().map(|key| key.name.as_str()).collect();
    match near {
        Some((_, key)) => format!("{place} has no key `{name}`; did you mean `{}`?", key.name),
        None => format!("{place} has no key `{name}`; it has {}", known.join(", ")),
    }
}

/// Parses a value of this kind. `None` if the text is not of this kind.
fn parse(kind: &Kind, text: &str) -> Option<Value> {
    let toml = || format!("value = {text}").parse::<toml::Table>().ok()?.remove("value");
    let unquoted = || match toml() {
        Some(Value::String(text)) => text,
        _ => text.to_owned(),
    };
    let word = |words: &[super::keys::Word]| {
        let text = unquoted();
        words.iter().any(|word| word.name == text).then_some(Value::String(text))
    };
    let table = || toml().filter(Value::is_table).and_then(|value| normal(kind, &value));
    match kind {
        Kind::Bool => toml().filter(Value::is_bool),
        Kind::Whole => toml().filter(|value| value.as_integer().is_some_and(|number| number >= 0)),
        Kind::Number => match toml()? {
            Value::Integer(number) => Some(Value::Float(number as f64)),
            value => Some(value).filter(Value::is_float),
        },
        Kind::Text => Some(Value::String(unquoted())),
        Kind::Words(words) => word(words),
        Kind::List(inner) => {
            let Value::Array(values) = toml()? else { return None };
            let values = values.iter().map(|value| normal(inner, value)).collect::<Option<_>>()?;
            Some(Value::Array(values))
        }
        Kind::Table(_) | Kind::Rules(_) => table(),
        Kind::WordsOr(words, _) => word(words).or_else(table),
    }
}

/// A value of this kind with the present spellings of all keys; nothing if it is of another kind. Keys that are unknown
/// stay, and are found when the recipe is read.
fn normal(kind: &Kind, value: &Value) -> Option<Value> {
    match (kind, value) {
        (Kind::Table(_) | Kind::Rules(_) | Kind::WordsOr(..), Value::Table(values)) => {
            let known: Vec<Key> = keys(kind, value)?.keys;
            let mut table = toml::Table::new();
            for (name, value) in values {
                match known.iter().find(|key| key.is_named(name)) {
                    Some(key) => table.insert(key.name.clone(), normal(&key.kind, value)?),
                    None => table.insert(name.clone(), value.clone()),
                };
            }
            Some(Value::Table(table))
        }
        (kind, value) => parse_value(kind, value),
    }
}

/// A value that is no table.
fn parse_value(kind: &Kind, value: &Value) -> Option<Value> {
    if value.is_table() { None } else { parse(kind, &value.to_string()) }
}
