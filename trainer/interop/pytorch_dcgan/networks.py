"""The two networks of a recipe.

Maps are [N, channels, height, width]. The parameters are called `layers.N.linear.weight`, `layers.N.linear.bias` (or, with
a normalisation, `layers.N.norm.weight` and `layers.N.norm.bias`) and `classes.weight`.
"""

import itertools

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from .recipe import class_width, picture, shapes

# Added to the variance.
EPSILON = 1e-5


class AllSum(torch.autograd.Function):
    """The sum over all processes. Its gradient is the sum of all gradients."""

    @staticmethod
    def forward(ctx, x):
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


class BatchNorm(nn.Module):
    """Batch normalisation by the statistics of the batch, with none of earlier ones (`trainer/nn/src/batch_norm.rs`).
    With `synchronise` the batch is that of all processes. With `remember` the statistics can be held: then they are constants
    for the next batches."""

    def __init__(self, channels, synchronise, remember=False):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.synchronise, self.remember, self.held, self.statistics = synchronise, remember, False, None

    def forward(self, x):
        if not self.synchronise and not self.remember:
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, EPSILON)
        wide = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        if self.held:
            mean, variance = self.statistics
            centred = wide - mean[:, None, None]
        else:
            # In two passes: a difference of large squares would lose digits.
            def total(values):
                values = values.sum((0, 2, 3))
                return AllSum.apply(values) if self.synchronise else values

            count = wide.numel() / wide.shape[1] * (dist.get_world_size() if self.synchronise else 1)
            mean = total(wide) / count
            centred = wide - mean[:, None, None]
            variance = total(centred.square()) / count
            self.statistics = mean.detach(), variance.detach()
        scale = self.weight * torch.rsqrt(variance + EPSILON)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


class Conv(nn.Conv2d):
    """A convolution with TensorFlow's padding `same`: what is odd of it goes to the end."""

    def __init__(self, layer, shape, output, bias):
        kernel, stride = layer["kernel"], layer["stride"]
        pads = [(0, 0), (0, 0)]
        if layer["padding"] == "same":
            amounts = [max((out - 1) * stride + kernel - side, 0) for side, out in zip(shape[1:], output[1:])]
            pads = [(amount // 2, amount - amount // 2) for amount in amounts]
        even = all(first == last for first, last in pads)
        super().__init__(shape[0], output[0], kernel, stride, [first for first, _ in pads] if even else 0, bias=bias)
        # Left, right, top, bottom.
        self.uneven = None if even else [*pads[1], *pads[0]]

    def forward(self, x):
        return super().forward(x if self.uneven is None else F.pad(x, self.uneven))


class ConvTranspose(nn.ConvTranspose2d):
    """A transposed convolution; with the padding `same` the output is `stride` times as large."""

    def __init__(self, layer, shape, output, bias):
        kernel, stride = layer["kernel"], layer["stride"]
        cut = kernel - stride if layer["padding"] == "same" else 0
        super().__init__(shape[0], output[0], kernel, stride, cut // 2, bias=bias)
        # What is odd of the padding is cut off at the end.
        self.rest = cut % 2

    def forward(self, x):
        y = super().forward(x)
        return y[:, :, :-1, :-1] if self.rest else y


class Dense(nn.Linear):
    """A dense layer whose outputs are a map."""

    def __init__(self, layer, shape, output, bias):
        inputs, outputs = (channels * height * width for channels, height, width in (shape, output))
        super().__init__(inputs, outputs, bias=bias)
        self.output = output

    def forward(self, x):
        return super().forward(x.flatten(1)).view(-1, *self.output)


OPERATIONS = {"dense": Dense, "conv": Conv, "conv_transpose": ConvTranspose}


def activation(layer):
    match layer["activation"]:
        case "leaky_relu":
            return nn.LeakyReLU(layer["slope"], inplace=True)
        case "relu":
            return nn.ReLU(inplace=True)
        case "tanh":
            return nn.Tanh()
        case "sigmoid":
            return nn.Sigmoid()
    return nn.Identity()


class Layer(nn.Module):
    """The linear part, a normalisation, activation."""

    def __init__(self, layer, shape, output, synchronise, remember=False):
        super().__init__()
        if layer["batch_norm"]:
            self.norm = BatchNorm(output[0], synchronise, remember)
        elif layer["layer_norm"]:
            # With one group the mean and the variance are those of all values of a picture (`trainer/nn/src/layer_norm.rs`).
            self.norm = nn.GroupNorm(1, output[0], EPSILON)
        else:
            self.norm = nn.Identity()
        self.linear = OPERATIONS[layer["op"]](layer, shape, output, isinstance(self.norm, nn.Identity))
        self.equal_gain = layer["equal_gain"]
        self.activation = activation(layer)

    def forward(self, x):
        return self.activation(self.norm(self.linear(x)))


class Network(nn.Module):
    """A chain of layers. `vectors` are (number of classes, numbers of each) or None."""

    def __init__(self, layers, shape, vectors, synchronise, remember=False):
        super().__init__()
        self.shapes = shapes(layers, shape)
        parts = zip(layers, self.shapes, self.shapes[1:])
        self.layers = nn.ModuleList(Layer(layer, a, b, synchronise, remember) for layer, a, b in parts)
        self.classes = nn.Embedding(*vectors) if vectors else None

    def hold_statistics(self, hold):
        """With `True`, batch normalisation takes the mean and variance of the last batch as constants from now on; with `False`
        those of each batch again."""
        for layer in self.layers:
            if isinstance(layer.norm, BatchNorm):
                layer.norm.held = hold

    @torch.no_grad()
    def equalise(self):
        """Keeps transposed convolutions with `equal_gain` from drawing a checkerboard. To be called after each update."""
        for layer in self.layers:
            if layer.equal_gain and layer.linear.weight.requires_grad:
                layer.linear.weight.copy_(equal_gain(layer.linear.weight, layer.linear.stride))

    def count(self):
        return sum(parameter.numel() for parameter in self.parameters())


class Generator(Network):
    """Draws pictures of latents and classes."""

    def __init__(self, recipe, synchronise=False):
        width, layers = class_width(recipe), recipe["generator"]["layers"]
        vectors = (len(recipe["class_names"]), width) if width else None
        super().__init__(layers, (recipe["latent"] + width, 1, 1), vectors, synchronise)

    def inputs(self, latents, classes=None):
        """What the first layer reads: the latent, and behind it the vector of the class; [N, numbers, 1, 1]."""
        x = latents if self.classes is None else torch.cat([latents, self.classes(classes)], 1)
        return x[:, :, None, None]

    def forward(self, latents, classes=None):
        x = self.inputs(latents, classes)
        for layer in self.layers:
            x = layer(x)
        return x


class Discriminator(Network):
    """Logits of pictures and classes. A class's vector times the input of the last layer is added to the logit (Miyato and
    Koyama 2018, arXiv:1802.05637)."""

    def __init__(self, recipe, synchronise=False):
        layers, shape = recipe["discriminator"]["layers"], picture(recipe)
        channels, height, width = shapes(layers, shape)[-2]
        vectors = (len(recipe["class_names"]), channels * height * width) if recipe["class_names"] else None
        super().__init__(layers, shape, vectors, synchronise, recipe["joint_batch_norm"] > 0)

    def forward(self, x, classes=None, dropout=None, maps=None):
        """`dropout` are the numbers that the inputs of some layers are multiplied by, by the layers' indices. A list `maps`
        gets the outputs of the hidden layers."""
        features = x
        for i, layer in enumerate(self.layers):
            features = x
            x = layer(x * dropout[i] if dropout and i in dropout else x)
            if maps is not None and i + 1 < len(self.layers):
                maps.append(x)
        logits = x.flatten()
        if self.classes is not None:
            logits = logits + (self.classes(classes) * features.flatten(1)).sum(1)
        return logits


def initialise(network, init, seed, stream):
    """Initial weights as in `trainer/nn/src/init.rs`, from random numbers of their own: the same on every number of
    processes and on every device."""
    generator = torch.Generator().manual_seed(seed * 2 + stream)

    def normal(parameter, mean, deviation):
        parameter.data.copy_(mean + deviation * torch.randn(parameter.shape, generator=generator))

    # Without a deviation the distribution is uniform.
    deviation = next(iter(init.values())) if isinstance(init, dict) else 0.0

    def weights(layer, shape, output, parameter):
        if "smooth" in init and isinstance(layer.linear, ConvTranspose):
            mixed = deviation * torch.randn(*parameter.shape[:2], 1, 1, generator=generator)
            taps = [bilinear(*numbers) for numbers in zip(layer.linear.kernel_size, layer.linear.stride)]
            return parameter.data.copy_(mixed * torch.outer(*taps))
        if isinstance(init, dict):
            return normal(parameter, 0.0, deviation)
        taps = 1 if isinstance(layer.linear, Dense) else layer.linear.kernel_size[0] ** 2
        fans = (torch.Size(s).numel() if isinstance(layer.linear, Dense) else s[0] for s in (shape, output))
        limit = (6 / (taps * sum(fans))) ** 0.5
        parameter.data.copy_(limit * (2 * torch.rand(parameter.shape, generator=generator) - 1))

    for layer, shape, output in zip(network.layers, network.shapes, network.shapes[1:]):
        weights(layer, shape, output, layer.linear.weight)
        if not isinstance(layer.norm, nn.Identity):
            normal(layer.norm.weight, 1.0, deviation)
        else:
            layer.linear.bias.data.zero_()
    if network.classes is not None:
        if isinstance(network, Generator):
            normal(network.classes.weight, 0.0, 1.0)
        else:
            weights(network.layers[-1], *network.shapes[-2:], network.classes.weight)
    network.equalise()


def equal_gain(weights, stride):
    """The nearest weights of a transposed convolution, [inputs, outputs, height, width], of which all output pixels, at any row
    and column modulo the stride, have the same sum (`trainer/nn/src/equal_gain.rs`)."""
    phases = list(itertools.product(*(range(s) for s in stride)))
    parts = [weights[:, :, y::stride[0], x::stride[1]] for y, x in phases]
    counts = [part[0, 0].numel() for part in parts]
    gains = [part.sum((2, 3), keepdim=True) for part in parts]
    mean = sum(gain / count for gain, count in zip(gains, counts)) / sum(1 / count for count in counts)
    equal = weights.clone()
    for (y, x), gain, count in zip(phases, gains, counts):
        equal[:, :, y::stride[0], x::stride[1]] += (mean - gain) / count
    return equal


def bilinear(kernel, stride):
    """The kernel of a linear enlargement by `stride`, with a mean square of 1."""
    places = torch.arange(kernel) - (kernel - 1) / 2
    taps = (1 - places.abs() / stride).clamp(min=0)
    return taps / taps.square().mean().sqrt()


def is_joint(recipe, step):
    """Whether batch normalisation treats generated and real pictures as one batch in a step."""
    return step < recipe["joint_batch_norm"]


def passes_apart(recipe, step):
    """Whether generated and real pictures pass through the discriminator apart in a step, as batch normalisation by DCGAN needs
    it."""
    return any(layer["batch_norm"] for layer in recipe["discriminator"]["layers"]) and not is_joint(recipe, step)
