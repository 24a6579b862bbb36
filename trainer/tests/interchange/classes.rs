//! Generators with classes: their vectors, names and pictures.

use super::*;

/// A generator of [`conditional`], and its file.
fn exported() -> (Config, FloatModel, Tensors) {
    let config = conditional().remove(0);
    let model = generator(&config, 5);
    let file = written(&to_safetensors(&model, Layout::Oihw).unwrap());
    (config, model, file)
}

/// The same recipe without classes, as for a file that brings its own.
fn without_classes(config: &Config) -> Config {
    Config { class_names: Vec::new(), class_embedding: 8, ..config.clone() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn names_come_from_options_the_recipe_the_header_or_numbers() {
    let (config, model, file) = exported();
    assert_eq!(file.header["classes"], "frog\nжаба\na, b");
    assert_eq!(file.map["class_embedding"].shape(), [3, 5]);
    let read = |file: &Tensors, config: &Config, options: &Options| import(file, config, options).unwrap().model;
    let mut other = config.clone();
    other.class_names = names(&["x", "y", "z"]);
    let named = |model: FloatModel| model.classes.unwrap().names;
    assert_eq!(named(read(&file, &other, &Options::default())), ["x", "y", "z"]);
    let plain = without_classes(&config);
    assert_eq!(read(&file, &plain, &Options::default()), model);
    let told = Options { class_names: names(&["1", "2", "3"]), ..Options::default() };
    assert_eq!(named(read(&file, &other, &told)), ["1", "2", "3"]);
    let mut bare = file.clone();
    bare.header.remove("classes");
    assert_eq!(named(read(&bare, &plain, &Options::default())), ["0", "1", "2"]);

    // The array under other names, as PyTorch and Keras have it.
    for (stored, option, prefix) in [
        ("class_embedding.weight", None, ""),
        ("embed.weight", Some("embed"), ""),
        ("embed.weight", Some("embed.weight"), ""),
        ("netG/embedding/embeddings", Some("netG/embedding/embeddings"), ""),
        ("generator.embed.weight", Some("embed"), "generator."),
        ("class_embedding", None, "generator."),
    ] {
        let mut moved = file.clone();
        let vectors = moved.map.remove("class_embedding").unwrap();
        moved.map.insert(stored.into(), vectors);
        let class_embedding = option.map(str::to_owned);
        let options = Options { class_embedding, prefix: prefix.into(), ..Options::default() };
        assert_eq!(read(&moved, &config, &options), model, "{stored}");
    }
}

/// Vectors of any size draw the pictures that the other program draws, before they are rounded to the steps of the device.
/// What is out of the range of these steps is scaled down, and the weights that read it are scaled up.
#[test]
fn vectors_out_of_range_are_scaled() {
    for config in conditional() {
        let model = generator(&config, 5);
        let file = written(&to_safetensors(&model, Layout::Oihw).unwrap());
        let format = Format::from(Layout::Oihw);
        let mut large = file.clone();
        large.map.get_mut("class_embedding").unwrap().mapv_inplace(|v| 8.0 * v);
        let name = "generator.0.weight";
        let first = &model.layers[0];
        let mapping = trainer::interchange::layout::Mapping::weights(first.spec.op, &first.geometry, format);
        let mut weights = first.weights.clone();
        trainer::classes::scale_class_weights(weights.view_mut(), model.latent, &[0.125; 5]);
        let values = mapping.to_file(weights.as_slice().unwrap()).into_iter().map(f64::from).collect();
        large.map.insert(name.into(), ArrayD::from_shape_vec(mapping.shape(), values).unwrap());
        let imported = import(&large, &config, &Options::default()).unwrap();
        assert!(imported.check.unwrap().worst < 1e-6, "{:?}", imported.check);

        let (rows, before) = (imported.model.classes.clone().unwrap().rows, model.classes.clone().unwrap().rows);
        for (column, was) in rows.columns().into_iter().zip(before.columns()) {
            let reach = |column: ndarray::ArrayView1<'_, i8>| column.iter().map(|v| v.unsigned_abs()).max().unwrap();
            // Eight times the old numbers are out of range if the largest was over 15.
            let expected = if reach(was) > 15 { 127 } else { 8 * reach(was) };
            assert_eq!(reach(column), expected);
        }
        let latents: Vec<_> = (0..6).map(|seed| model.input().latent_of(seed)).collect();
        let [ours, theirs] =
            [&imported.model, &model].map(|model| model.outputs(model.input().batch(latents.iter().cloned()).view()));
        let worst = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Up to half a step of 1/32 in each of five numbers, of which a step is at most as large as before.
        assert!(worst < 0.1, "{worst}");

        // Weights that are no numbers once they are scaled.
        let mut huge = file.clone();
        huge.map.remove("check.latent");
        huge.map.remove("check.image");
        huge.map.get_mut("class_embedding").unwrap().mapv_inplace(|v| 1e37 * v);
        huge.map.get_mut(name).unwrap().mapv_inplace(|v| 1e5 * v);
        assert!(error(&huge, &config, &Options::default()).contains("the class vectors are so large"));
    }
}

#[test]
fn what_does_not_fit_the_classes_is_named() {
    let (config, _, file) = exported();
    let plain = without_classes(&config);
    let zeros = |shape: &[usize]| ArrayD::<f64>::zeros(shape.to_vec());
    type Change<'a> = &'a dyn Fn(&mut Tensors);
    let told = |option: &str| Options { class_embedding: Some(option.into()), ..Options::default() };
    let cases: [(&Config, Options, Change<'_>, &str); 13] = [
        (
            &config,
            Options::default(),
            &|f| drop(f.map.remove("class_embedding")),
            "class_embedding is missing: the 3 classes of the configuration need [3, 5] (classes, numbers of each)",
        ),
        (&plain, told("embed"), &|_| {}, "there is no array \"embed\", which --class-embedding names"),
        (
            &config,
            Options::default(),
            &|f| drop(f.map.insert("class_embedding".into(), zeros(&[4, 5]))),
            "class_embedding of the shape [4, 5] has the vectors of 4 classes, and the configuration names 3",
        ),
        (
            &plain,
            Options::default(),
            &|f| drop(f.map.insert("class_embedding".into(), zeros(&[4, 5]))),
            "and the header of the file names 3",
        ),
        (
            &config,
            Options::default(),
            &|f| drop(f.map.insert("class_embedding".into(), zeros(&[3, 6]))),
            "generator.0.weight has the shape [192, 37], layer 0 (dense) needs [192, 38]",
        ),
        (
            &plain,
            Options::default(),
            &|f| drop(f.map.insert("class_embedding".into(), zeros(&[3]))),
            "is no table of class vectors",
        ),
        (
            &plain,
            Options::default(),
            &|f| drop(f.map.insert("class_embedding".into(), zeros(&[3, 65]))),
            "1 to 64 numbers for a class are possible, not 65",
        ),
        (
            &plain,
            Options::default(),
            &|f| drop(f.map.insert("class_embedding".into(), zeros(&[65, 3]))),
            "2 to 64 classes are possible, not 65",
        ),
        (
            &plain,
            Options::default(),
            &|f| drop(f.header.insert("classes".into(), "a\na\nb".into())),
            "two classes are called a",
        ),
        (
            &plain,
            Options::default(),
            &|f| f.map.get_mut("class_embedding").unwrap()[[1, 2]] = f64::NAN,
            "class_embedding: 1 of its 15 values are not finite",
        ),
        (
            &config,
            Options::default(),
            &|f| drop(f.map.remove("check.class")),
            "check.class is missing: check.image needs the class of each picture",
        ),
        (
            &config,
            Options::default(),
            &|f| f.map.get_mut("check.class").unwrap()[[0]] = 3.0,
            "check.class: 3 is none of the classes 0 to 2",
        ),
        (
            &config,
            Options::default(),
            &|f| f.map.get_mut("check.class").unwrap()[[0]] = 0.5,
            "check.class: 0.5 is none of the classes",
        ),
    ];
    for (config, options, change, expected) in cases {
        let mut bad = file.clone();
        change(&mut bad);
        let message = error(&bad, config, &options);
        assert!(message.contains(expected), "{expected}\n\n{message}");
    }
    // A wrong class draws another picture.
    let mut bad = file.clone();
    bad.map.get_mut("check.class").unwrap().mapv_inplace(|v| (v + 1.0) % 3.0);
    assert!(error(&bad, &config, &Options::default()).contains("differ from our pictures"));

    // A generator without classes.
    let unconditional = written(&to_safetensors(&generator(&plain, 1), Layout::Oihw).unwrap());
    let options = Options { class_names: names(&["a", "b"]), ..Options::default() };
    assert!(error(&unconditional, &plain, &options).contains("--class-embedding says which array that is"));
    let mut bad = unconditional;
    bad.map.insert("check.class".into(), zeros(&[2]));
    assert!(error(&bad, &plain, &Options::default()).contains("the generator has no classes"));
}

#[test]
fn onnx_names_the_classes_in_its_metadata() {
    let (_, model, _) = exported();
    let bytes = to_onnx(&model);
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("frog\nжаба\na, b") && has("class_embedding.weight"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conditional.onnx");
    fs::write(&path, &bytes).unwrap();
    assert!(rten::Model::load_file(path).is_ok());
}

#[test]
fn the_program_exports_and_imports_classes() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_trainer")).args(arguments).current_dir(&folder).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        text
    };
    let mut config = conditional().remove(0);
    config.class_names = names(&["frog", "toad", "newt"]);
    // `import` does not fine-tune.
    config.quantise = Default::default();
    let mut state = Trainer::new(config.clone()).unwrap().state;
    // As after training: larger weights than the initial ones, and class vectors out of the range of the steps.
    state.average.iter_mut().for_each(|p| *p *= 4.0);
    let plain = without_classes(&config);
    fs::write(folder.path().join("plain.toml"), plain.to_toml()).unwrap();
    let (pending, seconds, data, health) = (Pending::default(), 0.0, "0".into(), Default::default());
    let checkpoint = Checkpoint { config, state, pending, seconds, data, health };
    fs::write(folder.path().join("a.ckpt"), checkpoint.encode().unwrap()).unwrap();
    run(&["export", "a.ckpt", "--safetensors", "a.safetensors", "--onnx", "a.onnx"]);
    assert!(rten::Model::load_file(folder.path().join("a.onnx")).is_ok());
    let text = run(&["import", "a.safetensors", "--config", "plain.toml", "-o", "b.gen"]);
    assert!(text.contains("classes: 3 (frog, toad, newt), 5 numbers each"), "{text}");
    assert!(text.contains("0.00e0 is the largest difference over 3 pictures"), "{text}");
    // The same integers as without the detour.
    run(&["quantize", "a.ckpt", "-o", "a.gen"]);
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert!(read("a.gen") == read("b.gen"));
    let text = run(&["import", "a.safetensors", "--config", "plain.toml", "--class-names", "a,b,c", "-o", "c.gen"]);
    assert!(text.contains("classes: 3 (a, b, c)"), "{text}");
}
