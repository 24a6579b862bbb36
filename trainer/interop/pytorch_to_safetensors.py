#!/usr/bin/env python3
"""PyTorch generator -> safetensors that `trainer import` reads.

    pip install torch safetensors numpy
    python pytorch_to_safetensors.py generator.pth out.safetensors --network tutorial
    python pytorch_to_safetensors.py generator.pth out.safetensors --network mine.py:Generator
    python pytorch_to_safetensors.py --random 1 out.safetensors --network pocket --divisor 4
    python pytorch_to_safetensors.py generator.pth out.safetensors --network pocket-classes --class-names cat,dog,frog

It needs `pytorch_checkpoints.py` beside it.

The network is one of those below (add yours to NETWORKS), or a class or function that
another file defines and that needs no arguments. The weights are its `state_dict`, alone
or inside of a checkpoint.

The network draws a few pictures, and every operation on the way is noted. What comes out
is a chain of dense layers, convolutions and transposed convolutions with biases: batch
normalisation (each with its own epsilon), spectral and weight normalisation, and nearest
upsampling are folded into them. Layers that Ribbit does not have are refused by name.
The last lines of the output are the layers of the recipe for `trainer import`.

A conditional generator takes the latents and the numbers of the classes, `forward(z, y)`, and joins to the latent a
vector that it makes of the class alone: `torch.cat([z, self.embed(y)], 1)`. The vectors of all classes go into the file.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.overrides import TorchFunctionMode

from pytorch_checkpoints import fill, load, refuse

LARGEST_KERNEL = 16


def tutorial(divisor):
    """The generator of the Keras tutorial; `divisor` narrows the hidden layers."""
    c1, c2 = 128 // divisor, 256 // divisor
    conv = lambda c, kernel: [nn.Conv2d(c, c2, kernel, padding=kernel // 2), nn.LeakyReLU(0.3)]
    return nn.Sequential(
        nn.Linear(32, c1 * 16 * 16), nn.LeakyReLU(0.3), nn.Unflatten(1, (c1, 16, 16)),
        *conv(c1, 5),
        nn.ConvTranspose2d(c2, c2, 4, stride=2, padding=1), nn.LeakyReLU(0.3),
        *conv(c2, 5), *conv(c2, 5),
        nn.Conv2d(c2, 3, 7, padding=3), nn.Tanh(),
    )


def pocket(divisor):
    """Ribbit's own generator, with batch normalisation."""
    c = [n // divisor for n in (48, 32, 24, 12)]
    up = lambda a, b: [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(
        nn.Linear(32, c[0] * 4 * 4, bias=False), nn.Unflatten(1, (c[0], 4, 4)), nn.BatchNorm2d(c[0]), nn.ReLU(),
        *up(c[0], c[1]), *up(c[1], c[2]), *up(c[2], c[3]),
        nn.Conv2d(c[3], 3, 3, padding=1), nn.Tanh(),
    )


def dcgan_64(_):
    """The generator of PyTorch's DCGAN example (pytorch/examples, dcgan/main.py) as it is by default: 100 latents,
    64 channels in the last map before the picture."""
    up = lambda a, b, *how: [nn.ConvTranspose2d(a, b, 4, *how, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(
        *up(100, 512, 1, 0), *up(512, 256, 2, 1), *up(256, 128, 2, 1), *up(128, 64, 2, 1),
        nn.ConvTranspose2d(64, 3, 4, 2, 1, bias=False), nn.Tanh(),
    )


class PocketClasses(nn.Module):
    """`pocket` with classes: an example of a conditional generator."""

    def __init__(self, divisor, classes=3, width=8):
        super().__init__()
        self.embed = nn.Embedding(classes, width)
        self.layers = pocket(divisor)
        self.layers[0] = nn.Linear(32 + width, self.layers[0].out_features, bias=False)

    def forward(self, z, y):
        return self.layers(torch.cat([z, self.embed(y)], 1))


NETWORKS = {"tutorial": tutorial, "pocket": pocket, "pocket-classes": PocketClasses, "dcgan-64": dcgan_64}


# ---------------------------------------------------------------- the network as a chain


class Layer:
    """A linear operation and its activation, in PyTorch's layouts, in float64."""

    def __init__(self, op, where, weight, bias, outputs, stride=1, padding="same", shape=None):
        self.op, self.where, self.stride, self.padding = op, where, stride, padding
        self.weight = weight
        self.bias = np.zeros(outputs) if bias is None else bias
        self.activation, self.slope = None, None
        self.shape = shape  # channels, height, width; of a dense layer once it is reshaped

    def scale(self, scale, shift):
        """A factor and a summand for each output, or for each channel."""
        axis = 1 if self.op == "conv_transpose" else 0
        self.weight = self.weight * scale.reshape([-1 if i == axis else 1 for i in range(self.weight.ndim)])
        self.bias = self.bias * scale + shift

    def recipe(self):
        parts = [f'op = "{self.op}"']
        channels, height, width = self.shape
        if self.op == "dense":
            parts += [f"size = [{height}, {width}]", f"channels = {channels}"]
        else:
            parts += [f"channels = {channels}", f"kernel = {self.weight.shape[-1]}"]
            parts += [f"stride = {self.stride}"] if self.stride > 1 else []
            parts += ['padding = "valid"'] if self.padding == "valid" else []
        parts.append(f'activation = "{self.activation or "linear"}"')
        parts += [f"slope = {self.slope:g}"] if self.activation == "leaky_relu" else []
        return "    { " + ", ".join(parts) + " },"


def array(tensor):
    return None if tensor is None else tensor.detach().cpu().double().numpy()


def given(names, args, kwargs):
    """The arguments of a call by their names; those that were left out are None."""
    return {name: None for name in names} | dict(zip(names, args)) | kwargs


def pair(value, where, what):
    """One number for both directions."""
    numbers = set(value) if isinstance(value, (tuple, list)) else {value}
    if len(numbers) != 1:
        refuse(f"{where}: its {what} {tuple(value)} is not the same in both directions")
    return numbers.pop()


SAME_VALUES = {
    "alpha_dropout", "clone", "contiguous", "cpu", "cuda", "detach", "dropout", "dropout1d", "dropout2d",
    "feature_alpha_dropout", "float", "requires_grad_", "to", "type", "type_as",
}
MOVES = {
    "flatten", "moveaxis", "movedim", "permute", "reshape", "reshape_as", "squeeze", "swapaxes", "swapdims",
    "transpose", "unflatten", "unsqueeze", "view", "view_as",
}
JOINS = {"cat", "concat", "concatenate"}


class Trace(TorchFunctionMode):
    """Notes what happens to the latent on its way to the picture."""

    def __init__(self, model, latent, classes=None):
        super().__init__()
        self.layers = []
        self.classes = classes  # the class of each picture
        self.of_class = [] if classes is None else [classes]  # values that depend on the class alone
        self.table = None  # class vectors [classes, width], once they are joined to the latent
        self.tip = latent  # the value that the next operation must take
        self.known = [latent]
        # Where each value of the tip stands among the outputs of the last layer (of the latent, before the first).
        self.index = torch.arange(latent[0].numel()).reshape(latent[0].shape).expand(latent.shape)
        self.enlarged = 1  # factor of nearest upsampling that no layer has done yet
        self.affine = None  # factor and summand for each value, of a normalisation behind an activation
        self.affine_at = None
        self.inside = []
        self.hooks = []
        for name, module in model.named_modules():
            if not any(True for _ in module.children()):
                label = f"{name or 'the network'} ({type(module).__name__})"
                self.hooks.append(module.register_forward_pre_hook(lambda *_, label=label: self.inside.append(label)))
                self.hooks.append(module.register_forward_hook(lambda *_: self.inside.pop() and None))

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        before = self.tip.shape
        out = func(*args, **kwargs)
        def tensors(values):
            for value in values:
                if isinstance(value, torch.Tensor):
                    yield value
                elif isinstance(value, (tuple, list)):
                    yield from tensors(value)
        taken = [t for t in tensors([*args, *kwargs.values()]) if any(t is known for known in self.known)]
        makes = next(tensors([out]), None)
        by_class = [t for t in tensors([*args, *kwargs.values()]) if any(t is value for value in self.of_class)]
        if by_class and not taken:
            self.of_class += tensors([out])
        if not taken or makes is None:
            return out  # works on weights or on the class, or asks for a size
        name = getattr(func, "__name__", str(func))
        where = self.inside[-1] if self.inside else f"{name}()"
        if by_class:
            if name not in JOINS or len(taken) != 1 or taken[0] is not self.tip or self.layers or self.table is not None:
                refuse(f"{where}: {name} brings the class to the latent. Ribbit's generators read a vector of the class "
                       "behind the latent, and nothing else of the class: torch.cat([z, self.embed(y)], 1) before the "
                       "first layer")
            self.join(where, *args, **kwargs)
            self.tip = out
            self.known.append(out)
            return out
        if len(taken) != 1 or taken[0] is not self.tip:
            refuse(f"{where}: the network is not a chain; {name} takes a value that another layer took already, or two "
                   "at once. Ribbit has no skip connections")
        if makes is not out:
            refuse(f"{where}: {name} makes several values")
        self.note(func, name, where, args, kwargs, before, out)
        self.tip = out
        self.known.append(out)
        return out

    def note(self, func, name, where, args, kwargs, before, out):
        if name == "linear":
            call = given(("input", "weight", "bias"), args, kwargs)
            self.linear(where, call, before)
        elif name == "conv2d":
            call = given(("input", "weight", "bias", "stride", "padding", "dilation", "groups"), args, kwargs)
            self.convolution("conv", where, call, before, out.shape)
        elif name == "conv_transpose2d":
            names = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
            self.convolution("conv_transpose", where, given(names, args, kwargs), before, out.shape)
        elif name in ("batch_norm", "instance_norm"):
            names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
            if name == "batch_norm":
                self.normalisation(where, given(names, args, kwargs))
            else:
                refuse(f"{where}: Ribbit has batch normalisation, no instance normalisation")
        elif name in ("relu", "relu_"):
            self.activate(where, "relu")
        elif name in ("leaky_relu", "leaky_relu_"):
            slope = given(("input", "negative_slope", "inplace"), args, kwargs)["negative_slope"]
            self.activate(where, "leaky_relu", 0.01 if slope is None else slope)
        elif name == "prelu" and args[1].numel() == 1:
            self.activate(where, "leaky_relu", args[1].item())
        elif name in ("tanh", "tanh_", "sigmoid", "sigmoid_"):
            self.activate(where, name.rstrip("_"))
        elif name in ("interpolate", "upsample"):
            names = ("input", "size", "scale_factor", "mode", "align_corners", "recompute_scale_factor", "antialias")
            self.upsampling(where, given(names, args, kwargs)["mode"] or "nearest", before, out.shape)
        elif name in SAME_VALUES or (name == "__get__" and out.shape == before and out.stride() == self.tip.stride()):
            if out.shape != before or out.dtype != torch.float32:
                refuse(f"{where}: {name} makes {out.dtype} of the values")
        elif name in MOVES:
            if self.enlarged > 1:
                refuse(f"{where}: {name} moves the values of an enlarged map; a convolution must follow the upsampling")
            known = lambda a: self.index if isinstance(a, torch.Tensor) and any(a is k for k in self.known) else a
            index = func(*map(known, args), **{key: known(value) for key, value in kwargs.items()})
            if index.shape[:1] != self.index.shape[:1] or not (index == index[:1]).all():
                refuse(f"{where}: {name} moves values from one picture to another")
            self.index = index
        else:
            refuse(f"{where}: Ribbit has no layer that does what {name} does. There are dense layers, convolutions and "
                   "transposed convolutions; with batch normalisation; relu, leaky_relu, and at the end tanh or sigmoid; "
                   "nearest upsampling in front of a convolution can be folded into it")

    def join(self, where, parts, dim=0, axis=None):
        """The class vectors, behind the latent or in front of it."""
        count = self.index[0].numel()
        indices, vectors = [], []
        for part in parts:
            if part is self.tip:
                indices.append(self.index)
                continue
            if not any(part is value for value in self.of_class) or len(part) != len(self.classes):
                refuse(f"{where}: joins more than the latent and a vector of the class")
            width = part[0].numel()
            indices.append((count + torch.arange(width)).reshape(part.shape[1:]).expand(part.shape))
            vectors.append(part.flatten(1).double())
            count += width
        index = torch.cat(indices, dim if axis is None else axis)
        if index.shape[:1] != self.classes.shape:
            refuse(f"{where}: joins pictures instead of values")
        self.index = index
        vectors = torch.cat(vectors, 1)
        self.table = array(torch.stack([vectors[self.classes == y][0] for y in range(1 + int(self.classes.max()))]))
        # More than rounding, which depends on the place in the batch.
        if np.abs(self.table[self.classes] - array(vectors)).max() > 1e-5 * np.abs(self.table).max():
            refuse(f"{where}: the vector of a class is not the same in every picture")

    def places(self):
        return self.index[0].numpy()

    def is_in_order(self):
        places = self.places()
        return np.array_equal(places.ravel(), np.arange(places.size))

    def linear(self, where, call, before):
        if self.enlarged > 1:
            refuse(f"{where}: a dense layer behind an upsampling; only a convolution can be")
        if len(before) != 2:
            refuse(f"{where}: a dense layer takes a list of values, not a map of the shape {list(before[1:])}; flatten "
                   "it before")
        theirs = array(call["weight"])
        weight = np.empty_like(theirs)
        weight[:, self.places()] = theirs
        bias = array(call["bias"])
        if self.layers and self.layers[-1].shape is None:
            self.layers[-1].shape = (theirs.shape[1], 1, 1)
        layer = Layer("dense", where, weight, bias, len(weight))
        if self.affine:
            scale, shift = self.affine
            layer.bias = layer.bias + weight @ shift
            layer.weight = weight * scale
            self.affine = None
        self.add(layer, len(weight))

    def reshape_dense(self, shape):
        """The outputs of a dense layer in the order in which a map of this shape has them."""
        order, layer = self.places().ravel(), self.layers[-1]
        layer.weight, layer.bias, layer.shape = layer.weight[order], layer.bias[order], tuple(shape)
        if self.affine:
            self.affine = [values[order] for values in self.affine]

    def convolution(self, op, where, call, before, after):
        if len(before) != 4:
            refuse(f"{where}: takes a map, not the shape {list(before)}")
        weight = array(call["weight"])
        stride = pair(call["stride"] or 1, where, "stride")
        if pair(call["dilation"] or 1, where, "dilation") != 1 or (call["groups"] or 1) != 1:
            refuse(f"{where}: Ribbit has no convolution with dilation or groups (depthwise)")
        kernel = pair(tuple(weight.shape[2:]), where, "kernel")
        padding = call["padding"]
        if isinstance(padding, str):
            padding = (kernel - 1) // 2 if padding == "same" else 0
        padding = pair(0 if padding is None else padding, where, "padding")
        small = self.index.shape[1:]  # before the upsampling
        if self.layers and self.layers[-1].shape is None:
            self.reshape_dense(small)
        elif not self.is_in_order():
            refuse(f"{where}: the values are rearranged between two layers")
        elif not self.layers and tuple(small[1:]) != (1, 1):
            refuse(f"{where}: the latent becomes a map of {small[1]}x{small[2]} without a dense layer")
        bias, axis = array(call["bias"]), 1 if op == "conv" else 0
        outputs = weight.shape[1 - axis]
        if self.affine:
            scale, shift = [values.reshape(small) for values in self.affine]
            if (scale != scale[:, :1, :1]).any() or (shift != shift[:, :1, :1]).any():
                refuse(f"{self.affine_at}: a batch normalisation behind an activation that normalises single values; {where} has "
                       "no weight for each of them. Ribbit normalises before the activation; train it so")
            if shift.any() and (op != "conv" or padding or self.enlarged > 1):
                refuse(f"{self.affine_at}: a batch normalisation behind an activation. It can only be folded into a "
                       f"dense layer or a convolution without padding that follows it, and {where} is neither: over "
                       "the edge its shift is missing. Ribbit normalises before the activation; train it so")
            if op == "conv":
                bias = (0 if bias is None else bias) + np.einsum("oikl,i->o", weight, shift[:, 0, 0])
            weight = weight * scale[:, 0, 0].reshape((1, -1, 1, 1) if axis else (-1, 1, 1, 1))
            self.affine = None
        if self.enlarged > 1:
            if op == "conv":
                if stride != 1:
                    refuse(f"{where}: an upsampling in front of a convolution with a stride")
                op, weight, padding = "conv_transpose", weight[:, :, ::-1, ::-1].swapaxes(0, 1), kernel - 1 - padding
            weight = repeated(weight, self.enlarged, stride)
            stride *= self.enlarged
            self.enlarged = 1
        fitted = (fit_convolution if op == "conv" else fit_transposed)(weight, stride, padding, small[1:], after[2:])
        if fitted is None:
            refuse(f"{where}: makes {after[2]}x{after[3]} of {small[1]}x{small[2]}, which no padding of Ribbit does with "
                   f"this kernel: \"same\" keeps the size, divided or multiplied by the stride of {stride}, \"valid\" "
                   f"has no padding, and a kernel is at most {LARGEST_KERNEL} wide")
        weight, padding = fitted
        self.add(Layer(op, where, weight, bias, outputs, stride, padding, tuple(after[1:])), after[1:].numel())

    def add(self, layer, values):
        self.layers.append(layer)
        shape = (values,) if layer.op == "dense" else layer.shape
        self.index = torch.arange(values).reshape(shape).expand(self.tip.shape[0], *shape)

    def normalisation(self, where, call):
        if call["training"] or call["running_mean"] is None:
            refuse(f"{where}: normalises with the statistics of the batch, so a picture depends on the others in it. "
                   "With track_running_stats=True and some batches in training mode it has its own")
        mean, variance = array(call["running_mean"]), array(call["running_var"])
        scale = 1 / np.sqrt(variance + (1e-5 if call["eps"] is None else call["eps"]))
        if call["weight"] is not None:
            scale = scale * array(call["weight"])
        shift = -mean * scale
        if call["bias"] is not None:
            shift = shift + array(call["bias"])
        places = self.places()
        def spread(values):
            out = np.empty(places.size)
            out[places.ravel()] = np.broadcast_to(values.reshape(-1, *[1] * (places.ndim - 1)), places.shape).ravel()
            return out
        last = self.layers[-1] if self.layers else None
        if last is None or last.activation:
            old = self.affine or (np.ones(places.size), np.zeros(places.size))
            scale, shift = spread(scale), spread(shift)
            self.affine, self.affine_at = [old[0] * scale, old[1] * scale + shift], where
        elif last.op == "dense":
            last.scale(spread(scale), spread(shift))
        elif self.is_in_order() and len(scale) == last.shape[0]:
            last.scale(scale, shift)
        else:
            refuse(f"{where}: normalises a map whose values are rearranged")

    def activate(self, where, activation, slope=None):
        if not self.layers:
            refuse(f"{where}: an activation in front of the first layer")
        last = self.layers[-1]
        if self.affine:
            refuse(f"{where}: behind {self.affine_at}, a batch normalisation that is behind an activation itself")
        if last.activation:
            refuse(f"{where}: a second activation behind {last.where}")
        last.activation, last.slope = activation, slope

    def upsampling(self, where, mode, before, after):
        if mode not in ("nearest", "nearest-exact"):
            refuse(f"{where}: {mode} upsampling. Only nearest upsampling can be folded into the convolution behind it")
        factors = {(a // b, a % b) for a, b in zip(after[2:], before[2:])}
        if len(before) != 4 or len(factors) != 1 or factors.copy().pop()[1]:
            refuse(f"{where}: enlarges {list(before[2:])} to {list(after[2:])}; the factor must be a whole number")
        self.enlarged *= factors.pop()[0]

    def finish(self, image):
        """The layers, and the pictures as [N, 3 or 1, height, width]."""
        for hook in self.hooks:
            hook.remove()
        if not isinstance(image, torch.Tensor):
            refuse(f"the network returns a {type(image).__name__}, not a batch of pictures")
        if image is not self.tip or not self.layers:
            refuse("the network's picture does not come from its latent by operations that this script can see "
                   "(a torch.jit module? save the module that it was made from)")
        shape, last = list(image.shape), self.layers[-1]
        if self.enlarged > 1:
            refuse("the network ends in an upsampling; only one in front of a convolution can be folded")
        if self.affine:
            refuse(f"{self.affine_at}: a batch normalisation behind the last activation")
        if len(shape) == 4 and shape[1] not in (1, 3) and shape[3] in (1, 3):
            image, self.index = image.permute(0, 3, 1, 2), self.index.permute(0, 3, 1, 2)
        if image.ndim != 4 or image.shape[1] not in (1, 3):
            refuse(f"the network draws {shape[1:]}; Ribbit's pictures are [3, height, width] or [1, height, width]. If "
                   "they are reshaped outside of the network, add nn.Unflatten(1, (3, height, width)) at its end")
        if last.shape is None:
            self.reshape_dense(image.shape[1:])
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
    kernel = weight.shape[-1]
    out = np.zeros((*weight.shape[:2], *[kernel + stride * (factor - 1)] * 2))
    for y in range(0, stride * factor, stride):
        for x in range(0, stride * factor, stride):
            out[:, :, y:y + kernel, x:x + kernel] += weight
    return out


def extended(weight, kernel, front):
    """A kernel with zeros around it."""
    behind = kernel - front - weight.shape[-1]
    if front < 0 or behind < 0 or kernel > LARGEST_KERNEL:
        return None
    return np.pad(weight, ((0, 0), (0, 0), (front, behind), (front, behind)))


def fit_transposed(weight, stride, cropped, small, large):
    """Kernel and padding in Ribbit of a transposed convolution that crops so many pixels in front.

    There `same` crops (kernel - stride) // 2 in front. A kernel can be extended by zeros until that is right.
    """
    kernel = weight.shape[-1]
    if cropped < 0:
        return None
    if all(b == a * stride for a, b in zip(small, large)):
        front = max(0, kernel - 2 * cropped - stride - 1)
        width = 2 * (cropped + front) + stride
        return with_padding(extended(weight, width if width >= kernel + front else width + 1, front), "same")
    more = {b - (a - 1) * stride - kernel for a, b in zip(small, large)}
    if cropped == 0 and len(more) == 1 and kernel + max(more) >= stride:
        return with_padding(extended(weight, kernel + more.pop(), 0), "valid")
    return None


def fit_convolution(weight, stride, padding, small, large):
    """The same for a convolution; `same` pads half of what is needed in front."""
    kernel = weight.shape[-1]
    if padding == 0 and all(b == (a - kernel) // stride + 1 for a, b in zip(small, large)):
        return with_padding(extended(weight, kernel, 0), "valid")
    rest = {a - (b - 1) * stride for a, b in zip(small, large)}
    if all(b == -(-a // stride) for a, b in zip(small, large)) and len(rest) == 1:
        rest = rest.pop()
        front = max(0, kernel - 2 * padding - rest - 1)
        width = 2 * (padding + front) + rest
        return with_padding(extended(weight, width if width >= kernel + front else width + 1, front), "same")
    return None


def with_padding(weight, padding):
    return None if weight is None else (weight, padding)


# ---------------------------------------------------------------- the program


def network(name, divisor):
    if name in NETWORKS:
        return NETWORKS[name](divisor)
    file, colon, attribute = name.rpartition(":")
    if not (colon and file.endswith(".py")):
        refuse(f"--network {name}: there are {', '.join(NETWORKS)}; or FILE.py:NAME, a class or function of yours")
    if not Path(file).is_file():
        refuse(f"--network {name}: there is no file {file}")
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(Path(file).resolve().parent))
    spec.loader.exec_module(module)
    made = getattr(module, attribute, None)
    if made is None:
        refuse(f"--network {name}: {file} has no {attribute}")
    return made if isinstance(made, nn.Module) else made()


def randomise(model):
    """As large as weights must be for a signal to get through; variances are positive."""
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            for value, mean in ((layer.weight, 1), (layer.bias, 0), (layer.running_mean, 0), (layer.running_var, 1)):
                if value is not None:
                    value.normal_(mean, 0.1)
        elif isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            transposed = isinstance(layer, nn.ConvTranspose2d)
            fan = layer.weight[:, 0].numel() / 4 if transposed else layer.weight[0].numel()
            layer.weight.normal_(0, (1.6 / fan) ** 0.5)
            if layer.bias is not None:
                layer.bias.normal_(0, 0.1)


def drawn(model, pictures, length, classes):
    """Latents [pictures, length], which the network may take as [pictures, length, 1, 1]; their classes and the class
    vectors, or None; the layers, and the pictures. A network with classes draws at least one picture of each."""
    first = next((m for m in model.modules() if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))), None)
    embedding = next((m for m in model.modules() if isinstance(m, nn.Embedding)), None)
    if classes is None and embedding is not None:
        classes = embedding.num_embeddings
    if length is None:
        if first is None:
            refuse("the length of the latent is not evident: give it with --latent")
        length = first.in_features if isinstance(first, nn.Linear) else first.in_channels
        if classes is not None:
            length -= classes if embedding is None else embedding.embedding_dim
            if length < 1:
                refuse("the length of the latent is not evident: give it with --latent")
    numbers = None
    if classes is not None:
        if not 2 <= classes <= 64:
            refuse(f"{classes} classes; Ribbit's generators have 2 to 64")
        pictures = max(pictures, classes)
        numbers = torch.arange(pictures) % classes
    latent = torch.randn(pictures, length)
    forms = [latent, latent[:, :, None, None]]
    if not isinstance(first, nn.Linear):
        forms.reverse()
    failed = None
    for form in forms:
        trace = Trace(model, form, numbers)
        try:
            with trace:
                image = model(form) if numbers is None else model(form, numbers)
            layers, image = trace.finish(image)
            if numbers is not None and trace.table is None:
                refuse("the network takes no notice of the class: no vector of it is joined to the latent")
            return latent, numbers, trace.table, layers, image
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            failed = failed or error
            for hook in trace.hooks:
                hook.remove()
    also = "" if numbers is None else " and the numbers of classes"
    refuse(f"the network does not take latents of the shape {list(forms[0].shape)}{also} (--latent sets the length): "
           f"{failed}")


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", help=".pth or .pt, or .safetensors of a state_dict")
    parser.add_argument("out")
    parser.add_argument("--network", default="tutorial", help=f"{', '.join(NETWORKS)}, or FILE.py:NAME")
    parser.add_argument("--key", help="where in the checkpoint the generator is, if it holds several: ema, say")
    parser.add_argument("--latent", type=int, help="length of the network's latent, if its first layer does not say")
    parser.add_argument("--classes", type=int, help="number of classes, if the network has them without nn.Embedding")
    parser.add_argument("--class-names", help="their names, separated by commas: cat,dog")
    parser.add_argument("--divisor", type=int, default=1, help="narrows the hidden layers of tutorial and pocket")
    parser.add_argument("--random", type=int, metavar="SEED", help="random weights instead of a file's")
    parser.add_argument("--pictures", type=int, default=4, help="how many go into the file as a proof")
    parser.add_argument("--trust-pickle", action="store_true",
                        help="read whole pickled modules too. That runs code of the file: only if you trust its source")
    args = parser.parse_args()
    if (args.weights is None) == (args.random is None):
        parser.error("give either a file of weights or --random SEED")
    if args.weights and not Path(args.weights).is_file():
        refuse(f"there is no file {args.weights}")
    if args.pictures < 1:
        parser.error("--pictures must be at least 1")

    torch.manual_seed(args.random or 0)
    held = load(args.weights, args.trust_pickle) if args.weights else None
    if isinstance(held, nn.Module):
        model = getattr(held, "module", held)  # without DataParallel
    else:
        model = network(args.network, args.divisor)
        if held is None:
            randomise(model)
        else:
            fill(model, held, args.key, args.weights)
    model = model.float().cpu().eval()
    names = args.class_names.split(",") if args.class_names else []
    latent, numbers, table, layers, image = drawn(model, args.pictures, args.latent, args.classes)
    if names and len(names) != (0 if table is None else len(table)):
        refuse(f"--class-names has {len(names)} names, and the network {0 if table is None else len(table)} classes")
    tensors = {"check.latent": latent.numpy(), "check.image": image.numpy()}
    if table is not None:
        tensors["class_embedding"] = table
    for n, layer in enumerate(layers):
        tensors |= {f"generator.{n}.weight": layer.weight, f"generator.{n}.bias": layer.bias}
    header = {"layout": "oihw", "dense": "chw"}  # what --layout and --dense would say
    if names:
        header["classes"] = "\n".join(names)
    tensors = {name: np.ascontiguousarray(v, np.float32) for name, v in tensors.items()}
    if numbers is not None:
        tensors["check.class"] = numbers.numpy()
    save_file(tensors, args.out, metadata=header)
    print(f"layers of the recipe (latent = {latent.shape[1]}, range = "
          f'"{"symmetric" if layers[-1].activation == "tanh" else "unit"}"):')
    if table is not None:
        print(f"classes: {len(table)}, {table.shape[1]} numbers each (the file has both)")
    print("\n".join(["layers = [", *(layer.recipe() for layer in layers), "]"]))
    print(f"{args.out}: trainer import {args.out} --config RECIPE.toml (or --preset NAME, if that has these layers)")


if __name__ == "__main__":
    main()
