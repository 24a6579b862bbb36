#!/usr/bin/env python3
"""Makes the golden file of a conditional training step: one step of the discriminator and
one of the generator of a small DCGAN with three classes, computed by PyTorch.

    pip install torch numpy
    python trainer/interop/golden_conditional.py trainer/tests/golden/pytorch-conditional.npz

The generator joins an embedding of the class to its latent (Mirza and Osindero 2014,
arXiv:1411.1784). The discriminator adds a projection to its logit (Miyato and Koyama 2018,
arXiv:1802.05637): D(x, y) = psi(phi(x)) + V(y) . phi(x), where phi(x) is the input of its
last layer. The pictures are random waves, without augmentation and dropout. The step is
computed in float64 and stored as float32; the program prints how far float32 is from it.

Arrays, in PyTorch's layouts (the networks below have the names):

    init.*, grad.*, after.*    parameters, gradients, and parameters after a step of Adam
    real, classes              pictures [N, 3, 16, 16] as uint8, and the class of each
    z1, z2                     latents of the discriminator's and of the generator's step
    fake, d_logits, d_loss     G(z1), logits of [fake, real], loss (mean over both)
    g_images, g_logits, g_loss G(z2), logits by the updated discriminator, loss
    g_image_grad               gradient of g_loss by g_images
"""

import argparse
import itertools

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

CLASSES, WIDTH, LATENT, BATCH, SIDE = 3, 4, 8, 6, 16
# Epsilon is large, so that a parameter whose gradient is nearly 0 moves in proportion to it. With a small epsilon the
# first step of Adam is the sign of the gradient, which rounding may change.
ADAM = dict(lr=1e-2, betas=(0.5, 0.999), eps=1e-3)
SLOPE = float(np.float32(0.2))


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(CLASSES, WIDTH)
        self.dense = nn.Linear(LATENT + WIDTH, 6 * 4 * 4, bias=False)
        self.norm1 = nn.BatchNorm2d(6)
        self.up1 = nn.ConvTranspose2d(6, 5, 4, 2, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(5)
        self.up2 = nn.ConvTranspose2d(5, 4, 4, 2, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(4)
        self.out = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, z, y):
        x = self.dense(torch.cat([z, self.embed(y)], 1)).view(-1, 6, 4, 4)
        x = self.up1(activated(self.norm1(x), 0.0))
        x = self.up2(activated(self.norm2(x), 0.0))
        return torch.tanh(self.out(activated(self.norm3(x), 0.0)))


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 4, 2, 1)
        self.conv2 = nn.Conv2d(4, 8, 4, 2, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(8)
        self.dense = nn.Linear(8 * 4 * 4, 1)
        self.embed = nn.Embedding(CLASSES, 8 * 4 * 4)

    def forward(self, x, y):
        x = activated(self.conv1(x), SLOPE)
        phi = activated(self.norm2(self.conv2(x)), SLOPE).flatten(1)
        return self.dense(phi)[:, 0] + (self.embed(y) * phi).sum(1)


nearest = []  # to 0, of each activation's inputs, as a share of the largest


def activated(x, slope):
    nearest.append((x.abs().min() / x.abs().max()).item())
    return F.leaky_relu(x, slope)


def initialise(network, generator):
    """Weights at which signals keep their size; all biases, factors and vectors differ, so that a wrong one is noticed."""
    for name, p in network.named_parameters():
        if "norm" in name:
            mean, deviation = (1.0, 0.2) if name.endswith("weight") else (0.0, 0.2)
        elif name.endswith("bias"):
            mean, deviation = 0.0, 0.1
        elif isinstance(network, Generator) and name.startswith("embed"):
            mean, deviation = 0.0, 1.0
        else:
            fan_in = p[0].numel() if "up" not in name else p[:, 0].numel() / 4
            mean, deviation = 0.0, fan_in ** -0.5
        values = generator.normal(mean, deviation, tuple(p.shape)).astype(np.float32)
        p.data = torch.tensor(values, dtype=p.dtype)


def waves(generator, count):
    """Pictures of a few slow waves in each colour, uint8."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    pictures = np.zeros((count, 3, SIDE, SIDE))
    for picture, channel, _ in itertools.product(range(count), range(3), range(4)):
        fy, fx, phase, size = generator.uniform((-2, -2, 0, 0.2), (2, 2, 2 * np.pi, 1))
        pictures[picture, channel] += size * np.sin(2 * np.pi * (fy * y + fx * x) + phase)
    return np.round(127.5 + 127.5 * np.tanh(pictures)).astype(np.uint8)


def step(seed, dtype):
    """All arrays of a step that is computed with this type."""
    random = np.random.default_rng(seed)
    G, D = Generator().to(dtype), Discriminator().to(dtype)
    initialise(G, random)
    initialise(D, random)
    inputs = {
        "real": waves(random, BATCH),
        "classes": np.array([2, 0, 1, 1, 0, 2]),
        "z1": random.normal(size=(BATCH, LATENT)).astype(np.float32),
        "z2": random.normal(size=(BATCH, LATENT)).astype(np.float32),
    }
    z1, z2 = (torch.tensor(inputs[name], dtype=dtype) for name in ("z1", "z2"))
    y, real = torch.tensor(inputs["classes"]), torch.tensor(inputs["real"]).to(dtype) / 127.5 - 1
    networks = {"G": G, "D": D}
    out = dict(inputs)

    def keep(kind, which, value=lambda p: p):
        out.update({f"{kind}.{which}.{n}": value(p).detach().numpy().copy() for n, p in networks[which].named_parameters()})

    keep("init", "G")
    keep("init", "D")
    adam = {name: torch.optim.Adam(network.parameters(), **ADAM) for name, network in networks.items()}

    # Batch normalisation treats generated and real pictures as batches of their own.
    fake = G(z1, y).detach()
    logits = torch.cat([D(fake, y), D(real, y)])
    targets = torch.cat([torch.zeros(BATCH), torch.ones(BATCH)]).to(dtype)
    d_loss = F.binary_cross_entropy_with_logits(logits, targets)
    adam["D"].zero_grad()
    d_loss.backward()
    keep("grad", "D", lambda p: p.grad)
    adam["D"].step()
    keep("after", "D")

    images = G(z2, y)
    images.retain_grad()
    g_logits = D(images, y)
    g_loss = F.binary_cross_entropy_with_logits(g_logits, torch.ones(BATCH, dtype=dtype))
    adam["G"].zero_grad()
    g_loss.backward()
    keep("grad", "G", lambda p: p.grad)
    adam["G"].step()
    keep("after", "G")
    results = {"fake": fake, "d_logits": logits, "d_loss": d_loss, "g_images": images, "g_logits": g_logits,
               "g_loss": g_loss, "g_image_grad": images.grad}
    return out | {name: value.detach().numpy() for name, value in results.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="the .npz file to write")
    parser.add_argument("--seed", type=int, default=20180217)
    args = parser.parse_args()
    torch.set_num_threads(1)
    golden, single = step(args.seed, torch.float64), step(args.seed, torch.float32)
    if min(nearest) < 1e-5:
        raise SystemExit(f"error: an activation's input is {min(nearest):.1e} of the largest, so its derivative depends on "
                         "rounding; take another --seed")
    worst = {}
    for name, value in golden.items():
        if value.dtype == np.float64:
            kind = name.split(".")[0]
            off = np.abs(single[name] - value).max() / np.abs(value).max()
            worst[kind] = max(worst.get(kind, 0), off)
    print("float32, as a share of each array's largest value:", {kind: float(f"{off:.1e}") for kind, off in worst.items()})
    print(f"nearest input of an activation to 0: {min(nearest):.1e} of the largest")
    narrow = lambda name, v: v.astype(np.float32) if v.dtype == np.float64 and v.ndim else v
    np.savez_compressed(args.out, **{name: narrow(name, value) for name, value in golden.items()})


if __name__ == "__main__":
    main()
