//! `trainer eval`: models, arrays, folders and checkpoints compared with the training pictures.

use std::fs;

use super::SHIPPED;
use crate::run_common::{Place, with};

#[test]
fn sets_of_pictures_are_measured_side_by_side() {
    let place = Place::new();
    place.run_well(&["sample", SHIPPED, "-n", "20", "--npy", "drawn.npy", "--pngs", "drawn"]);
    place.run_well(&with(&["--steps", "3"]));
    let checkpoint = "runs/001-tiny/checkpoints/step-000003.ckpt";
    let sets = [SHIPPED, "drawn.npy", "drawn", "pictures-32", checkpoint];
    fs::create_dir(place.path().join("pictures-32")).unwrap();
    for i in 0..20u8 {
        let name = format!("{i}.png");
        let picture = image::open(place.path().join("pictures").join(&name)).unwrap().crop_imm(4, 0, 32, 32);
        picture.save(place.path().join("pictures-32").join(&name)).unwrap();
    }
    let eval = [&["eval"][..], &sets, &["--data", "pictures", "-n", "20"]].concat();
    let text = place.run_well(&[&eval[..], &["--sheet", "near.png"]].concat());
    for expected in
        ["quality", "frechet", "recall", "coverage", "diversity", "memorised", "drawn.npy", "step-000003.ckpt"]
    {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
    assert!(image::open(place.path().join("near.png")).is_ok());

    let json = place.run(&[&eval[..], &["--json", "--threads", "1"]].concat());
    let rows: Vec<serde_json::Value> =
        String::from_utf8_lossy(&json.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let headline = |i: usize| rows[i]["scores"]["quality_score"].as_f64().unwrap();
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0]["scores"], rows[1]["scores"], "a model, and the array that it drew");
    assert_eq!(rows[0]["scores"], rows[2]["scores"], "a model, and the folder that it drew");
    // The training pictures themselves.
    assert!(headline(3) < 1e-3 && headline(4) > headline(3), "{rows:?}");
    assert!(
        rows[3]["copies"]["memorised_fraction"].as_f64().unwrap() > 0.9 && rows[3]["copies"]["nearest"] == 0.0,
        "{rows:?}"
    );

    fs::create_dir(place.path().join("few")).unwrap();
    fs::copy(place.path().join("pictures-32/1.png"), place.path().join("few/1.png")).unwrap();
    fs::create_dir(place.path().join("wide")).unwrap();
    fs::copy(place.path().join("pictures/1.png"), place.path().join("wide/1.png")).unwrap();
    for (set, expected) in [("nowhere", "nowhere"), ("few", "too few"), ("wide", "40x32"), ("tiny.toml", "no model")] {
        let output = place.run(&["eval", set, "--data", "pictures"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(expected), "{set}: {text}");
        assert!(!text.contains("panicked"), "{set}: {text}");
    }
}
