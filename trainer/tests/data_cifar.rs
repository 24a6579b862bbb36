//! Tests of the readers of CIFAR: its forms, and arbitrary bytes.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use proptest::prelude::*;
use trainer::data::cifar::{CifarError, RECORD, Set, read_archive, read_batch, read_python};

use crate::data_common::{Python, python_batch, python_records, records, tar_gz};

const PLANE: usize = 32 * 32;

#[test]
fn planes_become_pixels() {
    let mut bytes = vec![6];
    bytes.extend([1; PLANE].into_iter().chain([2; PLANE]).chain([3; PLANE]));
    let pictures = read_batch(&bytes[..], "x", Set::Ten).unwrap();
    assert_eq!(pictures.pixels, [1, 2, 3].repeat(PLANE));
    assert_eq!(pictures.labels, [6]);
    // CIFAR-100: the second label is that of the fine class.
    bytes.insert(0, 19);
    bytes[1] = 99;
    let pictures = read_batch(&bytes[..], "x", Set::Hundred).unwrap();
    assert_eq!((pictures.pixels, pictures.labels), ([1, 2, 3].repeat(PLANE), vec![99]));

    let planes = &bytes[2..];
    for python in [Python::Two, Python::Three] {
        for shape in [&[1, 3072][..], &[1, 3, 32, 32]] {
            let pictures = read_python(&python_batch(python, "labels", &[6], shape, planes), "x").unwrap();
            assert_eq!((pictures.pixels, pictures.labels), ([1, 2, 3].repeat(PLANE), vec![6]));
            assert_eq!(pictures.classes.set.as_deref(), Some("CIFAR-10"));
        }
        let pixels = [1, 2, 3].repeat(PLANE);
        let pictures = read_python(&python_batch(python, "fine_labels", &[6], &[1, 32, 32, 3], &pixels), "x").unwrap();
        assert_eq!((pictures.pixels, pictures.classes.set.as_deref()), (pixels, Some("CIFAR-100")));
    }
}

/// Files that Python 3 wrote with NumPy 2, in each protocol, and one as Python 2 wrote CIFAR-10. All have one picture.
#[test]
fn pickles_of_python_are_read() {
    let seeds = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/seeds/pickle");
    let mut count = 0;
    for entry in std::fs::read_dir(seeds).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_str().unwrap().starts_with("good") {
            continue;
        }
        let pictures = read_python(&std::fs::read(&path).unwrap(), "x").unwrap();
        assert_eq!(pictures.labels, [6], "{}", path.display());
        let expected = |i: usize| ((i % 3 * PLANE + i / 3) / 13 % 256) as u8;
        assert!(pictures.pixels.iter().enumerate().all(|(i, &value)| value == expected(i)), "{}", path.display());
        count += 1;
    }
    assert!(count >= 5, "{count} files");
}

/// Checks what the reader says of a pickle.
#[track_caller]
fn says(bytes: &[u8], expected: &str) {
    let error = read_python(bytes, "x").unwrap_err().to_string();
    assert!(error.contains(expected), "{expected}: {error}");
}

#[test]
fn no_pickle_runs_anything() {
    says(b"\x80\x02cos\nsystem\nU\x02ls\x85R.", "it wants to run os.system; this reader runs nothing");
    says(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R.", "wants to run posix.system");
    says(b"(dp0\n(S'ls'\nios\nsystem\n.", "wants to run os.system");
    says(b"\x80\x02c__builtin__\neval\nU\x011\x85R.", "wants to run __builtin__.eval");
    says(b"\x80\x02cnumpy.core.multiarray\nfromfile\n.", "wants to run numpy.core.multiarray.fromfile");
    says(b"\x80\x04\x8c\x02\x1b[\x8c\x01x\x93.", "wants to run \\u{1b}[.x");
    // Objects of classes, persistent values, extensions, buffers elsewhere.
    for operation in [b'o', b'P', b'Q', 0x81, 0x82, 0x92, 0x97] {
        says(&[0x80, 4, b'}', operation, b'.'], &format!("the operation {operation:#04x}"));
    }
    // The known functions with other arguments.
    says(b"\x80\x02cnumpy\nndarray\nK\x09\x85R.", "calls a function in an unknown way");
    says(b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nK\x01K\x01K\x01\x87R.", "in an unknown way");
    says(b"\x80\x02K\x01)R.", "calls what is no function");
}

#[test]
fn hostile_pickles_are_refused_in_words() {
    // Lengths beyond the file, and beyond any memory.
    says(b"\x80\x02T\xff\xff\xff\x7fx.", "it is cut");
    says(b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xffx.", "at byte 2: ");
    says(b"\x80\x04\x8b\xff\xff\xff\x7fx.", "it is cut");
    says(b"\x80\x02\x8a\x09123456789.", "a number of 9 bytes");
    // Ten million lists inside each other, and a list inside itself.
    says(&[&b"\x80\x02"[..], &[b']'; 10_000_000]].concat(), "more than 8000000 operations");
    says(b"\x80\x02}q\0(U\x04data]q\x01h\x01aU\x06labelsh\0u.", "its \"data\" is no array");
    // The same text decoded again and again.
    let text = "a".repeat(1000);
    let repeat = b"c_codecs\nencode\nh\0U\x06latin1\x86R0".repeat(1000);
    says(
        &[&b"\x80\x02"[..], format!("V{text}\nq").as_bytes(), &[0, b'0'], &repeat, b"}."].concat(),
        "repeats its texts",
    );
    says(b"\x80\x02h\x07.", "uses value 7, which there is not");
    says(b"\x80\x02.", "more values than there are");
    says(b"\x80\x02K\x01(0.", "more values than there are");
    says(b"\x80\x02K\x01.", "of no dictionary");
    says(b"\x80\x02}(U\x01au.", "a key without a value");
    says(b"\x80\x09.", "protocol 9");
    says(b"PK\x03\x04", "it is a zip archive");
    says(b"", "an empty file");
    // Dictionaries without what is needed.
    says(b"\x80\x02}U\x01aK\x01s.", "it has no \"data\"; its keys are a");
    let batch = |key: &str, labels: &[usize], shape: &[usize], pixels: usize| {
        python_batch(Python::Three, key, labels, shape, &vec![0; pixels])
    };
    says(
        &batch("classes", &[6], &[1, 3072], 3072),
        "no \"labels\" or \"fine_labels\"; its keys are batch_label, classes",
    );
    says(&batch("labels", &[6, 6], &[1, 3072], 3072), "1 pictures, and 2 labels");
    says(&batch("labels", &[6], &[1, 3072], 3071), "needs 3072 bytes, it has 3071");
    says(&batch("labels", &[6], &[1, 64, 64, 3], 12288), "the shape [1, 64, 64, 3]");
    says(&batch("labels", &[6], &[1; 9], 1), "an array of 9 axes");

    let whole = python_records(Python::Two, "labels", &[6, 3]);
    for length in (0..whole.len()).filter(|length| length % 7 == 0 || *length < 200 || whole.len() - length < 200) {
        read_python(&whole[..length], "x").unwrap_err();
    }
}

#[test]
fn a_damaged_checksum_of_the_archive_is_noticed() {
    let mut bytes = tar_gz(&[("data_batch_1.bin", &records(&[6, 6]))]);
    assert_eq!(read_archive(&bytes[..], "x").unwrap().len(), 2);
    let crc = bytes.len() - 8;
    bytes[crc] ^= 1;
    assert!(matches!(read_archive(&bytes[..], "x"), Err(CifarError::Archive { .. })));
}

#[test]
fn an_entry_that_claims_to_be_huge_is_refused() {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_path("data_batch_1.bin").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    tar.append(&header, io::empty()).unwrap();
    let bytes = tar.into_inner().unwrap();
    assert!(matches!(read_archive(&bytes[..], "x"), Err(CifarError::TooLarge { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_or_refused(
        labels in prop::collection::vec(0_u8..12, 0..5),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..4000),
    ) {
        let whole = records(&labels);
        let cut = cut.index(whole.len() + 1);
        let result = read_batch(&whole[..cut], "x", Set::Ten);
        let good = cut % RECORD == 0 && labels[..cut / RECORD].iter().all(|&label| label < 10);
        prop_assert_eq!(result.is_ok(), good);
        if let Ok(pictures) = result {
            prop_assert_eq!(pictures.len(), cut / RECORD);
        }
        for set in [Set::Ten, Set::Hundred] {
            let _ = read_batch(&noise[..], "x", set);
        }
        let _ = read_archive(&noise[..], "x");
        let _ = read_python(&noise, "x");
        let _ = read_python(&[&[0x80, 4][..], &noise].concat(), "x");
    }

    #[test]
    fn a_cut_archive_is_refused_and_a_damaged_one_does_no_harm(
        cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        packed in any::<bool>(),
    ) {
        let mut whole = tar_gz(&[("a/data_batch_2.bin", &records(&[6, 1])), ("a/data_batch_1.bin", &records(&[3, 6]))]);
        if !packed {
            let mut plain = Vec::new();
            GzDecoder::new(&whole[..]).read_to_end(&mut plain).unwrap();
            whole = plain;
        }
        if packed {
            prop_assert!(read_archive(&whole[..cut.index(whole.len())], "x").is_err());
        } else {
            let _ = read_archive(&whole[..cut.index(whole.len())], "x");
        }
        for (at, flip) in flips {
            let at = at.index(whole.len());
            whole[at] ^= flip;
        }
        let _ = read_archive(&whole[..], "x");
    }
}
