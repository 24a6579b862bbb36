//! Tests of the CIFAR-10 parsers on arbitrary bytes.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use proptest::prelude::*;
use trainer::data::ClassFilter;
use trainer::data::cifar::{CifarError, RECORD, read_archive, read_batch};

use crate::data_common::{records, tar_gz};

const PLANE: usize = 32 * 32;

#[test]
fn planes_become_pixels() {
    let mut bytes = vec![6];
    bytes.extend([1; PLANE].into_iter().chain([2; PLANE]).chain([3; PLANE]));
    let pictures = read_batch(&bytes[..], "x", ClassFilter::FROG).unwrap();
    assert_eq!(pictures.pixels, [1, 2, 3].repeat(PLANE));
    assert_eq!(pictures.counts[6], 1);
}

#[test]
fn a_damaged_checksum_of_the_archive_is_noticed() {
    let mut bytes = tar_gz(&[("data_batch_1.bin", &records(&[6, 6]))]);
    assert_eq!(read_archive(&bytes[..], "x", ClassFilter::All).unwrap().len(), 2);
    let crc = bytes.len() - 8;
    bytes[crc] ^= 1;
    assert!(matches!(read_archive(&bytes[..], "x", ClassFilter::All), Err(CifarError::Archive { .. })));
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
    assert!(matches!(read_archive(&bytes[..], "x", ClassFilter::All), Err(CifarError::TooLarge { .. })));
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
        let result = read_batch(&whole[..cut], "x", ClassFilter::All);
        let good = cut % RECORD == 0 && labels[..cut / RECORD].iter().all(|&label| label < 10);
        prop_assert_eq!(result.is_ok(), good);
        if let Ok(pictures) = result {
            prop_assert_eq!(pictures.len(), cut / RECORD);
        }
        let _ = read_batch(&noise[..], "x", ClassFilter::FROG);
        let _ = read_archive(&noise[..], "x", ClassFilter::FROG);
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
            prop_assert!(read_archive(&whole[..cut.index(whole.len())], "x", ClassFilter::All).is_err());
        } else {
            let _ = read_archive(&whole[..cut.index(whole.len())], "x", ClassFilter::All);
        }
        for (at, flip) in flips {
            let at = at.index(whole.len());
            whole[at] ^= flip;
        }
        let _ = read_archive(&whole[..], "x", ClassFilter::All);
    }
}
