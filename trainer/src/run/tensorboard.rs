//! Event files, which TensorBoard shows: losses, scores and sample sheets over the steps.
//!
//! A file is a list of records in the format of TFRecord: length, checksum of the length, data, checksum of the data.
//! The data of each is an `Event`, a message of Protocol Buffers. The message types here contain only the fields of
//! TensorFlow's `event.proto` and `summary.proto` that are written.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use crc::{CRC_32_ISCSI, Crc, Table};
use image::RgbImage;
use prost::Message;

use super::folder::png;
use super::metrics::{Compared, Measured, Row};

/// Tag of the sample sheets.
const SAMPLES: &str = "samples";

/// CRC-32C, the checksum of TFRecord.
const CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// An event file that grows.
#[derive(Debug)]
pub struct EventFile {
    file: File,
    path: PathBuf,
    /// Step of the last sample sheet.
    sampled: Option<u64>,
    /// The time at which training would have started without interruptions, in seconds since 1970.
    origin: f64,
}

impl EventFile {
    /// Starts a new file in a folder, which is made if it does not exist, and removes the event files that an earlier
    /// session wrote there. `seconds` is the training time so far.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn create(folder: &Path, seconds: f64) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let path = folder.join(format!("events.out.tfevents.{}.ribbit", now.as_nanos()));
        let create = || -> std::io::Result<File> {
            fs::create_dir_all(folder)?;
            for entry in fs::read_dir(folder)?.flatten() {
                if entry.file_name().as_encoded_bytes().starts_with(b"events.out.tfevents.") {
                    fs::remove_file(entry.path())?;
                }
            }
            File::create(&path)
        };
        let file = create().with_context(|| format!("cannot write {}", path.display()))?;
        let mut events = Self { file, path, sampled: None, origin: now.as_secs_f64() - seconds };
        // The reader knows the format by this first event.
        let version =
            Event { wall_time: now.as_secs_f64(), file_version: Some("brain.Event:2".into()), ..Event::default() };
        events.append(&version)?;
        Ok(events)
    }

    /// Appends the losses of a line of the metrics.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn row(&mut self, row: &Row) -> Result<()> {
        let losses = &row.losses;
        let mut values = vec![
            Value::number("loss/discriminator", losses.d_loss),
            Value::number("loss/generator", losses.g_loss),
            Value::number("judged as real/real", losses.d_real),
            Value::number("judged as real/generated", losses.d_fake),
            Value::number("speed/real pictures a second", row.pictures_per_second),
        ];
        values.extend(losses.penalty.map(|penalty| Value::number("loss/penalty", penalty)));
        values.extend(losses.distance.map(|distance| Value::number("loss/distance", distance)));
        self.values(row.step, row.seconds, values)
    }

    /// Appends the scores of a measurement.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn scores(&mut self, measured: &Measured) -> Result<()> {
        let scores = &measured.scores;
        let mut values = vec![
            Value::number("quality/score", scores.quality_score),
            Value::number("quality/frechet", scores.frechet),
            Value::number("quality/precision", scores.precision),
            Value::number("quality/recall", scores.recall),
            Value::number("quality/density", scores.density),
            Value::number("quality/coverage", scores.coverage),
            Value::number("quality/diversity", scores.diversity),
            Value::number("quality/diversity_ratio", scores.diversity_ratio),
        ];
        values.extend(
            scores.swd.iter().enumerate().map(|(level, &swd)| Value::number(&format!("swd/level {level}"), swd)),
        );
        for class in &scores.classes {
            values.push(Value::number(&format!("recall/{}", class.name), class.recall));
            values.push(Value::number(&format!("coverage/{}", class.name), class.coverage));
        }
        self.values(measured.step, measured.seconds, values)
    }

    /// Appends the logits of held-out pictures and others.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn logits(&mut self, compared: &Compared) -> Result<()> {
        let logits = &compared.logits;
        let values = vec![
            Value::number("logit/training", logits.training),
            Value::number("logit/held out", logits.held_out),
            Value::number("logit/generated", logits.generated),
        ];
        self.values(compared.step, compared.seconds, values)
    }

    /// Appends a sample sheet, unless the last one is of the same step.
    ///
    /// # Errors
    /// When it cannot be encoded, or the file cannot be written.
    pub fn samples(&mut self, step: u64, seconds: f64, sheet: &RgbImage) -> Result<()> {
        if self.sampled.replace(step) == Some(step) {
            return Ok(());
        }
        let image = Image {
            height: sheet.height() as i32,
            width: sheet.width() as i32,
            colorspace: 3, // RGB
            encoded: png(sheet)?,
        };
        self.values(step, seconds, vec![Value { tag: SAMPLES.into(), simple_value: None, image: Some(image) }])
    }

    fn values(&mut self, step: u64, seconds: f64, value: Vec<Value>) -> Result<()> {
        let summary = Some(Summary { value });
        self.append(&Event { wall_time: self.origin + seconds, step: step as i64, file_version: None, summary })
    }

    /// Appends a record with one write, so that a reader rarely sees a part of it.
    fn append(&mut self, event: &Event) -> Result<()> {
        self.file
            .write_all(&record(&event.encode_to_vec()))
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// A record of TFRecord.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked_crc(&length).to_le_bytes(), data, &masked_crc(data).to_le_bytes()].concat()
}

/// TFRecord's checksum: rotated and moved, so that the checksum of data that contains checksums has no pattern.
fn masked_crc(data: &[u8]) -> u32 {
    CRC.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "4")]
    image: Option<Image>,
}

impl Value {
    fn number(tag: &str, number: f64) -> Self {
        Self { tag: tag.into(), simple_value: Some(number as f32), image: None }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    #[prost(int32, tag = "3")]
    colorspace: i32,
    /// A PNG file.
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checksums of RFC 3720, appendix B.4.
    #[test]
    fn checksums_are_those_of_tfrecord() {
        assert_eq!(CRC.checksum(&[0; 32]), 0x8a91_36aa);
        assert_eq!(CRC.checksum(&[0xff; 32]), 0x62a8_ab43);
        // The first 12 bytes of every file that TensorFlow writes.
        assert_eq!(masked_crc(&24_u64.to_le_bytes()).to_le_bytes(), *b"\xa3\x7fK\"");
    }

    #[test]
    fn records_can_be_read_back_one_after_another() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("events.out.tfevents.1.ribbit"), "of an earlier session").unwrap();
        let mut events = EventFile::create(folder.path(), 100.0).unwrap();
        events.samples(50, 7.0, &RgbImage::new(3, 2)).unwrap();
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
        assert_eq!(files.len(), 1);
        let bytes = fs::read(files[0].path()).unwrap();
        let (mut rest, mut read) = (&bytes[..], Vec::new());
        while let Some((length, more)) = rest.split_first_chunk::<8>() {
            assert_eq!(more[..4], masked_crc(length).to_le_bytes());
            let (data, more) = more[4..].split_at(u64::from_le_bytes(*length) as usize);
            assert_eq!(more[..4], masked_crc(data).to_le_bytes());
            read.push(Event::decode(data).unwrap());
            rest = &more[4..];
        }
        assert!(rest.is_empty());
        let [first, second] = &read[..] else { panic!("{read:?}") };
        assert_eq!(first.file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!((second.step, second.wall_time - first.wall_time), (50, -93.0));
        let image = second.summary.as_ref().unwrap().value[0].image.as_ref().unwrap();
        assert_eq!((image.width, image.height), (3, 2));
        assert_eq!(image::load_from_memory(&image.encoded).unwrap().to_rgb8(), RgbImage::new(3, 2));
    }
}
