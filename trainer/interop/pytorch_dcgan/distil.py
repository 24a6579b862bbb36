"""Distillation (`trainer/src/distil.rs`): a trained generator, the teacher, draws the latents of the one that trains, and two
distances between their pictures are added to the generator's loss."""

import tomllib
import zlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from . import arrays, latents, recipe as recipes
from .error import Refused
from .networks import Generator
from .schedule import linear_decay

# Sides in pixels of the squares whose means are compared.
SQUARES = (1, 2, 4)
WEIGHTS = "generator.safetensors"


def weights(recipe, step):
    """The weights of the distances of pictures and of features in a step; both are 0 without a teacher."""
    distil = recipe["distil"]
    if distil is None:
        return 0.0, 0.0
    factor = linear_decay(step, recipe["steps"], distil["decay_start"])
    return distil["pixels"] * factor, distil["features"] * factor


def of_pictures(pictures, teacher):
    """The mean absolute difference of the means over squares, summed over the sizes of squares. Squares at the right and the
    lower edge may be cut."""
    difference = pictures - teacher
    return sum(F.avg_pool2d(difference, side, ceil_mode=True).abs().mean() for side in SQUARES)


def of_features(maps, teacher):
    """The mean absolute difference of the discriminator's maps, summed over its hidden layers."""
    return sum((ours - theirs).abs().mean() for ours, theirs in zip(maps, teacher))


class Teacher:
    """The generator in a folder, as `generator_in` finds it, for the one of `recipe`, which learns from it."""

    def __init__(self, recipe, device="cpu", dtype=torch.float32):
        self.folder, self.device, self.dtype = Path(recipe["distil"]["teacher"]), torch.device(device), dtype
        own, self.generator = generator_in(self.folder)
        if own["class_names"] and own["class_names"] != recipe["class_names"]:
            raise Refused(f"distil: the teacher has the classes {', '.join(own['class_names'])}, the run has "
                          f"{', '.join(recipe['class_names']) or 'none'}")
        if (recipes.picture(own), own["range"]) != (recipes.picture(recipe), recipe["range"]):
            raise Refused("distil: the teacher draws pictures of another size or range")
        self.generator.to(self.device, dtype).requires_grad_(False)
        self.fingerprint = f"{zlib.crc32((self.folder / WEIGHTS).read_bytes()):08x}"
        self.latent = own["latent"]
        self.further = torch.from_numpy(further(recipe["latent"], self.latent)).to(self.device, dtype)

    @torch.no_grad()
    def draw(self, of, classes):
        """Its pictures, [N, channels, height, width], of these latents, [N, latent]. If its own latent is shorter, it reads
        the first values. If it is longer, it reads sums of all values with fixed random signs behind them."""
        of = of.to(self.device, self.dtype)
        inputs = torch.cat([of[:, :self.latent], of @ self.further], 1)
        return self.generator(inputs, classes if self.generator.classes is not None else None)


def generator_in(folder):
    """The generator in a folder with `generator.safetensors` beside its recipe, which is `config.toml` in a run and in
    `card.toml` of a shipped model; and the recipe, without batch normalisation, which is folded into the weights."""
    recipe, (held, header) = recipe_in(folder), arrays.read(folder / WEIGHTS)
    if (header.get("layout"), header.get("dense")) != ("oihw", "chw"):
        raise Refused(f"{folder / WEIGHTS} has the layout of another program; write it with `trainer export --safetensors`")
    layers = [layer | {"batch_norm": False} for layer in recipe["generator"]["layers"]]
    recipe |= {"class_names": header["classes"].split("\n") if header.get("classes") else [],
               "generator": recipe["generator"] | {"layers": layers}}
    generator = Generator(recipe)
    names = {f"layers.{i}.linear.{leaf}": f"generator.{i}.{leaf}" for i in range(len(layers)) for leaf in ("weight", "bias")}
    names |= {"classes.weight": "class_embedding"} if recipe["class_names"] else {}
    try:
        generator.load_state_dict({ours: torch.from_numpy(held[theirs].copy()) for ours, theirs in names.items()})
    except (KeyError, RuntimeError) as error:
        raise Refused(f"{folder / WEIGHTS} is not the generator of its recipe: {' '.join(str(error).split())}")
    return recipe, generator


def recipe_in(folder):
    """The recipe of the generator in a folder."""
    card, config = folder / "card.toml", folder / "config.toml"
    if not card.exists() and not config.exists():
        raise Refused(f"distil: {folder} is no teacher: that is a folder with {WEIGHTS} and config.toml, or a shipped model")
    if not (folder / WEIGHTS).exists():
        raise Refused(f"distil: {folder} has no {WEIGHTS}; a run of `trainer` gets one with: trainer export "
                      f"{folder / 'best.ckpt'} --safetensors {folder / WEIGHTS}")
    if not card.exists():
        return recipes.read(config)
    try:
        return recipes.checked(tomllib.loads(card.read_text(encoding="utf-8"))["config"])
    except (KeyError, ValueError, Refused) as error:
        raise Refused(f"{card}: {error}")


def further(values, latent):
    """What the further values of a longer latent of the teacher are sums of: the signs, divided such that a sum has the
    variance of one value; [values, latent - values]."""
    random, count = latents.Xoshiro128PlusPlus([0]), max(latent - values, 0)
    signs = [1.0 if random.next()[0] >> np.uint32(31) else -1.0 for _ in range(values * count)]
    return (np.array(signs, np.float32).reshape(values, count) / np.sqrt(np.float32(values))).astype(np.float32)
