//! Golden files in `tests/golden/`: expected results, compared byte for byte.
//!
//! After an intended change, write them again with `UPDATE_GOLDEN=1 cargo test -p workspace-tests` and check the
//! difference.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context, Result, bail};

/// Compares a text with a golden file, or writes the file if `UPDATE_GOLDEN` is set.
///
/// # Errors
/// If they differ. The message lists the lines that differ.
pub fn check(name: &str, actual: &str) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    if env::var_os("UPDATE_GOLDEN").is_some() {
        return fs::write(&path, actual).with_context(|| format!("cannot write {}", path.display()));
    }
    let expected = fs::read_to_string(&path).with_context(|| format!("cannot read {}: {UPDATE}", path.display()))?;
    if let Some(difference) = difference(&expected, actual) {
        bail!("{} differs:\n{difference}if that is meant to be: {UPDATE}", path.display());
    }
    Ok(())
}

const UPDATE: &str = "UPDATE_GOLDEN=1 cargo test -p workspace-tests";

/// The lines that differ, `-` expected and `+` actual.
fn difference(expected: &str, actual: &str) -> Option<String> {
    let (mut expected, mut actual) = (expected.lines(), actual.lines());
    let mut out = String::new();
    loop {
        match (expected.next(), actual.next()) {
            (None, None) => return (!out.is_empty()).then_some(out),
            (e, a) if e == a => {}
            (e, a) => {
                for (sign, line) in [('-', e), ('+', a)] {
                    out.extend(line.map(|line| format!("  {sign} {line}\n")));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn names_the_lines_that_differ() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(difference("a\nb\nc\n", "a\nx\n").as_deref(), Some("  - b\n  + x\n  - c\n"));
    }
}
