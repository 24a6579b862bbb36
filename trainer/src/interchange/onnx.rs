//! Writes a float generator as ONNX, with the input `latent` `[batch, latent]` and the output `image`
//! `[batch, 3, side, side]`. A generator with classes has a second input, `class` `[batch]`: the numbers of the classes.
//!
//! The message types contain only the fields of `onnx.proto` (ONNX 1.13, IR version 8) that a
//! chain of layers needs. The schema is proto2, whose lists of numbers are not packed.

use gen_core::spec::{Activation, Axis, Geometry, LayerSpec, Op, Shape};
use prost::Message;

use super::layout::{Layout, Mapping};
use super::{CLASS_EMBEDDING, HEADER_CLASSES, bytes, class_lines};
use crate::quantise::FloatModel;

/// Version of the file format.
const IR_VERSION: i64 = 8;
/// Version of the operators.
const OPSET: i64 = 17;

/// Writes the generator in float32, with normalisation folded into its weights.
pub fn to_onnx(model: &FloatModel) -> Vec<u8> {
    let mut graph = Graph { name: model.name.clone(), ..Graph::default() };
    let mut value = "latent".to_owned();
    // Whether `value` is a flat list, such as the latent, or a feature map.
    let mut is_flat = true;
    graph.input = vec![ValueInfo::batch("latent", FLOAT, &[model.latent])];
    if let Some(classes) = &model.classes {
        graph.input.push(ValueInfo::batch("class", INT64, &[]));
        let table = format!("{CLASS_EMBEDDING}.weight");
        let (dims, raw_data) = ([classes.len(), classes.width()].map(|n| n as i64), bytes(&classes.vectors()));
        graph.initializer.push(Tensor { dims: dims.into(), data_type: FLOAT, name: table.clone(), raw_data });
        let axis = |axis| vec![Attribute::int("axis", axis)];
        let vectors = graph.node("Gather", &[&table, "class"], format!("{CLASS_EMBEDDING}.vectors"), axis(0));
        value = graph.node("Concat", &[&value, &vectors], format!("{CLASS_EMBEDDING}.input"), axis(1));
    }
    for (i, layer) in model.layers.iter().enumerate() {
        let (LayerSpec { op, activation }, geometry) = (layer.spec, &layer.geometry);
        let format = Layout::Oihw.into();
        let weights = layer.weights.as_slice().expect("made in standard layout");
        let weights = graph.floats(i, "weight", &Mapping::weights(op, geometry, format), weights);
        let biases = graph.floats(i, "bias", &Mapping::biases(op, geometry, format), &layer.biases);
        let linear = format!("generator.{i}");
        match op {
            Op::Dense { .. } => {
                if !is_flat {
                    value = graph.node("Flatten", &[&value], format!("{linear}.flat"), vec![]);
                }
                let transposed = Attribute::int("transB", 1);
                let gemm = graph.node("Gemm", &[&value, &weights, &biases], format!("{linear}.list"), vec![transposed]);
                value = graph.reshape(&gemm, format!("{linear}.maps"), geometry.output);
            }
            Op::Conv { kernel, stride, .. } | Op::ConvTranspose { kernel, stride, .. } => {
                if is_flat {
                    value = graph.reshape(&value, format!("{linear}.input"), geometry.input);
                }
                let attributes = vec![
                    Attribute::ints("kernel_shape", [kernel; 2].map(i64::from)),
                    Attribute::ints("strides", [stride; 2].map(i64::from)),
                    Attribute::ints("pads", pads(op, geometry)),
                ];
                let kind = if matches!(op, Op::Conv { .. }) { "Conv" } else { "ConvTranspose" };
                value = graph.node(kind, &[&value, &weights, &biases], format!("{linear}.maps"), attributes);
            }
        }
        is_flat = false;
        let (kind, attributes) = match activation {
            Activation::Linear => continue,
            Activation::Relu => ("Relu", vec![]),
            Activation::LeakyRelu(slope) => ("LeakyRelu", vec![Attribute::float("alpha", slope)]),
            Activation::Tanh => ("Tanh", vec![]),
            Activation::TanhUnit => {
                value = graph.node("Tanh", &[&value], format!("{linear}.tanh"), vec![]);
                ("Relu", vec![])
            }
            Activation::Sigmoid => ("Sigmoid", vec![]),
        };
        value = graph.node(kind, &[&value], format!("{linear}.output"), attributes);
    }
    // The output of the last node is the picture.
    let last = graph.node.last_mut().expect("a generator has layers");
    last.output = vec!["image".into()];
    let picture = model.layers.last().expect("a generator has layers").geometry.output;
    graph.output = vec![ValueInfo::batch("image", FLOAT, &maps(picture))];
    let classes = model.classes.iter().map(|classes| (HEADER_CLASSES, class_lines(classes)));
    let metadata = [("range", model.range.to_string())].into_iter().chain(classes);
    let metadata_props = metadata.map(|(key, value)| StringEntry { key: key.into(), value }).collect();
    let file = Model {
        ir_version: IR_VERSION,
        producer_name: "ribbit".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: OPSET }],
        metadata_props,
    };
    file.encode_to_vec()
}

fn maps(shape: Shape) -> [usize; 3] {
    [shape.channels.into(), shape.height.into(), shape.width.into()]
}

/// Padding above, left, below and right of a convolution's input. For a transposed convolution, the number of
/// rows and columns that are cut off its output. ONNX's own `SAME_UPPER` is not used, because
/// runtimes disagree on its meaning for transposed convolutions.
fn pads(op: Op, geometry: &Geometry) -> [i64; 4] {
    let after = |axis: &Axis| {
        let [input, output, kernel, stride, before] =
            [axis.input, axis.output, axis.kernel, axis.stride, axis.pad].map(i64::from);
        match op {
            Op::ConvTranspose { .. } => (input - 1) * stride + kernel - before - output,
            // With a stride, the last inputs may not be read.
            _ => ((output - 1) * stride + kernel - before - input).max(0),
        }
    };
    let (y, x) = (&geometry.y, &geometry.x);
    [y.pad.into(), x.pad.into(), after(y), after(x)]
}

impl Graph {
    /// Adds a float32 tensor; returns its name.
    fn floats(&mut self, layer: usize, leaf: &str, mapping: &Mapping, ours: &[f32]) -> String {
        let dims = mapping.shape().iter().map(|&n| n as i64).collect();
        let raw_data = bytes(&mapping.to_file(ours));
        let name = format!("generator.{layer}.{leaf}");
        self.initializer.push(Tensor { dims, data_type: FLOAT, name: name.clone(), raw_data });
        name
    }

    /// Adds a node; returns the name of its output.
    fn node(&mut self, op_type: &str, inputs: &[&str], output: String, attribute: Vec<Attribute>) -> String {
        self.node.push(Node {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.clone()],
            name: output.clone(),
            op_type: op_type.into(),
            attribute,
        });
        output
    }

    /// Adds a node that reshapes a flat list to `[batch, channels, height, width]`.
    fn reshape(&mut self, value: &str, output: String, shape: Shape) -> String {
        let name = format!("{output}.shape");
        // A length of 0 keeps that of the batch.
        let lengths = [0].into_iter().chain(maps(shape)).flat_map(|n| (n as i64).to_le_bytes());
        self.initializer.push(Tensor {
            dims: vec![4],
            data_type: INT64,
            name: name.clone(),
            raw_data: lengths.collect(),
        });
        self.node("Reshape", &[value, &name], output, vec![])
    }
}

// TensorProto.DataType and AttributeProto.AttributeType
const FLOAT: i32 = 1;
const INT64: i32 = 7;
const ATTRIBUTE_FLOAT: i32 = 1;
const ATTRIBUTE_INT: i32 = 2;
const ATTRIBUTE_INTS: i32 = 7;

#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(string, tag = "2")]
    producer_name: String,
    #[prost(string, tag = "3")]
    producer_version: String,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
    #[prost(message, repeated, tag = "8")]
    opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = "14")]
    metadata_props: Vec<StringEntry>,
}

#[derive(Clone, PartialEq, Message)]
struct OperatorSet {
    #[prost(string, required, tag = "1")]
    domain: String,
    #[prost(int64, tag = "2")]
    version: i64,
}

#[derive(Clone, PartialEq, Message)]
struct StringEntry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "1")]
    node: Vec<Node>,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = "11")]
    input: Vec<ValueInfo>,
    #[prost(message, repeated, tag = "12")]
    output: Vec<ValueInfo>,
}

#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, repeated, tag = "1")]
    input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    output: Vec<String>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, tag = "4")]
    op_type: String,
    #[prost(message, repeated, tag = "5")]
    attribute: Vec<Attribute>,
}

/// Values are written even if they are 0, because proto2 distinguishes 0 from a missing value.
#[derive(Clone, PartialEq, Message)]
struct Attribute {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(float, optional, tag = "2")]
    f: Option<f32>,
    #[prost(int64, optional, tag = "3")]
    i: Option<i64>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    r#type: i32,
}

impl Attribute {
    fn float(name: &str, value: f32) -> Self {
        Self { name: name.into(), f: Some(value), r#type: ATTRIBUTE_FLOAT, ..Self::default() }
    }

    fn int(name: &str, value: i64) -> Self {
        Self { name: name.into(), i: Some(value), r#type: ATTRIBUTE_INT, ..Self::default() }
    }

    fn ints<const N: usize>(name: &str, values: [i64; N]) -> Self {
        Self { name: name.into(), ints: values.into(), r#type: ATTRIBUTE_INTS, ..Self::default() }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ValueInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    r#type: Option<Type>,
}

impl ValueInfo {
    /// A tensor of this type with the dimensions batch and `shape`.
    fn batch(name: &str, elem_type: i32, shape: &[usize]) -> Self {
        let batch = dimension::Value::Param("batch".into());
        let values = [batch].into_iter().chain(shape.iter().map(|&n| dimension::Value::Length(n as i64)));
        let dim = values.map(|value| Dimension { value: Some(value) }).collect();
        let tensor_type = TensorType { elem_type, shape: Some(TensorShape { dim }) };
        Self { name: name.into(), r#type: Some(Type { tensor_type: Some(tensor_type) }) }
    }
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor_type: Option<TensorType>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorType {
    #[prost(int32, tag = "1")]
    elem_type: i32,
    #[prost(message, optional, tag = "2")]
    shape: Option<TensorShape>,
}

#[derive(Clone, PartialEq, Message)]
struct TensorShape {
    #[prost(message, repeated, tag = "1")]
    dim: Vec<Dimension>,
}

#[derive(Clone, PartialEq, Message)]
struct Dimension {
    #[prost(oneof = "dimension::Value", tags = "1, 2")]
    value: Option<dimension::Value>,
}

mod dimension {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(super) enum Value {
        #[prost(int64, tag = "1")]
        Length(i64),
        #[prost(string, tag = "2")]
        Param(String),
    }
}
