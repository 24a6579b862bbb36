//! Budgets in `tests/golden/*.toml`: numbers that must not change unnoticed.
//!
//! A test fails if a number grows by more than the tolerance, because that is a loss. It also fails if a number shrinks by
//! more, so that a later change cannot lose the gain unnoticed. In both cases write the file again with `UPDATE_GOLDEN=1`;
//! the commit then shows the difference.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::{env, fs};

use anyhow::{Context, Result, bail};
use firmware_tools::boards::Board;
use firmware_tools::count::{Count, Network, Variant};
use serde::{Deserialize, Serialize};

/// Tolerance for instructions: another version of the compiler may arrange a few instructions differently.
const INSTRUCTIONS: Tolerance = Tolerance { percent: 1, least: 64 };
/// Tolerance for bytes, which is larger because of alignment in small programs.
const BYTES: Tolerance = Tolerance { percent: 2, least: 16 };

/// The allowed difference from a budget.
#[derive(Debug, Clone, Copy)]
struct Tolerance {
    /// Per cent of the budget, or …
    percent: u64,
    /// … this number, whichever is larger.
    least: u64,
}

/// Instructions of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instructions {
    /// Instructions of the whole picture.
    pub picture: u64,
    /// Instructions of each layer.
    pub layers: Vec<u64>,
}

/// `[machine][network][variant]`.
type Table = BTreeMap<String, BTreeMap<String, BTreeMap<String, Instructions>>>;

/// Compares a count with its budget, or writes it as the new budget if `UPDATE_GOLDEN` is set.
///
/// # Errors
/// If they differ. The message names machine, network, variant and layers.
pub fn check_instructions(board: Board, network: &Network, variant: Variant, count: &Count) -> Result<()> {
    let measured =
        Instructions { picture: count.picture, layers: count.layers.iter().map(|layer| layer.instructions).collect() };
    let names: Vec<_> = count.layers.iter().map(|layer| &*layer.name).collect();
    let file = golden("instructions.toml");
    with_table(&file, |table: &mut Table| {
        let variants = table.entry(board.name.to_owned()).or_default().entry(network.name.to_owned()).or_default();
        let place = format!("{}, {}, {}", board.name, network.name, variant.name);
        let problems = compare(&place, &names, variants.get(variant.name), &measured);
        variants.insert(variant.name.to_owned(), measured);
        problems
    })
}

/// Compares the bytes of flash for each target with their budgets, or writes them as the new budgets if `UPDATE_GOLDEN`
/// is set.
///
/// # Errors
/// If they differ, or there is a budget that was not measured.
pub fn check_flash(measured: &BTreeMap<String, u64>) -> Result<()> {
    with_table(&golden("flash.toml"), |table: &mut BTreeMap<String, u64>| {
        let mut problems = Vec::new();
        for (target, &bytes) in measured {
            problems.extend(match table.get(target) {
                Some(&budget) => difference(target, "bytes", budget, bytes, BYTES),
                None => Some(format!("{target}: {bytes} bytes, and no budget")),
            });
        }
        let gone = table.keys().filter(|&target| !measured.contains_key(target));
        problems.extend(gone.map(|target| format!("{target}: a budget, but nothing was measured")));
        table.clone_from(measured);
        problems
    })
}

/// Compares the memory of the boards' programs (bytes of flash with the model, and of variables) with their budgets, or
/// writes them as the new budgets if `UPDATE_GOLDEN` is set.
///
/// # Errors
/// If they differ, or there is a budget that was not measured.
pub fn check_boards(measured: &BTreeMap<String, [u64; 2]>) -> Result<()> {
    with_table(&golden("boards.toml"), |table: &mut BTreeMap<String, [u64; 2]>| {
        let mut problems = Vec::new();
        for (board, bytes) in measured {
            let Some(budget) = table.get(board) else {
                problems.push(format!("{board}: {bytes:?} bytes of flash and RAM, and no budget"));
                continue;
            };
            for (i, what) in ["flash", "variables"].iter().enumerate() {
                problems.extend(difference(&format!("{board}, {what}"), "bytes", budget[i], bytes[i], BYTES));
            }
        }
        let gone = table.keys().filter(|&board| !measured.contains_key(board));
        problems.extend(gone.map(|board| format!("{board}: a budget, but nothing was measured")));
        table.clone_from(measured);
        problems
    })
}

/// The existing budgets of instructions, as `(machine, network, variant)`.
///
/// # Errors
/// If the file cannot be read.
pub fn instructions_known() -> Result<Vec<[String; 3]>> {
    let table = {
        let _turn = turn();
        read::<Table>(&golden("instructions.toml"))?
    };
    let mut known = Vec::new();
    for (machine, networks) in &table {
        for (network, variants) in networks {
            known.extend(variants.keys().map(|variant| [machine.clone(), network.clone(), variant.clone()]));
        }
    }
    Ok(known)
}

/// The differences between a budget and a measurement, one line each. `names` are the names of the layers.
fn compare(place: &str, names: &[&str], budget: Option<&Instructions>, measured: &Instructions) -> Vec<String> {
    let Some(budget) = budget else {
        return vec![format!("{place}: {} instructions, and no budget", measured.picture)];
    };
    let (was, is) = (budget.layers.len(), measured.layers.len());
    if was != is {
        return vec![format!("{place}: {is} layers, the budget has {was}")];
    }
    let difference = |what: &str, budget, measured| difference(what, "instructions", budget, measured, INSTRUCTIONS);
    let mut problems: Vec<_> =
        difference(&format!("{place}, picture"), budget.picture, measured.picture).into_iter().collect();
    for (i, (&budget, &measured)) in budget.layers.iter().zip(&measured.layers).enumerate() {
        let name = names.get(i).unwrap_or(&"");
        problems.extend(difference(&format!("{place}, layer {i} ({name})"), budget, measured));
    }
    problems
}

/// The message for a number that differs from its budget by more than the tolerance.
fn difference(what: &str, unit: &str, budget: u64, measured: u64, tolerance: Tolerance) -> Option<String> {
    let allowed = (budget * tolerance.percent / 100).max(tolerance.least);
    if measured.abs_diff(budget) <= allowed {
        return None;
    }
    let percent = 100.0 * (measured as f64 - budget as f64) / budget as f64;
    let verdict = if measured > budget { "too many" } else { "update the budget so that the gain is kept" };
    Some(format!("{what}: {measured} {unit}, the budget says {budget} ({percent:+.1} %): {verdict}"))
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// Tests of one program run in parallel, and each changes its own part of a file.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a file; a missing file counts as one without budgets, so that each measurement reports a missing budget.
fn read<T: Default + for<'a> Deserialize<'a>>(file: &Path) -> Result<T> {
    if !file.exists() {
        return Ok(T::default());
    }
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    toml::from_str(&text).with_context(|| file.display().to_string())
}

/// Passes the table of a file to a function that compares and updates it. If `UPDATE_GOLDEN` is set, the update is
/// written; otherwise the problems found are the error.
fn with_table<T: Default + Serialize + for<'a> Deserialize<'a>>(
    file: &Path,
    compare: impl FnOnce(&mut T) -> Vec<String>,
) -> Result<()> {
    let _turn = turn();
    let update = env::var_os("UPDATE_GOLDEN").is_some();
    let mut table = read(file)?;
    let problems = compare(&mut table);
    if update {
        return fs::write(file, toml::to_string(&table)?).with_context(|| format!("cannot write {}", file.display()));
    }
    if !problems.is_empty() {
        bail!(
            "{}\nif that is meant to be: UPDATE_GOLDEN=1 cargo test -p workspace-tests writes {}",
            problems.join("\n"),
            file.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 2] = ["dense 32>1024", "conv 3x3 24>3"];

    fn measured(picture: u64, layers: &[u64]) -> Instructions {
        Instructions { picture, layers: layers.to_vec() }
    }

    fn problems(budget: Option<&Instructions>, measured: &Instructions) -> Vec<String> {
        compare("mps2-an386, pocket, int8", &NAMES, budget, measured)
    }

    #[test]
    fn one_per_cent_is_tolerated_both_ways() {
        let budget = measured(1_000_000, &[400_000, 600_000]);
        assert_eq!(problems(Some(&budget), &budget), [""; 0]);
        assert_eq!(problems(Some(&budget), &measured(1_010_000, &[396_000, 606_000])), [""; 0]);
        assert_eq!(problems(Some(&budget), &measured(1_010_001, &[395_999, 606_001])).len(), 3);
    }

    #[test]
    fn a_few_instructions_are_tolerated_in_short_layers() {
        let budget = measured(1_000_000, &[1000, 999_000]);
        assert_eq!(problems(Some(&budget), &measured(1_000_000, &[1064, 999_000])), [""; 0]);
        assert_eq!(problems(Some(&budget), &measured(1_000_000, &[1065, 999_000])).len(), 1);
    }

    #[test]
    fn what_has_grown_is_named() {
        let budget = measured(1_000_000, &[400_000, 600_000]);
        let said = problems(Some(&budget), &measured(1_005_000, &[400_000, 627_000]));
        assert_eq!(
            said,
            ["mps2-an386, pocket, int8, layer 1 (conv 3x3 24>3): 627000 instructions, \
              the budget says 600000 (+4.5 %): too many"]
        );
    }

    #[test]
    fn what_has_shrunk_is_to_be_kept() {
        let budget = measured(1_000_000, &[400_000, 600_000]);
        let said = problems(Some(&budget), &measured(900_000, &[400_000, 600_000]));
        assert_eq!(
            said,
            ["mps2-an386, pocket, int8, picture: 900000 instructions, \
              the budget says 1000000 (-10.0 %): update the budget so that the gain is kept"]
        );
    }

    #[test]
    fn what_has_no_budget_needs_one() {
        let said = problems(None, &measured(1_000_000, &[400_000, 600_000]));
        assert_eq!(said, ["mps2-an386, pocket, int8: 1000000 instructions, and no budget"]);
    }

    #[test]
    fn a_budget_of_other_layers_is_none() {
        let budget = measured(1_000_000, &[1_000_000]);
        let said = problems(Some(&budget), &measured(1_000_000, &[400_000, 600_000]));
        assert_eq!(said, ["mps2-an386, pocket, int8: 2 layers, the budget has 1"]);
    }
}
