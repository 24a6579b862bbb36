//! Pages in Markdown: their headings, links and commands. For the tests of the documentation in several packages.

#![allow(dead_code)] // each program uses only a part

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// The repository's root.
pub fn root() -> Result<PathBuf> {
    Ok(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?)
}

/// A Markdown page.
#[derive(Debug)]
pub struct Page {
    /// Lines outside of fenced code blocks, with their numbers.
    pub lines: Vec<(usize, String)>,
    /// Lines inside of fenced code blocks, with their numbers and the language of the block.
    pub code: Vec<(usize, String, String)>,
}

impl Page {
    /// Splits a page's text into prose and code blocks.
    pub fn parse(text: &str) -> Self {
        let (mut lines, mut code) = (Vec::new(), Vec::new());
        let mut fence: Option<String> = None;
        for (i, line) in text.lines().enumerate() {
            let trimmed = line.trim_start();
            if let Some(language) = trimmed.strip_prefix("```") {
                fence = if fence.is_some() { None } else { Some(language.trim().to_owned()) };
            } else if let Some(language) = &fence {
                code.push((i + 1, language.clone(), line.to_owned()));
            } else {
                lines.push((i + 1, line.to_owned()));
            }
        }
        Self { lines, code }
    }

    /// Anchors of the headings, as GitHub makes them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut anchors = BTreeSet::new();
        for (_, line) in &self.lines {
            let level = line.bytes().take_while(|&b| b == b'#').count();
            let Some(heading) = line.get(level..).and_then(|rest| rest.strip_prefix(' ')).filter(|_| level > 0) else {
                continue;
            };
            let kept = heading.trim().chars().filter(|&c| c.is_alphanumeric() || " -_".contains(c));
            let anchor: String = kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
            let count = seen.entry(anchor.clone()).or_default();
            anchors.insert(if *count == 0 { anchor } else { format!("{anchor}-{count}") });
            *count += 1;
        }
        anchors
    }

    /// Targets of links and pictures, with the numbers of their lines.
    pub fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (number, line) in &self.lines {
            let line = without_code(line);
            for part in line.split("](").skip(1) {
                let target = part.split(')').next().unwrap_or_default();
                links.push((*number, target.split(" \"").next().unwrap_or_default().to_owned()));
            }
            for start in ["src=\"", "href=\""] {
                let parts = line.split(start).skip(1);
                links.extend(parts.map(|part| (*number, part.split('"').next().unwrap_or_default().to_owned())));
            }
            let reference = line.strip_prefix('[').and_then(|line| line.split_once("]: "));
            links.extend(reference.map(|(_, target)| (*number, target.trim().to_owned())));
        }
        links
    }

    /// Shell commands: the lines of `sh` blocks, with continued lines joined, and the code spans that begin with `cargo`.
    /// Comments are removed.
    pub fn commands(&self) -> Vec<(usize, String)> {
        let mut commands = Vec::new();
        let mut begun: Option<(usize, String)> = None;
        for (number, _, line) in self.code.iter().filter(|(_, language, _)| language == "sh") {
            let line = line.split(" #").next().unwrap_or_default().trim();
            let (number, text) = match begun.take() {
                Some((number, start)) => (number, format!("{start} {line}")),
                None => (*number, line.to_owned()),
            };
            match text.strip_suffix('\\') {
                Some(start) => begun = Some((number, start.to_owned())),
                None => commands.push((number, text)),
            }
        }
        for (number, line) in &self.lines {
            let spans = line.split('`').skip(1).step_by(2);
            let spans = spans.filter(|span| span.starts_with("cargo ") || span.contains(" cargo "));
            commands.extend(spans.map(|span| (*number, span.to_owned())));
        }
        commands
    }
}

/// A line without its code spans.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("")
}

/// Every page of the repository, by its path from the root.
pub fn pages() -> Result<BTreeMap<PathBuf, Page>> {
    fn search(root: &Path, folder: &Path, pages: &mut BTreeMap<PathBuf, Page>) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_symlink() || name.starts_with('.') || ["target", "runs", "node_modules"].contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                search(root, &path, pages)?;
            } else if path.extension().is_some_and(|ending| ending == "md") {
                let page = Page::parse(&fs::read_to_string(&path)?);
                pages.insert(path.strip_prefix(root)?.to_owned(), page);
            }
        }
        Ok(())
    }
    let root = root()?;
    let mut pages = BTreeMap::new();
    search(&root, &root, &mut pages)?;
    ensure!(pages.contains_key(Path::new("README.md")), "README.md is not among {} pages", pages.len());
    Ok(pages)
}
