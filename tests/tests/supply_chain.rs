//! Sources, licences and build scripts of all dependencies: only those that `deny.toml` allows.
//!
//! `cargo deny check` checks the same and more. These tests need only cargo, so they run everywhere.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use firmware_tools::build::root;
use serde::Deserialize;
use spdx::{Expression, Licensee};

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[derive(Deserialize)]
struct Deny {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    build: Build,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Build {
    allow_build_scripts: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    license: Option<String>,
    source: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    source: Option<String>,
    checksum: Option<String>,
}

fn deny() -> Result<Deny> {
    Ok(toml::from_str(&fs::read_to_string(root()?.join("deny.toml"))?)?)
}

/// The packages from other sources that are built for any target with any feature.
fn packages() -> Result<Vec<Package>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version", "1", "--all-features", "--locked"]).current_dir(root()?);
    for target in [
        "x86_64-unknown-linux-gnu",
        "thumbv6m-none-eabi",
        "thumbv7em-none-eabihf",
        "thumbv8m.main-none-eabihf",
        "riscv32imc-unknown-none-elf",
    ] {
        cargo.args(["--filter-platform", target]);
    }
    let output = cargo.output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let mut packages = serde_json::from_slice::<Metadata>(&output.stdout)?.packages;
    packages.retain(|package| package.source.is_some());
    ensure!(packages.len() > 100, "only {} packages", packages.len());
    Ok(packages)
}

#[test]
fn everything_comes_from_one_registry_with_a_checksum() -> Result<()> {
    let mut here = 0;
    for lock in ["Cargo.lock", "tests/fuzz/Cargo.lock", "firmware/template/Cargo.lock"] {
        let text = fs::read_to_string(root()?.join(lock)).context(lock)?;
        for Locked { name, source, checksum } in toml::from_str::<Lock>(&text).context(lock)?.package {
            match source {
                Some(source) => ensure!(source == REGISTRY && checksum.is_some(), "{lock}: {name} from {source}"),
                None => here += 1,
            }
        }
    }
    // The members of the workspace; the fuzz targets and the template with the members that they use.
    ensure!(here == 20 + 6 + 5, "{here} packages of ours");
    Ok(())
}

/// The emulator of the Pico, for Node.js: one package without dependencies, in one version.
#[test]
fn the_emulator_comes_from_the_public_registry_with_a_checksum() -> Result<()> {
    #[derive(Deserialize)]
    struct NpmLock {
        packages: BTreeMap<String, NpmPackage>,
    }
    #[derive(Deserialize)]
    struct NpmPackage {
        version: Option<String>,
        resolved: Option<String>,
        integrity: Option<String>,
        license: Option<String>,
        #[serde(default)]
        dependencies: BTreeMap<String, String>,
    }
    let text = fs::read_to_string(root()?.join("firmware/tools/rp2040/package-lock.json"))?;
    let NpmLock { mut packages } = serde_json::from_str(&text)?;
    let ours = packages.remove("").context("the package of chip.mjs")?;
    ensure!(packages.len() == 1, "other packages than the emulator: {:?}", packages.keys());
    let emulator = packages.remove("node_modules/rp2040js").context("the emulator")?;
    let version = emulator.version.context("it has a version")?;
    ensure!(ours.dependencies.get("rp2040js") == Some(&version), "chip.mjs asks for {:?}", ours.dependencies);
    ensure!(emulator.dependencies.is_empty(), "it depends on {:?}", emulator.dependencies);
    ensure!(emulator.license.as_deref() == Some("MIT"), "its licence is {:?}", emulator.license);
    ensure!(emulator.integrity.is_some_and(|sum| sum.starts_with("sha512-")), "it has no checksum");
    let address = format!("https://registry.npmjs.org/rp2040js/-/rp2040js-{version}.tgz");
    ensure!(emulator.resolved == Some(address), "it comes from {:?}", emulator.resolved);
    Ok(())
}

#[test]
fn every_licence_is_allowed() -> Result<()> {
    let allowed: Vec<Licensee> =
        deny()?.licenses.allow.iter().map(|name| Licensee::parse(name)).collect::<Result<_, _>>()?;
    let mut used = HashSet::new();
    for Package { name, license, .. } in packages()? {
        let license = license.with_context(|| format!("{name} has no licence"))?;
        // `/` is the old notation for "or".
        let expression = Expression::parse(&license.replace('/', " OR ")).with_context(|| name.clone())?;
        let is_allowed = expression.evaluate(|wanted| {
            let found = allowed.iter().position(|licensee| licensee.satisfies(wanted));
            used.extend(found);
            found.is_some()
        });
        ensure!(is_allowed, "{name} is under {license}, which deny.toml does not allow");
    }
    let unused: Vec<_> = (0..allowed.len()).filter(|i| !used.contains(i)).map(|i| allowed[i].to_string()).collect();
    ensure!(unused.is_empty(), "deny.toml allows what nothing needs: {}", unused.join(", "));
    Ok(())
}

#[test]
fn every_build_script_is_known() -> Result<()> {
    let known: BTreeSet<String> = deny()?.bans.build.allow_build_scripts.into_iter().collect();
    for Package { name, targets, .. } in packages()? {
        let runs = targets.iter().any(|target| target.kind.iter().any(|kind| kind == "custom-build"));
        ensure!(
            !runs || known.contains(&name),
            "{name} runs a program while building: look through it, then add it to deny.toml"
        );
    }
    Ok(())
}
