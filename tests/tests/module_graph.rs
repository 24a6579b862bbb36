//! Imports go in one direction: no crate of the workspace has modules that use each other.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use firmware_tools::build::root;
use serde::Deserialize;
use workspace_tests::module_graph::check;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    src_path: PathBuf,
}

#[test]
fn no_modules_use_each_other() -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    let output = cargo.args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(root()?).output()?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let packages = serde_json::from_slice::<Metadata>(&output.stdout)?.packages;
    let roots: Vec<_> =
        packages.into_iter().flat_map(|package| package.targets).map(|target| target.src_path).collect();
    let (mut files, mut problems) = (0, Vec::new());
    for root in roots {
        match check(&root).with_context(|| root.display().to_string()) {
            Ok(read) => files += read,
            Err(e) => problems.push(format!("{:#}", e.root_cause())),
        }
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    ensure!(files > 150, "only {files} files were read");
    Ok(())
}
