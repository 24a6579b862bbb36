//! Parsers of external data: runs every committed seed, every former finding of the fuzzer, and mutants of both.
//!
//! `./tests/fuzz.sh` searches for more inputs, guided by coverage. Its findings are added to `tests/fuzz/seeds/`, and so
//! to this test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::seeds;
use crate::targets;

/// Number of mutants of each seed.
const MUTANTS: usize = 1000;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

/// Mutations as fuzzers make them, but without coverage.
fn mutate(bytes: &mut Vec<u8>, random: &mut Xoshiro256PlusPlus) {
    for _ in 0..random.random_range(1..5) {
        let len = bytes.len() as u32;
        let at = random.random_range(0..len.max(1)) as usize;
        match random.random_range(0..7) {
            _ if bytes.is_empty() => bytes.push(random.next_u32() as u8),
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][random.random_range(0..5u32) as usize],
            2 => bytes[at] = b"0123456789[](){},:=\"'\n.-e"[random.random_range(0..25u32) as usize],
            3 => drop(bytes.remove(at)),
            4 => bytes.insert(at, random.next_u32() as u8),
            5 => bytes.truncate(at),
            _ => {
                let part = bytes[at..bytes.len().min(at + 40)].to_vec();
                let to = random.random_range(0..len) as usize;
                bytes.splice(to..to, part);
            }
        }
    }
}

/// `UPDATE_SEEDS=1 cargo test --workspace --test workspace fuzz::` writes the good seeds again. Mutants are the same every
/// time, so one that ends the whole test is found by counting.
#[test]
fn no_bytes_from_outside_do_harm() -> Result<()> {
    if std::env::var_os("UPDATE_SEEDS").is_some() {
        seeds::write(&folder())?;
    }
    for (name, target) in targets::TARGETS {
        let folder = folder().join(name);
        let files = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut files: Vec<_> = files.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        files.sort();
        ensure!(!files.is_empty(), "{} has no seed", folder.display());
        for file in files {
            let seed = fs::read(&file)?;
            // Good seeds must be valid; findings may be invalid.
            let is_good = file.file_stem().is_some_and(|stem| stem.to_string_lossy().starts_with("good"));
            ensure!(!is_good || target(&seed), "{} is refused", file.display());
            let mut random = Xoshiro256PlusPlus::seed_from_u64(u64::from(crc32fast::hash(&seed)));
            for i in 0..=MUTANTS {
                let mut bytes = seed.clone();
                if i > 0 {
                    mutate(&mut bytes, &mut random);
                }
                std::panic::catch_unwind(|| target(&bytes)).map_err(|_| {
                    let kept = std::env::temp_dir().join(format!("{name}-{:08x}", crc32fast::hash(&bytes)));
                    let place =
                        fs::write(&kept, &bytes).map_or_else(|e| e.to_string(), |()| kept.display().to_string());
                    anyhow::anyhow!("{name}: mutant {i} of {} panics; it is in {place}", file.display())
                })?;
            }
        }
    }
    Ok(())
}
