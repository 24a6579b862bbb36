#!/usr/bin/env python3
"""Keras generator -> safetensors that `trainer import` reads.

    pip install keras tensorflow safetensors      # jax instead of tensorflow will do
    python keras_to_safetensors.py generator.keras out.safetensors
    python keras_to_safetensors.py generator.h5 out.safetensors
    python keras_to_safetensors.py generator.weights.h5 out.safetensors --network tutorial
    python keras_to_safetensors.py --random 1 out.safetensors --network pocket --divisor 4

A .keras file, and an .h5 file that `model.save` wrote, bring their own network. For files of
weights alone (`model.save_weights`), and for a trial with random ones, the network is one of
those below; add yours to NETWORKS.

What comes out is a chain of dense layers, convolutions and transposed convolutions with biases:
batch normalisation (each with its own epsilon) and nearest upsampling are folded into them.
Layers that Ribbit does not have are refused by name. The last lines of the output are the
layers of the recipe for `trainer import`.
"""

import argparse
import importlib.util
import os
import zipfile
from pathlib import Path

# Keras's own choice, if it is there; on PyTorch some transposed convolutions are one pixel off.
INSTALLED = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
os.environ.setdefault("KERAS_BACKEND", (INSTALLED or ["tensorflow"])[0])
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from safetensors.numpy import save_file

LARGEST_KERNEL = 16


def tutorial(divisor):
    """The generator of the Keras tutorial; `divisor` narrows the hidden layers."""
    c1, c2 = 128 // divisor, 256 // divisor
    conv = lambda kernel: [layers.Conv2D(c2, kernel, padding="same"), layers.LeakyReLU(0.3)]
    return keras.Sequential([
        keras.Input((32,)),
        layers.Dense(16 * 16 * c1), layers.LeakyReLU(0.3), layers.Reshape((16, 16, c1)),
        *conv(5),
        layers.Conv2DTranspose(c2, 4, strides=2, padding="same"), layers.LeakyReLU(0.3),
        *conv(5), *conv(5),
        layers.Conv2D(3, 7, padding="same", activation="tanh"),
    ])


def pocket(divisor):
    """Ribbit's own generator, with batch normalisation."""
    up = lambda c: [
        layers.Conv2DTranspose(c // divisor, 4, strides=2, padding="same", use_bias=False),
        layers.BatchNormalization(), layers.ReLU(),
    ]
    return keras.Sequential([
        keras.Input((32,)),
        layers.Dense(4 * 4 * (48 // divisor), use_bias=False), layers.Reshape((4, 4, 48 // divisor)),
        layers.BatchNormalization(), layers.ReLU(),
        *up(32), *up(24), *up(12),
        layers.Conv2D(3, 3, padding="same", activation="tanh"),
    ])


NETWORKS = {"tutorial": tutorial, "pocket": pocket}


def refuse(message):
    raise SystemExit(f"error: {message}")


# ---------------------------------------------------------------- the network as a chain


class Layer:
    """A linear operation and its activation, in Keras's layouts, in float64."""

    def __init__(self, op, where, weight, bias, outputs, stride=1, padding="same", shape=None):
        self.op, self.where, self.stride, self.padding = op, where, stride, padding
        self.weight = weight
        self.bias = np.zeros(outputs) if bias is None else bias
        self.activation, self.slope = None, None
        self.shape = shape  # height, width, channels; of a dense layer once it is reshaped

    def scale(self, scale, shift):
        """A factor and a summand for each output, or for each channel."""
        self.weight = self.weight * (scale[:, None] if self.op == "conv_transpose" else scale)
        self.bias = self.bias * scale + shift

    def recipe(self):
        parts = [f'op = "{self.op}"']
        height, width, channels = self.shape
        if self.op == "dense":
            parts += [f"size = [{height}, {width}]", f"channels = {channels}"]
        else:
            parts += [f"channels = {channels}", f"kernel = {self.weight.shape[0]}"]
            parts += [f"stride = {self.stride}"] if self.stride > 1 else []
            parts += ['padding = "valid"'] if self.padding == "valid" else []
        parts.append(f'activation = "{self.activation or "linear"}"')
        parts += [f"slope = {self.slope:g}"] if self.activation == "leaky_relu" else []
        return "    { " + ", ".join(parts) + " },"


def array(variable):
    return np.asarray(keras.ops.convert_to_numpy(variable), np.float64)


def flat(model):
    """The layers of a network and of the networks inside of it, in their order."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from flat(layer)
        elif not isinstance(layer, layers.InputLayer):
            yield layer


SAME_VALUES = (
    layers.Dropout, layers.SpatialDropout2D, layers.SpatialDropout1D, layers.AlphaDropout, layers.GaussianDropout,
    layers.GaussianNoise, layers.ActivityRegularization, layers.Identity,
)
MOVES = (layers.Reshape, layers.Flatten, layers.Permute)
ACTIVATIONS = (layers.Activation, layers.ReLU, layers.LeakyReLU)
KNOWN = (
    layers.Dense, layers.Conv2D, layers.Conv2DTranspose, layers.BatchNormalization, layers.UpSampling2D,
    layers.SpectralNormalization, *SAME_VALUES, *MOVES, *ACTIVATIONS,
)


def check_known(layer):
    if type(layer) not in KNOWN:
        refuse(f"{layer.name} ({type(layer).__name__}): Ribbit has no {type(layer).__name__}. There are dense layers, "
               "convolutions and transposed convolutions; with batch normalisation; relu, leaky_relu, and at the end "
               "tanh or sigmoid; nearest upsampling in front of a convolution can be folded into it. A network is a "
               "chain of these")


class Chain:
    """What happens to the latent on its way to the picture."""

    def __init__(self, latent_shape):
        self.layers = []
        # Where each value stands among the outputs of the last layer (of the latent, before the first).
        self.index = np.arange(int(np.prod(latent_shape))).reshape(latent_shape)
        self.enlarged = 1  # factor of nearest upsampling that no layer has done yet
        self.affine = None  # factor and summand for each value, of a normalisation behind an activation
        self.affine_at = None

    def take(self, layer, before, after):
        """One layer of Keras, and the shapes in front of it and behind it, without the batch."""
        where, kind = f"{layer.name} ({type(layer).__name__})", type(layer)
        check_known(layer)
        if kind is layers.SpectralNormalization:  # at rest, the weights of the layer inside are normalised already
            self.take(layer.layer, before, after)
        elif kind is layers.Dense:
            self.dense(layer, where, before)
            self.activate(where, layer.activation)
        elif kind in (layers.Conv2D, layers.Conv2DTranspose):
            op = "conv" if kind is layers.Conv2D else "conv_transpose"
            self.convolution(op, layer, where, after)
            self.activate(where, layer.activation)
        elif kind is layers.BatchNormalization:
            self.normalisation(layer, where, len(before))
        elif kind in ACTIVATIONS:
            self.activate(where, layer)
        elif kind is layers.UpSampling2D:
            self.upsampling(layer, where)
        elif kind in MOVES:
            if self.enlarged > 1:
                refuse(f"{where}: moves the values of an enlarged map; a convolution must follow the upsampling")
            index = self.index.transpose([d - 1 for d in layer.dims]) if kind is layers.Permute else self.index
            self.index = index.reshape(after)

    def is_in_order(self):
        return np.array_equal(self.index.ravel(), np.arange(self.index.size))

    def dense(self, layer, where, before):
        if self.enlarged > 1:
            refuse(f"{where}: a dense layer behind an upsampling; only a convolution can be")
        if len(before) != 1:
            refuse(f"{where}: a dense layer takes a list of values, not a map of the shape {list(before)}; flatten it "
                   "before")
        theirs = array(layer.kernel)
        weight = np.empty_like(theirs)
        weight[self.index] = theirs
        if self.layers and self.layers[-1].shape is None:
            self.layers[-1].shape = (1, 1, len(theirs))
        bias = array(layer.bias) if layer.use_bias else None
        new = Layer("dense", where, weight, bias, weight.shape[1])
        if self.affine:
            scale, shift = self.affine
            new.bias = new.bias + shift @ weight
            new.weight = weight * scale[:, None]
            self.affine = None
        self.layers.append(new)
        self.index = np.arange(weight.shape[1])

    def reshape_dense(self, shape):
        """The outputs of a dense layer in the order in which a map of this shape has them."""
        order, layer = self.index.ravel(), self.layers[-1]
        layer.weight, layer.bias, layer.shape = layer.weight[:, order], layer.bias[order], tuple(shape)
        if self.affine:
            self.affine = [values[order] for values in self.affine]

    def convolution(self, op, layer, where, after):
        if layer.data_format != "channels_last":
            refuse(f"{where}: data_format {layer.data_format}; only channels_last is read")
        if set(layer.dilation_rate) != {1} or getattr(layer, "groups", 1) != 1:
            refuse(f"{where}: Ribbit has no convolution with dilation or groups (depthwise)")
        if len(set(layer.kernel_size)) != 1 or len(set(layer.strides)) != 1:
            refuse(f"{where}: its kernel or stride is not the same in both directions")
        if getattr(layer, "output_padding", None) is not None:
            refuse(f"{where}: Ribbit has no output_padding")
        weight, bias = array(layer.kernel), array(layer.bias) if layer.use_bias else None
        kernel, stride, padding = layer.kernel_size[0], layer.strides[0], layer.padding
        outputs = layer.filters
        small = self.index.shape
        if len(small) != 3:
            refuse(f"{where}: takes a map, not the shape {list(small)}")
        if self.layers and self.layers[-1].shape is None:
            self.reshape_dense(small)
        elif not self.is_in_order():
            refuse(f"{where}: the values are rearranged between two layers")
        elif not self.layers and small[:2] != (1, 1):
            refuse(f"{where}: the latent becomes a map of {small[0]}x{small[1]} without a dense layer")
        if self.affine:
            scale, shift = [values.reshape(small) for values in self.affine]
            if (scale != scale[:1, :1]).any() or (shift != shift[:1, :1]).any():
                refuse(f"{self.affine_at}: a batch normalisation behind an activation that normalises single values; {where} has "
                       "no weight for each of them. Ribbit normalises before the activation; train it so")
            padded = padding == "same" and kernel > 1
            if shift.any() and (op != "conv" or padded or self.enlarged > 1):
                refuse(f"{self.affine_at}: a batch normalisation behind an activation. It can only be folded into a "
                       f"dense layer or a convolution without padding that follows it, and {where} is neither: over "
                       "the edge its shift is missing. Ribbit normalises before the activation; train it so")
            if op == "conv":
                bias = (0 if bias is None else bias) + np.einsum("klio,i->o", weight, shift[0, 0])
            weight = weight * (scale[0, 0][:, None] if op == "conv" else scale[0, 0])
            self.affine = None
        if self.enlarged > 1 or op == "conv_transpose":
            if op == "conv":
                if stride != 1:
                    refuse(f"{where}: an upsampling in front of a convolution with a stride")
                op, weight = "conv_transpose", weight[::-1, ::-1].swapaxes(2, 3)
                # What "same" leaves in front of a picture is (kernel - 1) // 2.
                cropped = kernel - 1 - ((kernel - 1) // 2 if padding == "same" else 0)
            else:
                cropped = max(0, kernel - stride) // 2 if padding == "same" else 0
            weight = repeated(weight, self.enlarged, stride)
            stride *= self.enlarged
            self.enlarged = 1
            fitted = fit_transposed(weight, stride, cropped, small[:2], after[:2])
            if fitted is None:
                refuse(f"{where}: makes {after[0]}x{after[1]} of {small[0]}x{small[1]}, which no padding of Ribbit does "
                       f"with this kernel: \"same\" multiplies by the stride of {stride}, \"valid\" has no padding, and "
                       f"a kernel is at most {LARGEST_KERNEL} wide")
            weight, padding = fitted
        elif kernel > LARGEST_KERNEL:
            refuse(f"{where}: a kernel is at most {LARGEST_KERNEL} wide")
        self.layers.append(Layer(op, where, weight, bias, outputs, stride, padding, tuple(after)))
        self.index = np.arange(int(np.prod(after))).reshape(after)

    def normalisation(self, layer, where, rank):
        axis = layer.axis[0] if isinstance(layer.axis, (list, tuple)) else layer.axis
        if axis not in (-1, rank):
            refuse(f"{where}: normalises axis {axis}, not the channels, which are the last one")
        scale = 1 / np.sqrt(array(layer.moving_variance) + layer.epsilon)
        if layer.scale:
            scale = scale * array(layer.gamma)
        shift = -array(layer.moving_mean) * scale
        if layer.center:
            shift = shift + array(layer.beta)
        def spread(values):
            out = np.empty(self.index.size)
            out[self.index.ravel()] = np.broadcast_to(values, self.index.shape).ravel()
            return out
        last = self.layers[-1] if self.layers else None
        if last is None or last.activation:
            old = self.affine or (np.ones(self.index.size), np.zeros(self.index.size))
            scale, shift = spread(scale), spread(shift)
            self.affine, self.affine_at = [old[0] * scale, old[1] * scale + shift], where
        elif last.op == "dense":
            last.scale(spread(scale), spread(shift))
        elif self.is_in_order() and len(scale) == last.shape[2]:
            last.scale(scale, shift)
        else:
            refuse(f"{where}: normalises a map whose values are rearranged")

    def activate(self, where, activation):
        """An activation of Keras: a function, or a layer."""
        slope = None
        if isinstance(activation, layers.Activation):
            return self.activate(where, activation.activation)
        if isinstance(activation, layers.ReLU):
            if activation.max_value is not None or activation.threshold:
                refuse(f"{where}: a relu with max_value or threshold; Ribbit has relu and leaky_relu")
            slope = float(activation.negative_slope or 0)
            name = "leaky_relu" if slope else "relu"
        elif isinstance(activation, layers.LeakyReLU):
            name, slope = "leaky_relu", float(activation.negative_slope)
        elif isinstance(activation, keras.Layer):
            name = type(activation).__name__
        else:
            name = getattr(activation, "__name__", str(activation))
            slope = 0.2 if name == "leaky_relu" else None  # the function's own default
        if name == "linear":
            return None
        if name not in ("relu", "leaky_relu", "tanh", "sigmoid"):
            refuse(f"{where}: Ribbit has no activation {name}; there are relu, leaky_relu, and at the end tanh or sigmoid")
        if not self.layers:
            refuse(f"{where}: an activation in front of the first layer")
        last = self.layers[-1]
        if self.affine:
            refuse(f"{where}: behind {self.affine_at}, a batch normalisation that is behind an activation itself")
        if last.activation:
            refuse(f"{where}: a second activation behind {last.where}")
        last.activation, last.slope = name, slope
        return None

    def upsampling(self, layer, where):
        if layer.interpolation != "nearest":
            refuse(f"{where}: {layer.interpolation} upsampling. Only nearest upsampling can be folded into the "
                   "convolution behind it")
        if layer.data_format != "channels_last" or len(set(layer.size)) != 1:
            refuse(f"{where}: only channels_last and the same factor in both directions are read")
        self.enlarged *= layer.size[0]

    def finish(self, image):
        """The layers, and the pictures as [N, height, width, 3 or 1]."""
        if not self.layers:
            refuse("the network has no layers with weights")
        shape, last = list(image.shape[1:]), self.layers[-1]
        if self.enlarged > 1:
            refuse("the network ends in an upsampling; only one in front of a convolution can be folded")
        if self.affine:
            refuse(f"{self.affine_at}: a batch normalisation behind the last activation")
        if len(shape) != 3 or shape[2] not in (1, 3):
            refuse(f"the network draws {shape}; Ribbit's pictures are [height, width, 3] or [height, width, 1]. If they "
                   "are reshaped outside of the network, add Reshape((height, width, 3)) at its end")
        if last.shape is None:
            self.reshape_dense(shape)
        elif not self.is_in_order():
            refuse("the values are rearranged behind the last layer")
        if last.activation not in ("tanh", "sigmoid"):
            refuse(f"{last.where}: the last layer ends in {last.activation or 'no activation'}; it must be tanh or sigmoid")
        for layer in self.layers[:-1]:
            if layer.activation in ("tanh", "sigmoid"):
                refuse(f"{layer.where}: {layer.activation} in the middle; only the last layer can have it")
        return self.layers, image


def repeated(weight, factor, stride):
    """Transposed convolution of a nearest upsampling and the transposed convolution behind it."""
    kernel = len(weight)
    out = np.zeros((*[kernel + stride * (factor - 1)] * 2, *weight.shape[2:]))
    for y in range(0, stride * factor, stride):
        for x in range(0, stride * factor, stride):
            out[y:y + kernel, x:x + kernel] += weight
    return out


def fit_transposed(weight, stride, cropped, small, large):
    """Kernel and padding in Ribbit of a transposed convolution that crops so many pixels in front.

    There `same` crops (kernel - stride) // 2 in front. A kernel can be extended by zeros until that is right.
    """
    kernel = len(weight)
    more = {b - (a - 1) * stride - kernel for a, b in zip(small, large)}
    if all(b == a * stride for a, b in zip(small, large)):
        front = max(0, kernel - 2 * cropped - stride - 1)
        width, padding = 2 * (cropped + front) + stride, "same"
        width += width < kernel + front
    elif cropped == 0 and len(more) == 1 and kernel + max(more) >= stride:
        front, width, padding = 0, kernel + more.pop(), "valid"
    else:
        return None
    behind = width - front - kernel
    if behind < 0 or width > LARGEST_KERNEL:
        return None
    return np.pad(weight, ((front, behind), (front, behind), (0, 0), (0, 0))), padding


# ---------------------------------------------------------------- what people save


def load(path, network):
    """The network of a file, or `network()` with the weights of a file that has no network."""
    if path.is_dir():
        refuse(f"{path} is a folder (a SavedModel?): load it where it was made, and model.save(\"generator.keras\")")
    if not path.is_file():
        refuse(f"there is no file {path}")
    start = path.open("rb").read(64)
    if not start:
        refuse(f"{path} is empty")
    if start.startswith(b"version https://git-lfs"):
        refuse(f"{path} is a Git LFS pointer, not the file itself: `git lfs pull` brings it")
    if zipfile.is_zipfile(path):
        names = zipfile.ZipFile(path).namelist()
        if any(name.endswith("data.pkl") for name in names):
            refuse(f"{path} is a file of PyTorch: pytorch_to_safetensors.py reads it")
        whole = "config.json" in names
    elif start.startswith(b"\x89HDF\r\n\x1a\n"):
        import h5py
        with h5py.File(path, "r") as file:
            whole = "model_config" in file.attrs
    else:
        refuse(f"{path} is neither a .keras file nor HDF5 (.h5)")
    try:
        if whole:
            return keras.models.load_model(path, compile=False)
        model = network()
        model.load_weights(path)
        return model
    except (ValueError, TypeError, KeyError, OSError, NotImplementedError) as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        why = "\n    ".join(lines[:4])
        hint = "" if whole else ("\n  It holds weights alone (model.save_weights), and they are not those of the network "
                                 "that --network says; add yours to NETWORKS")
        refuse(f"{path}: Keras does not load it: {why}{hint}")


def randomise(model, rng):
    """As large as weights must be for a signal to get through; variances are positive."""
    for w in model.weights:
        transposed = "transpose" in w.path  # height, width, out, in
        fan = np.prod(w.shape[:2] + w.shape[3:]) / 4 if transposed else np.prod(w.shape[:-1])
        values = rng.normal(0, 0.1 if len(w.shape) == 1 else (1.6 / fan) ** 0.5, w.shape)
        w.assign(values + (w.name in ("gamma", "moving_variance")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", help=".keras or .h5 of a network, or .weights.h5 of one of those above")
    parser.add_argument("out")
    parser.add_argument("--network", choices=NETWORKS, default="tutorial")
    parser.add_argument("--divisor", type=int, default=1, help="narrows the network's hidden layers")
    parser.add_argument("--random", type=int, metavar="SEED", help="random weights instead of a file's")
    parser.add_argument("--pictures", type=int, default=4, help="how many go into the file as a proof")
    args = parser.parse_args()
    if (args.weights is None) == (args.random is None):
        parser.error("give either a file of weights or --random SEED")
    if args.pictures < 1:
        parser.error("--pictures must be at least 1")

    rng = np.random.default_rng(args.random or 0)
    network = lambda: NETWORKS[args.network](args.divisor)
    if args.weights:
        model = load(Path(args.weights), network)
    else:
        model = network()
        randomise(model, rng)
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        refuse(f"the network has {len(model.inputs)} inputs and {len(model.outputs)} outputs; it must have one latent, "
               "and draw one picture (no labels)")
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        refuse(f"the network's input is {list(shape)}; the length of its latent must be fixed")
    latent = rng.normal(size=(args.pictures, int(np.prod(shape)))).astype("float32")
    value = latent.reshape(args.pictures, *shape)
    drawn = keras.ops.convert_to_numpy(model(value, training=False))

    chain = Chain(shape)
    for layer in flat(model):
        before = tuple(value.shape[1:])
        check_known(layer)
        try:
            value = layer(value)
        except (ValueError, TypeError, IndexError) as error:
            refuse(f"{layer.name} ({type(layer).__name__}): the network is not a chain of layers: {str(error).strip().splitlines()[0]}")
        chain.take(layer, before, tuple(value.shape[1:]))
    value = keras.ops.convert_to_numpy(value)
    if value.shape != drawn.shape or not np.allclose(value, drawn, atol=1e-3):
        refuse("its layers, one after another, do not draw what the network draws: it is not a chain (skip connections?)")
    made, image = chain.finish(drawn)

    tensors = {}
    for n, layer in enumerate(made):
        tensors |= {f"generator.{n}.weight": layer.weight, f"generator.{n}.bias": layer.bias}
    tensors = {name: np.ascontiguousarray(v, np.float32) for name, v in tensors.items()}
    # Pictures of a network with a half precision policy stay in it, so that `import` knows.
    tensors |= {"check.latent": latent, "check.image": np.ascontiguousarray(image)}
    header = {"layout": "hwio", "dense": "hwc"}  # what --layout and --dense would say
    save_file(tensors, args.out, metadata=header)
    print(f"layers of the recipe (latent = {latent.shape[1]}, range = "
          f'"{"symmetric" if made[-1].activation == "tanh" else "unit"}"):')
    print("\n".join(["layers = [", *(layer.recipe() for layer in made), "]"]))
    print(f"{args.out}: trainer import {args.out} --config RECIPE.toml (or --preset NAME, if that has these layers)")


if __name__ == "__main__":
    main()
