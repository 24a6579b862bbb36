//! Models can be read at any address: an allocator guarantees no alignment for a `Vec<u8>`, but
//! the parser needs one on every machine.

#![allow(unsafe_code, reason = "an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::path::Path;

use gen_core::aligned;
use gen_core::{Model, ParseError, Shape};
use trainer::card::Shipped;
use trainer::inspect::inspect;
use trainer::quantise::QuantModel;

mod nets;
// The module with which `trainer eval` reads models.
#[path = "../src/cli/picture_set.rs"]
#[allow(dead_code, reason = "not all of it is needed")]
mod picture_set;

use picture_set::Set;

/// An allocator that puts allocations without alignment at odd addresses.
struct Odd;

impl Odd {
    /// The layout with one more byte, at an even address.
    fn around(layout: Layout) -> Layout {
        Layout::from_size_align(layout.size() + 1, 16).expect("a byte more")
    }
}

// SAFETY: the memory is from the system's allocator, with one byte more than requested, and is returned with the
// same layout. The trait's provided functions call these two.
unsafe impl GlobalAlloc for Odd {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > 1 {
            // SAFETY: guaranteed by the caller.
            return unsafe { System.alloc(layout) };
        }
        // SAFETY: the layout is not empty.
        let start = unsafe { System.alloc(Self::around(layout)) };
        if start.is_null() { start } else { start.wrapping_add(1) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if layout.align() > 1 {
            // SAFETY: guaranteed by the caller.
            return unsafe { System.dealloc(at, layout) };
        }
        // SAFETY: this is the address and layout of the allocation in `alloc`.
        unsafe { System.dealloc(at.wrapping_sub(1), Self::around(layout)) }
    }
}

#[global_allocator]
static ALLOCATOR: Odd = Odd;

#[test]
fn every_reader_of_models_brings_their_bytes_to_an_address() {
    // Packing also parses the packed model.
    let blob = QuantModel::random("pocket", 32, &nets::pocket(), 1).unwrap().to_blob().unwrap();
    assert_eq!(Model::parse(&blob).unwrap_err(), ParseError::Alignment { needed: 4 }, "the allocator is not odd");
    let bytes = aligned(&blob);
    let model = Model::parse(&bytes).unwrap();
    assert_eq!(QuantModel::from_model(&model).unwrap().to_blob().unwrap(), blob);
    assert_eq!(inspect(&model).flash, blob.len());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gen");
    fs::write(&path, &blob).unwrap();
    assert_eq!(Set::open(&path).unwrap().shape(), Some(Shape::new(32, 32, 3)));
    assert_eq!(Set::open(&path).unwrap().load(2, Shape::new(32, 32, 3)).unwrap().dim(), (2, 32, 32, 3));

    let shipped = Shipped::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pocket-drawn")).unwrap();
    assert!(shipped.readme(Path::new("models/pocket-drawn")).unwrap().contains("32x32"));
    shipped.compare(&shipped.blob, None).unwrap();
    let mut fast = Shipped::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/pocket-drawn")).unwrap();
    fast.card.model.fast_layers = vec![1];
    // Another packing of the same model: unpacked, packed again, and both drawn to be compared.
    assert!(
        fast.compare(&shipped.blob, Some("it is Monday")).unwrap_err().to_string().contains("equal in every pixel")
    );
    shipped.write(&folder.path().join("card")).unwrap();
}
