//! Weight layouts of Keras, PyTorch and this program.
//!
//! | | ribbit | Keras, `hwio` | PyTorch, `oihw` |
//! |---|---|---|---|
//! | dense | `[in, (y, x, out)]` | `[in, out]` | `[out, in]` |
//! | convolution | `[(ky, kx, in), out]` | `[ky, kx, in, out]` | `[out, in, ky, kx]` |
//! | transposed | `[in, (ky, kx, out)]` | `[ky, kx, out, in]` | `[in, out, ky, kx]` |
//!
//! No kernel has to be flipped: all three define a transposed convolution as
//! `out[s·i + a] += K[a]·in[i]`.

use std::fmt;
use std::str::FromStr;

use gen_core::spec::{Geometry, Op, Shape};
use ndarray::{ArrayD, ArrayViewD};

/// Order of the axes of kernels and pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Keras, TensorFlow: height, width, in, out; pictures NHWC
    Hwio,
    /// PyTorch, ONNX: out, in, height, width; pictures NCHW
    Oihw,
}

/// Order of a dense layer's outputs, which are reshaped to a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DenseOrder {
    /// Height, width, channel: reshaped to NHWC
    Hwc,
    /// Channel, height, width: reshaped to NCHW
    Chw,
}

impl Layout {
    /// All names, as [`FromStr`] parses them.
    pub const NAMES: [&str; 2] = ["hwio", "oihw"];
}

impl FromStr for Layout {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "hwio" => Ok(Self::Hwio),
            "oihw" => Ok(Self::Oihw),
            _ => Err(UnknownName(Self::NAMES)),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hwio => "hwio",
            Self::Oihw => "oihw",
        })
    }
}

impl DenseOrder {
    /// All names, as [`FromStr`] parses them.
    pub const NAMES: [&str; 2] = ["hwc", "chw"];
}

impl FromStr for DenseOrder {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "hwc" => Ok(Self::Hwc),
            "chw" => Ok(Self::Chw),
            _ => Err(UnknownName(Self::NAMES)),
        }
    }
}

impl fmt::Display for DenseOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hwc => "hwc",
            Self::Chw => "chw",
        })
    }
}

/// An unknown name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has to be one of {}", .0.join(", "))]
pub struct UnknownName([&'static str; 2]);

/// Layout of a file's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Order of the axes of kernels and pictures.
    pub layout: Layout,
    /// Order of the dense layers' outputs.
    pub dense: DenseOrder,
}

impl From<Layout> for Format {
    /// The format with this layout and the order of dense outputs that its framework uses.
    fn from(layout: Layout) -> Self {
        let dense = match layout {
            Layout::Hwio => DenseOrder::Hwc,
            Layout::Oihw => DenseOrder::Chw,
        };
        Self { layout, dense }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, dense {}", self.layout, self.dense)
    }
}

/// Conversion of one array of a layer between this program's layout and a file's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Lengths of this program's axes, before some of them are joined to rows and columns.
    ours: Vec<usize>,
    /// The file's axes as indices of `ours`.
    axes: Vec<usize>,
    /// Shape in the file.
    shape: Vec<usize>,
    /// Description of the file's axes, for messages.
    meaning: &'static str,
}

impl Mapping {
    /// Conversion of a layer's weights.
    pub fn weights(op: Op, geometry: &Geometry, format: Format) -> Self {
        let (cin, cout) = (usize::from(geometry.input.channels), usize::from(geometry.output.channels));
        match op {
            Op::Dense { .. } => {
                let (n_in, n_out) = (geometry.input.len(), geometry.output.len());
                let ours = [axes_of(geometry.input), axes_of(geometry.output)].concat();
                let picture = picture_axes(format.dense);
                let (input, output) = (picture, picture.map(|axis| axis + 3));
                match format.layout {
                    Layout::Hwio => Self::of(ours, &[input, output].concat(), &[n_in, n_out], "in, out"),
                    Layout::Oihw => Self::of(ours, &[output, input].concat(), &[n_out, n_in], "out, in"),
                }
            }
            Op::Conv { kernel, .. } => {
                let k = usize::from(kernel);
                let ours = vec![k, k, cin, cout];
                match format.layout {
                    Layout::Hwio => Self::of(ours, &[0, 1, 2, 3], &[k, k, cin, cout], "height, width, in, out"),
                    Layout::Oihw => Self::of(ours, &[3, 2, 0, 1], &[cout, cin, k, k], "out, in, height, width"),
                }
            }
            Op::ConvTranspose { kernel, .. } => {
                let k = usize::from(kernel);
                let ours = vec![cin, k, k, cout];
                match format.layout {
                    Layout::Hwio => Self::of(ours, &[1, 2, 3, 0], &[k, k, cout, cin], "height, width, out, in"),
                    Layout::Oihw => Self::of(ours, &[0, 3, 1, 2], &[cin, cout, k, k], "in, out, height, width"),
                }
            }
        }
    }

    /// Conversion of an array with one value for each output of a dense layer.
    pub fn outputs(geometry: &Geometry, format: Format) -> Self {
        let shape = [geometry.output.len()];
        Self::of(axes_of(geometry.output).to_vec(), &picture_axes(format.dense), &shape, "one an output")
    }

    /// Conversion of an array with one value for each output channel.
    pub fn channels(geometry: &Geometry) -> Self {
        let channels = geometry.output.channels.into();
        Self::of(vec![channels], &[0], &[channels], "one a channel")
    }

    /// Conversion of a layer's biases: one for each output of a dense layer, one for each channel of other layers.
    pub fn biases(op: Op, geometry: &Geometry, format: Format) -> Self {
        match op {
            Op::Dense { .. } => Self::outputs(geometry, format),
            Op::Conv { .. } | Op::ConvTranspose { .. } => Self::channels(geometry),
        }
    }

    fn of(ours: Vec<usize>, axes: &[usize], shape: &[usize], meaning: &'static str) -> Self {
        Self { ours, axes: axes.to_vec(), shape: shape.to_vec(), meaning }
    }

    /// Shape in the file.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Description of the axes of [`shape`](Self::shape), for messages.
    pub fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// Converts values from this program's order to the file's.
    ///
    /// # Panics
    /// When the number of values is not that of the shape.
    pub fn to_file(&self, ours: &[f32]) -> Vec<f32> {
        let ours = ArrayViewD::from_shape(&self.ours[..], ours).expect("as many values as the layer has");
        ours.permuted_axes(&self.axes[..]).iter().copied().collect()
    }

    /// Converts values from the file's order to this program's.
    ///
    /// # Panics
    /// When the array does not have the shape [`shape`](Self::shape).
    pub fn from_file(&self, theirs: &ArrayD<f64>) -> Vec<f64> {
        assert_eq!(theirs.shape(), self.shape);
        let shape: Vec<usize> = self.axes.iter().map(|&axis| self.ours[axis]).collect();
        let mut back = vec![0; self.axes.len()];
        for (position, &axis) in self.axes.iter().enumerate() {
            back[axis] = position;
        }
        let theirs: Vec<f64> = theirs.iter().copied().collect();
        let theirs = ArrayViewD::from_shape(shape, &theirs).expect("the same number of values");
        theirs.permuted_axes(back).iter().copied().collect()
    }
}

fn axes_of(shape: Shape) -> [usize; 3] {
    [shape.height.into(), shape.width.into(), shape.channels.into()]
}

/// The file's axes of a picture as indices of `[y, x, channel]`.
fn picture_axes(order: DenseOrder) -> [usize; 3] {
    match order {
        DenseOrder::Hwc => [0, 1, 2],
        DenseOrder::Chw => [2, 0, 1],
    }
}

#[cfg(test)]
mod tests {
    use gen_core::LayerSpec;
    use gen_core::spec::{Activation, Padding};

    use super::*;

    fn geometry(op: Op, input: Shape) -> Geometry {
        LayerSpec { op, activation: Activation::Linear }.geometry(input).unwrap()
    }

    fn formats() -> impl Iterator<Item = Format> {
        let orders = [DenseOrder::Hwc, DenseOrder::Chw];
        [Layout::Hwio, Layout::Oihw].into_iter().flat_map(move |l| orders.map(|dense| Format { layout: l, dense }))
    }

    #[test]
    fn every_mapping_leads_there_and_back() {
        let ops = [
            Op::Dense { out: Shape::new(2, 3, 5) },
            Op::Conv { channels: 5, kernel: 3, stride: 1, padding: Padding::Same },
            Op::ConvTranspose { channels: 5, kernel: 4, stride: 2, padding: Padding::Same },
        ];
        for (op, format) in ops.into_iter().flat_map(|op| formats().map(move |format| (op, format))) {
            let geometry = geometry(op, Shape::new(3, 4, 7));
            for mapping in [Mapping::weights(op, &geometry, format), Mapping::biases(op, &geometry, format)] {
                let ours: Vec<f32> = (0..mapping.shape().iter().product()).map(|i| i as f32).collect();
                let theirs = mapping.to_file(&ours).into_iter().map(f64::from).collect();
                let theirs = ArrayD::from_shape_vec(mapping.shape(), theirs).unwrap();
                let back: Vec<f32> = mapping.from_file(&theirs).into_iter().map(|v| v as f32).collect();
                assert_eq!(back, ours, "{op:?} {format:?}");
            }
        }
    }

    /// Marks one value by its position, and finds it at the position that the frameworks use.
    #[test]
    fn weights_stand_where_the_frameworks_look_for_them() {
        let dense = Op::Dense { out: Shape::new(2, 3, 5) };
        let g = geometry(dense, Shape::latent(7));
        // Input 4, row 1, column 2, channel 3.
        let mut ours = vec![0.0; g.weight_count()];
        ours[((4 * 2 + 1) * 3 + 2) * 5 + 3] = 1.0;
        let place = |format| Mapping::weights(dense, &g, format).to_file(&ours).iter().position(|&v| v == 1.0);
        assert_eq!(place(Layout::Hwio.into()), Some(4 * 30 + (3 + 2) * 5 + 3));
        assert_eq!(place(Layout::Oihw.into()), Some((3 * 6 + 3 + 2) * 7 + 4));
        assert_eq!(place(Format { layout: Layout::Oihw, dense: DenseOrder::Hwc }), Some(((3 + 2) * 5 + 3) * 7 + 4));

        let conv = Op::Conv { channels: 5, kernel: 3, stride: 1, padding: Padding::Same };
        let g = geometry(conv, Shape::new(4, 4, 7));
        // Kernel row 1, column 2, input 4, output 3.
        let mut ours = vec![0.0; g.weight_count()];
        ours[((3 + 2) * 7 + 4) * 5 + 3] = 1.0;
        let place = |format| Mapping::weights(conv, &g, format).to_file(&ours).iter().position(|&v| v == 1.0);
        assert_eq!(place(Layout::Hwio.into()), Some(((3 + 2) * 7 + 4) * 5 + 3));
        assert_eq!(place(Layout::Oihw.into()), Some((3 * 7 + 4) * 9 + 3 + 2));

        let transposed = Op::ConvTranspose { channels: 5, kernel: 3, stride: 2, padding: Padding::Same };
        let g = geometry(transposed, Shape::new(4, 4, 7));
        let mut ours = vec![0.0; g.weight_count()];
        ours[(4 * 9 + 3 + 2) * 5 + 3] = 1.0;
        let place = |format| Mapping::weights(transposed, &g, format).to_file(&ours).iter().position(|&v| v == 1.0);
        assert_eq!(place(Layout::Hwio.into()), Some(((3 + 2) * 5 + 3) * 7 + 4));
        assert_eq!(place(Layout::Oihw.into()), Some((4 * 5 + 3) * 9 + 3 + 2));
    }
}
