//! Tests of the drawn frogs.

use std::collections::HashSet;

use trainer::data::{self, Request, frogs};
use trainer::grid::grid;

fn frog(seed: u64, index: u64) -> Vec<u8> {
    frogs::picture(seed, index, 32, 32).unwrap().0.into_raw()
}

#[test]
fn a_picture_depends_on_seed_and_index_alone() {
    assert_eq!(frog(1, 7), frog(1, 7));
    assert_ne!(frog(1, 7), frog(1, 8));
    assert_ne!(frog(1, 7), frog(2, 7));
}

/// If these checksums change, the drawings have changed, by intent or by a new tiny-skia: look at a sheet, then update
/// the numbers. On other processors tiny-skia may round in another way.
#[cfg(target_arch = "x86_64")]
#[test]
fn golden_pictures() {
    let found = [(0, 0), (0, 1), (0, 4999), (u64::MAX, 3)].map(|(seed, index)| crc32fast::hash(&frog(seed, index)));
    assert_eq!(found, [0x596b_f9ed, 0xc449_a156, 0x9d50_c189, 0x84fd_2bc5], "{found:#010x?}");
}

#[test]
fn thousands_are_distinct() {
    let request = Request { path: Some(data::BUILTIN.into()), drawn: 3000, ..Request::default() };
    let dataset = data::load(&request).unwrap();
    assert_eq!(dataset.pictures.dim(), (3000, 32, 32, 3));
    let distinct: HashSet<Vec<u8>> =
        dataset.pictures.to_array().unwrap().outer_iter().map(|picture| picture.iter().copied().collect()).collect();
    assert_eq!(distinct.len(), 3000);
    // Every kind of frog appears, and none is rare.
    assert_eq!(dataset.groups.len(), 15);
    assert!(dataset.groups.iter().all(|(_, count)| *count > 100), "{:?}", dataset.groups);
    // Parallel drawing keeps the order.
    let picture: Vec<u8> =
        dataset.pictures.to_array().unwrap().outer_iter().nth(1234).unwrap().iter().copied().collect();
    assert_eq!(picture, frog(0, 1234));
}

/// A frog must be clearly visible on a display of 16 greys.
#[test]
fn every_picture_has_contrast() {
    for index in 0..500 {
        let grey: Vec<f32> = frog(5, index)
            .chunks_exact(3)
            .map(|p| 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]))
            .collect();
        let mean = grey.iter().sum::<f32>() / grey.len() as f32;
        let spread = (grey.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / grey.len() as f32).sqrt();
        assert!(spread > 25.0, "picture {index}: spread of only {spread}");
    }
}

#[test]
fn other_sides() {
    for side in [8, 9, 16, 33, 64, 512] {
        assert_eq!(frogs::picture(1, 1, side, side).unwrap().0.dimensions(), (side as u32, side as u32));
        assert_eq!(frogs::picture(1, 1, side, 20).unwrap().0.dimensions(), (20, side as u32));
    }
    for side in [0, 7, 513, usize::MAX] {
        assert!(frogs::picture(1, 1, side, 32).is_none() && frogs::picture(1, 1, 32, side).is_none());
    }
}

#[test]
#[ignore = "writes a sheet to look at: RIBBIT_SHEET=frogs.png, RIBBIT_SHEET_SEED, RIBBIT_SHEET_COLUMNS"]
fn sheet() {
    let number = |name, default| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default);
    let path = std::env::var_os("RIBBIT_SHEET").expect("RIBBIT_SHEET");
    let (seed, columns, side, scale) = (
        number("RIBBIT_SHEET_SEED", 1),
        number("RIBBIT_SHEET_COLUMNS", 8),
        number("RIBBIT_SHEET_SIDE", 32) as usize,
        number("RIBBIT_SHEET_SCALE", 4) as usize,
    );
    let count = (columns * columns) as usize;
    let start = std::time::Instant::now();
    let mut bytes = Vec::new();
    for index in 0..count {
        bytes.extend(frogs::picture(seed, index as u64, side, side).unwrap().0.into_raw());
    }
    println!("{:?} a picture", start.elapsed() / count as u32);
    let pictures = ndarray::Array4::from_shape_vec((count, side, side, 3), bytes).unwrap();
    grid(pictures.view(), columns as usize, 4, scale).unwrap().save(path).unwrap();
}
