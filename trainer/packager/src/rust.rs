//! A crate with the model, and a copy of gen-core.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use gen_core::Model;
use toml::{Table, Value};

use crate::files::Files;
use crate::plain_name;

const MANIFEST: &str = include_str!("../templates/rust/Cargo.toml.txt");
const LIBRARY: &str = include_str!("../templates/rust/lib.rs.txt");
const EXAMPLE: &str = include_str!("../templates/rust/picture.rs.txt");
const README: &str = include_str!("../templates/rust/README.md.txt");

/// Adds its files.
///
/// # Errors
/// If the sources of gen-core cannot be read.
pub fn add(files: &mut Files, root: &Path, file: &[u8], model: &Model<'_>) -> Result<()> {
    let name = plain_name(model);
    let library = format!("ribbit_{}", name.replace('-', "_"));
    for (path, text) in
        [("Cargo.toml", MANIFEST), ("src/lib.rs", LIBRARY), ("examples/picture.rs", EXAMPLE), ("README.md", README)]
    {
        files.add(path, text.replace("@NAME@", &name).replace("@LIBRARY@", &library));
    }
    files.add("model.gen", file);
    // Versions that work; cargo removes the entries that the crate does not need.
    files.copy(&root.join("Cargo.lock"), "Cargo.lock")?;
    files.add("gen-core/Cargo.toml", gen_core_manifest(root)?);
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        files.copy(&root.join(name), format!("gen-core/{name}"))?;
    }
    files.copy(&root.join("gen-core/build.rs"), "gen-core/build.rs")?;
    files.copy_folder(&root.join("gen-core/src"), "gen-core/src")
}

/// The manifest of gen-core without what refers to the workspace, and without its tests and programs.
fn gen_core_manifest(root: &Path) -> Result<String> {
    let read = |path: &str| -> Result<Table> {
        let path = root.join(path);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        text.parse().with_context(|| path.display().to_string())
    };
    let (workspace, mut manifest) = (read("Cargo.toml")?, read("gen-core/Cargo.toml")?);
    let workspace = table(&workspace, "workspace")?;
    for key in ["dev-dependencies", "test", "bin", "lints"] {
        manifest.remove(key);
    }
    let package = table_mut(&mut manifest, "package")?;
    package.remove("readme");
    package.remove("autotests");
    package.insert("autobins".to_owned(), Value::Boolean(false));
    for (key, value) in package.iter_mut() {
        if value.get("workspace").is_some() {
            *value = table(workspace, "package")?.get(key).with_context(|| format!("no {key} of packages"))?.clone();
        }
    }
    let all = table(workspace, "dependencies")?;
    resolve(table_mut(&mut manifest, "dependencies")?, all)?;
    if let Some(Value::Table(targets)) = manifest.get_mut("target") {
        for (_, target) in targets.iter_mut() {
            if let Some(Value::Table(dependencies)) = target.get_mut("dependencies") {
                resolve(dependencies, all)?;
            }
        }
    }
    let text = toml::to_string(&manifest)?;
    ensure!(!text.contains("workspace"), "the manifest of gen-core refers to the workspace:\n{text}");
    Ok(text)
}

/// Replaces `NAME.workspace = true` by the workspace's entry, with the features of both.
fn resolve(dependencies: &mut Table, all: &Table) -> Result<()> {
    for (name, value) in dependencies.iter_mut() {
        let Value::Table(own) = &mut *value else { continue };
        if own.remove("workspace").is_none() {
            continue;
        }
        let mut entry = match all.get(name) {
            Some(Value::Table(entry)) => entry.clone(),
            Some(version @ Value::String(_)) => Table::from_iter([("version".to_owned(), version.clone())]),
            _ => bail!("the workspace has no dependency {name}"),
        };
        for (key, value) in own.iter() {
            match (entry.get_mut(key), value) {
                (Some(Value::Array(features)), Value::Array(more)) => features.extend(more.iter().cloned()),
                _ => {
                    entry.insert(key.clone(), value.clone());
                }
            }
        }
        *value = Value::Table(entry);
    }
    Ok(())
}

fn table<'a>(parent: &'a Table, key: &str) -> Result<&'a Table> {
    parent.get(key).and_then(Value::as_table).with_context(|| format!("a manifest without [{key}]"))
}

fn table_mut<'a>(parent: &'a mut Table, key: &str) -> Result<&'a mut Table> {
    parent.get_mut(key).and_then(Value::as_table_mut).with_context(|| format!("a manifest without [{key}]"))
}
