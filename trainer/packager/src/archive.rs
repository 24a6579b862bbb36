//! Leaves out the parts of a static library that nothing in it uses. Most of a library of rustc is `compiler_builtins`, 5 MB
//! of functions of which gen-core calls a few.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result, ensure};
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSymbol};

const MAGIC: &[u8] = b"!<arch>\n";

struct Member<'a> {
    bytes: &'a [u8],
    defined: Vec<String>,
    undefined: Vec<String>,
    is_builtin: bool,
}

/// The library with only the members that are not `compiler_builtins`, and those that they use.
///
/// # Errors
/// If the bytes are not a static library.
pub fn without_unused(library: &[u8]) -> Result<Vec<u8>> {
    let archive = ArchiveFile::parse(library).context("not a static library")?;
    let mut members = Vec::new();
    for member in archive.members() {
        let member = member?;
        let bytes = member.data(library)?;
        let Ok(file) = object::File::parse(bytes) else { continue };
        let name = |symbol: &object::Symbol<'_, '_>| symbol.name().unwrap_or_default().to_owned();
        let globals = || file.symbols().filter(|symbol| symbol.is_global());
        members.push(Member {
            bytes,
            defined: globals().filter(|symbol| !symbol.is_undefined()).map(|symbol| name(&symbol)).collect(),
            undefined: globals().filter(ObjectSymbol::is_undefined).map(|symbol| name(&symbol)).collect(),
            is_builtin: member.name().starts_with(b"compiler_builtins"),
        });
    }
    ensure!(!members.is_empty(), "a static library without objects");
    let mut where_defined = HashMap::new();
    for (i, member) in members.iter().enumerate() {
        for name in &member.defined {
            where_defined.entry(name.as_str()).or_insert(i);
        }
    }
    let mut used: BTreeSet<usize> = (0..members.len()).filter(|&i| !members[i].is_builtin).collect();
    let mut to_do: Vec<usize> = used.iter().copied().collect();
    while let Some(i) = to_do.pop() {
        for name in &members[i].undefined {
            if let Some(&other) = where_defined.get(name.as_str())
                && used.insert(other)
            {
                to_do.push(other);
            }
        }
    }
    Ok(written(&used.into_iter().map(|i| &members[i]).collect::<Vec<_>>()))
}

/// A header of GNU's format: name, time, owner, group, mode, size.
fn header(name: &str, size: usize) -> Vec<u8> {
    format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, 644).into_bytes()
}

/// An archive in GNU's format, with its list of symbols.
fn written(members: &[&Member<'_>]) -> Vec<u8> {
    let padded = |len: usize| len.next_multiple_of(2);
    let names: Vec<u8> =
        members.iter().flat_map(|m| &m.defined).flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect();
    let count = members.iter().map(|member| member.defined.len()).sum::<usize>();
    let symbols_len = 4 + 4 * count + names.len();
    let mut at = MAGIC.len() + 60 + padded(symbols_len);
    let mut symbols = (count as u32).to_be_bytes().to_vec();
    for member in members {
        for _ in &member.defined {
            symbols.extend((at as u32).to_be_bytes());
        }
        at += 60 + padded(member.bytes.len());
    }
    symbols.extend(names);
    let mut file = MAGIC.to_vec();
    let mut add = |name: &str, bytes: &[u8]| {
        file.extend(header(name, bytes.len()));
        file.extend(bytes);
        if !bytes.len().is_multiple_of(2) {
            file.push(b'\n');
        }
    };
    add("/", &symbols);
    for (i, member) in members.iter().enumerate() {
        add(&format!("{i}.o/"), member.bytes);
    }
    file
}
