//! The imports between the files of a crate, and the circles among them.
//!
//! An edge is a path in one file that refers to another file: `crate::`, `self::` and `super::` paths, in `use` lines and
//! elsewhere. A re-export (`pub use`) is followed to the definition of the name, and is not an edge itself. Uses of a
//! module's own submodules are not edges either. `#[cfg(test)]` items are ignored. All other conditions count as true,
//! because a circle on one chip is a circle too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, Macro, UseTree, Visibility};

/// A module: `[]` is the crate's root, `["kernels", "portable"]` the module `crate::kernels::portable`.
type ModulePath = Vec<String>;

/// A module, as parsed from its source.
#[derive(Debug, Default)]
struct Module {
    /// The file that contains the module.
    file: PathBuf,
    /// The paths in the module, without generic arguments.
    paths: BTreeSet<Vec<String>>,
    /// The names that the module re-exports, and their paths.
    exports: BTreeMap<String, Vec<String>>,
}

/// All modules of a crate.
#[derive(Debug, Default)]
pub struct Graph {
    modules: BTreeMap<ModulePath, Module>,
}

/// A circle: each file, and a name in the next one (the first one after the last) that it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle(pub Vec<(PathBuf, String)>);

impl Graph {
    /// Reads a crate: its root (`lib.rs` or `main.rs`), and every file that a `mod` item declares.
    ///
    /// # Errors
    /// If a file is missing or is not Rust source.
    pub fn read(root: &Path) -> Result<Self> {
        let mut graph = Self::default();
        let folder = root.parent().context("a file lies in a folder")?;
        graph.read_file(root, folder, Vec::new())?;
        Ok(graph)
    }

    /// The files that were read.
    pub fn files(&self) -> BTreeSet<&Path> {
        self.modules.values().map(|module| &*module.file).collect()
    }

    /// Reads a file, whose submodules are in `folder`.
    fn read_file(&mut self, file: &Path, folder: &Path, path: ModulePath) -> Result<()> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let source = syn::parse_file(&text).with_context(|| format!("cannot parse {}", file.display()))?;
        self.read_items(&source.items, file, folder, path)
    }

    fn read_items(&mut self, items: &[Item], file: &Path, folder: &Path, path: ModulePath) -> Result<()> {
        let mut reader = Reader { module: Module { file: file.to_owned(), ..Module::default() } };
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            let Item::Mod(item) = item else {
                reader.visit_item(item);
                continue;
            };
            let name = item.ident.to_string().trim_start_matches("r#").to_owned();
            let child = [&path[..], std::slice::from_ref(&name)].concat();
            match (&item.content, path_attribute(&item.attrs)) {
                (Some((_, items)), _) => self.read_items(items, file, &folder.join(&name), child)?,
                (None, Some(elsewhere)) => {
                    let other = file.parent().context("a file lies in a folder")?.join(elsewhere);
                    let below = other.parent().context("a file lies in a folder")?.to_owned();
                    self.read_file(&other, &below, child)?;
                }
                (None, None) => {
                    let (flat, nested) = (folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs"));
                    let other = if flat.is_file() { flat } else { nested };
                    self.read_file(&other, &folder.join(&name), child)?;
                }
            }
        }
        self.modules.insert(path, reader.module);
        Ok(())
    }

    /// The module that defines the item to which a path in module `from` refers; `None` if it is in another crate.
    fn resolve(&self, from: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        let mut place = from.to_vec();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                place.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|word| word == "super") {
                    place.pop()?;
                    rest = &rest[1..];
                }
            }
            // A child module; anything else is another crate or a name that was imported here.
            name => {
                let child = [from, &[name.to_owned()]].concat();
                if !self.modules.contains_key(&child) {
                    return None;
                }
            }
        }
        while let Some(name) = rest.first() {
            let child = [&place[..], std::slice::from_ref(name)].concat();
            if !self.modules.contains_key(&child) {
                break;
            }
            place = child;
            rest = &rest[1..];
        }
        let export = rest.first().and_then(|name| self.modules.get(&place)?.exports.get(name));
        match export {
            Some(export) if depth > 0 => self.resolve(&place, export, depth - 1).or(Some(place)),
            _ => Some(place),
        }
    }

    /// The edges: from file, to file, and a path that refers to the latter.
    fn edges(&self) -> BTreeMap<&Path, BTreeMap<&Path, String>> {
        let mut edges: BTreeMap<&Path, BTreeMap<&Path, String>> = BTreeMap::new();
        for (path, module) in &self.modules {
            for used in &module.paths {
                let Some(target) = self.resolve(path, used, 8) else { continue };
                let is_part = target.starts_with(path);
                let Some(target) = self.modules.get(&target) else { continue };
                if !is_part && target.file != module.file {
                    edges.entry(&module.file).or_default().entry(&target.file).or_insert_with(|| used.join("::"));
                }
            }
        }
        edges
    }

    /// A shortest circle through each file that is part of one; each circle is returned once.
    pub fn circles(&self) -> Vec<Circle> {
        let edges = self.edges();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for &start in edges.keys() {
            let Some(files) = shortest_circle(&edges, start) else { continue };
            let mut sorted = files.clone();
            sorted.sort();
            if seen.insert(sorted) {
                let next = files.iter().cycle().skip(1);
                let names = files.iter().zip(next).map(|(&from, &to)| (from.to_owned(), edges[from][to].clone()));
                circles.push(Circle(names.collect()));
            }
        }
        circles
    }
}

/// The files of a shortest circle through `start`, which comes first.
fn shortest_circle<'a>(
    edges: &BTreeMap<&'a Path, BTreeMap<&'a Path, String>>,
    start: &'a Path,
) -> Option<Vec<&'a Path>> {
    let mut before = BTreeMap::new();
    let mut waiting = VecDeque::from([start]);
    while let Some(file) = waiting.pop_front() {
        for &next in edges.get(file).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut files = vec![file];
                while let Some(&earlier) = before.get(files[files.len() - 1]) {
                    files.push(earlier);
                }
                files.reverse();
                return Some(files);
            }
            if edges.contains_key(next) && !before.contains_key(next) {
                before.insert(next, file);
                waiting.push_back(next);
            }
        }
    }
    None
}

impl std::fmt::Display for Circle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let next = self.0.iter().cycle().skip(1);
        for ((file, name), (other, _)) in self.0.iter().zip(next) {
            writeln!(f, "  {} uses {name} of {}", file.display(), other.display())?;
        }
        Ok(())
    }
}

/// Collects the paths and the re-exports of a module.
struct Reader {
    module: Module,
}

impl Reader {
    fn use_tree(&mut self, tree: &UseTree, before: &[String], is_export: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.use_tree(&path.tree, &with(&path.ident), is_export),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.use_tree(tree, before, is_export)),
            UseTree::Glob(_) => self.used(before.to_vec(), before.last().map(String::as_str), is_export),
            UseTree::Name(name) if name.ident == "self" => {
                self.used(before.to_vec(), before.last().map(String::as_str), is_export);
            }
            UseTree::Name(name) => self.used(with(&name.ident), Some(&name.ident.to_string()), is_export),
            UseTree::Rename(name) => self.used(with(&name.ident), Some(&name.rename.to_string()), is_export),
        }
    }

    fn used(&mut self, path: Vec<String>, name: Option<&str>, is_export: bool) {
        match name.filter(|_| is_export) {
            Some(name) => _ = self.module.exports.insert(name.to_owned(), path),
            None => _ = self.module.paths.insert(path),
        }
    }
}

impl Visit<'_> for Reader {
    fn visit_item_use(&mut self, item: &ItemUse) {
        self.use_tree(&item.tree, &[], !matches!(item.vis, Visibility::Inherited));
    }

    fn visit_path(&mut self, path: &syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            self.module.paths.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    /// The contents of a macro are tokens, in which only paths that begin with `crate`, `self` or `super` are recognised.
    fn visit_macro(&mut self, macro_: &Macro) {
        let text = macro_.tokens.to_string();
        let words: Vec<&str> = text.split_whitespace().collect();
        for (i, &word) in words.iter().enumerate() {
            let is_start =
                ["crate", "self", "super"].contains(&word) && (i == 0 || !["::", "$"].contains(&words[i - 1]));
            if is_start && words.get(i + 1) == Some(&"::") {
                let path = words[i..].chunks(2).take_while(|pair| pair[0].starts_with(char::is_alphabetic));
                let mut segments: Vec<String> = Vec::new();
                for pair in path {
                    segments.push(pair[0].to_owned());
                    if pair.get(1) != Some(&"::") {
                        break;
                    }
                }
                self.module.paths.insert(segments);
            }
        }
    }
}

/// The attributes of an item.
fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether an item has `#[cfg(test)]`.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Ident>().is_ok_and(|name| name == "test")
    })
}

/// The file named by `#[path = "..."]`.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find(|attribute| attribute.path().is_ident("path")).and_then(|attribute| {
        let syn::Expr::Lit(value) = &attribute.meta.require_name_value().ok()?.value else { return None };
        let syn::Lit::Str(text) = &value.lit else { return None };
        Some(text.value())
    })
}

/// Checks that a crate has no circles.
///
/// # Errors
/// If the crate cannot be read or has a circle. The message names the files of each circle, and what they use.
pub fn check(root: &Path) -> Result<usize> {
    let graph = Graph::read(root)?;
    let circles = graph.circles();
    ensure!(!graph.files().is_empty(), "nothing was read");
    if !circles.is_empty() {
        let told: Vec<_> = circles.iter().map(Circle::to_string).collect();
        bail!("modules that use each other, from {}:\n{}", root.display(), told.join("\n"));
    }
    Ok(graph.files().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a crate with these files and returns the result of the check.
    fn said(files: &[(&str, &str)]) -> Result<String> {
        let folder = tempfile::tempdir()?;
        for (name, text) in files {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
            fs::write(file, text)?;
        }
        let result = check(&folder.path().join("lib.rs"));
        let said = result.map_or_else(|e| format!("{e:#}"), |files| format!("{files} files"));
        Ok(said.replace(&format!("{}/", folder.path().display()), ""))
    }

    #[test]
    fn imports_in_one_direction_are_no_circle() -> Result<()> {
        let files = [
            ("lib.rs", "pub mod low; pub mod high; pub use high::Top;"),
            ("low.rs", "pub struct Base; #[cfg(test)] mod tests { use crate::high::Top; }"),
            ("high/mod.rs", "mod part; use crate::low::Base; pub struct Top(Base, part::Part);"),
            ("high/part.rs", "pub struct Part(crate::low::Base);"),
        ];
        assert_eq!(said(&files)?, "4 files");
        Ok(())
    }

    #[test]
    fn a_circle_is_found_with_its_files_and_names() -> Result<()> {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; mod d; pub use a::A;"),
            ("a.rs", "use crate::b::{B as Other}; pub struct A(Other);"),
            ("b.rs", "pub struct B; fn f() { super::c::run() }"),
            // Through a re-export, and in a macro.
            ("c.rs", "pub fn run() { println!(\"{:?}\", crate::A::NEW); }"),
            ("d.rs", "use crate::a::A;"),
        ];
        let expected = "modules that use each other, from lib.rs:\n  \
                        a.rs uses crate::b::B of b.rs\n  b.rs uses super::c::run of c.rs\n  c.rs uses crate::A::NEW of a.rs\n";
        assert_eq!(said(&files)?, expected);
        Ok(())
    }

    /// A module that uses its submodules is not a circle; submodules that use each other are one.
    #[test]
    fn a_module_may_use_its_parts_but_they_not_each_other() -> Result<()> {
        let mut files = [
            ("lib.rs", "mod whole;"),
            ("whole.rs", "mod left; mod right; pub struct P; fn f() { left::run(); self::right::run() }"),
            ("whole/left.rs", "use super::P; pub fn run() {}"),
            ("whole/right.rs", "use super::left; pub fn run() { left::run() }"),
        ];
        assert_eq!(said(&files)?, "4 files");
        files[2].1 = "use super::P; pub fn run() { super::right::run() }";
        assert!(said(&files)?.contains("whole/left.rs uses super::right::run of whole/right.rs"), "{}", said(&files)?);
        Ok(())
    }

    #[test]
    fn a_file_that_is_missing_or_no_source_is_named() -> Result<()> {
        assert!(said(&[("lib.rs", "mod gone;")])?.starts_with("cannot read gone/mod.rs"));
        assert!(said(&[("lib.rs", "mod odd;"), ("odd.rs", "fn (")])?.starts_with("cannot parse odd.rs"));
        Ok(())
    }
}
