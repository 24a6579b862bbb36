//! Files of other programs and exported files draw the same pictures everywhere.

use super::*;

#[test]
fn what_keras_and_pytorch_wrote_draws_the_same_pictures() {
    for (file, network, layout, epsilon, normalisations) in [
        ("keras-tutorial", "tutorial-64", Layout::Hwio, 1e-3, 0),
        ("keras-pocket", "pocket-4", Layout::Hwio, 1e-3, 4),
        ("pytorch-tutorial", "tutorial-64", Layout::Oihw, 1e-5, 0),
        ("pytorch-pocket", "pocket-4", Layout::Oihw, 1e-5, 4),
    ] {
        let tensors = Tensors::read(&fixture(&format!("{file}.safetensors"))).unwrap();
        let config = config(&format!("{network}.toml"));
        let options = Options { bn_epsilon: epsilon, ..Options::new(layout.into()) };
        let imported = import(&tensors, &config, &options).unwrap();
        assert_eq!(imported.normalisations, normalisations);
        let check = imported.check.unwrap();
        assert!(check.pictures == 2 && check.worst < 5e-6, "{file}: {check:?}");
        let spread = tensors.map["check.image"].std(0.0);
        assert!(spread > 0.1, "{file}: pictures of one colour would prove nothing ({spread})");

        // A wrong picture, a wrong weight and a wrong order are noticed.
        let mut wrong = tensors.clone();
        wrong.map.get_mut("check.image").unwrap()[[1, 2, 2, 2]] += 2.0 * f64::from(TOLERANCE);
        assert!(error(&wrong, &config, &options).contains("differ from our pictures"));
        let mut wrong = tensors.clone();
        wrong.map.get_mut("generator.0.weight").unwrap().mapv_inplace(|w| 1.1 * w);
        assert!(error(&wrong, &config, &options).contains("differ from our pictures"));
        let dense = if layout == Layout::Hwio { DenseOrder::Chw } else { DenseOrder::Hwc };
        let other = Options { dense: Some(dense), ..options.clone() };
        assert!(error(&tensors, &config, &other).contains("--dense"));
        let other = LAYOUTS.into_iter().find(|&l| l != layout).unwrap();
        let message = error(&tensors, &config, &Options { layout: Some(other), ..options.clone() });
        assert!(message.contains("Everything fits with the layout"), "{message}");

        // The headers of these files are empty; the shapes determine the layout.
        assert!(tensors.header.is_empty());
        let found = import(&tensors, &config, &Options { layout: None, dense: None, ..options }).unwrap();
        assert_eq!((found.format, found.evidence), (layout.into(), Evidence::Shapes));
        assert_eq!((found.model, found.check), (imported.model, imported.check));
    }
}

/// Files that the scripts made of typical networks, which are in `tests/interop/make.py`.
const NETWORKS: [&str; 9] = [
    "pytorch-dcgan",
    "pytorch-conditional",
    "pytorch-rectangle",
    "pytorch-upsampling",
    "pytorch-odd",
    "pytorch-lists",
    "keras-upsampling",
    "keras-lists",
    "keras-nested",
];

/// Imports a file of a script with nothing but the recipe that the script printed.
fn check_network(folder: &Path, name: &str) {
    let tensors = Tensors::read(&folder.join(format!("{name}.safetensors"))).unwrap();
    let config = Config::from_toml(&fs::read_to_string(folder.join(format!("{name}.toml"))).unwrap()).unwrap();
    let imported = import(&tensors, &config, &Options::default()).unwrap();
    let check = imported.check.unwrap();
    // With classes at least one picture of each.
    assert!(
        check.pictures == if name.ends_with("conditional") { 3 } else { 2 } && check.worst < 5e-6,
        "{name}: {check:?}"
    );
    assert_eq!((imported.evidence, imported.normalisations), (Evidence::Header, 0));
    let spread = tensors.map["check.image"].std(0.0);
    assert!(spread > 0.1, "{name}: pictures of one colour would prove nothing ({spread})");
    quantise(&imported.model).unwrap().to_blob().unwrap();
}

#[test]
fn networks_as_people_have_them_draw_the_same_pictures() {
    NETWORKS.into_iter().for_each(|name| check_network(&fixture(""), name));
}

/// Runs the scripts if Python (`RIBBIT_PYTHON`, otherwise `python3`) has the packages that they need.
#[test]
fn the_scripts_fold_what_they_can_and_refuse_the_rest_by_name() {
    let python = std::env::var("RIBBIT_PYTHON").unwrap_or_else(|_| "python3".into());
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
        command.output().map_or((false, "it is not there".to_owned()), |output| {
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        })
    };
    let make = fixture("make.py");
    let folder = tempfile::tempdir().unwrap();
    for (kind, needed) in [
        ("pytorch", "import torch, safetensors, numpy"),
        ("keras", "import keras, safetensors, numpy, h5py; assert keras.backend.backend() != 'torch'"),
    ] {
        // Chooses the backend as the script does.
        let choose = "import importlib.util as i, os; os.environ.setdefault('KERAS_BACKEND', \
                      'tensorflow' if i.find_spec('tensorflow') else 'jax');";
        let (is_there, why) = run(&["-c", &format!("{choose} {needed}")]);
        if !is_there {
            // Not `eprintln!`, whose output is only shown if a test fails.
            let why = why.lines().last().unwrap_or_default().to_owned();
            let line = format!("LEFT OUT: trainer/interop/{kind}_to_safetensors.py was not run by {python}: {why}\n");
            std::io::stderr().write_all(line.as_bytes()).unwrap();
            continue;
        }
        let (good, text) = run(&[make.to_str().unwrap(), kind]);
        assert!(good, "{text}");
        let (good, text) = run(&[make.to_str().unwrap(), kind, folder.path().to_str().unwrap()]);
        assert!(good, "{text}");
        NETWORKS.iter().filter(|name| name.starts_with(kind)).for_each(|name| check_network(folder.path(), name));
    }
}

#[test]
fn export_and_import_give_back_every_bit() {
    let presets = PRESETS.iter().map(|(name, _)| Config::preset(name).unwrap());
    for config in presets.chain(odd()).chain(conditional()) {
        let model = generator(&config, 1);
        for layout in LAYOUTS {
            let tensors = written(&to_safetensors(&model, layout).unwrap());
            let imported = import(&tensors, &config, &Options::new(layout.into())).unwrap();
            assert_eq!(imported.check.unwrap().worst, 0.0);
            // No weight is NaN or -0, so equal numbers are equal bits.
            assert_eq!(imported.model, model, "{} {layout:?}", config.name);
            let by_header = import(&tensors, &config, &Options::default()).unwrap();
            assert_eq!((by_header.format, by_header.evidence), (layout.into(), Evidence::Header));
            assert_eq!(by_header.model, model, "{} {layout:?}", config.name);
        }
    }
}

#[test]
fn a_runtime_of_others_draws_the_exported_onnx_alike() {
    let presets = PRESETS.iter().map(|(name, _)| (Config::preset(name).unwrap(), 2));
    let others = odd().into_iter().chain(conditional()).map(|config| (config, 5));
    for (config, count) in presets.chain(others) {
        let model = generator(&config, 2);
        // Classes take turns, so every class is drawn.
        let seeds: Vec<_> = (0..count).map(|seed| model.input().latent_of(seed)).collect();
        let ours = model.outputs(model.input().batch(seeds.iter().cloned()).view());

        let onnx = rten::Model::load(to_onnx(&model)).unwrap();
        let latents = latent_batch(seeds.iter().cloned(), model.latent);
        let latents =
            rten_tensor::NdTensor::from_data([latents.nrows(), latents.ncols()], latents.into_raw_vec_and_offset().0);
        let mut inputs = vec![(onnx.node_id("latent").unwrap(), latents.into())];
        assert_eq!(onnx.input_ids().len(), 1 + usize::from(model.classes.is_some()));
        if model.classes.is_some() {
            let classes: Vec<_> = seeds.iter().map(|latent| i32::from(latent.class().nearest())).collect();
            let classes = rten_tensor::NdTensor::from_data([classes.len()], classes);
            inputs.push((onnx.node_id("class").unwrap(), classes.into()));
        }
        let [output] = onnx.run_n(inputs, [onnx.node_id("image").unwrap()], None).unwrap();
        let output: rten_tensor::NdTensor<f32, 4> = output.try_into().unwrap();
        let (n, height, width, channels) = ours.dim();
        assert_eq!(output.shape(), [n, channels, height, width]);
        let theirs = Array4::from_shape_vec((n, channels, height, width), output.to_vec()).unwrap();
        let theirs = theirs.permuted_axes([0, 2, 3, 1]);
        let worst = worst(ours.view(), theirs.view());
        println!("{} {height}x{width}: {worst:.2e}", config.name);
        assert!(worst < 1e-5, "{}: {worst}", config.name);
        assert!(ours.std(0.0) > 0.1, "{}: pictures of one colour would prove nothing", config.name);
    }
}

fn worst(a: ArrayView4<'_, f32>, b: ArrayView4<'_, f32>) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_program_imports_and_exports() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_trainer")).args(arguments).current_dir(&folder).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    };
    let path = |name: &str| fixture(name).to_str().unwrap().to_owned();
    let (keras, recipe) = (path("keras-pocket.safetensors"), path("pocket-4.toml"));
    let import = ["import", &keras, "--layout", "hwio", "--config", &recipe, "--bn-epsilon", "1e-3", "-o", "keras.gen"];
    let (good, text) = run(&import);
    assert!(
        good && text.contains("largest difference") && text.contains("PSNR") && text.contains("are equal"),
        "{text}"
    );
    assert!(run(&["inspect", "keras.gen"]).0);

    // The file may determine the layout. The network is never guessed, and a refused file writes no model.
    let (good, text) = run(&[&["import", &keras], &import[4..]].concat());
    assert!(good && text.contains("layout: hwio, dense hwc, the only one that all shapes fit"), "{text}");
    let (good, text) = run(&["import", &keras, "--layout", "hwio"]);
    assert!(!good && text.contains("--preset") && text.contains("--config"), "{text}");
    let (good, text) = run(&["import", &keras, "--preset", "pocket", "--config", &recipe]);
    assert!(!good && text.contains("cannot be used with"), "{text}");
    let (good, text) = run(&["import", &keras, "--layout", "hwio", "--preset", "pocket", "-o", "none.gen"]);
    assert!(!good && text.contains("needs [32, 768]") && !folder.path().join("none.gen").exists(), "{text}");
    let (good, text) = run(&["import", "model.h5", "--layout", "hwio", "--preset", "pocket"]);
    assert!(!good && text.contains("model.h5"), "{text}");
    // Values below 0 are black, in Keras's pictures as in those of this program.
    let (good, text) = run(&[&import[..8], &["--range", "unit", "-o", "unit.gen"]].concat());
    assert!(good && text.contains("largest difference"), "{text}");
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_ne!(read("unit.gen"), read("keras.gen"));

    let config = config("pocket-4.toml");
    let state = Trainer::new(config.clone()).unwrap().state;
    let checkpoint = Checkpoint {
        config,
        state,
        pending: Pending::default(),
        seconds: 0.0,
        data: "0".into(),
        health: Default::default(),
    };
    fs::write(folder.path().join("a.ckpt"), checkpoint.encode().unwrap()).unwrap();
    let (good, text) = run(&["export", "a.ckpt"]);
    assert!(!good && text.contains("--safetensors") && text.contains("--onnx"), "{text}");
    let (good, text) = run(&["import", "a.ckpt", "--preset", "pocket"]);
    assert!(!good && text.contains("a checkpoint of Ribbit") && text.contains("trainer quantize"), "{text}");
    let (good, text) = run(&["export", "a.ckpt", "--safetensors", "a.safetensors", "--onnx", "a.onnx"]);
    assert!(good, "{text}");
    assert!(rten::Model::load_file(folder.path().join("a.onnx")).is_ok());
    let header = read("a.safetensors");
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&header).unwrap();
    let metadata = metadata.metadata().as_ref().unwrap();
    let said = ["preset", "layout", "dense", "range"].map(|key| &*metadata[key]);
    assert_eq!(said, ["pocket-4", "oihw", "chw", "symmetric"]);
    // Quantising directly and quantising the exported file give the same model.
    let (good, text) = run(&["import", "a.safetensors", "--config", &recipe, "-o", "b.gen"]);
    assert!(good && text.contains("layout: oihw, dense chw, as the header of the file says"), "{text}");
    assert!(good && text.contains("0.00e0 is the largest difference"), "{text}");
    assert!(run(&["quantize", "a.ckpt", "-o", "a.gen"]).0);
    assert_eq!(read("a.gen"), read("b.gen"));
}
