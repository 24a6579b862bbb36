#!/usr/bin/env python3
"""Networks as people have them, through the scripts of `trainer/interop`.

    python make.py pytorch FOLDER     # writes FOLDER/pytorch-*.safetensors and their recipes
    python make.py keras FOLDER       # the same for Keras
    python make.py pytorch            # writes nothing; tries what the script refuses, and the forms of checkpoints

All weights are random, and each file holds two pictures that the network drew itself.
"""

import contextlib
import importlib.util
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCRIPTS = HERE.parents[1] / "interop"
sys.path.insert(0, str(SCRIPTS))  # the scripts import files beside them

# What `trainer import` does not look at; it must be there all the same.
RECIPE = """name = "{name}"
about = "for tests of import; make.py wrote it"
seed = 1
steps = 1
batch = 2
latent = {latent}
range = "{range}"
init = {{ normal = 0.02 }}
ema = 0.0
shuffle = true
fresh_latents = false
every = {{ log = 1, sample = 1, checkpoint = 1 }}

[generator]
optimiser = {{ rule = "adam", lr = 2e-4, beta1 = 0.5, beta2 = 0.999, epsilon = 1e-8 }}
{layers}

[discriminator]
optimiser = {{ rule = "adam", lr = 2e-4, beta1 = 0.5, beta2 = 0.999, epsilon = 1e-8 }}
layers = [
    {{ op = "dense", size = [1, 1], channels = 1, activation = "linear" }},
]
"""


def script(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def call(module, *arguments):
    """Output of the script, and whether it refused."""
    text, sys.argv = io.StringIO(), [module.__name__, *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(text):
            module.main()
    except SystemExit as error:
        return f"{text.getvalue()}{error}", True
    return text.getvalue(), False


def write(module, folder, name, weights, *options):
    text, refused = call(module, weights, folder / f"{name}.safetensors", "--pictures", 2, *options)
    assert not refused, f"{name}: {text}"
    latent, kind = re.search(r"latent = (\d+), range = \"(\w+)\"", text).groups()
    layers = text[text.index("layers = ["):text.index("\n]") + 2]
    recipe = RECIPE.format(name=name, latent=latent, range=kind, layers=layers)
    (folder / f"{name}.toml").write_text(recipe)
    print(f"{name}: written")
    return text


def expect(module, arguments, *words):
    text, refused = call(module, *arguments)
    assert refused and all(word in text for word in words), f"{words} expected:\n{text}"
    print(f"refused: {text.splitlines()[-1][:100]}")


def pytorch(folder):
    import torch
    from torch import nn
    from torch.nn import functional as F
    from torch.nn.utils import parametrizations, spectral_norm, weight_norm

    module = script("pytorch_to_safetensors")

    class Dcgan(nn.Module):
        """As pytorch/examples has it: a latent [N, nz, 1, 1], no biases, a condition on the device."""

        def __init__(self, wrap=lambda layer: layer, outputs=3):
            super().__init__()
            self.ngpu = 1
            self.main = nn.Sequential(
                wrap(nn.ConvTranspose2d(10, 12, 4, 1, 0, bias=False)), nn.BatchNorm2d(12), nn.ReLU(True),
                wrap(nn.ConvTranspose2d(12, 8, 4, 2, 1, bias=False)), nn.BatchNorm2d(8), nn.ReLU(True),
                wrap(nn.ConvTranspose2d(8, outputs, 4, 2, 1, bias=False)), nn.Tanh(),
            )

        def forward(self, input):
            if input.is_cuda and self.ngpu > 1:
                return nn.parallel.data_parallel(self.main, input, range(self.ngpu))
            return self.main(input)

    class Upsampling(nn.Module):
        """As PyTorch-GAN has it: nearest upsampling, two epsilons, a view."""

        def __init__(self, mode="nearest"):
            super().__init__()
            self.l1 = nn.Sequential(nn.Linear(9, 6 * 4 ** 2))
            self.conv_blocks = nn.Sequential(
                nn.BatchNorm2d(6), nn.Upsample(scale_factor=2, mode=mode), nn.Conv2d(6, 5, 3, stride=1, padding=1),
                nn.BatchNorm2d(5, 0.8), nn.LeakyReLU(0.2, inplace=True),
                nn.Upsample(scale_factor=2), nn.Conv2d(5, 4, 5, stride=1, padding=2),
                nn.BatchNorm2d(4, 0.8), nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(4, 3, 3, stride=1, padding=1), nn.Tanh(),
            )

        def forward(self, z):
            out = self.l1(z)
            return self.conv_blocks(out.view(out.shape[0], 6, 4, 4))

    class Odd(nn.Module):
        """Functions instead of layers, channels last for a while, uneven paddings, upsampling by three in front of a
        transposed convolution, normalised weights of every kind."""

        def __init__(self):
            super().__init__()
            self.dense = spectral_norm(nn.Linear(7, 3 * 3 * 6))
            self.norm = nn.BatchNorm1d(3 * 3 * 6, eps=1e-2, affine=False)
            self.up = weight_norm(nn.ConvTranspose2d(6, 6, 5, 2, 2, output_padding=1))
            self.down = parametrizations.spectral_norm(nn.Conv2d(6, 5, 3, 2, 1))
            self.middle = nn.Linear(5 * 3 * 3, 4 * 2 * 2)
            self.far = parametrizations.weight_norm(nn.ConvTranspose2d(4, 4, 3, 1, 1))
            self.last = nn.ConvTranspose2d(4, 3, 3, 2, 1, output_padding=1)

        def forward(self, z):
            x = F.leaky_relu(self.norm(self.dense(z)), 0.1)
            x = F.relu(self.up(x.reshape(-1, 3, 3, 6).permute(0, 3, 1, 2)))
            x = F.dropout(self.down(x), 0.3, self.training)
            x = torch.relu(self.middle(torch.flatten(x, 1))).unflatten(1, (4, 2, 2))
            x = F.leaky_relu(self.far(F.interpolate(x, scale_factor=3)))
            return torch.sigmoid(self.last(x))

    class Lists(nn.Module):
        """Dense layers alone, normalised behind their activations; grey pictures."""

        def __init__(self):
            super().__init__()
            self.model = nn.Sequential(
                nn.Linear(6, 10), nn.LeakyReLU(0.2), nn.BatchNorm1d(10, 0.8), nn.Linear(10, 20), nn.PReLU(),
                nn.BatchNorm1d(20), nn.Linear(20, 64), nn.Tanh(),
            )

        def forward(self, z):
            return self.model(z).view(z.size(0), 1, 8, 8)

    class OneHot(nn.Module):
        """The class as a list of zeros with one 1, joined to a latent that is a map of one pixel."""

        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.ConvTranspose2d(6 + 4, 3, 4), nn.Tanh())

        def forward(self, z, labels):
            return self.layers(torch.cat([z, F.one_hot(labels, 4).float()[:, :, None, None]], 1))

    class Ignorant(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(7, 48), nn.Unflatten(1, (3, 4, 4)), nn.Tanh())

        def forward(self, z, labels):
            return self.layers(z)

    def rectangle():
        """Grey pictures, 12 high and 20 wide; its kernel of 5 needs an additional row and column of zeros."""
        return nn.Sequential(
            nn.Linear(5, 4 * 3 * 5), nn.Unflatten(1, (4, 3, 5)), nn.ReLU(),
            nn.ConvTranspose2d(4, 6, 4, 2, 1), nn.BatchNorm2d(6), nn.ReLU(),
            nn.ConvTranspose2d(6, 1, 5, 2, 2, output_padding=1), nn.Tanh(),
        )

    class Conditional(nn.Module):
        """As tutorials have it: the vector of the class is computed from an embedding and stands in front of the latent.
        Some of its values are out of the range -127/32 to 127/32."""

        def __init__(self, join=None):
            super().__init__()
            self.join = join or (lambda z, v: torch.cat((v, z), -1))
            self.label_emb = nn.Embedding(3, 6)
            self.label = nn.Sequential(nn.Linear(6, 4), nn.LeakyReLU(0.2))
            self.l1 = nn.Linear(7 + 4, 6 * 4 ** 2, bias=False)
            self.model = nn.Sequential(
                nn.BatchNorm2d(6), nn.ReLU(), nn.ConvTranspose2d(6, 5, 4, 2, 1, bias=False), nn.BatchNorm2d(5),
                nn.ReLU(), nn.Conv2d(5, 3, 3, padding=1), nn.Tanh(),
            )

        def forward(self, z, labels):
            vectors = 2 * self.label(self.label_emb(labels))
            return self.model(self.l1(self.join(z, vectors)).view(-1, 6, 4, 4))

    networks = {"dcgan": Dcgan, "upsampling": Upsampling, "odd": Odd, "lists": Lists, "rectangle": rectangle,
                "conditional": Conditional}
    module.NETWORKS |= {name: lambda divisor, made=made: made() for name, made in networks.items()}
    scratch = Path(tempfile.mkdtemp())
    torch.manual_seed(11)
    with torch.no_grad():
        for name, made in networks.items():
            net = made().train()
            module.randomise(net)
            # Running statistics as training leaves them, for the vectors of spectral normalisation too.
            for _ in range(30):
                latent = {"dcgan": 10, "upsampling": 9, "odd": 7, "lists": 6, "rectangle": 5, "conditional": 7}[name]
                net(torch.randn(16, latent, *((1, 1) if name == "dcgan" else ())),
                    *((torch.arange(16) % 3,) if name == "conditional" else ()))
            if name == "odd":  # spectral normalisation leaves little of a signal
                net.last.weight *= 20
            torch.save(net.state_dict(), scratch / f"{name}.pth")
            if folder:
                options = ("--latent", 7, "--class-names", "cat,dog,frog") if name == "conditional" else ()
                write(module, folder, f"pytorch-{name}", scratch / f"{name}.pth", "--network", name, *options)
    if folder:
        return

    def saved(value, name="x.pth"):
        torch.save(value, scratch / name)
        return scratch / name

    state = torch.load(scratch / "dcgan.pth")
    expected = None
    later = {n: v + 1 for n, v in state.items()}
    critic = {"main.0.weight": torch.zeros(64, 3, 4, 4)}
    forms = {
        "plain": state, "DataParallel": {f"module.{n}": v for n, v in state.items()},
        "checkpoint": {"epoch": 3, "netG": state, "netD": critic, "optimG": {}},
        "lightning": {"state_dict": {f"generator.{n}": v for n, v in state.items()} | {f"critic.{n}": v for n, v in critic.items()}},
    }
    from safetensors.numpy import load_file
    for name, form in forms.items():
        text, refused = call(module, saved(form), scratch / "out.safetensors", "--network", "dcgan")
        assert not refused, f"{name}: {text}"
        arrays = load_file(scratch / "out.safetensors")
        expected = expected or arrays
        assert all((arrays[n] == expected[n]).all() for n in expected), name
        print(f"taken: {name}")
    both = saved({"G": state, "G_ema": later}, "both.pth")
    out = scratch / "out.safetensors"
    expect(module, [both, out, "--network", "dcgan"], "more than once: G, G_ema", "--key")
    text, refused = call(module, both, out, "--network", "dcgan", "--key", "G_ema")
    assert not refused and (load_file(out)["generator.0.weight"] != expected["generator.0.weight"]).any()

    # Normalised weights in the file, a network without: the weights are computed.
    for wrap in (spectral_norm, weight_norm, parametrizations.spectral_norm, parametrizations.weight_norm):
        net = Dcgan(wrap).train()
        module.NETWORKS["wrapped"] = lambda divisor, wrap=wrap: Dcgan(wrap)
        with torch.no_grad():
            for _ in range(20):
                net(torch.randn(8, 10, 1, 1))
        path = saved(net.state_dict(), "wrapped.pth")
        results = []
        for name in ("wrapped", "dcgan"):
            text, refused = call(module, path, out, "--network", name)
            assert not refused, text
            results.append(load_file(out))
        worst = max(abs(results[0][n] - results[1][n]).max() for n in results[0] if n.startswith("generator"))
        assert worst < 1e-5, (wrap, worst)
        print(f"taken: {wrap.__module__} {wrap.__name__}")

    torch.save(nn.DataParallel(module.pocket(4)), scratch / "whole.pth")
    expect(module, [scratch / "whole.pth", out], "--trust-pickle", "state_dict")
    text, refused = call(module, scratch / "whole.pth", out, "--trust-pickle")
    assert not refused, text
    (scratch / "mine.py").write_text("import torch\nclass G(torch.nn.Sequential):\n    def __init__(self):\n        super()"
                                     ".__init__(torch.nn.ConvTranspose2d(5, 3, 8), torch.nn.Sigmoid())\n")
    text, refused = call(module, "--random", 3, out, "--network", f"{scratch / 'mine.py'}:G")
    assert not refused and 'padding = "valid"' in text, text
    expect(module, ["--random", 3, out, "--network", "mine"], "FILE.py:NAME")
    for content, word in ((b"", "empty"), (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull")):
        (scratch / "bad.pth").write_bytes(content)
        expect(module, [scratch / "bad.pth", out], word)
    expect(module, [saved(state), out, "--network", "pocket"], "does not hold this network", "main.0.weight")
    short = dict(state) | {"main.8.weight": torch.zeros(3, 3, 4, 4)}
    expect(module, [saved(short), out, "--network", "dcgan"], "does not hold this network")

    # Classes: the vector behind the latent and in front of it give the same table, joined otherwise they are refused.
    module.NETWORKS["one-hot"] = lambda divisor: OneHot()
    for name, options in (("pocket-classes", ("--divisor", 8)), ("one-hot", ("--classes", 4))):
        text, refused = call(module, "--random", 3, out, "--network", name, *options)
        arrays = load_file(out)
        shape = {"pocket-classes": (3, 8), "one-hot": (4, 4)}[name]
        assert not refused and arrays["class_embedding"].shape == shape and len(arrays["check.class"]) == 4, text
        print(f"taken: {name}")
    arguments = ["--random", 3, out, "--network", "conditional", "--latent", 7]
    expect(module, [*arguments, "--class-names", "cat,dog"], "2 names", "3 classes")
    for join, *words in (
        (lambda z, v: torch.cat([z * v[:, :1], v], 1), "mul brings the class", "torch.cat([z, self.embed(y)], 1)"),
        (lambda z, v: torch.cat([z, v, torch.zeros(len(z), 0)], 1), "joins more than the latent"),
    ):
        module.NETWORKS["conditional"] = lambda divisor, join=join: Conditional(join)
        expect(module, arguments, *words)
    module.NETWORKS["conditional"] = lambda divisor: Ignorant()
    expect(module, [*arguments, "--classes", 3], "takes no notice of the class")

    class Skips(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(5, 48), nn.Linear(48, 48)

        def forward(self, z):
            x = self.a(z)
            return torch.tanh(self.b(x) + x).view(-1, 3, 4, 4)

    dense = lambda *rest: nn.Sequential(nn.Linear(5, 48), nn.Unflatten(1, (3, 4, 4)), *rest)
    for net, *words in (
        (Skips(), "skip connections"),
        (Upsampling("bilinear"), "conv_blocks.1 (Upsample)", "bilinear"),
        (dense(nn.ELU(), nn.Conv2d(3, 3, 3, padding=1), nn.Tanh()), "2 (ELU)", "elu"),
        (dense(nn.PixelShuffle(1), nn.Conv2d(3, 3, 3, padding=1), nn.Tanh()), "PixelShuffle"),
        (dense(nn.InstanceNorm2d(3), nn.Conv2d(3, 3, 3, padding=1), nn.Tanh()), "InstanceNorm2d"),
        (dense(nn.BatchNorm2d(3, track_running_stats=False), nn.Tanh()), "statistics of the batch"),
        (dense(nn.ReLU(), nn.BatchNorm2d(3, affine=True), nn.Conv2d(3, 3, 3, padding=1), nn.Tanh()), "3 (BatchNorm2d)",
         "behind an activation"),
        (dense(nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), nn.Tanh()), "pad"),
        (dense(nn.ReLU(), nn.Conv2d(3, 3, 3, padding=1, groups=3), nn.Tanh()), "groups"),
        (dense(nn.ReLU(), nn.ConvTranspose2d(3, 3, 3, 2, 1), nn.Tanh()), "makes 7x7 of 4x4"),
        (dense(nn.Tanh(), nn.Conv2d(3, 3, 3, padding=1), nn.Tanh()), "tanh in the middle"),
        (dense(nn.ReLU(), nn.ReLU()), "a second activation"),
        (dense(), "no activation"),
        (dense(nn.Tanh(), nn.Upsample(scale_factor=2)), "ends in an upsampling"),
        (nn.Sequential(nn.Linear(5, 48), nn.Tanh()), "Unflatten"),
        (nn.Sequential(nn.Linear(5, 96), nn.Unflatten(1, (6, 4, 4)), nn.Tanh()), "[6, 4, 4]", "[1, height, width]"),
    ):
        with torch.no_grad():
            for n, v in net.named_parameters():
                v.normal_(0.1, 0.3)
            for n, v in net.named_buffers():
                if n.endswith("running_mean"):
                    v.normal_()
        module.NETWORKS["bad"] = lambda divisor, net=net: net
        expect(module, ["--random", 1, out, "--network", "bad"], *words)


def keras(folder):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    module = script("keras_to_safetensors")
    import numpy as np
    from keras import Model, Sequential, layers, ops
    import keras as k

    rng = np.random.default_rng(12)

    def randomised(model):
        module.randomise(model, rng)
        for layer in model.layers:
            if isinstance(layer, layers.BatchNormalization):
                n = layer.moving_mean.shape
                layer.moving_variance.assign(rng.uniform(0.5, 1.5, n))
        return model

    # As Keras-GAN's dcgan.py has it: upsampling, convolutions, grey pictures.
    upsampling = lambda interpolation="nearest": Sequential([
        k.Input((9,)), layers.Dense(6 * 4 * 4, activation="relu"), layers.Reshape((4, 4, 6)),
        layers.UpSampling2D(interpolation=interpolation), layers.Conv2D(5, kernel_size=3, padding="same"),
        layers.BatchNormalization(momentum=0.8), layers.Activation("relu"),
        layers.UpSampling2D(), layers.Conv2D(4, kernel_size=4, padding="same"),
        layers.BatchNormalization(momentum=0.8, epsilon=0.1, scale=False), layers.Activation("relu"),
        layers.Conv2D(1, kernel_size=3, padding="same"), layers.Activation("tanh"),
    ])
    # As Keras-GAN's gan.py has it: dense layers, normalised behind their activations.
    lists = lambda: Sequential([
        k.Input((6,)), layers.Dense(10), layers.LeakyReLU(negative_slope=0.2), layers.BatchNormalization(momentum=0.8),
        layers.Dense(12), layers.LeakyReLU(negative_slope=0.2), layers.BatchNormalization(momentum=0.8),
        layers.Dense(8 * 8 * 3, activation="tanh"), layers.Reshape((8, 8, 3)),
    ])
    # As TensorFlow's tutorial has it: kernels of 5, no biases; inside of another network, which takes a map; sigmoid.
    inner = lambda: Sequential([
        k.Input((7,)), layers.Dense(3 * 3 * 6, use_bias=False), layers.BatchNormalization(), layers.LeakyReLU(),
        layers.Reshape((3, 3, 6)), layers.Dropout(0.3),
        layers.Conv2DTranspose(5, 5, strides=1, padding="same", use_bias=False), layers.BatchNormalization(),
        layers.LeakyReLU(), layers.Conv2DTranspose(4, 5, strides=2, padding="same", use_bias=False),
        layers.BatchNormalization(center=False), layers.LeakyReLU(),
        layers.Conv2DTranspose(4, 2, strides=3, padding="valid"), layers.ReLU(),
        layers.Conv2D(3, 3, padding="valid"), layers.ReLU(), layers.BatchNormalization(),
        layers.Conv2D(3, 3, padding="valid", activation="sigmoid"),
    ])

    def nested():
        network = inner()
        latent = k.Input((1, 1, 7))
        return randomised(network) and Model(latent, network(layers.Flatten()(latent)))

    networks = {"upsampling": lambda: randomised(upsampling()), "lists": lambda: randomised(lists()), "nested": nested}
    scratch = Path(tempfile.mkdtemp())
    made = {name: make() for name, make in networks.items()}
    for name, ending in (("upsampling", "h5"), ("lists", "keras"), ("nested", "keras")):
        made[name].save(scratch / f"{name}.{ending}")
        if folder:
            write(module, folder, f"keras-{name}", scratch / f"{name}.{ending}")
    if folder:
        return

    out = scratch / "out.safetensors"
    from safetensors.numpy import load_file
    made["upsampling"].save_weights(scratch / "w.weights.h5")
    made["upsampling"].save(scratch / "w.keras")
    module.NETWORKS["up"] = lambda divisor: upsampling()
    results = []
    for arguments in ([scratch / "upsampling.h5"], [scratch / "w.keras"]):
        text, refused = call(module, *arguments, out)
        assert not refused, text
        results.append(load_file(out))
    expect(module, [scratch / "w.weights.h5", out, "--network", "tutorial"], "weights alone")
    text, refused = call(module, scratch / "w.weights.h5", out, "--network", "up")
    assert not refused, text
    results.append(load_file(out))
    assert all((a[n] == results[0][n]).all() for a in results for n in a)
    print("taken: .h5, .keras and .weights.h5 alike")

    head = [k.Input((5,)), layers.Dense(48), layers.Reshape((4, 4, 3))]
    conv = lambda **o: layers.Conv2D(3, 3, padding="same", activation="tanh", **o)
    latent = k.Input((5,))
    x = layers.Dense(48)(latent)
    skips = Model(latent, layers.Reshape((4, 4, 3))(layers.Activation("tanh")(layers.Add()([x, layers.Dense(48)(x)]))))
    labels = Model([latent, k.Input((1,))], layers.Reshape((4, 4, 3))(x))
    for net, *words in (
        (skips, "Ribbit has no Add"),
        (labels, "2 inputs"),
        (upsampling("bilinear"), "UpSampling2D", "bilinear"),
        (Sequential([*head, layers.ELU(), conv()]), "ELU"),
        (Sequential([*head, layers.Activation("gelu"), conv()]), "gelu"),
        (Sequential([*head, layers.ReLU(6.0), conv()]), "max_value"),
        (Sequential([*head, layers.PReLU(), conv()]), "PReLU"),
        (Sequential([*head, layers.LayerNormalization(), conv()]), "LayerNormalization"),
        (Sequential([*head, layers.GroupNormalization(1), conv()]), "GroupNormalization"),
        (Sequential([*head, layers.DepthwiseConv2D(3, padding="same"), conv()]), "DepthwiseConv2D"),
        (Sequential([*head, layers.ZeroPadding2D(), conv()]), "ZeroPadding2D"),
        (Sequential([*head, layers.AveragePooling2D(2), conv()]), "AveragePooling2D"),
        (Sequential([*head, layers.ReLU(), layers.BatchNormalization(), conv()]), "BatchNormalization", "behind an activation"),
        (Sequential([*head, layers.BatchNormalization(axis=1), conv()]), "axis 1"),
        (Sequential([*head, conv(), layers.UpSampling2D()]), "ends in an upsampling"),
        (Sequential([*head, conv(groups=3)]), "groups"),
        (Sequential([*head, layers.Conv2D(3, 3, padding="same")]), "no activation"),
        (Sequential([*head, layers.Conv2D(4, 3, padding="same", activation="tanh")]), "draws [4, 4, 4]"),
        (Sequential([k.Input((5,)), layers.Dense(48, activation="tanh")]), "Reshape"),
    ):
        randomised(net).save(scratch / "bad.keras")
        expect(module, [scratch / "bad.keras", out], *words)
    for content, word in ((b"", "empty"), (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"), (b"GIF89a", "neither")):
        (scratch / "bad.h5").write_bytes(content)
        expect(module, [scratch / "bad.h5", out], word)
    expect(module, [scratch, out], "is a folder")


if __name__ == "__main__":
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    {"pytorch": pytorch, "keras": keras}[sys.argv[1]](target)
