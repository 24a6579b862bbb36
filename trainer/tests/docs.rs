//! Tests that every `cargo trainer` command in the documentation uses commands and options that exist.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::pages;

/// The output of `trainer ARGUMENTS --help`.
fn help(arguments: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_trainer")).args(arguments).arg("--help").output()?;
    ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The program's commands, each with its help.
fn commands() -> Result<BTreeMap<String, String>> {
    let all = help(&[])?;
    let list = all.split("Commands:\n").nth(1).context("a list of commands")?;
    let list = list.split("\n\n").next().unwrap_or_default();
    let names =
        list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()));
    let mut commands = BTreeMap::new();
    for name in names.filter(|name| *name != "help") {
        commands.insert(name.to_owned(), help(&[name])?);
    }
    Ok(commands)
}

/// Describes what is wrong with the arguments of a call of the program; `None` if nothing is.
fn wrong(commands: &BTreeMap<String, String>, words: &[&str]) -> Option<String> {
    let first = words.first().copied().unwrap_or_default();
    // Without a command the program trains. Placeholders such as `...` or CMD are not checked.
    let name = if first.is_empty() || first.starts_with('-') { "train" } else { first };
    if name.starts_with('.') || name.chars().all(|c| c.is_ascii_uppercase()) {
        return None;
    }
    let Some(help) = commands.get(name) else { return Some(format!("there is no command trainer {name}")) };
    let options = words.iter().filter(|word| word.starts_with('-') && word.len() > 1);
    options.map(|word| word.split('=').next().unwrap_or_default()).find_map(|option| {
        let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
        let known = help.split(ends).any(|word| word == option) || option == "--help";
        (!known).then(|| format!("trainer {name} has no option {option}"))
    })
}

/// The calls of the program in a line of shell commands.
fn calls(line: &str) -> Vec<Vec<&str>> {
    let words: Vec<_> = line.split_whitespace().collect();
    let starts = words.windows(2).enumerate().filter(|(_, pair)| *pair == ["cargo", "trainer"]).map(|(i, _)| i + 2);
    let call = |start: usize| {
        let end =
            words[start..].iter().position(|word| ["|", "&&", ">", "cargo"].contains(word) || word.ends_with(';'));
        words[start..end.map_or(words.len(), |end| start + end)].to_vec()
    };
    starts.map(call).collect()
}

#[test]
fn documented_commands_and_options_exist() -> Result<()> {
    let commands = commands()?;
    ensure!(commands.contains_key("train") && commands.contains_key("quantize"), "{:?}", commands.keys());
    let (mut count, mut errors) = (0, Vec::new());
    for (page, text) in pages::pages()? {
        if page == Path::new("CHANGELOG.md") {
            continue; // names options of the past, too
        }
        for (line, command) in text.commands() {
            for words in calls(&command) {
                count += 1;
                let reason = wrong(&commands, &words);
                errors.extend(reason.map(|reason| format!("{}:{line}: {command}: {reason}", page.display())));
            }
        }
    }
    ensure!(errors.is_empty(), "commands that do not exist:\n{}", errors.join("\n"));
    ensure!(count > 30, "only {count} commands were found");
    Ok(())
}

/// Tests the check itself with wrong commands and options.
#[test]
fn a_wrong_command_or_option_is_found() {
    let commands = BTreeMap::from([
        ("train".to_owned(), "  --data <PATH>\n  --steps <STEPS>".to_owned()),
        ("sample".to_owned(), "  -n, --count <COUNT>".to_owned()),
    ]);
    let wrong = |line: &str| calls(line).iter().find_map(|words| wrong(&commands, words));
    for good in
        ["cargo trainer", "cargo trainer --steps=3", "X=1 cargo trainer sample a.gen -n 3 && ls", "cargo trainer ..."]
    {
        assert_eq!(wrong(good), None, "{good}");
    }
    for bad in [
        "cargo trainer draw",
        "cargo trainer --step 3",
        "cargo trainer sample --data x",
        "ls && cargo trainer sample --coun",
    ] {
        assert!(wrong(bad).is_some(), "{bad}");
    }
}
