//! The order in which rows are computed, and where they are kept.
//!
//! A row of the picture needs a few rows of the last layer's input, which need a
//! few rows of the layer before, and so on down to the latent. The engine starts at the next row of the picture,
//! goes back to the first layer that lacks input rows, and computes forward from there. For each layer it
//! keeps only as many input rows as one output row needs, in a ring buffer. No row is computed twice, and no
//! full feature map is stored.
//!
//! ```text
//! workspace: | staging | ring 0: latent | ring 1 | … | ring n−1 | row of pixels |
//! layer i reads ring i and writes ring i+1, the last one the row of pixels
//! ```
//!
//! All layers use the same staging memory, one after the other.

use core::fmt;
use core::marker::PhantomData;

use heapless::Vec;

use crate::kernels::{Kernels, Native, NativeFor};
use crate::latent::Latent;
use crate::model::{Layer, Model};
use crate::no_panic::{split_at_mut, subslice, subslice_mut};
use crate::pixels::Pixels;
use crate::row::{self, InputRows};
use crate::spec::{LayerSpec, MAX_LAYERS, MAX_TAPS, SpecError, WeightTransform};

/// Why an engine cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum EngineError {
    /// The workspace is too small for the model.
    WorkspaceTooSmall {
        /// Bytes that the model needs: [`Model::workspace_len`].
        needed: usize,
        /// Bytes of the given workspace.
        given: usize,
    },
    /// The engine was made without the kernels for a layer: an [`EngineFor`] another model, or a build without the feature
    /// `winograd`.
    Kernels {
        /// Index of the layer.
        layer: u8,
    },
    /// The processor does not have the instructions of the kernels that this program was built with.
    Processor {
        /// The instructions that it lacks.
        missing: &'static str,
    },
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorkspaceTooSmall { needed, given } => {
                write!(f, "the model needs a workspace of {needed} bytes, this one has {given}")
            }
            Self::Kernels { layer } => {
                write!(f, "layer {layer} of the model needs kernels that this program was built without")
            }
            Self::Processor { missing } => {
                write!(f, "this processor has no {missing} instructions: build for it, or with the feature `portable`")
            }
        }
    }
}

impl core::error::Error for EngineError {}

/// Bytes of workspace that [`Engine::new`] needs for a model with these layers, as a `const fn`. The same as
/// [`Model::workspace_len`].
///
/// The result is for the kernels of this build of gen-core. A number that a build script computes could be for another
/// target or other features, and then the buffer would be too small. `transforms` may be shorter than `layers`: the
/// other layers have [`WeightTransform::None`]. `inputs` is [`Model::input_len`].
///
/// A build script reads the layers from the model. `{:?}` writes layers and transforms as Rust
/// expressions. The file that it writes imports their names with
/// `use gen_core::spec::{Activation::*, Op::*, Padding::*, WeightTransform::*, *};`
///
/// ```
/// use gen_core::Model;
///
/// // In build.rs, with gen-core among the build-dependencies:
/// fn constants(model: &Model<'_>) -> String {
///     let layers: Vec<_> = model.layers().iter().map(|layer| layer.spec).collect();
///     let transforms: Vec<_> = model.layers().iter().map(|layer| layer.transform).collect();
///     let (inputs, count) = (model.input_len(), layers.len());
///     format!("const INPUTS: u16 = {inputs}; const LAYERS: [LayerSpec; {count}] = {layers:?}; const TRANSFORMS: [WeightTransform; {count}] = {transforms:?};")
/// }
///
/// // In the program, in a module of its own that includes the written file:
/// mod model {
///     use gen_core::spec::{Activation::*, Op::*, Padding::*, WeightTransform::*, *};
/// #   const INPUTS: u16 = 5; const LAYERS: [LayerSpec; 5] = [LayerSpec { op: Dense { out: Shape { height: 2, width: 3, channels: 4 } }, activation: Relu }, LayerSpec { op: ConvTranspose { channels: 3, kernel: 4, stride: 2, padding: Same }, activation: LeakyRelu(0.3) }, LayerSpec { op: ConvTranspose { channels: 2, kernel: 3, stride: 2, padding: Valid }, activation: Linear }, LayerSpec { op: Conv { channels: 3, kernel: 2, stride: 1, padding: Valid }, activation: Relu }, LayerSpec { op: Conv { channels: 3, kernel: 3, stride: 1, padding: Same }, activation: Tanh }]; const TRANSFORMS: [WeightTransform; 5] = [None, None, None, None, None];
/// #   pub fn written() -> String {
/// #       format!("const INPUTS: u16 = {INPUTS:?}; const LAYERS: [LayerSpec; 5] = {LAYERS:?}; const TRANSFORMS: [WeightTransform; 5] = {TRANSFORMS:?};")
/// #   }
/// #   #[cfg(any())]
///     include!(concat!(env!("OUT_DIR"), "/model.rs"));
///     pub const WORKSPACE_LEN: usize = match gen_core::workspace_len(INPUTS, &LAYERS, &TRANSFORMS) {
///         Ok(len) => len,
///         Err(e) => panic!("{}", e.message()),
///     };
/// }
/// static WORKSPACE: [i8; model::WORKSPACE_LEN] = [0; model::WORKSPACE_LEN];
/// # let blob = gen_core::include_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob"));
/// # let parsed = Model::parse(blob).unwrap();
/// # assert_eq!(constants(&parsed), model::written());
/// # assert_eq!(WORKSPACE.len(), parsed.workspace_len());
/// ```
///
/// # Errors
/// The error of [`spec::check`](crate::spec::check).
pub const fn workspace_len(
    inputs: u16,
    layers: &[LayerSpec],
    transforms: &[WeightTransform],
) -> Result<usize, SpecError> {
    Native::LAYOUT.workspace_len(inputs, layers, transforms)
}

impl Model<'_> {
    /// Bytes of workspace that [`Engine::new`] needs for this model, with the kernels of this build.
    pub fn workspace_len(&self) -> usize {
        self.workspace_plan(&Native::LAYOUT).bytes()
    }
}

/// Input rows of one layer.
#[derive(Debug, Clone, Copy)]
struct Ring {
    /// Offset of its first row behind the staging, in bytes.
    start: usize,
    /// Rows that were written to it so far.
    filled: u16,
    /// Output rows that were computed from it so far.
    computed: u16,
}

/// Draws the pictures of a model, in a borrowed workspace.
///
/// It owns the model, which borrows the bytes of its file. If file and workspace are statics, it is an
/// `Engine<'static>`, which can be moved into a task or a struct.
pub struct Engine<'a, K: Kernels = Native> {
    model: Model<'a>,
    staging: &'a mut [u32],
    /// Rings and the row of pixels.
    rows: &'a mut [i8],
    rings: Vec<Ring, MAX_LAYERS>,
    kernels: PhantomData<K>,
}

/// An engine with only the kernels that one model needs, which makes a program smaller:
///
/// ```
/// use gen_core::{EngineFor, ModelFile, Workspace, include_model};
///
/// const FROG: ModelFile = include_model!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob"));
///
/// let mut workspace = Workspace::<{ FROG.workspace_len() }>::new();
/// let mut engine = EngineFor::<{ FROG.kernels() }>::with_kernels(FROG.model()?, &mut workspace)?;
/// # let latent = engine.model().latent(42);
/// # engine.generate(&latent, |_, _| {});
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type EngineFor<'a, const KERNELS: u32> = Engine<'a, NativeFor<KERNELS>>;

/// One line, without the buffer's contents.
impl<K: Kernels> fmt::Debug for Engine<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, staging, rows, .. } = self;
        let (kernels, staging, rows) = (K::NAME, size_of_val(*staging), rows.len());
        write!(f, "Engine {{ kernels: {kernels:?}, staging: {staging} bytes, rows: {rows} bytes, model: {model:?} }}")
    }
}

/// Is shown every row of every layer as it is computed: for comparisons layer by layer, and for measurements.
pub trait LayerObserver {
    /// Receives row `y` of the output of layer `layer`: int8 values, or for the last layer the bytes of its
    /// pixels.
    fn row(&mut self, layer: usize, y: usize, row: &[i8]);
}

/// Ignores all rows, at no cost.
impl LayerObserver for () {
    #[inline(always)]
    fn row(&mut self, _: usize, _: usize, _: &[i8]) {}
}

impl<F: FnMut(usize, usize, &[i8])> LayerObserver for F {
    fn row(&mut self, layer: usize, y: usize, row: &[i8]) {
        self(layer, y, row);
    }
}

impl<'a> Engine<'a> {
    /// An engine with the kernels of this build. `workspace` may have any alignment; its contents do not matter. A
    /// [`Workspace`](crate::Workspace) is one whose size is known at compile time.
    ///
    /// On a Cortex-M, a program that runs privileged also checks that the processor has the instructions of these
    /// kernels. An unprivileged program cannot read which ones it has.
    ///
    /// # Errors
    /// [`EngineError`]: the workspace has fewer than [`Model::workspace_len`] bytes, or the processor lacks instructions.
    pub fn new(model: Model<'a>, workspace: &'a mut [i8]) -> Result<Self, EngineError> {
        Self::with_kernels(model, workspace)
    }
}

impl<'a, K: Kernels> Engine<'a, K> {
    /// An engine with these kernels: those of one model ([`EngineFor`]).
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_kernels(model: Model<'a>, workspace: &'a mut [i8]) -> Result<Self, EngineError> {
        const { assert!(K::LAYOUT.is_valid(), "kernels whose sizes the engine cannot work with") };
        if let Some(missing) = K::missing_instructions() {
            return Err(EngineError::Processor { missing });
        }
        let is_missing = |layer: &Layer<'_>| K::LAYOUT.kernels(&layer.geometry, layer.transform) & !K::KERNELS != 0;
        if let Some(layer) = model.layers().iter().position(is_missing) {
            return Err(EngineError::Kernels { layer: layer as u8 });
        }
        let plan = model.workspace_plan(&K::LAYOUT);
        let (needed, given) = (plan.bytes(), workspace.len());
        let workspace = workspace.get_mut(..needed).ok_or(EngineError::WorkspaceTooSmall { needed, given })?;
        // Staging begins at the first aligned word. The plan has the bytes that are skipped before it.
        let skipped = bytemuck::pod_align_to_mut::<i8, u32>(workspace).0.len();
        let (staging, rows) = split_at_mut(subslice_mut(workspace, skipped..), plan.staging * size_of::<u32>());
        let (_, staging, _) = bytemuck::pod_align_to_mut(staging);
        let mut start = 0;
        let mut rings = Vec::new();
        for layer in model.layers() {
            // Never full: a model has at most MAX_LAYERS layers.
            let _ = rings.push(Ring { start, filled: 0, computed: 0 });
            start += layer.geometry.ring_len();
        }
        if let Some(last) = rings.last_mut() {
            last.computed = model.output_shape().height; // no picture is begun
        }
        Ok(Self { model, staging, rows, rings, kernels: PhantomData })
    }

    /// The model.
    pub fn model(&self) -> &Model<'a> {
        &self.model
    }

    /// Starts the picture of `latent`, whose rows the caller pulls one after the other. Nothing is computed before
    /// [`Rows::next`] is called, and a picture need not be finished: starting the next one is always possible.
    ///
    /// A latent that is longer than the model's is cut; a shorter one is padded with zeros. A model with classes draws
    /// [`Latent::class`], and its last class if it does not have as many.
    ///
    /// ```
    /// # use gen_core::{Engine, Model, include_aligned};
    /// # struct Spi;
    /// # impl Spi { async fn write(&mut self, _: &[u8]) -> Result<(), ()> { Ok(()) } }
    /// async fn show(engine: &mut Engine<'_>, number: u32, spi: &mut Spi) -> Result<(), ()> {
    ///     let latent = engine.model().latent(number);
    ///     let mut rows = engine.start(&latent);
    ///     while let Some(row) = rows.next() {
    ///         spi.write(row.bytes()).await?;
    ///     }
    ///     Ok(())
    /// }
    /// # let model = include_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob"));
    /// # let mut workspace = [0; 1024];
    /// # let mut engine = Engine::new(Model::parse(model).unwrap(), &mut workspace).unwrap();
    /// # let mut spi = Spi;
    /// # let mut shown = std::pin::pin!(show(&mut engine, 42, &mut spi));
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # assert!(shown.as_mut().poll(&mut context).is_ready());
    /// # use std::future::Future;
    /// ```
    pub fn start(&mut self, latent: &Latent) -> Rows<'_, 'a, K> {
        self.restart(latent);
        self.rows()
    }

    /// The rows of the current picture that are still to come, for a caller that cannot keep the [`Rows`] of
    /// [`start`](Self::start) from one call to the next. None before the first picture.
    pub fn rows(&mut self) -> Rows<'_, 'a, K> {
        Rows { engine: self }
    }

    /// Draws the picture of `latent` as [`start`](Self::start) does, and calls `sink(y, pixels)` for each row from top to
    /// bottom.
    pub fn generate(&mut self, latent: &Latent, sink: impl FnMut(usize, Pixels<'_>)) {
        self.generate_observed(latent, sink, &mut ());
    }

    /// [`generate`](Self::generate), which also shows every row of every layer to `observer`.
    pub fn generate_observed(
        &mut self,
        latent: &Latent,
        mut sink: impl FnMut(usize, Pixels<'_>),
        observer: &mut impl LayerObserver,
    ) {
        self.restart(latent);
        let shape = self.model.output_shape();
        for y in 0..shape.height as usize {
            sink(y, Pixels::new(self.next_row(observer), shape.channels));
        }
    }

    /// Empties the rings and writes the latent and the numbers of its class to the first.
    fn restart(&mut self, latent: &Latent) {
        for ring in &mut self.rings {
            (ring.filled, ring.computed) = (0, 0);
        }
        // The latent, with the class behind it, is the only input row of the first layer.
        let row = subslice_mut(self.rows, ..self.model.input_len());
        row.fill(0);
        let (row, class) = split_at_mut(row, self.model.latent_len());
        for (to, &from) in row.iter_mut().zip(latent.steps()) {
            *to = from;
        }
        for (to, from) in class.iter_mut().zip(self.model.classes().numbers(latent.class())) {
            *to = from;
        }
        if let Some(first) = self.rings.first_mut() {
            first.filled = 1;
        }
    }

    /// Computes the next row of the picture.
    fn next_row(&mut self, observer: &mut impl LayerObserver) -> &[u8] {
        let layers = self.model.layers();
        let mut i = layers.len() - 1;
        let picture_row = loop {
            // Layer and ring `i`, and the next ones.
            let (Some([layer, layers_after @ ..]), Some([ring, rings_after @ ..])) =
                (layers.get(i..), self.rings.get_mut(i..))
            else {
                break 0..0; // never: there is a ring for each layer, and `i` is never below 0
            };
            let g = &layer.geometry;
            let window = g.y.window(ring.computed.into());
            let end = (window.start + window.taps as isize).clamp(0, g.input.height as isize);
            if usize::from(ring.filled) < end as usize {
                // The layer before has to compute another row. Layer 0 never lacks one: it has the latent.
                i -= 1;
                continue;
            }

            let after = ring.start + g.ring_len();
            let (rings, output) = split_at_mut(self.rows, after);
            let mut rows: Vec<Option<&[i8]>, MAX_TAPS> = Vec::new();
            for y in window.start..window.start + window.taps as isize {
                let inside = (0..g.input.height as isize).contains(&y);
                // Never full: the parser refuses windows of more than MAX_TAPS rows.
                let _ = rows.push(inside.then(|| subslice(rings, slot(layer, ring, y as usize))));
            }
            let next = layers_after.first().zip(rings_after.first_mut());
            let output = match &next {
                Some((layer, ring)) => {
                    let row = slot(layer, ring, ring.filled.into());
                    subslice_mut(output, row.start - after..row.end - after)
                }
                None => subslice_mut(output, ..g.output.row_len()),
            };
            let zero_point = i.checked_sub(1).and_then(|i| layers.get(i)).map_or(0, |before| before.zero_point);
            let window = InputRows { rows: &rows, zero_point, phase: window.phase };
            row::row::<K>(layer, &window, self.staging, output);
            observer.row(i, ring.computed.into(), output);
            ring.computed += 1;
            match next {
                Some((_, ring)) => ring.filled += 1,
                None => break after..after + g.output.row_len(),
            }
            i += 1;
        };
        bytemuck::cast_slice(subslice(self.rows, picture_row))
    }
}

/// A picture that is being drawn: [`Engine::start`].
///
/// It is no `Iterator`, because a row lies in the engine's workspace and has to be used before the next one is computed.
pub struct Rows<'e, 'a, K: Kernels = Native> {
    engine: &'e mut Engine<'a, K>,
}

impl<K: Kernels> Rows<'_, '_, K> {
    /// Computes the next row of the picture, from top to bottom; `None` after the last one.
    #[expect(clippy::should_implement_trait, reason = "an `Iterator` cannot lend its items")]
    pub fn next(&mut self) -> Option<Pixels<'_>> {
        if self.remaining() == 0 {
            return None;
        }
        let channels = self.engine.model.output_shape().channels;
        Some(Pixels::new(self.engine.next_row(&mut ()), channels))
    }

    /// How many rows are still to come.
    pub fn remaining(&self) -> usize {
        let computed = self.engine.rings.last().map_or(0, |ring| ring.computed);
        usize::from(self.engine.model.output_shape().height.saturating_sub(computed))
    }
}

/// One line, without the contents of the workspace.
impl<K: Kernels> fmt::Debug for Rows<'_, '_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rows {{ remaining: {}, engine: {:?} }}", self.remaining(), self.engine)
    }
}

/// The place of input row `row` in the rings.
fn slot(layer: &Layer<'_>, ring: &Ring, row: usize) -> core::ops::Range<usize> {
    let len = layer.geometry.input.row_len();
    let start = ring.start + row % layer.geometry.ring_rows() * len;
    start..start + len
}
