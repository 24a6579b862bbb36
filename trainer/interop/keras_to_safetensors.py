"""Keras generator -> safetensors that `trainer import` reads.

    pip install keras tensorflow safetensors
    python keras_to_safetensors.py generator.keras out.safetensors
    python keras_to_safetensors.py generator.weights.h5 out.safetensors --network tutorial
    python keras_to_safetensors.py --random 1 out.safetensors --network pocket --divisor 4

A .keras file brings its own network. For files of weights alone, and for a trial with
random ones, the network is one of those below; add yours to NETWORKS.
"""

import argparse
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
from keras import layers
from safetensors.numpy import save_file


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


def tensors(model):
    """`generator.N.weight` and so on, N from 0; batch normalisation as `generator.N.norm.*`."""
    out, n = {}, -1
    norm = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            if not (layer.scale and layer.center):
                raise SystemExit(f"{layer.name}: scale and center must be on")
            out |= {f"generator.{n}.norm.{norm[w.name]}": w.numpy() for w in layer.weights}
        elif isinstance(layer, (layers.Dense, layers.Conv2D, layers.Conv2DTranspose)):
            n += 1
            out[f"generator.{n}.weight"] = layer.kernel.numpy()
            if layer.use_bias:
                out[f"generator.{n}.bias"] = layer.bias.numpy()
        elif layer.weights:
            raise SystemExit(f"{layer.name}: trainer knows no {type(layer).__name__}")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", help=".keras, or .weights.h5 of one of the networks")
    parser.add_argument("out")
    parser.add_argument("--network", choices=NETWORKS, default="tutorial")
    parser.add_argument("--divisor", type=int, default=1, help="narrows the network's hidden layers")
    parser.add_argument("--random", type=int, metavar="SEED", help="random weights instead of a file's")
    parser.add_argument("--pictures", type=int, default=4, help="how many go into the file as a proof")
    args = parser.parse_args()
    if (args.weights is None) == (args.random is None):
        parser.error("give either a file of weights or --random SEED")

    rng = np.random.default_rng(args.random or 0)
    if args.weights and args.weights.endswith(".keras"):
        model = keras.models.load_model(args.weights, compile=False)
    else:
        model = NETWORKS[args.network](args.divisor)
        if args.weights:
            model.load_weights(args.weights)
        else:  # as large as they must be for a signal to get through; variances are positive
            for w in model.weights:
                transposed = "transpose" in w.path  # height, width, out, in
                fan = np.prod(w.shape[:2] + w.shape[3:]) / 4 if transposed else np.prod(w.shape[:-1])
                values = rng.normal(0, 0.1 if len(w.shape) == 1 else (1.6 / fan) ** 0.5, w.shape)
                w.assign(values + (w.name in ("gamma", "moving_variance")))
    latent = rng.normal(size=(args.pictures, model.input_shape[-1])).astype("float32")
    image = model(latent, training=False).numpy()
    header = {"layout": "hwio", "dense": "hwc"}  # what --layout and --dense would say
    save_file(tensors(model) | {"check.latent": latent, "check.image": image}, args.out, metadata=header)
    print(f"{args.out}: trainer import {args.out} --bn-epsilon 1e-3 --preset ... or --config ...")


if __name__ == "__main__":
    main()
