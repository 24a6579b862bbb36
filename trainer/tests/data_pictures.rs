//! Tests of picture files: complete and truncated, rotated, in every colour space; and of files that are not pictures.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{Delay, DynamicImage, Frame, ImageEncoder as _, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use tempfile::TempDir;
use trainer::data::{self, Dataset, Request, picture};
use trainer::grid::{is_sheet, marked};

const PROGRESSIVE: &[u8] = include_bytes!("pictures/progressive.jpg");
const GREY: &[u8] = include_bytes!("pictures/grey-progressive.jpg");
const RESTART: &[u8] = include_bytes!("pictures/restart.jpg");
const CMYK: &[u8] = include_bytes!("pictures/cmyk.jpg");

fn read(bytes: &[u8]) -> Result<RgbImage, String> {
    picture(Cursor::new(bytes), 32)
}

#[track_caller]
fn refused(bytes: &[u8]) -> String {
    read(bytes).expect_err("it is taken")
}

/// A picture that is bright at the top left, and textured so that truncation changes it everywhere.
fn scene(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let is_corner = x < width / 2 && y < height / 2;
        let texture = (x * 37 + y * 91 + x * y) as u8 % 60;
        Rgb(if is_corner { [190 + texture, 20, 20] } else { [20, texture, 90 + texture] })
    })
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn jpegs() -> Vec<Vec<u8>> {
    let baseline = encoded(&scene(64, 48), ImageFormat::Jpeg);
    vec![baseline, PROGRESSIVE.to_vec(), GREY.to_vec(), RESTART.to_vec()]
}

fn load(path: &Path) -> Dataset {
    data::load(&Request { path: Some(path.to_owned()), ..Request::default() }).unwrap()
}

#[test]
fn a_cut_jpeg_is_refused_wherever_it_is_cut() {
    for whole in jpegs() {
        read(&whole).unwrap();
        for at in 0..whole.len() * 98 / 100 {
            let reason = refused(&whole[..at]);
            let at = 100 * at / whole.len();
            assert!(reason.starts_with("corrupt") || at < 5, "{at} %: {reason}");
            // A truncated progressive file with an end marker may be a complete picture with less detail.
            if at > 50 && !whole.windows(2).any(|pair| pair == b"\xff\xc2") {
                refused(&[&whole[..whole.len() * at / 100], b"\xff\xd9"].concat());
            }
        }
    }
}

#[test]
fn what_was_never_written_to_disk_is_no_picture() {
    for whole in jpegs() {
        let mut zeros = whole.clone();
        zeros[whole.len() * 7 / 10..].fill(0);
        assert!(refused(&zeros).starts_with("corrupt"));
    }
}

#[test]
fn a_jpeg_whose_blocks_are_all_there_is_taken() {
    let thumbnail = encoded(&scene(16, 16), ImageFormat::Jpeg);
    for whole in jpegs() {
        let expected = read(&whole).unwrap();
        // Without the end marker, with zeros in its place, with garbage or a second picture after it.
        let bare = &whole[..whole.len() - 2];
        for variant in [
            bare.to_vec(),
            [bare, &[0; 700]].concat(),
            [&whole[..], b"\xff\xd8 trailing \xff garbage"].concat(),
            [&whole[..], &[0; 1000]].concat(),
            [&whole[..], &thumbnail].concat(),
        ] {
            assert_eq!(read(&variant).unwrap(), expected);
        }
        // A thumbnail in the EXIF data, with its own end marker.
        let exif = [b"Exif\0\0MM\0\x2a\0\0\0\x08\0\0\0\0\0\0", &thumbnail[..]].concat();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        let with = [&whole[..2], b"\xff\xe1", &length, &exif, &whole[2..]].concat();
        assert_eq!(read(&with).unwrap(), expected);
        assert!(refused(&with[..with.len() * 6 / 10]).starts_with("corrupt"));
    }
}

#[test]
fn damage_in_the_middle_of_a_jpeg_is_noticed() {
    for whole in jpegs() {
        let middle = whole.len() / 2;
        let mut damaged = whole.clone();
        // An invalid marker within the data.
        damaged[middle..middle + 4].copy_from_slice(b"\xff\xda\xff\xd9");
        assert!(refused(&damaged).starts_with("corrupt"));
    }
}

#[test]
fn a_cut_file_of_any_other_kind_is_refused() {
    for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp] {
        let whole = encoded(&scene(64, 48), format);
        read(&whole).unwrap();
        for percent in [10, 30, 50, 70, 90] {
            refused(&whole[..whole.len() * percent / 100]);
        }
    }
}

/// EXIF data with the orientation only, little-endian or big-endian.
fn exif(orientation: u8, big: bool) -> Vec<u8> {
    if big {
        [b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[orientation][..], b"\0\0\0\0\0\0"].concat()
    } else {
        [b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[orientation][..], b"\0\0\0\0\0\0\0"].concat()
    }
}

/// The stored picture of an upright scene for a camera with this orientation.
fn held(upright: &RgbImage, orientation: u8) -> RgbImage {
    use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
    match orientation {
        2 => flip_horizontal(upright),
        3 => rotate180(upright),
        4 => flip_vertical(upright),
        5 => rotate270(&flip_horizontal(upright)),
        6 => rotate270(upright),
        7 => rotate90(&flip_horizontal(upright)),
        8 => rotate90(upright),
        _ => upright.clone(),
    }
}

#[test]
fn pictures_stand_upright_however_the_camera_was_held() {
    let upright = scene(32, 32);
    for orientation in 0..=9 {
        let lying = held(&upright, orientation);
        for big in [false, true] {
            for prefix in [&b""[..], b"Exif\0\0"] {
                let exif = [prefix, &exif(orientation, big)].concat();
                let mut png = Vec::new();
                let mut encoder = PngEncoder::new(&mut png);
                encoder.set_exif_metadata(exif.clone()).unwrap();
                encoder.write_image(lying.as_raw(), 32, 32, image::ExtendedColorType::Rgb8).unwrap();
                let mut webp = Vec::new();
                let mut encoder = WebPEncoder::new_lossless(&mut webp);
                encoder.set_exif_metadata(exif.clone()).unwrap();
                encoder.write_image(lying.as_raw(), 32, 32, image::ExtendedColorType::Rgb8).unwrap();
                for (kind, bytes) in [("png", png), ("webp", webp)] {
                    assert!(read(&bytes).unwrap() == upright, "{kind}, {orientation}, big {big}, {prefix:?}");
                }
            }
            // JPEG always has the prefix, and is lossy.
            let jpeg = encoded(&lying, ImageFormat::Jpeg);
            let segment = [b"Exif\0\0", &exif(orientation, big)[..]].concat();
            let length = (segment.len() as u16 + 2).to_be_bytes();
            let jpeg = [&jpeg[..2], b"\xff\xe1", &length, &segment, &jpeg[2..]].concat();
            let found = read(&jpeg).unwrap();
            let bright = |x, y| found.get_pixel(x, y).0[0] > 120;
            assert!(bright(4, 4) && !bright(28, 4) && !bright(4, 28) && !bright(28, 28), "jpeg, {orientation}");
        }
    }
}

#[test]
fn every_colour_space_becomes_rgb() {
    // Full cyan, no other ink.
    let [red, green, blue] = read(CMYK).unwrap().get_pixel(16, 16).0;
    assert!(red < 40 && green > 120 && blue > 180, "{red} {green} {blue}");
    let grey = read(GREY).unwrap();
    assert!(grey.pixels().all(|pixel| pixel.0[0] == pixel.0[1] && pixel.0[1] == pixel.0[2]));

    // A palette of two colours with one bit a pixel: the left half has the second colour, which is half transparent.
    let chunk = |kind: &[u8], data: &[u8]| {
        let body = [kind, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
    };
    let header = [&32_u32.to_be_bytes()[..], &32_u32.to_be_bytes(), &[1, 3, 0, 0, 0]].concat();
    let rows = [0, 0xff, 0xff, 0, 0].repeat(32);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &rows).unwrap();
    let parts = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"PLTE", &[10, 20, 30, 200, 100, 0]),
        chunk(b"tRNS", &[255, 128]),
        chunk(b"IDAT", &packed.finish().unwrap()),
        chunk(b"IEND", b""),
    ];
    let found = read(&parts.concat()).unwrap();
    assert_eq!(found.get_pixel(31, 9).0, [10, 20, 30]);
    assert_eq!(found.get_pixel(0, 9).0, [227, 177, 127], "over white");
}

#[test]
fn of_a_film_the_first_picture_is_taken() {
    let colours = [Rgba([200, 40, 20, 255]), Rgba([0, 0, 255, 255])];
    let mut gif = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut gif);
    for colour in colours {
        let frame = RgbaImage::from_pixel(32, 32, colour);
        encoder.encode_frame(Frame::from_parts(frame, 0, 0, Delay::from_numer_denom_ms(100, 1))).unwrap();
    }
    drop(encoder);
    assert_eq!(read(&gif).unwrap().get_pixel(16, 16).0, [200, 40, 20]);

    // An animated WebP: every frame is a lossless picture with its own header.
    let chunk = |kind: &[u8], data: &[u8]| {
        let pad = if data.len().is_multiple_of(2) { &b""[..] } else { b"\0" };
        [kind, &(data.len() as u32).to_le_bytes(), data, pad].concat()
    };
    let mut body = [b"WEBP".to_vec(), chunk(b"VP8X", &[2, 0, 0, 0, 31, 0, 0, 31, 0, 0])].concat();
    body.extend(chunk(b"ANIM", &[0; 6]));
    for colour in colours {
        let still =
            encoded(&RgbImage::from_pixel(32, 32, Rgb([colour.0[0], colour.0[1], colour.0[2]])), ImageFormat::WebP);
        let frame = [&[0, 0, 0, 0, 0, 0, 31, 0, 0, 31, 0, 0, 100, 0, 0, 0][..], &still[12..]].concat();
        body.extend(chunk(b"ANMF", &frame));
    }
    let webp = chunk(b"RIFF", &body);
    let found = read(&webp).unwrap().get_pixel(16, 16).0;
    assert!(found.iter().zip([200, 40, 20]).all(|(&a, b)| u8::abs_diff(a, b) <= 1), "{found:?}");
}

#[test]
fn pictures_without_anything_to_see_are_left_out_or_told_of() {
    let root = TempDir::new().unwrap();
    let at = |name: &str| root.path().join(name);
    RgbaImage::from_pixel(40, 40, Rgba([9, 9, 9, 0])).save(at("clear.png")).unwrap();
    RgbaImage::from_fn(40, 40, |x, _| Rgba([9, 9, 9, u8::from(x == 20)])).save(at("nearly.png")).unwrap();
    RgbImage::from_pixel(40, 40, Rgb([7, 7, 7])).save(at("plain.png")).unwrap();
    scene(8, 8).save(at("tiny.png")).unwrap();
    let dataset = load(root.path());
    assert_eq!(dataset.len(), 3);
    assert_eq!(dataset.enlarged, 1);
    assert!(dataset.skipped[0].path.ends_with("clear.png"));
    let text = data::describe(&dataset).unwrap();
    for part in ["wholly transparent", "of one colour", "1 smaller than 32x32 pixels", "quality is not measured"] {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

#[test]
fn other_kinds_are_named_with_what_to_do() {
    let root = TempDir::new().unwrap();
    scene(32, 32).save(root.path().join("1.png")).unwrap();
    scene(40, 32).save(root.path().join("2.png")).unwrap();
    let cases: &[(&str, &[u8], &str, &str)] = &[
        ("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "convert"),
        ("a.avif", b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "AVIF", "convert"),
        ("a.tif", b"II+\0\x08\0\0\0\0\0", "BigTIFF", "convert"),
        ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftyp", "JPEG 2000", "convert"),
        ("a.jxl", b"\xff\x0a\x08\x10", "JPEG XL", "convert"),
        ("a.svg", b"<?xml version='1.0'?><svg xmlns='x'/>", "SVG", "pixels"),
        ("a.pdf", b"%PDF-1.7\n", "PDF", "pixels"),
        ("a.cr2", b"II*\0\x10\0\0\0CR\x02\0", "raw", "develop"),
        ("a.psd", b"8BPS\0\x01", "Photoshop", "convert"),
        ("a.mp4", b"\0\0\0\x18ftypisom\0\0\0\0", "film", "frames"),
        ("page.jpg", b"<!DOCTYPE html><html><body>404", "web page", "download"),
        ("lfs.png", b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS", "git lfs pull"),
        ("empty.png", b"", "empty file", "again"),
        ("a.npy", b"\x93NUMPY\x01\0", "NumPy", "--data"),
    ];
    for (name, bytes, ..) in cases {
        fs::write(root.path().join(name), bytes).unwrap();
    }
    let dataset = load(root.path());
    assert_eq!(dataset.len(), 2);
    for (name, _, kind, todo) in cases {
        let skipped = dataset.skipped.iter().find(|skipped| skipped.path.ends_with(name)).unwrap();
        assert!(skipped.reason.contains(kind) && skipped.reason.contains(todo), "{skipped}");
        // If the file itself is the source, the message names it too.
        let path = Some(root.path().join(name));
        let error = format!("{:#}", data::load(&Request { path, ..Request::default() }).unwrap_err());
        // An array is read, and this one is cut.
        let is_explained = error.contains(kind) && error.contains(todo);
        assert!(is_explained || (*name == "a.npy" && error.contains("cut in its header")), "{error}");
    }
    assert!(data::describe(&dataset).unwrap().contains("a.npy"), "all are listed");
}

#[test]
fn a_sheet_of_this_program_is_no_picture() {
    let png = encoded(&scene(64, 64), ImageFormat::Png);
    let sheet = marked(&png);
    assert!(is_sheet(&sheet) && !is_sheet(&png) && !is_sheet(&sheet[..50]));
    assert!(refused(&sheet).contains("sheet"), "{}", refused(&sheet));
    let pixels = |bytes: &[u8]| DynamicImage::from(image::load_from_memory(bytes).unwrap().into_rgb8());
    assert_eq!(pixels(&sheet), pixels(&png), "only the remark is new");
    assert!(is_sheet(&marked(b"x")[..]) || !marked(b"x").is_empty(), "any bytes do");
}

#[test]
fn a_picture_that_is_too_large_says_what_to_do() {
    // 12000 x 9000 pixels, all white.
    let header = [&12_000_u32.to_be_bytes()[..], &9000_u32.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let body = [b"IHDR", &header[..]].concat();
    let png = [b"\x89PNG\r\n\x1a\n", &13_u32.to_be_bytes()[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat();
    let idat = [&png[..], &0_u32.to_be_bytes(), b"IDAT", &crc32fast::hash(b"IDAT").to_be_bytes()].concat();
    let reason = refused(&idat);
    assert!(reason.contains("12000x9000") && reason.contains("-resize"), "{reason}");
}

/// A TIFF file without compression, 16 x 16 pixels of one value.
fn tiff(photometric: u16, orientation: u16, bits: u16, is_float: bool, pixel: &[u8], channels: u16) -> Vec<u8> {
    const SIDE: u32 = 16;
    let data: Vec<u8> = pixel.repeat((SIDE * SIDE) as usize);
    let tags: [(u16, u32); 11] = [
        (256, SIDE),
        (257, SIDE),
        (258, bits.into()),
        (259, 1),
        (262, photometric.into()),
        (273, 0), // where the pixels are
        (274, orientation.into()),
        (277, channels.into()),
        (278, SIDE),
        (279, data.len() as u32),
        (339, if is_float { 3 } else { 1 }),
    ];
    // The lists of bits and of formats are behind the tags.
    let behind = 8 + 2 + 12 * tags.len() as u32 + 4;
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend((tags.len() as u16).to_le_bytes());
    let mut lists = Vec::new();
    for (tag, value) in tags {
        let is_list = matches!(tag, 258 | 339) && channels > 2;
        let kind: u16 = if matches!(tag, 273 | 279) { 4 } else { 3 };
        let count = if is_list { u32::from(channels) } else { 1 };
        let value = match tag {
            273 => behind + 2 * 2 * 4,
            _ if is_list => {
                let place = behind + lists.len() as u32;
                lists.extend((value as u16).to_le_bytes().repeat(channels.into()));
                place
            }
            _ => value,
        };
        bytes
            .extend([&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat());
    }
    bytes.extend([0; 4]);
    lists.resize(2 * 2 * 4, 0);
    [bytes, lists, data].concat()
}

#[test]
fn tiff_is_read_in_the_kinds_that_programs_write() {
    let picture = DynamicImage::ImageRgb8(scene(40, 32));
    let expected = read(&encoded(&scene(40, 32), ImageFormat::Png)).unwrap();
    let grey = read(&{
        let mut bytes = Cursor::new(Vec::new());
        picture.to_luma8().write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    });
    for (kind, expected) in [
        (picture.clone(), &expected),
        (picture.to_rgb16().into(), &expected),
        (picture.to_rgba8().into(), &expected),
        (picture.to_rgba16().into(), &expected),
        (picture.to_rgb32f().into(), &expected),
        (picture.to_luma8().into(), grey.as_ref().unwrap()),
    ] {
        let mut bytes = Cursor::new(Vec::new());
        kind.write_to(&mut bytes, ImageFormat::Tiff).unwrap();
        let found = read(bytes.get_ref()).unwrap();
        let distance = found.iter().zip(expected.iter()).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(distance <= Some(1), "{:?}: {distance:?}", kind.color());
        let cut = refused(&bytes.get_ref()[..bytes.get_ref().len() / 2]);
        assert!(cut.starts_with("corrupt"), "{cut}");
    }
    // Little-endian, from left to right, upside down; CMYK; floats from 0 to 1.
    let of = |bytes: &[u8]| read(bytes).unwrap().get_pixel(5, 5).0;
    assert_eq!(of(&tiff(2, 3, 8, false, &[10, 20, 30], 3)), [10, 20, 30]);
    assert_eq!(of(&tiff(5, 1, 8, false, &[0, 255, 255, 0], 4)), [255, 0, 0]);
    assert_eq!(of(&tiff(0, 1, 8, false, &[0], 1)), [255; 3], "0 is white");
    let floats = |value: f32| tiff(2, 1, 32, true, &value.to_le_bytes().repeat(3), 3);
    assert_eq!(of(&floats(0.5)), [128; 3]);
    for (bytes, expected) in [
        (floats(2.0), "floats are not from 0 to 1"),
        (floats(f32::NAN), "floats are not from 0 to 1"),
        (tiff(1, 1, 32, true, &[0; 4], 1), "cannot be read"),
        (tiff(2, 1, 32, false, &[0xff; 12], 3), ""),
        (tiff(3, 1, 8, false, &[7], 1), ""),
        (tiff(8, 1, 8, false, &[7, 7, 7], 3), ""),
        (tiff(2, 1, 64, true, &[0; 24], 3), "cannot be read"),
    ] {
        let reason = refused(&bytes);
        assert!(reason.contains(expected) && !reason.is_empty(), "{expected}: {reason}");
    }
    // A turned one, as scanners and cameras leave it.
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a.tif"), tiff(2, 6, 8, false, &[10, 20, 30], 3)).unwrap();
    fs::write(folder.path().join("b.TIFF"), tiff(2, 1, 8, false, &[10, 20, 30], 3)).unwrap();
    fs::write(folder.path().join("c.tif"), b"II+\0\x08\0\0\0").unwrap();
    let dataset = load(folder.path());
    assert_eq!(dataset.len(), 2);
    assert!(dataset.skipped_list().contains("c.tif: not a picture that is read, but a BigTIFF picture"));
}
