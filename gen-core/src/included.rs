//! A model file whose header the compiler reads: [`include_model!`](crate::include_model), and the workspace for it.
//!
//! [`Model::parse`] reads headers with postcard, which a `const fn` cannot call. The reader of this file decodes the same
//! bytes in the same order; its tests compare the two.

use core::fmt;
use core::ops::{Deref, DerefMut};

use crate::engine::workspace_len;
use crate::kernels::{Kernels, Native};
use crate::model::format::{ALIGNMENT, CLASSES_VERSION, MAGIC, OLDEST_VERSION, PREAMBLE, VERSION};
use crate::model::{Model, ParseError};
use crate::spec::{
    self, Activation, LayerSpec, MAX_CLASS_NAME, MAX_CLASSES, MAX_LAYERS, Op, Padding, Shape, WeightTransform,
};

/// The model file at `path`, relative to the source file, as a [`ModelFile`].
///
/// A file that is no model does not compile, and the compiler's error says why:
///
/// ```compile_fail,E0080
/// # use gen_core::{ModelFile, include_model};
/// const FROG: ModelFile = include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
/// # FROG.model().unwrap();
/// ```
#[macro_export]
macro_rules! include_model {
    ($path:expr $(,)?) => {{
        const FILE: $crate::ModelFile = $crate::ModelFile::new($crate::include_aligned!($path));
        FILE
    }};
}

/// A model file within the program, made by [`include_model!`](crate::include_model). What its header says is known at
/// compile time, such as the size of the workspace:
///
/// ```
/// use gen_core::{Engine, ModelFile, Workspace, include_model};
/// use static_cell::ConstStaticCell;
///
/// const FROG: ModelFile = include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob"));
/// static WORKSPACE: ConstStaticCell<Workspace<{ FROG.workspace_len() }>> = ConstStaticCell::new(Workspace::new());
///
/// let mut engine = Engine::new(FROG.model()?, WORKSPACE.take())?;
/// let latent = engine.model().latent(42);
/// engine.generate(&latent, |_y, row| assert_eq!(row.len(), FROG.output_shape().width.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct ModelFile {
    bytes: &'static [u8],
    inputs: u16,
    class_width: u8,
    class_count: u8,
    layers: [LayerSpec; MAX_LAYERS],
    transforms: [WeightTransform; MAX_LAYERS],
    count: usize,
    picture: Shape,
    workspace: usize,
    kernels: u32,
}

impl ModelFile {
    /// Reads the header and compares the length of the file with it. [`model`](Self::model) checks the rest when the program
    /// runs: the address of the bytes, the checksum, and the numbers of the layers, which are too many for a compiler.
    ///
    /// # Panics
    /// In a constant the compiler reports the panic as an error: the bytes are no model, or one of a version that this
    /// crate does not read.
    pub const fn new(bytes: &'static [u8]) -> Self {
        match read(bytes) {
            Ok(file) => file,
            Err(reason) => panic!("{}", reason),
        }
    }

    /// The bytes of the file.
    pub const fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// The model, after all checks of [`Model::parse`].
    ///
    /// # Errors
    /// Those of [`Model::parse`], if the file is damaged behind its header.
    pub fn model(&self) -> Result<Model<'static>, ParseError> {
        Model::parse(self.bytes)
    }

    /// Bytes of workspace that [`Engine::new`](crate::Engine::new) needs, with the kernels of this build.
    pub const fn workspace_len(&self) -> usize {
        self.workspace
    }

    /// The kernels that the model needs, for the type of an [`EngineFor`](crate::EngineFor) that has no others.
    pub const fn kernels(&self) -> u32 {
        self.kernels
    }

    /// Number of inputs of the first layer: [`Model::input_len`].
    pub const fn input_len(&self) -> usize {
        self.inputs as usize
    }

    /// Length of the latent, in values.
    pub const fn latent_len(&self) -> usize {
        self.inputs as usize - self.class_width as usize
    }

    /// Number of classes; 0 for a model without classes.
    pub const fn class_count(&self) -> usize {
        self.class_count as usize
    }

    /// Shape of the pictures.
    pub const fn output_shape(&self) -> Shape {
        self.picture
    }

    /// The layers, first to last.
    pub const fn layers(&self) -> &[LayerSpec] {
        self.layers.split_at(self.count).0
    }

    /// The weight transforms of the layers.
    pub const fn transforms(&self) -> &[WeightTransform] {
        self.transforms.split_at(self.count).0
    }
}

/// One line, without the bytes.
impl fmt::Debug for ModelFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, count, picture, workspace, .. } = self;
        write!(
            f,
            "ModelFile {{ {} bytes, {count} layers, picture: {picture}, workspace: {workspace} bytes }}",
            bytes.len()
        )
    }
}

/// A workspace of `N` bytes: [`ModelFile::workspace_len`] is the number that a model needs.
#[derive(Clone, Copy)]
#[repr(C, align(4))]
pub struct Workspace<const N: usize>([i8; N]);

impl<const N: usize> Workspace<N> {
    /// A workspace with zeros.
    pub const fn new() -> Self {
        Self([0; N])
    }

    /// A workspace of a chosen size, for a file that it has to be large enough for.
    ///
    /// # Panics
    /// If it is too small. In a constant or a static the compiler reports that as an error:
    ///
    /// ```compile_fail,E0080
    /// # use gen_core::{ModelFile, Workspace, include_model};
    /// const FROG: ModelFile = include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob"));
    /// static WORKSPACE: Workspace<100> = Workspace::for_file(&FROG);
    /// # assert_eq!(WORKSPACE.len(), 100);
    /// ```
    pub const fn for_file(file: &ModelFile) -> Self {
        assert!(file.workspace <= N, "the workspace is too small for the model: it needs `workspace_len()` bytes");
        Self::new()
    }
}

impl<const N: usize> Default for Workspace<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Deref for Workspace<N> {
    type Target = [i8];

    fn deref(&self) -> &[i8] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Workspace<N> {
    fn deref_mut(&mut self) -> &mut [i8] {
        &mut self.0
    }
}

/// Its size.
impl<const N: usize> fmt::Debug for Workspace<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workspace({N} bytes)")
    }
}

/// Why the compiler refuses a file. A `const fn` cannot format numbers into a message.
type Reason = &'static str;

const HEADER: Reason = "the model's header cannot be read: export the model again";

const fn read(bytes: &'static [u8]) -> Result<ModelFile, Reason> {
    let mut preamble = Reader { bytes, at: 0 };
    let mut i = 0;
    while i < MAGIC.len() {
        match preamble.byte() {
            Ok(byte) if byte == MAGIC[i] => i += 1,
            _ => return Err("not a model file: it does not begin with RBGN"),
        }
    }
    if bytes.len() < PREAMBLE {
        return Err("the model file ends within its first 16 bytes");
    }
    let version = u16::from_le_bytes([bytes[4], bytes[5]]);
    if version > VERSION {
        return Err("the model's format is newer than this gen-core: update gen-core");
    }
    if version < OLDEST_VERSION {
        return Err("the model's format is older than gen-core reads: export the model again");
    }
    if u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize != bytes.len() {
        return Err("the model file is shorter or longer than it says: it was damaged");
    }
    let end = PREAMBLE + u16::from_le_bytes([bytes[6], bytes[7]]) as usize;
    if end > bytes.len() {
        return Err(HEADER);
    }
    match header(bytes, Reader { bytes: bytes.split_at(end).0, at: PREAMBLE }, version) {
        Ok((file, len)) if end.next_multiple_of(ALIGNMENT) + len == bytes.len() => Ok(file),
        Ok(_) => Err("the layers of the model do not have the length of the file: export the model again"),
        Err(reason) => Err(reason),
    }
}

/// Reads a header. Returns the file and the bytes that its sections should have.
const fn header(bytes: &'static [u8], mut reader: Reader<'_>, version: u16) -> Result<(ModelFile, usize), Reason> {
    /// The value, or an early return with the reason.
    macro_rules! get {
        ($value:expr) => {
            match $value {
                Ok(value) => value,
                Err(reason) => return Err(reason),
            }
        };
    }
    /// The same for an error of the layers.
    macro_rules! spec {
        ($value:expr) => {
            match $value {
                Ok(value) => value,
                Err(e) => return Err(e.message()),
            }
        };
    }
    get!(reader.text(32));
    let inputs = get!(reader.number()) as u16;
    let count = get!(reader.number()) as usize;
    let mut shape = spec!(spec::start(inputs, count));
    let none = LayerSpec { op: Op::Dense { out: Shape::new(0, 0, 0) }, activation: Activation::Linear };
    let mut file = ModelFile {
        bytes,
        inputs,
        class_width: 0,
        class_count: 0,
        layers: [none; MAX_LAYERS],
        transforms: [WeightTransform::None; MAX_LAYERS],
        count,
        picture: shape,
        workspace: 0,
        kernels: 0,
    };
    let (mut i, mut len) = (0, 0);
    while i < count {
        let layer = get!(reader.layer());
        let transform = get!(reader.transform());
        get!(reader.skip(1 + size_of::<f32>())); // zero point and scale
        let geometry = spec!(layer.follow(shape, i + 1 == count));
        if !geometry.allows(transform) {
            return Err("a layer of the model cannot have the transform winograd: export the model again");
        }
        file.kernels |= Native::LAYOUT.kernels(&geometry, transform);
        len += geometry.packed_len(transform).next_multiple_of(ALIGNMENT)
            + (4 * geometry.bias_count()).next_multiple_of(ALIGNMENT)
            + 2 * (4 * geometry.output.channels as usize).next_multiple_of(ALIGNMENT);
        (file.layers[i], file.transforms[i], shape) = (layer, transform, geometry.output);
        i += 1;
    }
    file.picture = shape;
    if version >= CLASSES_VERSION && get!(reader.byte()) == 1 {
        file.class_width = get!(reader.byte());
        let classes = get!(reader.number()) as usize;
        if classes > MAX_CLASSES || file.class_width as u16 >= inputs {
            return Err("the model's classes are too many, or leave no input for the latent: export it again");
        }
        file.class_count = classes as u8;
        let mut i = 0;
        while i < classes {
            get!(reader.text(MAX_CLASS_NAME));
            i += 1;
        }
        len += (classes * file.class_width as usize).next_multiple_of(ALIGNMENT);
    }
    file.workspace = spec!(workspace_len(inputs, file.layers(), file.transforms()));
    if reader.at == reader.bytes.len() { Ok((file, len)) } else { Err(HEADER) }
}

/// Decodes postcard, from the front of a header on.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    const fn byte(&mut self) -> Result<u8, Reason> {
        if self.at >= self.bytes.len() {
            return Err(HEADER);
        }
        self.at += 1;
        Ok(self.bytes[self.at - 1])
    }

    const fn skip(&mut self, bytes: usize) -> Result<(), Reason> {
        if self.bytes.len() - self.at < bytes {
            return Err(HEADER);
        }
        self.at += bytes;
        Ok(())
    }

    /// An unsigned number of up to 16 bits: seven bits a byte, the lowest first, and the highest bit of every byte but
    /// the last is set. Lengths and the numbers of variants are stored alike, and none of them is larger.
    const fn number(&mut self) -> Result<u32, Reason> {
        let (mut value, mut shift) = (0, 0);
        while shift <= 14 {
            match self.byte() {
                Ok(byte) => {
                    value |= (byte as u32 & 0x7f) << shift;
                    if byte & 0x80 == 0 {
                        return if value <= u16::MAX as u32 { Ok(value) } else { Err(HEADER) };
                    }
                }
                Err(reason) => return Err(reason),
            }
            shift += 7;
        }
        Err(HEADER)
    }

    /// A text of up to `most` bytes: its length, and its bytes.
    const fn text(&mut self, most: usize) -> Result<(), Reason> {
        match self.number() {
            Ok(len) if len as usize <= most => self.skip(len as usize),
            _ => Err(HEADER),
        }
    }

    const fn layer(&mut self) -> Result<LayerSpec, Reason> {
        let op = match self.op() {
            Ok(op) => op,
            Err(reason) => return Err(reason),
        };
        match self.activation() {
            Ok(activation) => Ok(LayerSpec { op, activation }),
            Err(reason) => Err(reason),
        }
    }

    const fn op(&mut self) -> Result<Op, Reason> {
        let Ok(variant) = self.number() else { return Err(HEADER) };
        let Ok(first) = self.number() else { return Err(HEADER) };
        if variant == 0 {
            let Ok(width) = self.number() else { return Err(HEADER) };
            let Ok(channels) = self.number() else { return Err(HEADER) };
            return Ok(Op::Dense { out: Shape::new(first as u16, width as u16, channels as u16) });
        }
        let channels = first as u16;
        let (Ok(kernel), Ok(stride)) = (self.byte(), self.byte()) else { return Err(HEADER) };
        let padding = match self.number() {
            Ok(0) => Padding::Same,
            Ok(1) => Padding::Valid,
            _ => return Err(HEADER),
        };
        match variant {
            1 => Ok(Op::Conv { channels, kernel, stride, padding }),
            2 => Ok(Op::ConvTranspose { channels, kernel, stride, padding }),
            _ => Err(HEADER),
        }
    }

    const fn activation(&mut self) -> Result<Activation, Reason> {
        match self.number() {
            Ok(0) => Ok(Activation::Linear),
            Ok(1) => Ok(Activation::Relu),
            Ok(2) => {
                let (Ok(a), Ok(b), Ok(c), Ok(d)) = (self.byte(), self.byte(), self.byte(), self.byte()) else {
                    return Err(HEADER);
                };
                Ok(Activation::LeakyRelu(f32::from_le_bytes([a, b, c, d])))
            }
            Ok(3) => Ok(Activation::Tanh),
            Ok(4) => Ok(Activation::Sigmoid),
            Ok(5) => Ok(Activation::TanhUnit),
            _ => Err(HEADER),
        }
    }

    const fn transform(&mut self) -> Result<WeightTransform, Reason> {
        match self.number() {
            Ok(0) => Ok(WeightTransform::None),
            Ok(1) => Ok(WeightTransform::Winograd),
            _ => Err(HEADER),
        }
    }
}
