#!/usr/bin/env python3
"""Makes a golden set for `trainer parity`: the tutorial's network at a smaller width,
trained for a few steps by Keras.

    pip install tensorflow keras        # torch too, if its opinion is wanted
    python trainer/interop/golden.py --out trainer/tests/golden/keras

Keras computes forward passes, losses and gradients, in float64 (stored, rounded to
float32) and in float32 (to see what float32 costs). RMSprop is written out below as
Keras 2.2 had it, with epsilon outside the root; Keras 3 has it inside. If PyTorch is
there it runs the same steps. `crosscheck.json` holds the differences of all runs.
"""

import argparse
import itertools
import json
import os
import sys
from importlib import metadata
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None

SLOPE = float(np.float32(0.3))
# Hidden channels of the tutorial: generator, then discriminator.
TUTORIAL = ([128, 256, 256, 256, 256], [128, 128, 128, 128])
# Names of what comes out of their layers.
G_MAPS = ["dense", "conv1", "convt", "conv2", "conv3", "out"]
D_MAPS = ["conv1", "conv2", "conv3", "conv4", "logit"]


def shapes(g, d, latent):
    """Every weight's shape, in Keras's layouts; `g.convt` is (kh, kw, OUT, IN)."""
    kernels = {
        "g.dense": (latent, 16 * 16 * g[0]),
        "g.conv1": (5, 5, g[0], g[1]),
        "g.convt": (4, 4, g[2], g[1]),
        "g.conv2": (5, 5, g[2], g[3]),
        "g.conv3": (5, 5, g[3], g[4]),
        "g.conv4": (7, 7, g[4], 3),
        "d.conv1": (3, 3, 3, d[0]),
        "d.conv2": (4, 4, d[0], d[1]),
        "d.conv3": (4, 4, d[1], d[2]),
        "d.conv4": (4, 4, d[2], d[3]),
        "d.dense": (2 * 2 * d[3], 1),
    }
    for layer, shape in kernels.items():
        yield f"{layer}.kernel", shape
        yield f"{layer}.bias", shape[2:3] if layer == "g.convt" else shape[-1:]


def first_weights(rng, g, d, latent):
    """Glorot uniform kernels. Biases are not 0, or a wrong one would not be noticed."""
    weights = {}
    for name, shape in shapes(g, d, latent):
        if name.endswith("kernel"):
            limit = np.sqrt(6 / (np.prod(shape[:-2]) * (shape[-1] + shape[-2])))
            weights[name] = rng.uniform(-limit, limit, shape).astype(np.float32)
        else:
            weights[name] = rng.normal(0, 0.04, shape).astype(np.float32)
    return weights


def smooth_pictures(rng, count):
    """Pictures of a few slow waves in each colour, uint8."""
    y, x = np.mgrid[:32, :32] / 32
    pictures = np.zeros((count, 32, 32, 3))
    for picture, channel, _ in itertools.product(range(count), range(3), range(4)):
        fy, fx, phase, size = rng.uniform((-2, -2, 0, 0.2), (2, 2, 2 * np.pi, 1))
        pictures[picture, :, :, channel] += size * np.sin(2 * np.pi * (fy * y + fx * x) + phase)
    return np.round(127.5 + 127.5 * np.tanh(pictures)).astype(np.uint8)


class Keras:
    """The two networks in Keras. D ends in a logit; the sigmoid is in the loss."""

    def __init__(self, weights, g, d, latent, dtype):
        layers = keras.layers

        def leaky():
            return layers.LeakyReLU(negative_slope=SLOPE, dtype=dtype)

        def conv(channels, kernel, **options):
            return layers.Conv2D(channels, kernel, dtype=dtype, **options)

        self.dtype = dtype
        self.generator = keras.Sequential([
            keras.Input((latent,), dtype=dtype),
            layers.Dense(g[0] * 16 * 16, dtype=dtype, name="dense"), leaky(),
            layers.Reshape((16, 16, g[0]), dtype=dtype),
            conv(g[1], 5, padding="same", name="conv1"), leaky(),
            layers.Conv2DTranspose(g[2], 4, strides=2, padding="same", dtype=dtype, name="convt"), leaky(),
            conv(g[3], 5, padding="same", name="conv2"), leaky(),
            conv(g[4], 5, padding="same", name="conv3"), leaky(),
            conv(3, 7, activation="tanh", padding="same", name="conv4"),
        ])
        self.discriminator = keras.Sequential([
            keras.Input((32, 32, 3), dtype=dtype),
            conv(d[0], 3, name="conv1"), leaky(),
            conv(d[1], 4, strides=2, name="conv2"), leaky(),
            conv(d[2], 4, strides=2, name="conv3"), leaky(),
            conv(d[3], 4, strides=2, name="conv4"), leaky(),
            layers.Flatten(dtype=dtype),
            layers.Dense(1, dtype=dtype, name="dense"),
        ])
        self.parameters = {}
        for player, model in (("g", self.generator), ("d", self.discriminator)):
            for layer in model.layers:
                for kind, variable in zip(("kernel", "bias"), layer.weights):
                    self.parameters[f"{player}.{layer.name}.{kind}"] = variable
        assert self.parameters.keys() == weights.keys()
        self.set(weights)

    def set(self, weights):
        for name, value in weights.items():
            self.parameters[name].assign(value)

    def generate(self, z):
        return self.generator(tf.constant(z, self.dtype)).numpy()

    def maps(self, z):
        """Activations of one latent's picture, and of D on it."""
        maps, x = {}, tf.constant(z, self.dtype)
        for player, model, names in (("g", self.generator, G_MAPS), ("d", self.discriminator, D_MAPS)):
            names = iter(names)
            for layer in model.layers:
                x = layer(x)
                # After the activation, where one is a layer of its own.
                if isinstance(layer, keras.layers.LeakyReLU) or layer is model.layers[-1]:
                    maps[f"{player}.{next(names)}"] = x[0].numpy()
        return maps

    def bce(self, logits, y):
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.constant(y, self.dtype), logits))

    def d_gradient(self, pictures, y):
        with tf.GradientTape() as tape:
            logits = self.discriminator(tf.constant(pictures, self.dtype))
            loss = self.bce(logits, y)
        names = [n for n in self.parameters if n.startswith("d.")]
        gradients = tape.gradient(loss, [self.parameters[n].value for n in names])
        return loss.numpy(), logits.numpy(), {n: g.numpy() for n, g in zip(names, gradients)}

    def g_gradient(self, z):
        with tf.GradientTape() as tape:
            image = self.generator(tf.constant(z, self.dtype))
            logits = self.discriminator(image)
            loss = self.bce(logits, np.zeros((len(z), 1)))
        names = [n for n in self.parameters if n.startswith("g.")]
        gradients = tape.gradient(loss, [image] + [self.parameters[n].value for n in names])
        d_image, *gradients = (g.numpy() for g in gradients)
        return loss.numpy(), image.numpy(), logits.numpy(), d_image, dict(zip(names, gradients))


class Torch:
    """The same in PyTorch's functions, which want channels first and (out, in, kh, kw)."""

    def __init__(self, weights, g, d, latent, dtype):
        self.dtype = getattr(torch, dtype)
        self.set(weights)

    def set(self, weights):
        self.parameters = {n: torch.tensor(w, dtype=self.dtype, requires_grad=True) for n, w in weights.items()}

    def tensor(self, array):
        return torch.tensor(array, dtype=self.dtype)

    def conv(self, x, layer, **options):
        kernel, bias = self.parameters[f"{layer}.kernel"], self.parameters[f"{layer}.bias"]
        return F.conv2d(x, kernel.permute(3, 2, 0, 1).contiguous(), bias, **options)

    def draw(self, z):
        p = self.parameters
        x = F.leaky_relu(z @ p["g.dense.kernel"] + p["g.dense.bias"], SLOPE)
        x = x.reshape(len(z), 16, 16, -1).permute(0, 3, 1, 2)
        x = F.leaky_relu(self.conv(x, "g.conv1", padding=2), SLOPE)
        kernel = p["g.convt.kernel"].permute(3, 2, 0, 1).contiguous()
        x = F.leaky_relu(F.conv_transpose2d(x, kernel, p["g.convt.bias"], stride=2, padding=1), SLOPE)
        x = F.leaky_relu(self.conv(x, "g.conv2", padding=2), SLOPE)
        x = F.leaky_relu(self.conv(x, "g.conv3", padding=2), SLOPE)
        return torch.tanh(self.conv(x, "g.conv4", padding=3)).permute(0, 2, 3, 1)

    def judge(self, pictures):
        x = pictures.permute(0, 3, 1, 2)
        for layer, stride in (("d.conv1", 1), ("d.conv2", 2), ("d.conv3", 2), ("d.conv4", 2)):
            x = F.leaky_relu(self.conv(x, layer, stride=stride), SLOPE)
        x = x.permute(0, 2, 3, 1).flatten(1)
        return x @ self.parameters["d.dense.kernel"] + self.parameters["d.dense.bias"]

    def generate(self, z):
        return self.draw(self.tensor(z)).detach().numpy()

    def gradient(self, loss, prefix, *more):
        names = [n for n in self.parameters if n.startswith(prefix)]
        gradients = torch.autograd.grad(loss, [*more, *(self.parameters[n] for n in names)])
        gradients = [g.numpy() for g in gradients]
        return *gradients[:len(more)], dict(zip(names, gradients[len(more):]))

    def d_gradient(self, pictures, y):
        logits = self.judge(self.tensor(pictures))
        loss = F.binary_cross_entropy_with_logits(logits, self.tensor(y))
        (gradients,) = self.gradient(loss, "d.")
        return loss.item(), logits.detach().numpy(), gradients

    def g_gradient(self, z):
        image = self.draw(self.tensor(z))
        logits = self.judge(image)
        loss = F.binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))
        d_image, gradients = self.gradient(loss, "g.", image)
        return loss.item(), image.detach().numpy(), logits.detach().numpy(), d_image, gradients


def rmsprop(weights, gradients, squares, lr, t):
    """Keras 2.2: gradient clipped by value, inverse-time decay, epsilon outside the root."""
    for name, g in gradients.items():
        g = np.clip(g, -1, 1)
        squares[name] = 0.9 * squares.get(name, 0) + 0.1 * g * g
        weights[name] = weights[name] - lr / (1 + 1e-8 * t) * g / (np.sqrt(squares[name]) + 1e-7)


def train(framework, dtype, weights, inputs, sizes):
    """All steps; returns what `step1.npz` holds, and the last weights."""
    weights = {n: w.astype(dtype) for n, w in weights.items()}
    run, squares, golden = framework(weights, *sizes, dtype), {}, {"d_loss": [], "g_loss": []}
    frogs, (steps, batch, _) = inputs["frogs_u8"], inputs["z1"].shape
    for t in range(steps):
        real = frogs[np.arange(t * batch, (t + 1) * batch) % len(frogs)] / np.float32(255)
        y = np.repeat([1.0, 0.0], batch)[:, None] + 0.05 * inputs["label_noise"][t].astype(np.float64)
        fake = run.generate(inputs["z1"][t])
        d_loss, d_logit, d_grad = run.d_gradient(np.concatenate([fake, real.astype(dtype)]), y)
        rmsprop(weights, d_grad, squares, 8e-4, t)
        run.set(weights)
        g_loss, g_image, g_logit, g_image_grad, g_grad = run.g_gradient(inputs["z2"][t])
        rmsprop(weights, g_grad, squares, 4e-4, t)
        run.set(weights)
        golden["d_loss"].append(float(d_loss))
        golden["g_loss"].append(float(g_loss))
        if t == 0:
            golden |= {"fake": fake, "d_logit": d_logit, "g_image": g_image, "g_logit": g_logit,
                       "g_image_grad": g_image_grad}
            golden |= {f"grad.{n}": g for n, g in (d_grad | g_grad).items()}
            golden |= {f"after.{n}": w.copy() for n, w in weights.items()}
    return golden


def compare(a, b):
    """What differs between two runs, in numbers."""
    def off(prefix):
        return np.concatenate([np.abs(a[n] - b[n]).ravel() for n in b if n.startswith(prefix)])

    def worst_gradient(player):
        names = [n for n in b if n.startswith(f"grad.{player}.")]
        return max(np.abs(a[n] - b[n]).max() / np.abs(b[n]).max() for n in names)

    result = {"fake (max abs)": off("fake").max()}
    for player in "dg":
        result[f"grad.{player} (worst tensor, relative to its largest)"] = worst_gradient(player)
        after = off(f"after.{player}.")
        result[f"after.{player} (share off by > 1e-6)"] = (after > 1e-6).mean()
        result[f"after.{player} (max abs)"] = after.max()
    for name in ("d_loss", "g_loss"):
        result[f"{name} (abs, by step)"] = [float(f"{d:.2g}") for d in np.abs(np.subtract(a[name], b[name]))]
    return {k: v if isinstance(v, list) else float(f"{v:.3g}") for k, v in result.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--divide", type=int, default=32, help="the tutorial's hidden channels over this")
    parser.add_argument("--channels", type=int, nargs=9, metavar="C",
                        help="hidden channels, five of the generator and four of the discriminator, instead")
    parser.add_argument("--latent", type=int, default=8)
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--seed", type=int, default=20190223)
    args = parser.parse_args()

    g, d = (args.channels[:5], args.channels[5:]) if args.channels else (
        [max(1, c // args.divide) for c in player] for player in TUTORIAL)
    sizes = (g, d, args.latent)
    rng = np.random.default_rng(args.seed)
    weights = first_weights(rng, *sizes)
    inputs = {
        "frogs_u8": smooth_pictures(rng, args.steps * args.batch),
        "z1": rng.normal(size=(args.steps, args.batch, args.latent)).astype(np.float32),
        "z2": rng.normal(size=(args.steps, args.batch, args.latent)).astype(np.float32),
        "label_noise": rng.random((args.steps, 2 * args.batch, 1), np.float32),
    }
    runs = {"keras64": (Keras, "float64"), "keras32": (Keras, "float32")}
    versions = ["keras", "tensorflow", "numpy"]
    if torch:
        runs |= {"torch64": (Torch, "float64"), "torch32": (Torch, "float32")}
        versions.append("torch")
    runs = {name: train(*run, weights, inputs, sizes) for name, run in runs.items()}
    golden = runs["keras64"]

    def version(package):
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return metadata.version(f"{package}-cpu")

    crosscheck = {
        "made by": " ".join(["golden.py", *(a for a in sys.argv[1:] if a not in ("--out", str(args.out)))]),
        "versions": {package: version(package) for package in versions},
        "parameters": {p: sum(w.size for n, w in weights.items() if n.startswith(p)) for p in "gd"},
    }
    crosscheck |= {f"{name} vs keras64": compare(run, golden) for name, run in runs.items() if name != "keras64"}
    gradients = np.concatenate([np.abs(v).ravel() for n, v in golden.items() if n.startswith("grad.")])
    crosscheck["largest |gradient| (clipvalue is 1)"] = float(gradients.max())
    crosscheck["gradients smaller than 1e-6"] = int((gradients < 1e-6).sum())

    def stored(arrays):
        return {n: np.asarray(a, np.float64 if n in ("d_loss", "g_loss") else np.float32) for n, a in arrays.items()}

    args.out.mkdir(parents=True, exist_ok=True)
    np.savez(args.out / "weights_init.npz", **weights)
    np.savez(args.out / "inputs.npz", **inputs)
    np.savez(args.out / "step1.npz", **stored(golden))
    np.savez(args.out / "activations.npz",
             **stored(Keras(weights, *sizes, "float64").maps(inputs["z1"][0, :1])))
    (args.out / "crosscheck.json").write_text(json.dumps(crosscheck, indent=1) + "\n")
    print(json.dumps(crosscheck, indent=1))


if __name__ == "__main__":
    main()
