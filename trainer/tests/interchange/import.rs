//! What import accepts, how it finds names and layouts, and what its errors say.

use super::*;

/// Weights of 16 bits are rounded, so pictures differ within a larger tolerance.
#[test]
fn half_precision_is_taken_with_its_proof() {
    let good = Tensors::read(&fixture("pytorch-dcgan.safetensors")).unwrap();
    let config = config("pytorch-dcgan.toml");
    let plain = import(&good, &config, &Options::default()).unwrap();
    assert_eq!(plain.check.unwrap().tolerance, TOLERANCE);
    for half in [Half::F16, Half::BF16] {
        let rounded = |value: f32| match half {
            Half::F16 => f32::from(half::f16::from_f32(value)),
            Half::BF16 => f32::from(half::bf16::from_f32(value)),
        };
        let (dtype, bits): (_, fn(f32) -> u16) = match half {
            Half::F16 => (safetensors::Dtype::F16, |v| half::f16::from_f32(v).to_bits()),
            Half::BF16 => (safetensors::Dtype::BF16, |v| half::bf16::from_f32(v).to_bits()),
        };
        // As PyTorch saves it: weights in 16 bits, check pictures in float32; then both in 16 bits.
        for is_half in [|name: &str| name.starts_with("generator."), |_: &str| true] {
            let arrays: Vec<(&String, Vec<usize>, safetensors::Dtype, Vec<u8>)> = (good.map.iter())
                .map(|(name, array)| {
                    let values = array.iter().map(|&v| v as f32);
                    let shape = array.shape().to_vec();
                    match is_half(name) {
                        true => (name, shape, dtype, values.flat_map(|v| bits(v).to_le_bytes()).collect()),
                        false => (name, shape, safetensors::Dtype::F32, values.flat_map(f32::to_le_bytes).collect()),
                    }
                })
                .collect();
            let views = arrays.iter().map(|(name, shape, dtype, bytes)| {
                (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).unwrap())
            });
            let header = good.header.clone().into_iter().collect();
            let read = written(&safetensors::serialize(views, Some(header)).unwrap());
            let imported = import(&read, &config, &Options::default()).unwrap();
            let check = imported.check.unwrap();
            assert!(check.worst > TOLERANCE && check.tolerance == half_tolerance(half), "{half}: {check:?}");
            let weight = plain.model.layers[0].weights[[0, 0]];
            assert_eq!(imported.model.layers[0].weights[[0, 0]], rounded(weight));

            // Errors are still found, and half precision is mentioned if it may be the cause.
            let mut wrong = read.clone();
            wrong.map.get_mut("generator.0.weight").unwrap().mapv_inplace(|w| 1.2 * w);
            let message = error(&wrong, &config, &Options::default());
            assert!(message.contains(&format!("is rounding of {half}")) && message.contains("--dense"), "{message}");
            let mut wrong = read.clone();
            let image = wrong.map.get_mut("check.image").unwrap();
            let up = if image[[0, 0, 0, 0]] > 0.0 { -1.0 } else { 1.0 };
            image[[0, 0, 0, 0]] += up * 3.0 * f64::from(half_tolerance(half));
            let message = error(&wrong, &config, &Options::default());
            assert!(message.contains(&format!("Weights of the type {half} are rounded")), "{message}");
        }
    }
    // A discriminator in 16 bits does not increase the generator's tolerance.
    let mut other = good.clone();
    other.map.insert("d.0.weight".into(), ArrayD::zeros(vec![1]));
    other.halves.insert("d.0.weight".into(), Half::BF16);
    let options = Options { prefix: "generator.".into(), ..Options::default() };
    assert_eq!(import(&other, &config, &options).unwrap().check.unwrap().tolerance, TOLERANCE);
}

/// Latents in the shape for a network that begins with a convolution: maps of one pixel.
#[test]
fn latents_may_be_maps_of_one_pixel() {
    let config = config("pytorch-dcgan.toml");
    let good = Tensors::read(&fixture("pytorch-dcgan.safetensors")).unwrap();
    let model = import(&good, &config, &Options::default()).unwrap().model;
    let shaped = |shape: &[usize]| {
        let mut tensors = good.clone();
        let latents = tensors.map["check.latent"].clone();
        tensors.map.insert("check.latent".into(), latents.to_shape(shape).unwrap().into_owned());
        tensors
    };
    for shape in [[2, 10, 1, 1], [2, 1, 1, 10]] {
        assert_eq!(import(&shaped(&shape), &config, &Options::default()).unwrap().model, model);
    }
    for shape in [&[2, 5, 2, 1][..], &[2, 1, 10], &[20, 1, 1, 1], &[1, 20, 1, 1]] {
        assert!(error(&shaped(shape), &config, &Options::default()).contains("check.latent has the shape"));
    }
}

/// Spectral and weight normalisation, as old and new versions of PyTorch store them.
#[test]
fn normalised_weights_are_named_once() {
    let config = config("pytorch-dcgan.toml");
    let mut good = Tensors::read(&fixture("pytorch-dcgan.safetensors")).unwrap();
    good.map.retain(|name, _| !name.starts_with("check."));
    for (kind, ends) in [
        ("spectral", &["weight_orig", "weight_u", "weight_v"][..]),
        ("weight", &["weight_g", "weight_v"]),
        (
            "spectral",
            &["parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"],
        ),
        ("weight", &["parametrizations.weight.original0", "parametrizations.weight.original1"]),
    ] {
        let mut bad = good.clone();
        for n in 0..3 {
            let weight = bad.map.remove(&format!("generator.{n}.weight")).unwrap();
            ends.iter().for_each(|end| drop(bad.map.insert(format!("generator.{n}.{end}"), weight.clone())));
        }
        for prefix in ["", "generator."] {
            let options = Options { prefix: prefix.into(), ..Options::default() };
            let message = error(&bad, &config, &options);
            assert!(message.contains(&format!("3 of its layers have {kind} normalisation")), "{message}");
            assert!(message.contains("pytorch_to_safetensors.py") && message.contains("remove_"), "{message}");
            assert_eq!(message.lines().count(), 1, "{message}");
        }

        // Parametrised weights of a discriminator are ignored.
        let mut both = good.clone();
        ends.iter().for_each(|end| drop(both.map.insert(format!("critic.0.{end}"), ArrayD::zeros(vec![2, 2]))));
        import(&both, &config, &Options { prefix: "generator.".into(), ..Options::default() }).unwrap();
        let layers = (0..3).map(|n| format!("generator.{n}")).collect();
        import(&both, &config, &Options { layers, ..Options::default() }).unwrap();
    }
}

/// A tanh whose argument is nearly always saturated is still quantised, however large the argument is.
#[test]
fn saturated_last_layers_are_imported() {
    let lists = r#"layers = [
        { op = "dense", size = [1, 1], channels = 256, activation = "relu" },
        { op = "dense", size = [1, 1], channels = 256, activation = "relu" },
        { op = "dense", size = [16, 16], channels = 3, activation = "tanh" },
    ]"#;
    let maps = r#"layers = [
        { op = "dense", size = [4, 4], channels = 96, activation = "relu" },
        { op = "conv_transpose", channels = 64, kernel = 4, stride = 2, activation = "leaky_relu", slope = 0.2 },
        { op = "conv", channels = 3, kernel = 5, activation = "tanh" },
    ]"#;
    for (layers, range) in
        [(lists, Range::Symmetric), (lists, Range::Unit), (maps, Range::Symmetric), (maps, Range::Unit)]
    {
        let config = with_layers(layers, range);
        let plain = generator(&config, 21);
        // The pictures of the float generator and of the device.
        let pictures = |factor: f32| {
            let mut model = plain.clone();
            let last = model.layers.last_mut().unwrap();
            last.weights.mapv_inplace(|w| factor * w);
            last.biases.iter_mut().for_each(|b| *b *= factor);
            let file = written(&to_safetensors(&model, Layout::Oihw).unwrap());
            let imported = import(&file, &config, &Options::default()).unwrap();
            assert_eq!(imported.check.unwrap().worst, 0.0);
            let blob = quantise(&imported.model).unwrap().to_blob().unwrap();
            let device = gen_core::Model::parse(&blob).unwrap();
            assert!(verify(&device, 0..4).unwrap().is_exact());
            let latents: Vec<_> = (0..64).map(|seed| gen_core::Latent::from_seed(seed, model.latent)).collect();
            let int8 = draw(&device, &latents);
            (model.pictures(trainer::latents::latent_batch(latents.into_iter(), model.latent).view()), int8)
        };
        let psnr = |factor: f32| {
            let (float, int8) = pictures(factor);
            likeness(float.view(), int8.view()).psnr
        };
        let found = [1.0, 10.0, 40.0, 80.0, 300.0, 1000.0].map(psnr);
        assert!(found[0] > 40.0 && found[5] > 20.0, "{range:?}: {found:.1?}");

        // With a factor of a million the tanh is a sign function. Integers without a limit would draw the sign of the
        // same sums, which is compared with the pictures of a generator that fits.
        let (float, int8) = pictures(1e6);
        let (_, moderate) = pictures(10.0);
        let zero = if range == Range::Symmetric { 128 } else { 1 };
        let signs = moderate.mapv(|pixel| if pixel >= zero { 255 } else { 0 });
        let (limited, unlimited) =
            (likeness(float.view(), int8.view()).psnr, likeness(float.view(), signs.view()).psnr);
        assert!(limited > 20.0, "{range:?}: {limited:.1} dB");
        if layers == lists {
            assert!(limited > unlimited - 1.0, "{range:?}: {limited:.1} dB, without a limit {unlimited:.1} dB");
        }
    }
}

#[test]
fn names_of_other_programs_are_found() {
    let config = config("tutorial-64.toml");
    let model = generator(&config, 3);
    let layers = ["dense", "conv1", "convt", "conv2", "conv3", "conv4"];
    let named = |prefix: &'static str, join: &'static str, weight: &'static str, end: &'static str| {
        move |name: &str| match name.split('.').collect::<Vec<_>>()[..] {
            ["generator", i, "weight"] => format!("{prefix}{}{join}{weight}{end}", layers[i.parse::<usize>().unwrap()]),
            ["generator", i, leaf] => format!("{prefix}{}{join}{leaf}{end}", layers[i.parse::<usize>().unwrap()]),
            _ => name.to_owned(),
        }
    };
    let options = Options::new(Layout::Hwio.into());
    let list = |prefix: &str| layers.iter().map(|l| format!("{prefix}{l}")).collect::<Vec<_>>();

    // With a discriminator in the same file.
    let mut keras = renamed(&model, Layout::Hwio, named("g.", ".", "kernel", ""));
    keras.map.insert("d.conv1.kernel".into(), ArrayD::zeros(vec![3, 3, 3, 4]));
    keras.map.insert("step".into(), ArrayD::zeros(vec![]));
    for chosen in [
        Options { layers: list("g."), ..options.clone() },
        Options { prefix: "g.".into(), layers: list(""), ..options.clone() },
    ] {
        assert_eq!(import(&keras, &config, &chosen).unwrap().model, model);
    }
    // Names with letters only give no order, even if the shapes would fit.
    let message = error(&keras, &config, &Options { prefix: "g.".into(), ..options.clone() });
    assert!(message.contains("--layers") && message.contains("conv1,conv2,conv3,conv4,convt,dense"), "{message}");
    let twice = Options { layers: vec!["g.dense".into(), "g.dense".into()], ..options.clone() };
    assert!(error(&keras, &config, &twice).contains("twice"));

    let slashes = renamed(&model, Layout::Hwio, named("generator/", "/", "kernel", ":0"));
    let chosen = Options { prefix: "generator/".into(), layers: list(""), ..options.clone() };
    assert_eq!(import(&slashes, &config, &chosen).unwrap().model, model);

    // The numbers of nn.Sequential: 10 comes after 9, activations leave gaps.
    let numbers = ["0", "3", "5", "9", "10", "011"];
    let sequential = renamed(&model, Layout::Oihw, |name| match name.split('.').collect::<Vec<_>>()[..] {
        ["generator", i, leaf] => format!("main.{}.{leaf}", numbers[i.parse::<usize>().unwrap()]),
        _ => name.to_owned(),
    });
    let options = Options::new(Layout::Oihw.into());
    assert_eq!(import(&sequential, &config, &options).unwrap().model, model);
}

/// The error names all differences at once, with both shapes.
#[test]
fn all_mismatches_are_listed() {
    let config = config("pocket-4.toml");
    let good = written(&to_safetensors(&generator(&config, 4), Layout::Oihw).unwrap());
    let options = Options::new(Layout::Oihw.into());
    import(&good, &config, &options).unwrap();

    let mut bad = good.clone();
    let zeros = |shape: &[usize]| ArrayD::<f64>::zeros(shape.to_vec());
    bad.map.insert("generator.0.weight".into(), zeros(&[192, 31]));
    bad.map.remove("generator.1.bias");
    bad.map.insert("generator.2.alpha".into(), zeros(&[6]));
    bad.map.insert("generator.2.kernel".into(), zeros(&[8, 6, 4, 4]));
    bad.map.get_mut("generator.3.bias").unwrap()[[1]] = f64::NAN;
    bad.map.get_mut("generator.3.weight").unwrap()[[0, 0, 0, 0]] = 1e39;
    bad.map.insert("generator.4.norm.weight".into(), zeros(&[3]));
    bad.map.insert("generator.5.weight".into(), zeros(&[3, 3, 1, 1]));
    bad.map.insert("check.latent".into(), zeros(&[2, 100]));
    bad.map.insert("check.image".into(), zeros(&[0, 3, 32, 32]));
    let message = error(&bad, &config, &options);
    for expected in [
        "generator.0.weight has the shape [192, 31], layer 0 (dense) needs [192, 32] (out, in)",
        "generator.1.bias is missing: layer 1 (conv_transpose) needs [8] (one a channel)",
        "generator.2.alpha of the shape [6] is left over: its name ends in none of",
        "are the same thing of one layer",
        "generator.3.bias: 1 of its 3 values are not finite",
        "generator.3.weight: 1 of its 288 values are not finite",
        "generator.4.norm.weight of the shape [3] is left over: layer 4 (conv) has no batch normalisation",
        "generator.5.weight of the shape [3, 3, 1, 1] is left over: the generator has only 5 layers",
        "check.latent has the shape [2, 100], the generator needs [2, 32]",
        "check.image has the shape [0, 3, 32, 32], the generator needs [2, 3, 32, 32]",
    ] {
        assert!(message.contains(expected), "{expected}\n\n{message}");
    }
    assert_eq!(message.lines().count(), 11, "{message}");

    // A file in which layers are missing.
    let mut bad = good.clone();
    bad.map.retain(|name, _| !name.starts_with("generator.4") && !name.starts_with("check.image"));
    let message = error(&bad, &config, &options);
    assert!(message.contains("generator.4.weight is missing: layer 4 (conv) needs [3, 3, 3, 3]"), "{message}");
    assert!(message.contains("generator.4.bias is missing") && message.contains("go together"), "{message}");
    let message = error(&good, &config, &Options { prefix: "gen_".into(), ..options.clone() });
    assert!(
        message.contains("no name begins with \"gen_\"") && message.contains("gen_generator.0.weight"),
        "{message}"
    );
    let message = error(&good, &config, &Options { bn_epsilon: f64::NAN, ..options });
    assert!(message.contains("epsilon"), "{message}");
}

/// Options take precedence over the header of the file, and the header over the shapes; nothing is guessed.
#[test]
fn a_layout_that_is_not_told_is_found_or_asked_for() {
    let config = config("pocket-4.toml");
    let model = generator(&config, 9);
    let good = written(&to_safetensors(&model, Layout::Hwio).unwrap());
    let (any, told) = (Options::default(), |layout| Options { layout: Some(layout), ..Options::default() });
    let with = |tensors: &Tensors, header: &[(&str, &str)]| {
        let header = header.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Tensors { header, ..tensors.clone() }
    };
    let silent = with(&good, &[]);

    // A wrong header is not ignored, and options are used without a check against the header.
    let wrong = with(&good, &[("layout", "oihw")]);
    let message = error(&wrong, &config, &any);
    assert!(message.contains("oihw as its header says") && message.contains("fits with the layout hwio"), "{message}");
    let imported = import(&wrong, &config, &told(Layout::Hwio)).unwrap();
    assert_eq!((imported.model, imported.evidence), (model.clone(), Evidence::Told));
    assert!(error(&good, &config, &told(Layout::Oihw)).contains("fits with the layout hwio"));
    let message = error(&with(&good, &[("layout", "NHWC")]), &config, &any);
    assert!(message.contains("\"NHWC\", which is none of hwio, oihw") && message.contains("--layout"), "{message}");

    // Shapes do not show the order of dense outputs: the header is used, and the check pictures show that it is wrong.
    let message = error(&with(&good, &[("layout", "hwio"), ("dense", "chw")]), &config, &any);
    assert!(message.contains("--dense"), "{message}");
    let options = Options { dense: Some(DenseOrder::Hwc), ..any.clone() };
    import(&with(&good, &[("layout", "hwio"), ("dense", "chw")]), &config, &options).unwrap();
    let message = error(&with(&good, &[("dense", "whc")]), &config, &any);
    assert!(message.contains("\"whc\", which is none of hwc, chw") && message.contains("--dense"), "{message}");

    // Neither layout fits: the message lists the problems of the one with fewer.
    let mut bad = silent.clone();
    bad.map.remove("generator.1.bias");
    let message = error(&bad, &config, &any);
    assert!(message.contains("its header names none. What does not fit: 1 with --layout hwio, "), "{message}");
    assert!(message.contains("with --layout hwio:\n  generator.1.bias is missing"), "{message}");
    assert_eq!(message.lines().count(), 3, "{message}");

    // Both layouts fit, because a dense layer has as many inputs as outputs. Only the check pictures can decide.
    let mut square = config.clone();
    square.latent = 48;
    square.generator.layers.truncate(1);
    square.generator.layers[0].channels = 3;
    square.generator.layers[0].batch_norm = false;
    square.generator.layers[0].activation = trainer::config::ActivationName::Tanh;
    square.discriminator.layers.drain(..3);
    let mut tensors = with(&written(&to_safetensors(&generator(&square, 10), Layout::Oihw).unwrap()), &[]);
    let imported = import(&tensors, &square, &any).unwrap();
    assert_eq!((imported.format, imported.evidence), (Layout::Oihw.into(), Evidence::Shapes));
    tensors.map.retain(|name, _| !name.starts_with("check."));
    let message = error(&tensors, &square, &any);
    assert!(message.contains("in both layouts, hwio and oihw") && message.contains("--layout"), "{message}");
    import(&tensors, &square, &told(Layout::Oihw)).unwrap();
}

#[test]
fn normalisations_without_use_are_named() {
    let config = config("pocket-4.toml");
    let good = Tensors::read(&fixture("pytorch-pocket.safetensors")).unwrap();
    let options = Options::new(Layout::Oihw.into());

    // Normalisation with the statistics of each batch cannot be folded.
    let mut bad = good.clone();
    bad.map.retain(|name, _| !name.contains("running_"));
    let message = error(&bad, &config, &options);
    assert!(message.contains("generator.2.running_mean is missing: the batch normalisation of layer 0"), "{message}");
    assert_eq!(message.matches("is missing").count(), 8, "{message}");

    let mut bad = good.clone();
    bad.map.get_mut("generator.5.running_var").unwrap()[[3]] = -0.5;
    assert!(error(&bad, &config, &options).contains("a variance of -0.5"));

    // The beta of a normalisation is not a layer's bias.
    let mut bad = good.clone();
    bad.map.remove("generator.5.bias");
    let message = error(&bad, &config, &options);
    assert!(message.contains("generator.5.bias is missing") && !message.contains("--zero-bias"), "{message}");

    let mut bad = good.clone();
    bad.map.retain(|name, _| !name.starts_with("generator.0."));
    assert!(error(&bad, &config, &options).contains("before the first layer"));
    let mut bad = good.clone();
    for leaf in ["weight", "bias", "running_mean", "running_var"] {
        bad.map.insert(format!("generator.3.{leaf}"), good.map[&format!("generator.2.{leaf}")].clone());
    }
    assert!(error(&bad, &config, &options).contains("has a batch normalisation already"));
}

/// Keras's DCGAN normalises each output of its dense layer, not its channels.
#[test]
fn a_normalised_list_is_folded_output_by_output() {
    let mut config = config("pocket-4.toml");
    config.generator.layers.truncate(1);
    config.generator.layers[0].channels = 3;
    config.generator.layers[0].activation = trainer::config::ActivationName::Tanh;
    config.discriminator.layers.drain(..3);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut random = |shape: &[usize], low: f64| ArrayD::from_shape_simple_fn(shape, || rng.random_range(low..1.0));
    let (weight, gamma, beta) = (random(&[32, 48], -1.0), random(&[48], 0.5), random(&[48], -1.0));
    let (mean, variance, latent) = (random(&[48], -1.0), random(&[48], 0.5), random(&[3, 32], -1.0));
    for dense in [DenseOrder::Hwc, DenseOrder::Chw] {
        let image = ArrayD::from_shape_fn(vec![3, 4, 4, 3], |i| {
            let o = match dense {
                DenseOrder::Hwc => (i[1] * 4 + i[2]) * 3 + i[3],
                DenseOrder::Chw => (i[3] * 4 + i[1]) * 4 + i[2],
            };
            let sum: f64 = (0..32).map(|k| latent[[i[0], k]] * weight[[k, o]]).sum();
            (gamma[[o]] * (sum - mean[[o]]) / (variance[[o]] + 1e-3).sqrt() + beta[[o]]).tanh()
        });
        let map = [
            ("0.kernel", &weight),
            ("1.gamma", &gamma),
            ("1.beta", &beta),
            ("1.moving_mean", &mean),
            ("1.moving_variance", &variance),
            ("check.latent", &latent),
            ("check.image", &image),
        ];
        let map = map.into_iter().map(|(name, array)| (name.to_owned(), array.clone())).collect();
        let format = Format { layout: Layout::Hwio, dense };
        let options = Options { bn_epsilon: 1e-3, ..Options::new(format) };
        let imported = import(&tensors(map), &config, &options).unwrap();
        assert!(imported.check.unwrap().worst < 1e-6, "{:?}", imported.check);
    }
}

#[test]
fn layers_without_bias_are_taken_on_request() {
    let mut config = config("pocket-4.toml");
    config.generator.layers.iter_mut().for_each(|layer| layer.batch_norm = false);
    let mut model = generator(&config, 6);
    model.layers.iter_mut().for_each(|layer| layer.biases.fill(0.0));
    let mut tensors = written(&to_safetensors(&model, Layout::Oihw).unwrap());
    tensors.map.retain(|name, _| !name.ends_with("bias"));
    let options = Options::new(Layout::Oihw.into());
    let message = error(&tensors, &config, &options);
    assert_eq!(message.matches("is missing").count(), 5, "{message}");
    assert_eq!(message.matches("; --zero-bias if the layer has none").count(), 5, "{message}");
    assert_eq!(import(&tensors, &config, &Options { zero_bias: true, ..options }).unwrap().model, model);
}

/// Any file is either imported or refused with an error.
#[test]
fn damaged_files_never_panic() {
    let mut config = with_layers(
        r#"layers = [
            { op = "dense", size = [2, 2], channels = 2, batch_norm = true, activation = "relu" },
            { op = "conv_transpose", channels = 3, kernel = 4, stride = 2, activation = "tanh" },
        ]"#,
        Range::Symmetric,
    );
    config.latent = 2;
    let options = Options::new(Layout::Oihw.into());
    let mut tensors = written(&to_safetensors(&generator(&config, 7), Layout::Oihw).unwrap());
    tensors.map.retain(|name, _| !name.starts_with("check"));
    for (leaf, value) in [("weight", 1.0), ("bias", 0.1), ("running_mean", 0.2), ("running_var", 1.5)] {
        tensors.map.insert(format!("generator.0.norm.{leaf}"), arr1(&[value, value]).into_dyn());
    }
    let folder = tempfile::tempdir().unwrap();
    let narrow: BTreeMap<_, _> = tensors.map.iter().map(|(name, array)| (name, array.mapv(|v| v as f32))).collect();
    let raw: Vec<(_, _, Vec<u8>)> = (narrow.iter())
        .map(|(name, array)| (name, array.shape().to_vec(), array.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = raw.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let file = safetensors::serialize(views, None).unwrap();
    let npz = |compressed: bool| {
        let bytes = std::io::Cursor::new(Vec::new());
        let mut writer = match compressed {
            true => ndarray_npy::NpzWriter::new_compressed(bytes),
            false => ndarray_npy::NpzWriter::new(bytes),
        };
        for (name, array) in &narrow {
            writer.add_array(name.as_str(), array).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };

    let mut rng = Xoshiro256PlusPlus::seed_from_u64(8);
    for (extension, bytes) in [("safetensors", file), ("npz", npz(false)), ("npz", npz(true))] {
        let path = folder.path().join(format!("w.{extension}"));
        let attempt = |bytes: &[u8]| -> anyhow::Result<()> {
            fs::write(&path, bytes).unwrap();
            let imported = import(&Tensors::read(&path)?, &config, &options)?;
            quantise(&imported.model)?.to_blob()?;
            Ok(())
        };
        attempt(&bytes).unwrap();
        let mut refused = 0;
        for _ in 0..1500 {
            let mut mutant = bytes.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..mutant.len() as u32) as usize;
                match rng.random_range(0..5) {
                    0 => mutant[at] ^= 1 << rng.random_range(0..8),
                    1 => mutant[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5u32) as usize],
                    // Digits and brackets of headers.
                    2 => mutant[at] = b"0123456789[](){},:\"'<>f-"[rng.random_range(0..23u32) as usize],
                    3 => drop(mutant.remove(at)),
                    _ => mutant.truncate(at.max(1)),
                }
            }
            refused += u32::from(attempt(&mutant).is_err());
        }
        assert!(refused > 500, "{extension}: {refused}");
    }
}
