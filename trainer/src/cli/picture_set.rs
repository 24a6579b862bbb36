//! Sets of pictures to measure: drawn by a model, or made by another program.

use std::fs::{self, File};
use std::io::{BufReader, Read as _, Seek as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use gen_core::{AlignedBytes, aligned};
use gen_core::{Model, Shape};
use ndarray::Array4;

use trainer::classes::latent_of;
use trainer::data::{self, Class};
use trainer::npy::{Element, Header, MAGIC};
use trainer::quantise::FloatModel;
use trainer::quantise::draw::draw;
use trainer::run::Checkpoint;
use trainer::text::Plain;

/// Limit in bytes of the pixels of a set, which are kept in memory.
const MAX_BYTES: usize = 4 << 30;

/// A set of pictures to measure, before any picture is read or drawn.
#[derive(Debug)]
pub(crate) struct Set<'a> {
    path: &'a Path,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Folder,
    Model(AlignedBytes<'static>),
    Checkpoint(Box<Checkpoint>),
    /// Shape `[N, height, width, channels]` of an array, and the file, positioned after its header.
    Npy([usize; 4], File),
}

impl<'a> Set<'a> {
    /// Opens the set at `path`, which may be:
    ///
    /// * a model, or a folder with a `model.gen`, as that of a run: its pictures of the seeds 0, 1, …, as the device draws them, whose classes take turns;
    /// * a checkpoint: the float pictures of its averaged generator for the same seeds;
    /// * a `.npy` file: the first pictures of an array `[N, height, width, channels]` of uint8;
    /// * a folder of pictures with its subfolders, in the order of their names.
    ///
    /// # Errors
    /// When `path` is none of these, or cannot be read. The message has the path.
    pub(crate) fn open(path: &'a Path) -> Result<Self> {
        let shown = Plain::path(path);
        let unreadable = || format!("cannot read {shown}");
        let meta = fs::metadata(path).with_context(unreadable)?;
        let model = path.join("model.gen");
        let file = if meta.is_dir() { &model } else { path };
        if meta.is_dir() && !model.is_file() {
            return Ok(Self { path, kind: Kind::Folder });
        }
        let mut file = File::open(file).with_context(unreadable)?;
        let mut start = Vec::new();
        file.by_ref().take(8).read_to_end(&mut start).with_context(unreadable)?;
        file.rewind().with_context(unreadable)?;
        if start.starts_with(MAGIC) {
            let (dim, file) = npy(file).with_context(|| shown.to_string())?;
            return Ok(Self { path, kind: Kind::Npy(dim, file) });
        }
        let mut bytes = Vec::new();
        let is_model = start.starts_with(&gen_core::format::MAGIC);
        let is_checkpoint = start.starts_with(b"RBCK");
        ensure!(
            is_model || is_checkpoint,
            "{shown} is no model, no checkpoint, no .npy file and no folder of pictures"
        );
        file.read_to_end(&mut bytes).with_context(unreadable)?;
        let kind = if is_model {
            Kind::Model(aligned(bytes))
        } else {
            Kind::Checkpoint(Box::new(Checkpoint::decode(&bytes).with_context(|| shown.to_string())?))
        };
        Ok(Self { path, kind })
    }

    /// Shape of the pictures, if it is known before they are read; `None` for a folder.
    pub(crate) fn shape(&self) -> Option<Shape> {
        match &self.kind {
            Kind::Folder => None,
            Kind::Model(bytes) => Some(Model::parse(bytes).ok()?.output_shape()),
            Kind::Checkpoint(checkpoint) => checkpoint.config.picture().ok(),
            &Kind::Npy([_, height, width, channels], _) => {
                let length = |n: usize| u16::try_from(n).ok();
                Some(Shape::new(length(height)?, length(width)?, length(channels)?))
            }
        }
    }

    /// Whether it is drawn by a generator with classes.
    pub(crate) fn has_classes(&self) -> bool {
        match &self.kind {
            Kind::Model(bytes) => Model::parse(bytes).is_ok_and(|model| !model.classes().is_empty()),
            Kind::Checkpoint(checkpoint) => checkpoint.config.is_conditional(),
            Kind::Folder | Kind::Npy(..) => false,
        }
    }

    /// Loads or draws the pictures, `[N, height, width, channels]`, at most `count`. A folder with pictures of another size is
    /// refused instead of resizing them, because that would measure the resizing.
    ///
    /// # Errors
    /// When the set cannot be read, or has no pictures of that size.
    pub(crate) fn load(self, count: usize, shape: Shape) -> Result<Array4<u8>> {
        let shown = Plain::path(self.path);
        match self.kind {
            Kind::Folder => folder(self.path, count, shape),
            Kind::Model(bytes) => {
                let model = Model::parse(&bytes).with_context(|| shown.to_string())?;
                let latents: Vec<_> = (0..count).map(|seed| latent_of(&model, seed as u32)).collect();
                Ok(draw(&model, &latents))
            }
            Kind::Checkpoint(checkpoint) => {
                let model = FloatModel::fold(&checkpoint.config, &checkpoint.state.average)
                    .with_context(|| shown.to_string())?;
                Ok(model.pictures(model.input().range(0, count as u32).view()))
            }
            Kind::Npy([all, height, width, channels], file) => {
                let n = all.min(count);
                let bytes =
                    [height, width, channels].iter().try_fold(n, |product, &length| product.checked_mul(length));
                let bytes = bytes.filter(|&bytes| bytes <= MAX_BYTES).with_context(|| {
                    format!("{shown}: {n} pictures of {height}x{width} take more than {} GiB", MAX_BYTES >> 30)
                })?;
                let mut pixels = Vec::new();
                let unreadable = || format!("cannot read {shown}");
                BufReader::new(file).take(bytes as u64).read_to_end(&mut pixels).with_context(unreadable)?;
                ensure!(pixels.len() == bytes, "{shown} is cut: copy it again");
                Ok(Array4::from_shape_vec((n, height, width, channels), pixels)?)
            }
        }
    }
}

/// Reads the header of an array of pictures.
fn npy(mut file: File) -> Result<([usize; 4], File)> {
    const ADVICE: &str = "in Python, to write an array of pictures: numpy.save(FILE, array.astype(\"uint8\"))";
    let Header { element, shape, fortran } = Header::read(&mut file).context(ADVICE)?;
    match shape[..] {
        [n, height, width, channels @ (1 | 3)] if element == Element::U8 && !fortran => {
            Ok(([n, height, width, channels], file))
        }
        _ => bail!(
            "it is no array [N, height, width, 3 or 1] of uint8 in C order, but {shape:?} of {element:?}; {ADVICE}"
        ),
    }
}

fn folder(path: &Path, count: usize, shape: Shape) -> Result<Array4<u8>> {
    let request = data::Request {
        path: Some(path.to_owned()),
        class: Class::Noted("all".into()),
        target: data::Target::of(shape),
        exact: true,
        ..Default::default()
    };
    data::load(&request)?.pictures.first(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(path: &Path, count: usize, side: u16) -> Result<Array4<u8>> {
        Set::open(path)?.load(count, Shape::new(side, side, 3))
    }

    #[test]
    fn arrays_are_read_as_far_as_they_are_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        let all = Array4::from_shape_fn((5, 8, 8, 3), |(n, y, x, c)| (50 * n + 8 * y + x + c) as u8);
        ndarray_npy::write_npy(&path, &all).unwrap();
        assert_eq!(Set::open(&path).unwrap().shape(), Some(Shape::new(8, 8, 3)));
        assert_eq!(load(&path, 9, 8).unwrap(), all);
        assert_eq!(load(&path, 2, 8).unwrap(), all.slice(ndarray::s![..2, .., .., ..]));
        let error = |path: &Path| format!("{:#}", load(path, 9, 8).unwrap_err());

        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        assert!(error(&path).contains("a.npy is cut"), "{}", error(&path));
        // Memory is not allocated for a size that only the header claims.
        let text = String::from_utf8_lossy(&bytes[..128]).replace("(5, 8, 8, 3)", "(9999999999, 64, 64, 3)");
        let mut huge = bytes.clone();
        huge[10..128].copy_from_slice(&text.as_bytes()[text.len() - 129..text.len() - 11]);
        fs::write(&path, huge).unwrap();
        assert!(load(&path, usize::MAX, 8).is_err());
        ndarray_npy::write_npy(&path, &all.mapv(f32::from)).unwrap();
        assert!(error(&path).contains("uint8") && error(&path).contains("numpy.save"), "{}", error(&path));
        fs::write(&path, "x").unwrap();
        assert!(error(&path).contains("no model"), "{}", error(&path));
    }

    #[test]
    fn pictures_of_another_size_are_found_in_subfolders_too() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        let save = |side: u32, path: &Path| image::RgbImage::new(side, side).save(path).unwrap();
        save(32, &root.path().join("1.png"));
        save(32, &root.path().join("2.png"));
        assert_eq!(load(root.path(), 9, 32).unwrap().dim(), (2, 32, 32, 3));
        assert_eq!(load(root.path(), 1, 32).unwrap().dim(), (1, 32, 32, 3));
        // A picture is recognised whatever its name.
        image::RgbImage::new(64, 64).save_with_format(below.join("3"), image::ImageFormat::Png).unwrap();
        let error = format!("{:#}", load(root.path(), 9, 32).unwrap_err());
        assert!(error.contains("64x64, not 32x32") && error.contains("magick"), "{error}");
    }
}
