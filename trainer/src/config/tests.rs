//! Tests of recipes.

use super::*;

#[test]
fn every_preset_is_valid_and_survives_the_way_through_toml() {
    for (name, _) in PRESETS {
        let config = Config::preset(name).expect(name);
        assert_eq!(config.name, *name);
        assert_eq!(Config::from_toml(&config.to_toml()).expect(name), config);
    }
}

#[test]
fn maps_whose_places_do_not_fit_32_bits_are_refused() {
    let config = |channels| {
        let mut config = Config::preset("pocket").unwrap();
        config.batch = 4096;
        // 32x32 pixels in the discriminator's first layer.
        config.discriminator.layers.insert(0, Layer { channels, ..config.discriminator.layers[0].clone() });
        let first = &mut config.discriminator.layers[0];
        (first.kernel, first.stride, first.batch_norm) = (Some(3), Some(1), false);
        config
    };
    config(8).check().unwrap();
    let error = config(1024).check().unwrap_err().to_string();
    assert!(error.contains("4294967296 values"), "{error}");
}

#[test]
fn the_tutorial_has_as_many_parameters_as_keras_counts() {
    let (generator, discriminator) = Config::preset("tutorial").unwrap().networks().unwrap();
    assert_eq!((generator.parameter_count(), discriminator.parameter_count()), (6_264_579, 790_913));
}

#[test]
fn unit_range_goes_with_sigmoid_and_with_tanh() {
    let tanh = Config::preset("tutorial").unwrap().to_toml().replacen("\"symmetric\"", "\"unit\"", 1);
    let sigmoid = tanh.replacen("activation = \"tanh\"", "activation = \"sigmoid\"", 1);
    assert_ne!(tanh, sigmoid);
    for text in [tanh, sigmoid] {
        assert_eq!(Config::from_toml(&text).unwrap().range, Range::Unit);
    }
}

#[test]
fn few_pictures_are_changed_more_strongly_and_enough_are_not() {
    let config = Config::preset("pocket").unwrap();
    let small = config.small_dataset.expect("the default has advice for few pictures");
    let (resolved, words) = config.clone().resolve_for(small.below - 1);
    assert_eq!((resolved.augment, resolved.small_dataset), (small.augment, None));
    assert!(words.unwrap().contains("pictures are few"));
    let (resolved, words) = config.clone().resolve_for(small.below);
    assert_eq!((resolved.augment, resolved.small_dataset, words), (config.augment, None, None));
}

#[test]
fn mistakes_are_named_with_their_place() {
    let good = Config::preset("pocket").unwrap().to_toml();
    let cases = [
        ("batch = 32", "batch = 1", "batch"),
        ("batch = 32", "batch = 32\nbatsch = 3", "batsch"),
        ("kernel = 4", "", "layer 1 (conv_transpose)"),
        ("kernel = 4", "kernel = 1", "`equal_gain` belongs to transposed convolutions"),
        ("op = \"conv\"", "op = \"conv\"\nequal_gain = true", "`equal_gain` belongs to transposed convolutions"),
        ("activation = \"tanh\"", "activation = \"relu\"", "last layer"),
        ("slope = 0.2", "", "slope"),
        ("activation = \"tanh\"", "activation = \"sigmoid\"", "range"),
        ("smooth = 0.02", "smooth = nan", "init"),
        ("beta1 = 0.5", "beta1 = 1.5", "generator: optimizer"),
        ("real = 1.0", "real = 0.0", "labels"),
        ("cutout = 0.5", "cutout = 32", "cutout"),
        ("translate = 0.125", "translate = -0.5", "translate"),
        ("translate = 0.125", "translate = nan", "translate"),
        ("steps = 20000", "steps = 0", "steps"),
        ("latent_scale = 1.15", "latent_scale = 0.1", "latent_scale"),
        ("batch = 32", "batch = 32\npenalty = { real = -1.0, every = 4 }", "penalty: weights"),
        ("batch = 32", "batch = 32\npenalty = { real = 1.0, every = 0 }", "penalty: `every`"),
        ("batch = 32", "batch = 32\njoint_batch_norm = 5", "joint_batch_norm: the discriminator has no batch_norm"),
        ("tune = 600", "tune = 1000000", "quantize: tune"),
        ("name = \"pocket\"", "name = \"../x\"", "name"),
        ("latent = 32", "latent = 32\nclasses = \"auto:1\"", "2 to 64 kinds"),
        ("latent = 32", "latent = 32\nclass_embedding = 65", "class_embedding: 1 to 64"),
        ("latent = 32", "latent = 32\nclass_names = [\"a\"]", "class_names: a model has 2 to 64 classes"),
        ("latent = 32", "latent = 0\nclass_names = [\"a\", \"b\"]", "latent: with classes at least 1"),
        ("latent = 32", "latent = 121\nclass_names = [\"a\", \"b\"]", "at most 128, not 121 + 8"),
        ("latent = 32", "latent = 65530\nclass_names = [\"a\", \"b\"]", "at most 128, not 65530 + 8"),
    ];
    for (from, to, expected) in cases {
        assert!(good.contains(from), "{from}");
        let error = format!("{:#}", Config::from_toml(&good.replacen(from, to, 1)).unwrap_err());
        assert!(error.contains(expected), "{from} -> {to}: {error}");
    }
    let mut normalised = Config { class_names: vec!["a".into(), "b".into()], ..Config::preset("pocket").unwrap() };
    assert!(normalised.check().is_ok());
    normalised.discriminator.layers[3].batch_norm = true;
    assert!(normalised.check().unwrap_err().to_string().contains("the last layer has no batch_norm"));
    let last = &mut normalised.discriminator.layers[3];
    (last.batch_norm, last.layer_norm) = (false, true);
    assert!(
        normalised.check_classes().unwrap_err().to_string().contains("the last layer has no batch_norm or layer_norm")
    );
    let mut large = Config::preset("pocket").unwrap();
    (large.batch, large.quantise) = (4096, Default::default());
    large.generator.layers[0].size = Some([32, 32]);
    large.generator.layers[..4].iter_mut().for_each(|layer| layer.channels = 1024);
    let halves = large.discriminator.layers[2].clone();
    large.discriminator.layers.splice(3..3, [halves.clone(), halves]);
    let error = format!("{:#}", large.check().unwrap_err());
    assert!(error.contains("GB of memory"), "{error}");
    // `hinge` ignores labels, so a recipe with both is refused.
    let hinge = good.replacen("loss = \"bce\"", "loss = \"hinge\"", 1);
    assert!(Config::from_toml(&hinge).is_ok());
    let error = format!("{:#}", Config::from_toml(&hinge.replacen("real = 1.0", "real = 0.9", 1)).unwrap_err());
    assert!(error.contains("labels: they belong to loss = \"bce\""), "{error}");
    assert!(Config::preset("pond").unwrap_err().to_string().contains("pocket, pocket-tiny"));
}

#[test]
fn keys_that_differ_are_named() {
    let config = Config::preset("pocket").unwrap();
    assert_eq!(config.differences(&config), [""; 0]);
    let mut other = config.clone();
    other.batch = 7;
    other.penalty = Some(Penalty { real: 1.0, generated: 0.0, every: 4 });
    other.discriminator.layers[1].channels = 3;
    let lr = config.to_toml().replacen("lr = 0.0002", "lr = 0.0003", 1);
    let lr = Config::from_toml(&lr).unwrap();
    assert_eq!(config.differences(&other), ["batch", "discriminator.layers[1].channels", "penalty"]);
    assert_eq!(config.differences(&lr), ["generator.optimizer.lr"]);
}

#[test]
fn earlier_spellings_of_all_keys_are_read() {
    let now = r#"ema_decay = 0.5
lr_decay_start = 0.25
latent_scale = 1.5
[guard]
max_loss = 7.0
max_weight = 8.0
min_diversity = 0.25
max_score_ratio = 3.0
max_winning_steps = 9
max_rollbacks = 2
lr_factor = 0.75
[quantize]
tune = 12
[small_dataset]
below = 9
augment = { color = true }
"#;
    let spellings = [
        ("ema_decay", "ema"),
        ("lr_decay_start", "decay_from"),
        ("latent_scale", "spread"),
        ("max_loss", "loss"),
        ("max_weight", "weight"),
        ("min_diversity", "diversity"),
        ("max_score_ratio", "worse"),
        ("max_winning_steps", "winning"),
        ("max_rollbacks", "rollbacks"),
        ("lr_factor", "rate"),
        ("quantize", "quantise"),
        ("small_dataset", "few"),
        ("color", "colour"),
        ("optimizer", "optimiser"),
    ];
    // The list above must be complete: a new alias without a line in it fails here.
    assert_eq!(spellings.len(), keys_page().split_once("## Earlier spellings").unwrap().1.matches("\n| `").count());
    let mut rest: toml::Table = Config::preset("pocket").unwrap().to_toml().parse().unwrap();
    for key in ["ema_decay", "lr_decay_start", "latent_scale", "guard", "quantize", "small_dataset"] {
        rest.remove(key);
    }
    let rest = toml::to_string(&rest).unwrap();
    let (values, tables) = rest.split_at(rest.find('[').unwrap());
    let (now_values, now_tables) = now.split_at(now.find('[').unwrap());
    let text = format!("{values}{now_values}{now_tables}{tables}");
    let expected = Config::from_toml(&text).unwrap();
    assert_eq!((expected.ema_decay, expected.guard.max_rollbacks, expected.quantise.tune), (0.5, 2, 12));
    let mut old = text;
    for (now, before) in spellings {
        let lines = [format!("\n{now} = "), format!("[{now}]"), format!(".{now}]"), format!("{{ {now} = ")];
        assert!(lines.iter().any(|line| old.contains(line)), "{now}");
        for line in lines {
            old = old.replace(&line, &line.replace(now, before));
        }
    }
    let read = Config::from_toml(&old).unwrap();
    assert_eq!(read, expected);
    let written = read.to_toml();
    assert_eq!(written, expected.to_toml());
    for (now, before) in spellings {
        assert!(written.contains(now), "{now}");
        // The recipe itself has a key of that name.
        if before == "loss" {
            continue;
        }
        assert!(!written.contains(&format!("\n{before} = ")) && !written.contains(&format!("{before}]")), "{before}");
    }
}

/// A recipe that contains every table, and both optimisers.
fn full() -> toml::Value {
    let mut config = Config::preset("pocket").unwrap();
    let tutorial = Config::preset("tutorial").unwrap();
    config.discriminator.optimiser = tutorial.discriminator.optimiser;
    config.penalty = Some(Penalty { real: 1.0, generated: 2.0, every: 4 });
    config.guard.patience = 7;
    toml::Value::Table(config.to_toml().parse().unwrap())
}

/// Calls `f` with every table of a recipe: its keys, its path, and a function that finds it in a copy of the recipe.
fn each_table(
    kind: &keys::Kind,
    value: &toml::Value,
    path: &mut Vec<String>,
    f: &mut dyn FnMut(&keys::Table, &[String]),
) {
    use keys::Kind;
    match kind {
        Kind::Table(table) => {
            f(table, path);
            for key in &table.keys {
                if let Some(inner) = value.get(&key.name) {
                    path.push(key.name.clone());
                    each_table(&key.kind, inner, path, f);
                    path.pop();
                }
            }
        }
        Kind::Rules(tables) => {
            let rule = value["rule"].as_str();
            f(tables.iter().find(|table| Some(table.name) == rule).expect("a rule is known"), path);
        }
        Kind::List(inner) => {
            for (i, value) in value.as_array().unwrap().iter().enumerate() {
                path.push(i.to_string());
                each_table(inner, value, path, f);
                path.pop();
            }
        }
        _ => {}
    }
}

fn at<'a>(value: &'a mut toml::Value, path: &[String]) -> &'a mut toml::Value {
    path.iter().fold(value, |value, step| match step.parse::<usize>() {
        Ok(index) => &mut value[index],
        Err(_) => &mut value[step.as_str()],
    })
}

fn read(value: &toml::Value) -> Result<Config> {
    Ok(toml::from_str(&toml::to_string(value)?)?)
}

#[test]
fn serde_knows_exactly_the_keys_that_are_documented() {
    let full = full();
    let mut tables = Vec::new();
    each_table(&Config::kind(), &full, &mut Vec::new(), &mut |table, path| tables.push((table.clone(), path.to_vec())));
    for (table, path) in &tables {
        let place = format!("{} ({})", path.join("."), table.name);
        assert!(table.keys.iter().all(|key| !key.about.is_empty()), "{place}: a key without documentation");
        // Serde's error message lists the keys that it expects, earlier spellings included.
        let mut wrong = full.clone();
        at(&mut wrong, path).as_table_mut().unwrap().insert("no_such_key".into(), 1.into());
        let error = read(&wrong).unwrap_err().to_string();
        let expected = error.split_once("expected one of ").or(error.split_once("expected ")).expect(&error).1;
        let mut expected: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let mut documented: Vec<&str> = table.keys.iter().map(|key| key.name.as_str()).collect();
        documented.extend(table.keys.iter().flat_map(|key| &key.old).map(String::as_str));
        // The tag of a table of rules is read before its keys.
        documented.retain(|key| *key != "rule");
        expected.sort_unstable();
        documented.sort_unstable();
        assert_eq!(expected, documented, "{place}");
    }
    for name in [
        "Config",
        "Every",
        "Guard",
        "Labels",
        "Penalty",
        "Augment",
        "SmallDataset",
        "Quantise",
        "NetworkConfig",
        "Layer",
    ] {
        assert!(tables.iter().any(|(table, _)| table.name == name), "{name} is in no table");
    }
    for name in ["adam", "rms_prop"] {
        assert!(tables.iter().any(|(table, _)| table.name == name), "{name} is in no table");
    }
}

#[test]
fn defaults_are_what_is_documented() {
    let full = full();
    each_table(&Config::kind(), &full, &mut Vec::new(), &mut |table, path| {
        let is_dense = at(&mut full.clone(), path).get("op").and_then(toml::Value::as_str) == Some("dense");
        for key in &table.keys {
            let place = format!("{}.{}", path.join("."), key.name);
            let mut without = full.clone();
            at(&mut without, path).as_table_mut().unwrap().remove(&key.name);
            match key.default.as_deref() {
                None => assert!(read(&without).is_err(), "{place} is documented as required, and is not"),
                // A dense layer has neither stride nor padding, so these keys are refused there.
                Some(_) if is_dense && ["stride", "padding"].contains(&key.name.as_str()) => {}
                Some(default) => {
                    let left_out = read(&without).unwrap_or_else(|e| panic!("{place} is documented as optional: {e}"));
                    if default != "none" {
                        let value = format!("x = {default}").parse::<toml::Table>().expect(&place).remove("x").unwrap();
                        at(&mut without, path).as_table_mut().unwrap().insert(key.name.clone(), value);
                        let given = read(&without).unwrap();
                        assert_eq!(networks_of(&given), networks_of(&left_out), "{place}");
                    }
                }
            }
        }
    });
}

/// A recipe and the layers made from it. Comparing the layers makes `stride = 1` equal to no `stride`.
fn networks_of(config: &Config) -> (Config, Vec<crate::nn::BlockSpec>) {
    let mut rest = config.clone();
    let mut blocks = rest.generator.blocks().unwrap();
    blocks.extend(rest.discriminator.blocks().unwrap());
    rest.generator.layers.clear();
    rest.discriminator.layers.clear();
    (rest, blocks)
}

#[test]
fn words_are_those_that_serde_knows() {
    use keys::{Kind, Setting};
    fn check<T: Setting + serde::de::DeserializeOwned>(name: &str) {
        #[derive(serde::Deserialize)]
        struct Holder<T> {
            #[allow(dead_code, reason = "only whether it is read matters")]
            x: T,
        }
        let (Kind::Words(words) | Kind::WordsOr(words, _)) = T::kind() else { panic!("{name} has no words") };
        let Err(error) = toml::from_str::<Holder<T>>("x = \"no_such_word\"") else { panic!("{name}") };
        let error = error.to_string();
        let expected = error.split_once("expected ").expect(&error).1;
        let expected: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let mut documented: Vec<String> = words.iter().map(|word| word.name.clone()).collect();
        if let Kind::WordsOr(_, table) = T::kind() {
            documented.extend(table.keys.iter().map(|key| key.name.clone()));
        }
        documented.sort();
        let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
        expected.sort();
        assert_eq!(documented, expected, "{name}");
        assert!(words.iter().all(|word| !word.about.is_empty()), "{name}: a word without documentation");
    }
    check::<Range>("Range");
    check::<OpName>("OpName");
    check::<ActivationName>("ActivationName");
    check::<gen_core::Padding>("Padding");
    check::<Loss>("Loss");
    check::<Kernels>("Kernels");
    check::<Precision>("Precision");
    check::<Fallback>("Fallback");
    check::<Init>("Init");
    for range in [Range::Symmetric, Range::Unit] {
        assert_eq!(range.to_string().parse(), Ok(range));
        assert!(toml::to_string(&std::collections::BTreeMap::from([("x", range)])).unwrap().contains(range.name()));
    }
}

#[test]
fn the_page_of_keys_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recipe-keys.md");
    let page = std::fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    assert_eq!(page, keys_page(), "write it again: cargo run -p trainer -- presets --keys > docs/recipe-keys.md");
}

#[test]
fn every_key_in_a_preset_has_a_comment() {
    for (name, text) in PRESETS {
        let mut before = "";
        for (i, line) in text.lines().enumerate() {
            let is_key = line.split_once(" = ").is_some_and(|(key, _)| !key.starts_with([' ', '#', '{']));
            assert!(!is_key || before.starts_with('#') || line.contains(" # "), "{name}, line {}: {line}", i + 1);
            before = line;
        }
    }
}

#[test]
fn single_keys_are_set() {
    let pocket = || Config::preset("pocket").unwrap();
    let with = |settings: &[&str]| pocket().with(settings).unwrap();
    assert_eq!(with(&[]), pocket());
    assert_eq!(with(&["batch=64"]), Config { batch: 64, ..pocket() });
    assert_eq!(with(&["batch = 64", "steps=20_000", "batch=16"]).batch, 16, "the last one counts");
    assert_eq!(with(&["name=mine", "about=what it is for"]).about, "what it is for");
    assert_eq!(with(&["name=\"mine\""]).name, "mine");
    assert_eq!(with(&["name=007"]).name, "007");
    assert_eq!(with(&["ema=0"]).ema_decay, 0.0, "an earlier spelling, and a number without a point");
    assert!(!with(&["shuffle=false"]).shuffle);
    assert_eq!(with(&["every.pair=7"]).every.pair, Some(7));
    assert_eq!(with(&["every.measure=none"]).every.measure, None);
    assert_eq!(with(&["few=none"]).small_dataset, None);
    assert_eq!(
        with(&["guard.patience=9"]).guard,
        Guard { patience: 9, ..Guard::default() },
        "a table that was not there"
    );
    assert_eq!(with(&["guard.rate=0.25"]).guard.lr_factor, 0.25);
    assert_eq!(
        with(&["augment={ flip = true, colour = true }"]).augment,
        Augment { flip: true, colour: true, ..Augment::default() }
    );
    assert_eq!(with(&["init=glorot_uniform"]).init, Init::GlorotUniform);
    assert_eq!(with(&["init.normal=0.05"]).init, Init::Normal(0.05));
    assert_eq!(with(&["init=glorot_uniform", "init.normal=0.5"]).init, Init::Normal(0.5));
    assert_eq!(with(&["init={ normal = 1 }"]).init, Init::Normal(1.0));
    assert_eq!(with(&["init.normal=0.5", "init.smooth=0.02"]).init, Init::Smooth(0.02));
    let penalty = Penalty { real: 0.5, generated: 0.0, every: 4 };
    assert_eq!(with(&["penalty.real=0.5", "penalty.every=4"]).penalty, Some(penalty));
    assert_eq!(with(&["loss=hinge"]).loss, Loss::Hinge);
    for path in ["generator.layers[1].channels=8", "generator.layers.1.channels=8"] {
        assert_eq!(with(&[path]).generator.layers[1].channels, 8);
    }
    assert_eq!(with(&["generator.layers[1].padding=same"]).generator.layers[1].padding, Some(gen_core::Padding::Same));
    let rates = with(&["generator.optimizer.lr=1e-4", "discriminator.optimiser.lr=4e-4"]).to_toml();
    assert!(rates.contains("lr = 0.0001") && rates.contains("lr = 0.0004"), "{rates}");
    let rule = "generator.optimizer={ rule = \"rms_prop\", lr = 1e-3, rho = 0.9, epsilon = 1e-7, clip = 0, decay = 0 }";
    assert!(with(&[rule]).to_toml().contains("rms_prop"));
    // Sets a whole list at once.
    let larger = ["generator.layers[0].size=[8, 8]", "generator.layers[1].stride=1"];
    assert_eq!(with(&larger).generator.layers[0].size, Some([8, 8]));
}

#[test]
fn settings_that_make_no_sense_are_explained() {
    let cases: [(&[&str], &[&str]); 24] = [
        (&["batch"], &["--set batch", "KEY=VALUE"]),
        (&["batsch=3"], &["--set batsch=3", "no key `batsch`", "did you mean `batch`?"]),
        (&["decay_form=0.5"], &["did you mean `lr_decay_start`?"]),
        (&["zzzzzzzzzz=1"], &["no key `zzzzzzzzzz`; it has name, about, seed"]),
        (&["generator.optimizer.lrr=1"], &["`generator.optimizer` has no key `lrr`", "did you mean `lr`?"]),
        (&["batch=many"], &["`batch` has to be a whole number, not many"]),
        (&["batch=-1"], &["`batch` has to be a whole number"]),
        (&["batch=1.5"], &["`batch` has to be a whole number"]),
        (&["batch="], &["`batch` has to be a whole number"]),
        (&["shuffle=yes"], &["`shuffle` has to be true or false, not yes"]),
        (&["loss=wasserstein"], &["`loss` has to be one of bce, hinge, relativistic, or none"]),
        (&["every=5"], &["`every` has to be a table, as in { log = ... }"]),
        (&["generator.layers[9].channels=3"], &["`generator.layers` has 5 entries", "no [9]"]),
        (&["generator.layers.channels=3"], &["`generator.layers[0].channels`"]),
        (&["generator.layers[1.channels=3"], &["the closing ] is missing"]),
        (&["batch.size=3"], &["`batch` is a whole number; it has no keys"]),
        (&["init=zeros"], &["`init` has to be glorot_uniform, or a table, as in { normal = ... }"]),
        (&["penalty.real=1"], &["with --set penalty.real=1", "every"]),
        (&["batch=64", "batch=1"], &["with --set batch=64 --set batch=1", "batch: 2 to 4096"]),
        (&["augment={ flop = true }"], &["flop"]),
        (&["discriminator.layers[1].batch_norm=true"], &["layer 1 (conv)", "one of `batch_norm` and `layer_norm`"]),
        (
            &[
                "discriminator.layers[1].layer_norm=false",
                "discriminator.layers[1].batch_norm=true",
                "joint_batch_norm=5",
                "penalty={ real = 1.0, every = 4 }",
            ],
            &["penalty: not together with joint_batch_norm"],
        ),
        (&["discriminator.layers[3].layer_norm=true"], &["discriminator: layer_norm", "a single value"]),
        (
            &["generator.layers[0].batch_norm=false", "generator.layers[0].layer_norm=true"],
            &["generator: layer_norm is for the discriminator"],
        ),
    ];
    for (settings, expected) in cases {
        let error = format!("{:#}", Config::preset("pocket").unwrap().with(settings).unwrap_err());
        for part in expected {
            assert!(error.contains(part), "{settings:?}: no {part} in {error}");
        }
    }
}
