//! Which row is computed when, and where it is kept.
//!
//! A row of the picture needs a few rows of the last layer's input, which need a
//! few rows of the layer before, and so on down to the latent. The engine works
//! backwards from the next row of the picture, computes what is missing, and keeps
//! for each layer only as many input rows as one output row needs: a ring. Nothing
//! is computed twice and no full feature map ever exists.
//!
//! ```text
//! workspace: | staging | ring 0: latent | ring 1 | … | ring n−1 | row of pixels |
//! layer i reads ring i and writes ring i+1, the last one the row of pixels
//! ```
//!
//! All layers stage in the same place, one after the other.

use core::fmt;
use core::marker::PhantomData;

use heapless::Vec;

use crate::blob::{Layer, Model};
use crate::certain::{part, part_mut, split_mut};
use crate::kernels::{Kernels, Native};
use crate::latent::Latent;
use crate::row::{self, MAX_BLOCK, Window};
use crate::spec::{Form, LayerSpec, MAX_LAYERS, MAX_TAPS, SpecError};
#[cfg(doc)]
use crate::tiling::Tiling;

/// The buffer given to [`Engine::new`] is too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct WorkspaceTooSmall {
    /// Bytes that the model needs.
    pub needed: usize,
    /// Bytes that were given.
    pub given: usize,
}

impl fmt::Display for WorkspaceTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the model needs a workspace of {} bytes, this one has {}", self.needed, self.given)
    }
}

impl core::error::Error for WorkspaceTooSmall {}

/// Bytes of workspace that [`Engine::new`] asks for, as a `const`: what [`Model::workspace_len`]
/// says of a model with these layers.
///
/// It is computed by this very build of gen-core, for the kernels that it has ([`Native`]). So a
/// program that sizes its buffer with it cannot disagree with the engine about features or
/// targets, as a number from a build script can. `forms` may be shorter than `layers`: the
/// others are [`Form::Direct`]. For other kernels: [`Tiling::workspace_len`].
///
/// A build script gets the layers from the model. `{:?}` writes them, and forms, as Rust
/// expressions; the file that it writes names them all with
/// `use gen_core::spec::{Activation::*, Form::*, Op::*, Padding::*, *};`
///
/// ```
/// use gen_core::Model;
///
/// // In build.rs, with gen-core among the build-dependencies:
/// fn constants(model: &Model<'_>) -> String {
///     let layers: Vec<_> = model.layers().iter().map(|layer| layer.spec).collect();
///     let forms: Vec<_> = model.layers().iter().map(|layer| layer.form).collect();
///     let (latent, count) = (model.latent_len(), layers.len());
///     format!("const LATENT: u16 = {latent}; const LAYERS: [LayerSpec; {count}] = {layers:?}; const FORMS: [Form; {count}] = {forms:?};")
/// }
///
/// // In the program, in a module of its own that includes what was written:
/// mod model {
///     use gen_core::spec::{Activation::*, Form::*, Op::*, Padding::*, *};
/// #   const LATENT: u16 = 5; const LAYERS: [LayerSpec; 5] = [LayerSpec { op: Dense { out: Shape { height: 2, width: 3, channels: 4 } }, activation: Relu }, LayerSpec { op: ConvTranspose { channels: 3, kernel: 4, stride: 2, padding: Same }, activation: LeakyRelu(0.3) }, LayerSpec { op: ConvTranspose { channels: 2, kernel: 3, stride: 2, padding: Valid }, activation: Linear }, LayerSpec { op: Conv { channels: 3, kernel: 2, stride: 1, padding: Valid }, activation: Relu }, LayerSpec { op: Conv { channels: 3, kernel: 3, stride: 1, padding: Same }, activation: Tanh }]; const FORMS: [Form; 5] = [Direct, Direct, Direct, Direct, Direct];
/// #   pub fn written() -> String {
/// #       format!("const LATENT: u16 = {LATENT:?}; const LAYERS: [LayerSpec; 5] = {LAYERS:?}; const FORMS: [Form; 5] = {FORMS:?};")
/// #   }
/// #   #[cfg(any())]
///     include!(concat!(env!("OUT_DIR"), "/model.rs"));
///     pub const WORKSPACE_LEN: usize = match gen_core::workspace_len(LATENT, &LAYERS, &FORMS) {
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
/// What [`spec::check`](crate::spec::check) reports.
pub const fn workspace_len(latent: u16, layers: &[LayerSpec], forms: &[Form]) -> Result<usize, SpecError> {
    Native::TILING.workspace_len(latent, layers, forms)
}

/// Input rows of one layer.
#[derive(Debug, Clone, Copy)]
struct Ring {
    /// Where it begins behind the staging.
    start: usize,
    /// Rows that went in so far.
    filled: u16,
    /// Output rows that were made from it so far.
    made: u16,
}

/// Runs a model on a borrowed buffer.
pub struct Engine<'m, 'w, K: Kernels = Native> {
    model: &'m Model<'m>,
    staging: &'w mut [u32],
    /// Rings and the row of pixels.
    rows: &'w mut [i8],
    rings: Vec<Ring, MAX_LAYERS>,
    kernels: PhantomData<K>,
}

/// A line about it.
impl<K: Kernels> fmt::Debug for Engine<'_, '_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, staging, rows, .. } = self;
        let (kernels, staging, rows) = (K::NAME, size_of_val(*staging), rows.len());
        write!(f, "Engine {{ kernels: {kernels:?}, staging: {staging} bytes, rows: {rows} bytes, model: {model:?} }}")
    }
}

/// Sees every row of every layer as it is computed: for layer-by-layer comparison.
pub trait Tap {
    /// Row `y` of the output of layer `layer`: int8 values, or for the last layer
    /// the bytes of its pixels.
    fn row(&mut self, layer: usize, y: usize, row: &[i8]);
}

/// Sees nothing, costs nothing.
impl Tap for () {
    #[inline(always)]
    fn row(&mut self, _: usize, _: usize, _: &[i8]) {}
}

impl<F: FnMut(usize, usize, &[i8])> Tap for F {
    fn row(&mut self, layer: usize, y: usize, row: &[i8]) {
        self(layer, y, row);
    }
}

impl<'m, 'w> Engine<'m, 'w> {
    /// An engine with the [`Native`] kernels.
    ///
    /// # Errors
    /// [`WorkspaceTooSmall`], with the number that it takes.
    pub fn new(model: &'m Model<'m>, workspace: &'w mut [i8]) -> Result<Self, WorkspaceTooSmall> {
        Self::with_kernels(model, workspace)
    }
}

impl<'m, 'w, K: Kernels> Engine<'m, 'w, K> {
    /// An engine with kernels of choice. Kernels whose [`Kernels::TILING`] is not
    /// [valid](crate::tiling::Tiling::is_valid), or has larger blocks than
    /// [`row::MAX_BLOCK`], do not compile:
    ///
    /// ```compile_fail,E0080
    /// use gen_core::kernels::{Call, Kernels};
    /// use gen_core::tiling::{PORTABLE, Tiling};
    /// use gen_core::{Engine, Model};
    ///
    /// struct Wide;
    ///
    /// impl Kernels for Wide {
    ///     const NAME: &'static str = "wide";
    ///     const TILING: Tiling = Tiling { pixels: [[64, 8, 4]; 7], ..PORTABLE };
    ///     fn toeplitz(_: usize, _: usize, _: usize, _: Call<'_>) {}
    ///     fn dot(_: Call<'_>) {}
    ///     fn tile(_: &[&[i8]], _: usize, _: &mut [u32]) {}
    ///     fn winograd(_: usize, _: usize, _: Call<'_>) {}
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
        // Buffers of a row are made for blocks of this size.
        const { assert!(K::TILING.is_valid(MAX_BLOCK), "kernels whose sizes the engine cannot work with") };
        let memory = model.memory(&K::TILING);
        let (needed, given) = (memory.len(), workspace.len());
        let workspace = workspace.get_mut(..needed).ok_or(WorkspaceTooSmall { needed, given })?;
        // Staging begins at the first word; what is skipped before it is missing at the end.
        let skipped = bytemuck::pod_align_to_mut::<i8, u32>(workspace).0.len();
        let (staging, rows) = split_mut(part_mut(workspace, skipped..), memory.staging * size_of::<u32>());
        let (_, staging, _) = bytemuck::pod_align_to_mut(staging);
        let mut start = 0;
        let mut rings = Vec::new();
        for layer in model.layers() {
            // Cannot be full: there are no more layers.
            let _ = rings.push(Ring { start, filled: 0, made: 0 });
            start += layer.geometry.ring_len();
        }
        Ok(Self { model, staging, rows, rings, kernels: PhantomData })
    }

    /// Draws the picture of `latent`, handing out rows top to bottom as
    /// `sink(y, pixels)`, three bytes (red, green, blue) a pixel.
    ///
    /// A latent of another length than the model's is cut, or filled up with zeros.
    pub fn generate(&mut self, latent: &Latent, sink: impl FnMut(usize, &[u8])) {
        self.generate_tapped(latent, sink, &mut ());
    }

    /// [`generate`](Self::generate), showing every row of every layer to `tap`.
    pub fn generate_tapped(&mut self, latent: &Latent, mut sink: impl FnMut(usize, &[u8]), tap: &mut impl Tap) {
        self.start(latent);
        for y in 0..self.model.picture().height as usize {
            sink(y, self.next_row(tap));
        }
    }

    /// Empties the rings and fills in the latent.
    fn start(&mut self, latent: &Latent) {
        for ring in &mut self.rings {
            (ring.filled, ring.made) = (0, 0);
        }
        // The latent is an input row like any other, but it has no layer to come from.
        let row = part_mut(self.rows, ..self.model.latent_len());
        row.fill(0);
        for (to, &from) in row.iter_mut().zip(latent.steps()) {
            *to = from;
        }
        if let Some(first) = self.rings.first_mut() {
            first.filled = 1;
        }
    }

    /// Computes the next row of the picture.
    fn next_row(&mut self, tap: &mut impl Tap) -> &[u8] {
        let layers = self.model.layers();
        let mut i = layers.len() - 1;
        let picture_row = loop {
            // Layer and ring `i`, and the next ones.
            let (Some([layer, layers_after @ ..]), Some([ring, rings_after @ ..])) =
                (layers.get(i..), self.rings.get_mut(i..))
            else {
                break 0..0; // there is a ring for each layer, and the first one is never left
            };
            let g = &layer.geometry;
            let window = g.y.window(ring.made.into());
            let end = (window.start + window.taps as isize).clamp(0, g.input.height as isize);
            if usize::from(ring.filled) < end as usize {
                // The layer before has to make another row. Layer 0 has its only one from the start.
                i -= 1;
                continue;
            }

            let after = ring.start + g.ring_len();
            let (rings, output) = split_mut(self.rows, after);
            let mut rows: Vec<Option<&[i8]>, MAX_TAPS> = Vec::new();
            for y in window.start..window.start + window.taps as isize {
                let inside = (0..g.input.height as isize).contains(&y);
                // Cannot be full: the parser admits no window over MAX_TAPS.
                let _ = rows.push(inside.then(|| part(rings, slot(layer, ring, y as usize))));
            }
            let next = layers_after.first().zip(rings_after.first_mut());
            let output = match &next {
                Some((layer, ring)) => {
                    let row = slot(layer, ring, ring.filled.into());
                    part_mut(output, row.start - after..row.end - after)
                }
                None => part_mut(output, ..g.output.row_len()),
            };
            let zero_point = i.checked_sub(1).and_then(|i| layers.get(i)).map_or(0, |before| before.zero_point);
            let window = Window { rows: &rows, zero_point, phase: window.phase };
            row::row::<K>(layer, &window, self.staging, output);
            tap.row(i, ring.made.into(), output);
            ring.made += 1;
            match next {
                Some((_, ring)) => ring.filled += 1,
                None => break after..after + g.output.row_len(),
            }
            i += 1;
        };
        bytemuck::cast_slice(part(self.rows, picture_row))
    }
}

/// Where input row `row` lies.
fn slot(layer: &Layer<'_>, ring: &Ring, row: usize) -> core::ops::Range<usize> {
    let len = layer.geometry.input.row_len();
    let start = ring.start + row % layer.geometry.ring_rows() * len;
    start..start + len
}
