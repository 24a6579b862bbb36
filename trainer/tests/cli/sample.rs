//! `trainer sample`, `walk` and `like`: which picture is at which position of a sheet.

use std::fs;

use super::SHIPPED;
use crate::run_common::{Place, with};

#[test]
fn truncated_pictures_are_more_alike() {
    let place = Place::new();
    let spread = |more: &[&str]| {
        place.run_well(&[&["sample", "-n", "16", "--npy", "pictures.npy"], more].concat());
        let pictures: ndarray::Array4<u8> = ndarray_npy::read_npy(place.path().join("pictures.npy")).unwrap();
        pictures.mapv(f64::from).std_axis(ndarray::Axis(0), 0.0).mean().unwrap()
    };
    let all = spread(&[]);
    assert_eq!(spread(&["--truncation", "1"]), all);
    let half = spread(&["--truncation", "0.5"]);
    assert!(half < 0.9 * all, "{half} of {all}");
    assert_eq!(spread(&["--truncation", "0"]), 0.0);

    place.run_well(&with(&["--steps", "5"]));
    let float = ["--float", "runs/001-tiny/checkpoints/step-000005.ckpt", "--truncation", "0"];
    assert_eq!(spread(&float), 0.0);
}

/// The picture at a position of a sheet with the default enlargement and gaps.
fn cell(sheet: &image::RgbImage, column: u32, row: u32) -> Vec<u8> {
    let (left, top) = (2 + 66 * column, 2 + 66 * row);
    image::imageops::crop_imm(sheet, left, top, 64, 64).to_image().into_raw()
}

#[test]
fn a_walk_leads_from_picture_to_picture() {
    let place = Place::new();
    let open = |name: &str| image::open(place.path().join(name)).unwrap().to_rgb8();
    let sample = |seed: u32| {
        place.run_well(&["sample", "-n", "1", "--seed", &seed.to_string(), "--out", "one.png"]);
        cell(&open("one.png"), 0, 0)
    };
    let text =
        place.run_well(&["walk", "--from", "3", "--to", "8", "--through", "5,9", "--steps", "4", "--out", "walk.png"]);
    assert!(text.contains("row 1: 3 to 5") && text.contains("row 3: 9 to 8"), "{text}");
    let walk = open("walk.png");
    assert_eq!(walk.dimensions(), (4 * 66 + 2, 3 * 66 + 2));
    for (column, row, seed) in [(0, 0, 3), (3, 0, 5), (0, 1, 5), (3, 1, 9), (0, 2, 9), (3, 2, 8)] {
        assert!(cell(&walk, column, row) == sample(seed), "column {column} of row {row} is not picture {seed}");
    }
    assert_ne!(cell(&walk, 1, 0), cell(&walk, 0, 0));

    // Without --from and --to: pairs of pictures with consecutive seeds.
    let text = place.run_well(&["walk", SHIPPED, "--rows", "2", "--seed", "7"]);
    assert!(text.contains("row 1: 7 to 8") && text.contains("row 2: 9 to 10"), "{text}");
    assert!(cell(&open("walk.png"), 9, 1) == sample(10));
}

#[test]
fn more_like_this_one() {
    let place = Place::new();
    let open = |name: &str| image::open(place.path().join(name)).unwrap().to_rgb8();
    let text = place.run_well(&["like", "--seed", "2", "-n", "8", "--out", "like.png"]);
    assert!(
        text.contains("0 to 8, without the seed itself") && text.contains("toward(&Latent::from_seed(OTHER, len), 77)")
    );
    let like = open("like.png");
    assert_eq!(like.dimensions(), (3 * 66 + 2, 3 * 66 + 2));
    place.run_well(&["sample", "-n", "9", "--out", "sample.png"]);
    let sample = open("sample.png");
    let itself = cell(&sample, 2, 0);
    assert!(cell(&like, 0, 0) == itself);
    let apart = |a: &[u8], b: &[u8]| a.iter().zip(b).map(|(&a, &b)| u64::from(a.abs_diff(b))).sum::<u64>();
    let (mut near, mut far) = (0, 0);
    for i in 1..9 {
        near += apart(&itself, &cell(&like, i % 3, i / 3));
        far += apart(&itself, &cell(&sample, i % 3, i / 3));
    }
    assert!(near > 0 && near < far, "{near} and {far}");

    // Draws one of them again with the printed numbers: 2 in the direction of 3.
    place.run_well(&["like", "--seed", "2", "--distance", "0.3", "--toward", "3", "-n", "1", "--out", "again.png"]);
    assert!(cell(&open("again.png"), 1, 0) == cell(&like, 0, 1));
    // A distance of 1 gives the other picture.
    place.run_well(&["like", "--seed", "2", "--distance", "1", "--toward", "0", "-n", "1", "--out", "far.png"]);
    assert!(cell(&open("far.png"), 1, 0) == cell(&sample, 0, 0));
}

#[test]
fn nearest_pictures_stand_beside_samples() {
    let place = Place::new();
    // Copies are found, including mirrored ones.
    place.run_well(&["sample", "-n", "3", "--pngs", "copies"]);
    let path = place.path().join("copies/000001.png");
    let copy = image::open(&path).unwrap().to_rgb8();
    image::imageops::flip_horizontal(&copy).save(&path).unwrap();
    let text = place.run_well(&["sample", "-n", "4", "--nearest", "copies", "--out", "near.png"]);
    assert!(text.contains("0: 0.000 (000000.png), ") && text.contains("1: 0.000 (000001.png, mirrored), "), "{text}");
    assert!(text.contains("closest: 0.000, median: "), "{text}");
    let sheet = image::open(place.path().join("near.png")).unwrap().to_rgb8();
    // Each sample in a frame, three neighbours beside it, and a wider gap.
    assert_eq!(sheet.dimensions(), (16 * 66 + 2 + 3 * 8, 66 + 2));
    let tile = |sample: u32, i: u32| {
        let left = 2 + 66 * (4 * sample + i) + 8 * sample;
        image::imageops::crop_imm(&sheet, left, 2, 64, 64).to_image().into_raw()
    };
    for i in 0..4 {
        assert_eq!(tile(i, 0) == tile(i, 1), i < 3, "sample {i} and its copy");
        let frame = *sheet.get_pixel(66 * 4 * i + 8 * i, 30);
        assert_eq!(frame, trainer::grid::FRAME, "sample {i}");
    }
    assert_eq!(*sheet.get_pixel(66 + 66, 30), trainer::grid::GAP);
    // Fewer pictures than columns.
    fs::remove_file(&path).unwrap();
    place.run_well(&["sample", "-n", "9", "--nearest", "copies", "--scale", "1"]);
}

#[test]
fn sheets_keep_every_picture_in_its_column_or_are_refused() {
    let place = Place::new();
    let size = |name: &str| image::open(place.path().join(name)).unwrap().to_rgb8().dimensions();
    // 64 pictures of 32 pixels in a row, 16 times as large: 32,898 pixels would be wanted.
    let text = place.run_well(&["walk", "--rows", "2", "--steps", "64", "--scale", "16"]);
    assert!(text.contains("enlarged 7 times instead of 16 times"), "{text}");
    assert_eq!(size("walk.png"), (64 * 226 + 2, 2 * 226 + 2));
    let sheet = image::open(place.path().join("walk.png")).unwrap().to_rgb8();
    let place_of = |column: u32, row: u32| {
        image::imageops::crop_imm(&sheet, 2 + 226 * column, 2 + 226 * row, 224, 224).to_image().into_raw()
    };
    place.run_well(&["sample", "-n", "4", "--scale", "7"]);
    let sample = image::open(place.path().join("sample.png")).unwrap().to_rgb8();
    let ends = [(0, 0), (63, 0), (0, 1), (63, 1)];
    for (seed, (column, row)) in ends.into_iter().enumerate() {
        let (x, y) = (2 + 226 * (seed as u32 % 2), 2 + 226 * (seed as u32 / 2));
        let alone = image::imageops::crop_imm(&sample, x, y, 224, 224).to_image().into_raw();
        assert!(place_of(column, row) == alone, "seed {seed}");
    }
    // The largest side of pictures: 16 of them in a row.
    let text = place.run_well(&["data", "--data", "pictures", "--side", "512"]);
    assert!(text.contains("enlarged 1 times instead of 2 times") || size("data.png").0 == 16 * 1026 + 2, "{text}");
}

#[test]
fn grids_have_names_of_their_own_and_say_what_is_on_them() {
    let place = Place::new();
    let text = place.run_well(&["sample", "-n", "3", "--seed", "7"]);
    assert!(text.contains("grid: sample.png (seeds 7 to 9, row by row)"), "{text}");
    let text = place.run_well(&["sample", "-n", "1", "--seed", "7"]);
    assert!(text.contains("(seeds 7, row by row)"), "{text}");
    assert!(place.run_well(&["walk", "--rows", "1", "--steps", "2"]).contains("grid: walk.png"));
    let text = place.run_well(&["like", "--seed", "4", "-n", "2"]);
    assert!(text.contains("grid: like.png (seed 4, then 4 on its way to each of 0 to 1"), "{text}");
    assert!(!place.path().join("grid.png").exists());
}
