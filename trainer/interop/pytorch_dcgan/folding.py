"""The finished generator: the moving average of the weights with batch normalisation folded into them
(`trainer/src/quantise/fold.rs`), as `trainer import` reads it."""

import numpy as np
import torch

from . import arrays, latents
from .networks import EPSILON, BatchNorm, Dense, Generator

# Number of latents over which the statistics of batch normalisation are measured, and the most bytes of their maps.
MEASURED, AT_LEAST, BYTES = 1024, 64, 1 << 30
# First seeds of these latents, and of those that prove that the file was read correctly.
FIRST_MEASURED, FIRST_CHECKED = 0x40000000, 0x70000000


def classes_in_turn(seeds, count):
    """The class of each seed: classes take turns."""
    return torch.from_numpy(np.asarray(seeds, np.int64) % count) if count else None


def rounded_classes(vectors):
    """The vectors in the steps that a device reads, and for each column the factor of the weights that read it."""
    largest = latents.MOST * float(latents.SCALE)
    factors = (vectors.abs().amax(0) / largest).clamp(min=1)
    steps = (vectors / factors / float(latents.SCALE)).round().clamp(-latents.MOST, latents.MOST)
    return steps * float(latents.SCALE), factors


@torch.no_grad()
def folded(recipe, generator, average):
    """A generator without batch normalisation that draws what this one draws with the parameters `average`. The result
    and its computation are in float32 on the device of the parameters."""
    device = average[0].device
    wide = Generator(recipe).to(device)
    for parameter, (_, value) in zip(wide.parameters(), zip(generator.parameters(), average)):
        parameter.copy_(value)
    first, latent = wide.layers[0].linear, recipe["latent"]
    # The inputs of the first layer are the second axis of its weights, or the first one of a transposed convolution.
    inputs = first.weight.transpose(0, 1) if isinstance(first, torch.nn.ConvTranspose2d) else first.weight
    if wide.classes is not None:
        vectors, factors = rounded_classes(wide.classes.weight)
        wide.classes.weight.copy_(vectors)
        inputs[:, latent:].mul_(factors.view(-1, *[1] * (inputs.dim() - 2)))
    statistics = measured(recipe, wide)

    layers = [layer | {"batch_norm": False} for layer in recipe["generator"]["layers"]]
    narrow = Generator(recipe | {"generator": recipe["generator"] | {"layers": layers}}).to(device)
    for layer, source, found in zip(narrow.layers, wide.layers, statistics):
        weight, bias = source.linear.weight, source.linear.bias
        if found is not None:
            mean, variance = found
            scale = source.norm.weight / (variance + EPSILON).sqrt()
            bias = source.norm.bias - mean * scale
            if isinstance(source.linear, Dense):
                # Each channel has as many outputs as a map has places.
                places = weight.shape[0] // len(scale)
                scale, bias = scale.repeat_interleave(places), bias.repeat_interleave(places)
            shape = [1] * weight.dim()
            shape[1 if isinstance(source.linear, torch.nn.ConvTranspose2d) else 0] = -1
            weight = weight * scale.view(shape)
        layer.linear.weight.copy_(weight)
        layer.linear.bias.copy_(bias)
    first = narrow.layers[0].linear
    inputs = first.weight.transpose(0, 1) if isinstance(first, torch.nn.ConvTranspose2d) else first.weight
    inputs[:, :latent].mul_(recipe["latent_scale"])
    if narrow.classes is not None:
        narrow.classes.weight.copy_(wide.classes.weight)
    return narrow


def measured(recipe, generator):
    """Mean and variance of each channel before its normalisation, layer by layer; None for layers without any."""
    if not any(isinstance(layer.norm, BatchNorm) for layer in generator.layers):
        return [None] * len(generator.layers)
    device = generator.layers[0].linear.weight.device
    values = sum(channels * height * width for channels, height, width in generator.shapes[1:])
    seeds = np.arange(min(max(BYTES // (4 * values), AT_LEAST), MEASURED)) + FIRST_MEASURED
    of = torch.from_numpy(latents.of_seeds(seeds, recipe["latent"])).to(device)
    classes = classes_in_turn(seeds, len(recipe["class_names"]))
    x, found = generator.inputs(of, None if classes is None else classes.to(device)), []
    for layer in generator.layers:
        x = layer.linear(x)
        is_normalised = isinstance(layer.norm, BatchNorm)
        found.append((x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)) if is_normalised else None)
        x = layer.activation(layer.norm(x))
    return found


@torch.no_grad()
def drawn(recipe, generator, of, classes=None):
    """Pictures of a folded generator, [N, channels, height, width], in the recipe's range."""
    device = generator.layers[0].linear.weight.device
    parts = zip(of.split(250), [None] * len(of) if classes is None else classes.split(250))
    images = torch.cat([generator(z.to(device), None if y is None else y.to(device)).cpu() for z, y in parts])
    # A tanh in the range 0 to 1: values below 0 are drawn black.
    return images.clamp(min=0) if recipe["range"] == "unit" else images


def write(path, recipe, generator):
    """Writes a folded generator for `trainer import`, with pictures that prove that it is read correctly."""
    names = recipe["class_names"]
    seeds = np.arange(min(len(names), 8) or 2) + FIRST_CHECKED
    of, classes = torch.from_numpy(latents.of_seeds(seeds, recipe["latent"])), classes_in_turn(seeds, len(names))
    held = {f"generator.{i}.{leaf}": getattr(layer.linear, leaf)
            for i, layer in enumerate(generator.layers) for leaf in ("weight", "bias")}
    held |= {"check.latent": of, "check.image": drawn(recipe, generator, of, classes)}
    header = {"preset": recipe["name"], "layout": "oihw", "dense": "chw", "range": recipe["range"]}
    if names:
        held |= {"class_embedding": generator.classes.weight, "check.class": classes}
        header["classes"] = "\n".join(name.replace("\n", " ") for name in names)
    arrays.write(path, {name: value.detach().cpu().numpy() for name, value in held.items()}, header)
