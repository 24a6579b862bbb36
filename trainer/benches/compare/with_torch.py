"""The training step of `trainer/interop/pytorch_dcgan`, with the pictures and the random numbers that Keras gets too."""

import sys
from pathlib import Path

import numpy as np
import torch

from draws import Draws

sys.path.append(str(Path(__file__).resolve().parents[2] / "interop"))
from pytorch_dcgan import augment, recipe as recipes  # noqa: E402
from pytorch_dcgan.inputs import Inputs  # noqa: E402
from pytorch_dcgan.step import Step  # noqa: E402


class Net:
    def __init__(self, config, variant, threads):
        torch.set_num_threads(threads)
        self.recipe, self.draws = recipes.checked(config), Draws(config)
        self.training = Step(self.recipe, bf16=variant == "bf16")
        self.rng = np.random.default_rng(config["seed"])
        layers = self.recipe["discriminator"]["layers"]
        maps = recipes.shapes(layers, recipes.picture(self.recipe))
        self.dropout = {i: (layer["dropout"], maps[i]) for i, layer in enumerate(layers) if layer["dropout"]}

    def changes(self):
        if not augment.is_used(self.recipe["augment"]):
            return None
        draw = (augment.draw(self.rng, self.recipe["augment"], self.draws.batch, *[self.draws.side] * 2) for _ in range(3))
        return torch.from_numpy(np.stack(list(draw)))

    def masks(self):
        size = (3, self.draws.batch)
        kept = {i: self.rng.random((*size, *shape), np.float32) >= rate for i, (rate, shape) in self.dropout.items()}
        return {i: torch.from_numpy(mask / np.float32(1 - self.dropout[i][0])) for i, mask in kept.items()}

    def step(self):
        draws = self.draws
        latents = torch.from_numpy(draws.latents())
        losses = self.training.step(Inputs(
            real=torch.from_numpy(draws.real()).permute(0, 3, 1, 2),
            latents=latents,
            label_noise=torch.from_numpy(draws.noise()),
            changes=self.changes(),
            dropout=self.masks(),
            fresh_latents=torch.from_numpy(draws.latents()) if self.recipe["fresh_latents"] else None,
        ))
        return losses.d_loss.item(), losses.g_loss.item()

    def parameters(self):
        return tuple(network.count() for _, network in self.training.networks())

    def fingerprints(self):
        with torch.no_grad():
            return [float(sum(p.double().abs().sum() for p in network.parameters()))
                    for _, network in self.training.networks()]
