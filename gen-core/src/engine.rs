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

use crate::kernels::{Kernels, Native};
use crate::latent::Latent;
use crate::model::{Layer, Model};
use crate::no_panic::{split_at_mut, subslice, subslice_mut};
use crate::pixels::Pixels;
use crate::row::{self, InputRows};
use crate::spec::{LayerSpec, MAX_LAYERS, MAX_TAPS, SpecError, WeightTransform};

/// The buffer given to [`Engine::new`] is too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WorkspaceTooSmall {
    /// Bytes that the model needs.
    pub needed: usize,
    /// Bytes of the given buffer.
    pub given: usize,
}

impl fmt::Display for WorkspaceTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the model needs a workspace of {} bytes, this one has {}", self.needed, self.given)
    }
}

impl core::error::Error for WorkspaceTooSmall {}

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

/// Draws the pictures of a model, in a borrowed buffer.
pub struct Engine<'m, 'w, K: Kernels = Native> {
    model: &'m Model<'m>,
    staging: &'w mut [u32],
    /// Rings and the row of pixels.
    rows: &'w mut [i8],
    rings: Vec<Ring, MAX_LAYERS>,
    kernels: PhantomData<K>,
}

/// One line, without the buffer's contents.
impl<K: Kernels> fmt::Debug for Engine<'_, '_, K> {
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

impl<'m, 'w> Engine<'m, 'w> {
    /// An engine with the kernels of this build. `workspace` may have any alignment; its contents do not matter.
    ///
    /// # Errors
    /// [`WorkspaceTooSmall`] if it has fewer than [`Model::workspace_len`] bytes.
    pub fn new(model: &'m Model<'m>, workspace: &'w mut [i8]) -> Result<Self, WorkspaceTooSmall> {
        Self::with_kernels(model, workspace)
    }
}

impl<'m, 'w, K: Kernels> Engine<'m, 'w, K> {
    /// An engine with other kernels. Kernels whose [`Kernels::LAYOUT`] is not
    /// [valid](crate::plan::KernelLayout::is_valid) do not compile:
    ///
    /// ```compile_fail,E0080
    /// use gen_core::kernels::{KernelArgs, Kernels};
    /// use gen_core::plan::{KernelLayout, PORTABLE};
    /// use gen_core::{Engine, Model};
    ///
    /// struct Wide;
    ///
    /// impl Kernels for Wide {
    ///     const NAME: &'static str = "wide";
    ///     const LAYOUT: KernelLayout = KernelLayout { pixels: [[64, 8, 4]; 7], ..PORTABLE };
    ///     fn toeplitz(_: usize, _: usize, _: usize, _: KernelArgs<'_>) {}
    ///     fn dot(_: KernelArgs<'_>) {}
    ///     fn tile(_: &[&[i8]], _: usize, _: &mut [u32]) {}
    ///     fn winograd(_: usize, _: usize, _: KernelArgs<'_>) {}
    /// }
    ///
    /// fn engine<'a>(model: &'a Model<'a>, workspace: &'a mut [i8]) -> Engine<'a, 'a, Wide> {
    ///     Engine::with_kernels(model, workspace).unwrap()
    /// }
    /// # let blob = gen_core::include_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/tiny.blob"));
    /// # engine(&Model::parse(blob).unwrap(), &mut [0; 4096]);
    /// ```
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_kernels(model: &'m Model<'m>, workspace: &'w mut [i8]) -> Result<Self, WorkspaceTooSmall> {
        const { assert!(K::LAYOUT.is_valid(), "kernels whose sizes the engine cannot work with") };
        let plan = model.workspace_plan(&K::LAYOUT);
        let (needed, given) = (plan.bytes(), workspace.len());
        let workspace = workspace.get_mut(..needed).ok_or(WorkspaceTooSmall { needed, given })?;
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
        Ok(Self { model, staging, rows, rings, kernels: PhantomData })
    }

    /// Draws the picture of `latent`. It calls `sink(y, pixels)` for each row from top to bottom.
    ///
    /// A latent that is longer than the model's is cut; a shorter one is padded with zeros. A model with classes draws
    /// [`Latent::class`], and its last class if it does not have as many.
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
        self.start(latent);
        let shape = self.model.output_shape();
        for y in 0..shape.height as usize {
            sink(y, Pixels::new(self.next_row(observer), shape.channels));
        }
    }

    /// Empties the rings and writes the latent and the numbers of its class to the first.
    fn start(&mut self, latent: &Latent) {
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

/// The place of input row `row` in the rings.
fn slot(layer: &Layer<'_>, ring: &Ring, row: usize) -> core::ops::Range<usize> {
    let len = layer.geometry.input.row_len();
    let start = ring.start + row % layer.geometry.ring_rows() * len;
    start..start + len
}
