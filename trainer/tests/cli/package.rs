//! `trainer package`. The tests of the package `packager` compile the packages.

use std::fs;

use super::SHIPPED;
use crate::run_common::Place;

#[test]
fn a_crate_is_written_to_a_new_folder() {
    let place = Place::new();
    let said = place.run_well(&["package", SHIPPED, "--rust", "--out", "frog"]);
    assert!(said.contains("package: frog"), "{said}");
    assert_eq!(fs::read(place.path().join("frog/model.gen")).unwrap(), fs::read(SHIPPED).unwrap());
    assert!(place.path().join("frog/gen-core/src/lib.rs").is_file());
    let output = place.run(&["package", SHIPPED, "--rust", "--out", "frog"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("frog is not empty"), "{said}");
}
