//! Compares a training step of the tutorial with Keras, using the golden set in this folder and damaged copies of it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use ndarray::{ArrayD, Axis};
use ndarray_npy::{NpzReader, NpzWriter};
use trainer::parity::{self, Report};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/keras")
}

fn compare(folder: &Path) -> Report {
    parity::check(folder).unwrap_or_else(|e| panic!("{}: {e:#}", folder.display()))
}

/// A copy of the golden set.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["weights_init.npz", "inputs.npz", "activations.npz", "step1.npz"] {
        std::fs::copy(golden().join(name), folder.path().join(name)).unwrap();
    }
    folder
}

/// Replaces one float32 array of a file by the result of `change`; `None` removes the array.
fn damage(folder: &Path, file: &str, array: &str, change: impl Fn(ArrayD<f32>) -> Option<ArrayD<f32>>) {
    let path = folder.join(file);
    let mut reader = NpzReader::new(File::open(&path).unwrap()).unwrap();
    let mut arrays = Vec::new();
    for name in reader.names().unwrap() {
        let name = name.trim_end_matches(".npy");
        let is_loss = name.ends_with("_loss");
        let values: ArrayD<f32> = if is_loss {
            let wide: ArrayD<f64> = reader.by_name(name).unwrap();
            wide.mapv(|v| v as f32)
        } else if name == "frogs_u8" {
            let bytes: ArrayD<u8> = reader.by_name(name).unwrap();
            bytes.mapv(f32::from)
        } else {
            reader.by_name(name).unwrap()
        };
        let values = if name == array { change(values) } else { Some(values) };
        arrays.extend(values.map(|values| (name.to_owned(), values)));
    }
    let mut writer = NpzWriter::new(File::create(&path).unwrap());
    for (name, values) in arrays {
        writer.add_array(name, &values).unwrap();
    }
    writer.finish().unwrap();
}

/// A change that adds `by` to an array's second value.
fn nudge(by: f32) -> impl Fn(ArrayD<f32>) -> Option<ArrayD<f32>> {
    move |mut values| {
        values.as_slice_mut().unwrap()[1] += by;
        Some(values)
    }
}

/// Runs `trainer parity` on a folder; returns whether it succeeded, and its whole output.
fn program(folder: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_trainer")).arg("parity").arg(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains("panicked"), "{text}");
    (output.status.success(), text)
}

#[test]
fn a_step_agrees_with_keras() {
    let report = compare(&golden());
    println!("{report}");
    assert!(report.is_ok(), "{report}");
    // Every array of the set is compared: 11 activations, 5 pictures and logits, 22 gradients,
    // twice 22 weights and the sums of the two networks, three losses each.
    assert_eq!(report.checks.len(), 11 + 5 + 22 + 2 * 22 + 2 + 6);
    for check in &report.checks {
        let relative = check.worst / check.largest;
        match check.group {
            "gradients" => assert!(relative <= 1e-5, "{}: {relative}", check.tensor),
            // The largest error of Keras and PyTorch in float32.
            "weights, whole step" => assert!(check.worst <= 5e-5, "{}: {}", check.tensor, check.worst),
            "losses" if check.tensor.ends_with("[0]") => assert!(check.worst <= 1e-6, "{}", check.tensor),
            _ => {}
        }
    }
}

#[test]
fn the_program_prints_every_tensor_and_is_content() {
    let (well, text) = program(&golden());
    assert!(well, "{text}");
    for expected in ["latent 8, batch 3, 4 steps", "grad.g.convt.kernel", "4x4x8x8", "after.d.*", "g_loss[2]", "all 90"]
    {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
}

#[test]
fn a_single_wrong_value_is_found_and_its_tensor_named() {
    let cases = [
        ("step1.npz", "fake", 1e-4, "fake"),
        ("step1.npz", "d_logit", 1e-4, "d_logit"),
        ("step1.npz", "g_image_grad", 1e-4, "g_image_grad"),
        ("step1.npz", "grad.d.conv2.kernel", 1e-4, "grad.d.conv2.kernel"),
        ("step1.npz", "grad.g.convt.kernel", 1e-4, "grad.g.convt.kernel"),
        ("step1.npz", "after.g.conv3.bias", 1e-5, "after.g.conv3.bias"),
        ("step1.npz", "g_loss", 1e-4, "g_loss[1]"),
        ("activations.npz", "d.conv4", 1e-3, "d.conv4"),
        ("weights_init.npz", "g.conv4.bias", 1e-3, "g.out"),
        ("inputs.npz", "z2", 1e-2, "g_loss[0]"),
        ("inputs.npz", "label_noise", 0.1, "d_loss[0]"),
        ("inputs.npz", "frogs_u8", 50.0, "d_loss[0]"),
    ];
    for (file, array, by, named) in cases {
        let folder = copy();
        damage(folder.path(), file, array, nudge(by));
        let report = compare(folder.path());
        assert!(report.out().any(|c| c.tensor == named), "{array}: {report}");
    }
    let folder = copy();
    damage(folder.path(), "step1.npz", "grad.g.convt.kernel", nudge(1e-4));
    let (well, text) = program(folder.path());
    let named = "out of tolerance: grad.g.convt.kernel (gradients)";
    assert!(!well && text.contains(named) && text.contains("does not agree"), "{text}");
}

#[test]
fn missing_and_misshapen_arrays_are_named() {
    type Change = fn(ArrayD<f32>) -> Option<ArrayD<f32>>;
    let gone: Change = |_| None;
    let shorter: Change = |v| Some(v.slice_axis(Axis(v.ndim() - 1), (1..).into()).to_owned());
    let flat: Change = |v| Some(v.flatten().into_dyn().into_owned());
    let infinite: Change = |v| Some(v * f32::INFINITY);
    let cases: [(&str, &str, Change, &[&str]); 16] = [
        ("step1.npz", "grad.g.conv2.kernel", gone, &["step1.npz", "grad.g.conv2.kernel"]),
        ("step1.npz", "g_loss", gone, &["g_loss"]),
        ("weights_init.npz", "d.dense.bias", gone, &["weights_init.npz", "d.dense.bias"]),
        ("inputs.npz", "label_noise", gone, &["label_noise"]),
        ("activations.npz", "g.out", gone, &["activations.npz", "g.out"]),
        ("step1.npz", "after.d.conv1.kernel", shorter, &["[3, 3, 3, 3]", "[3, 3, 3, 4]"]),
        ("step1.npz", "d_loss", shorter, &["[3]", "[4]"]),
        ("weights_init.npz", "d.conv2.kernel", shorter, &["d.conv2.bias", "[4]", "[3]"]),
        ("weights_init.npz", "g.conv1.kernel", flat, &["g.conv1.kernel", "[800]"]),
        ("weights_init.npz", "g.dense.kernel", shorter, &["g.dense.kernel", "[8, 1023]"]),
        ("weights_init.npz", "d.conv3.kernel", flat, &["d.conv3.kernel", "[256]", "[size, size, in, out]"]),
        ("inputs.npz", "z1", flat, &["z1", "[96]"]),
        ("inputs.npz", "z2", shorter, &["z2", "[4, 3, 7]", "[4, 3, 8]"]),
        ("inputs.npz", "frogs_u8", shorter, &["frogs_u8", "[12, 32, 32, 2]", "[12, 32, 32, 3]"]),
        ("activations.npz", "d.logit", infinite, &["d.logit", "finite"]),
        ("step1.npz", "after.d.dense.bias", infinite, &["after.d.dense.bias", "finite"]),
    ];
    for (file, array, change, expected) in cases {
        let folder = copy();
        damage(folder.path(), file, array, change);
        let (well, text) = program(folder.path());
        assert!(!well && expected.iter().all(|e| text.contains(e)), "{array}, expected {expected:?}: {text}");
    }
    let folder = copy();
    std::fs::remove_file(folder.path().join("activations.npz")).unwrap();
    let (well, text) = program(folder.path());
    assert!(!well && text.contains("activations.npz"), "{text}");
    assert!(!program(Path::new("nowhere")).0);
}
