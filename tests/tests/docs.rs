//! The documentation: links are valid, commands exist, and drawings are what the code produces.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::drawings;
use crate::pages::{Page, pages, root};

/// The problem with a link in the page at `from`, if any; `pages` are all pages with their headings.
fn broken(root: &Path, pages: &BTreeMap<PathBuf, Page>, from: &Path, target: &str) -> Result<Option<String>> {
    if ["http://", "https://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
        return Ok(None);
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let path = match path {
        "" => root.join(from),
        path => root.join(from).parent().context("a page is in a folder")?.join(path),
    };
    let Ok(path) = path.canonicalize() else { return Ok(Some("there is no such file".into())) };
    let Ok(path) = path.strip_prefix(root) else { return Ok(Some("leads out of the repository".into())) };
    let Some(anchor) = anchor else { return Ok(None) };
    let Some(page) = pages.get(path) else { return Ok(Some("only pages have headings".into())) };
    Ok((!page.anchors().contains(anchor)).then(|| format!("{} has no heading #{anchor}", path.display())))
}

#[test]
fn links_lead_to_files_and_headings() -> Result<()> {
    let (root, pages) = (root()?, pages()?);
    let (mut count, mut wrong) = (0, Vec::new());
    for (from, page) in &pages {
        for (line, target) in page.links() {
            count += 1;
            if let Some(reason) = broken(&root, &pages, from, &target)? {
                wrong.push(format!("{}:{line}: {target}: {reason}", from.display()));
            }
        }
    }
    ensure!(wrong.is_empty(), "broken links:\n{}", wrong.join("\n"));
    ensure!(count > 100, "only {count} links were found");
    Ok(())
}

/// All kinds of broken links are detected.
#[test]
fn a_broken_link_is_found() -> Result<()> {
    let text = "# Title\n## A heading: it's `so`, 2nd\n## Same\n## Same\n\n[a](there.md) ![b](no.png \"title\") `[c](code.md)`\n\
                <img src=\"d.png\">\n[e]: e.md\n```sh\n[f](f.md)\n```\n";
    let page = Page::parse(text);
    let targets: Vec<_> = page.links().into_iter().map(|(line, target)| format!("{line} {target}")).collect();
    assert_eq!(targets, ["6 there.md", "6 no.png", "7 d.png", "8 e.md"]);
    let anchors: Vec<_> = page.anchors().into_iter().collect();
    assert_eq!(anchors, ["a-heading-its-so-2nd", "same", "same-1", "title"]);

    let folder = tempfile::tempdir()?;
    let root = folder.path().canonicalize()?;
    fs::write(root.join("page.md"), text)?;
    fs::write(root.join("code.rs"), "")?;
    let pages = BTreeMap::from([(PathBuf::from("page.md"), page)]);
    let from = Path::new("page.md");
    for good in ["page.md", "#same-1", "page.md#title", "code.rs", "https://example.org/#x"] {
        assert_eq!(broken(&root, &pages, from, good)?, None, "{good}");
    }
    for bad in ["no.md", "#other", "page.md#Title", "code.rs#title", "../..", "/page.md"] {
        assert!(broken(&root, &pages, from, bad)?.is_some(), "{bad}");
    }
    Ok(())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct CargoConfig {
    alias: BTreeMap<String, String>,
}

/// The aliases and the packages of this repository.
struct Cargo {
    aliases: BTreeMap<String, String>,
    packages: Vec<Package>,
}

/// The subcommands of cargo and of its plug-ins that the documentation uses.
const COMMANDS: [&str; 15] = [
    "audit", "bench", "build", "check", "clippy", "deny", "doc", "fmt", "fuzz", "install", "metadata", "run", "rustc",
    "test", "tree",
];

impl Cargo {
    fn here() -> Result<Self> {
        let root = root()?;
        let config: CargoConfig = toml::from_str(&fs::read_to_string(root.join(".cargo/config.toml"))?)?;
        let metadata = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
            .current_dir(&root)
            .output()?;
        ensure!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
        let metadata: Metadata = serde_json::from_slice(&metadata.stdout)?;
        Ok(Self { aliases: config.alias, packages: metadata.packages })
    }

    /// The problem with a line of shell commands, if any.
    fn wrong(&self, line: &str) -> Option<String> {
        let words: Vec<_> = line.split_whitespace().map(|word| word.trim_end_matches([';', ','])).collect();
        let starts = words.iter().enumerate().filter(|(_, word)| **word == "cargo").map(|(i, _)| i + 1);
        starts.into_iter().find_map(|start| {
            let end = words[start..].iter().position(|word| ["|", "&&", ">", "cargo"].contains(word));
            self.wrong_call(&words[start..end.map_or(words.len(), |end| start + end)])
        })
    }

    /// The problem with the arguments of cargo, if any.
    fn wrong_call(&self, words: &[&str]) -> Option<String> {
        let own = words.iter().position(|word| *word == "--").map_or(words, |end| &words[..end]);
        let command = *own.iter().find(|word| !word.starts_with(['+', '-']))?;
        // All commands that begin in this way: `cargo flash-*`.
        let family = command.trim_end_matches(['*', '.']);
        if family != command {
            let known = family.is_empty() || self.aliases.keys().any(|alias| alias.starts_with(family));
            return (!known).then(|| format!("there is no command cargo {command}"));
        }
        if self.aliases.contains_key(command) {
            return None; // the arguments of the aliased program follow
        }
        if !COMMANDS.contains(&command) {
            return Some(format!("there is no command cargo {command}"));
        }
        let value = |names: &[&str]| {
            let place = own.iter().position(|word| names.contains(word))?;
            own.get(place + 1).copied()
        };
        let package = value(&["-p", "--package"]);
        if let Some(name) = package.filter(|name| !self.packages.iter().any(|package| package.name == *name)) {
            return Some(format!("there is no package {name}"));
        }
        let packages = self.packages.iter().filter(|p| package.is_none_or(|name| p.name == name));
        let targets: Vec<_> = packages.flat_map(|package| &package.targets).collect();
        ["bin", "example", "test", "bench"].into_iter().find_map(|kind| {
            let name = value(&[&format!("--{kind}")])?;
            let known = targets.iter().any(|target| target.name == name && target.kind.iter().any(|k| k == kind));
            (!known).then(|| format!("there is no {kind} {name}"))
        })
    }
}

#[test]
fn commands_exist() -> Result<()> {
    let cargo = Cargo::here()?;
    let (mut count, mut wrong) = (0, Vec::new());
    for (alias, command) in &cargo.aliases {
        let reason = cargo.wrong(&format!("cargo {command}"));
        wrong.extend(reason.map(|reason| format!(".cargo/config.toml: {alias}: {reason}")));
    }
    for (page, text) in pages()? {
        if page == Path::new("CHANGELOG.md") {
            continue; // may name commands that existed in the past
        }
        for (line, command) in text.commands() {
            count += usize::from(command.contains("cargo "));
            let reason = cargo.wrong(&command);
            wrong.extend(reason.map(|reason| format!("{}:{line}: {command}: {reason}", page.display())));
        }
    }
    ensure!(wrong.is_empty(), "commands that do not exist:\n{}", wrong.join("\n"));
    ensure!(count > 50, "only {count} commands were found");
    Ok(())
}

/// All kinds of wrong commands are detected.
#[test]
fn a_wrong_command_is_found() {
    let target = |name: &str, kind: &str| Target { name: name.into(), kind: vec![kind.into()] };
    let package =
        Package { name: "trainer".into(), targets: vec![target("trainer", "bin"), target("frontier", "example")] };
    let aliases = BTreeMap::from([("flash-pico2".into(), "run -p trainer --bin trainer --".into())]);
    let cargo = Cargo { aliases, packages: vec![package] };
    for good in [
        "cargo run -p trainer --release -- -p other",
        "DEFMT_LOG=info cargo +nightly build -p trainer --bin trainer",
        "cargo flash-pico2 --display other",
        "cargo flash-*",
        "cargo run -q -p trainer --example frontier && cargo test",
        "./tests/run.sh",
    ] {
        assert_eq!(cargo.wrong(good), None, "{good}");
    }
    for bad in [
        "cargo frog",
        "cargo run -p firmware",
        "cargo run -p trainer --bin frontier",
        "cargo run --example other -- models",
        "cargo test && cargo flash-pico",
        "cargo probe-*",
    ] {
        assert!(cargo.wrong(bad).is_some(), "{bad}");
    }
    let page = Page::parse("`cargo a`, `b`\n```sh\nX=1 cargo c \\\n    d   # e\n```\n```rust\ncargo f\n```\n");
    assert_eq!(page.commands(), [(3, "X=1 cargo c  d".to_owned()), (1, "cargo a".to_owned())]);
}

#[test]
fn drawings_are_those_of_the_code() -> Result<()> {
    let root = root()?;
    let made = drawings::drawings(&fs::read(root.join(drawings::MODEL))?)?;
    let names: BTreeSet<_> = made.iter().map(|(name, _)| (*name).to_owned()).collect();
    let folder = root.join(drawings::FOLDER);
    let committed: BTreeSet<_> = fs::read_dir(&folder)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    assert_eq!(committed, names, "{} has other drawings", drawings::FOLDER);
    for (name, text) in made {
        ensure!(
            fs::read_to_string(folder.join(name))? == text,
            "{}/{name} is another drawing: cargo run --release -p trainer --example drawings",
            drawings::FOLDER
        );
    }
    Ok(())
}
