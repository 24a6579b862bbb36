"""The inputs of a step, and how they are drawn.

All random numbers of a step are functions of the seed, the step's number and their purpose, and they are drawn for the
whole batch. A process takes its part of them. So the numbers of processes does not change what is drawn.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from . import augment, distil, latents
from .error import Refused
from .recipe import held_out, picture, shapes

LATENTS, FRESH_LATENTS, LABELS, SHUFFLE, HOLDOUT, AUGMENT, DROPOUT, CLASS_ORDER = 2, 3, 4, 5, 6, 8, 16, 64


@dataclass
class Inputs:
    """`changes` and `dropout` are for the three passes through the discriminator: generated pictures, real pictures, and
    the generated pictures of the generator's update."""

    # [N, channels, height, width], in the recipe's range.
    real: torch.Tensor
    # [N, latent]
    latents: torch.Tensor
    # Random numbers from 0 to 1 for the targets of generated and of real pictures; [2, N].
    label_noise: torch.Tensor
    # [3, N, 10]; None without augmentation.
    changes: torch.Tensor | None = None
    # By the index of the layer, [3, N, ...].
    dropout: dict | None = None
    # The class of each real picture and of the generated picture at the same index, [N]; None without classes.
    classes: torch.Tensor | None = None
    # Latents of the generator's update. None: it uses the pictures that the discriminator has seen.
    fresh_latents: torch.Tensor | None = None
    # The teacher's pictures of the latents of the generator's update, [N, channels, height, width]; None without distillation.
    teacher: torch.Tensor | None = None

    def own_latents(self):
        """The latents of the generator's update."""
        return self.latents if self.fresh_latents is None else self.fresh_latents

    def part(self, rank, processes):
        """The share of one of several processes."""
        def of(value, axis):
            if isinstance(value, dict):
                return {key: of(inner, axis) for key, inner in value.items()}
            return None if value is None else value.chunk(processes, axis)[rank]

        axes = {"label_noise": 1, "changes": 1, "dropout": 1}
        return Inputs(**{f.name: of(getattr(self, f.name), axes.get(f.name, 0)) for f in fields(self)})

    def to(self, device, dtype=torch.float32):
        def of(value):
            if isinstance(value, dict):
                return {key: of(inner) for key, inner in value.items()}
            if value is None:
                return None
            return value.to(device, dtype if value.is_floating_point() else None, non_blocking=True)

        return Inputs(**{f.name: of(getattr(self, f.name)) for f in fields(self)})


def to_float(pixels, value_range):
    """Pixels 0 to 255 as values of the networks."""
    return pixels / 127.5 - 1 if value_range == "symmetric" else pixels / 255


class Draws:
    """Draws the inputs of steps. `pictures` are bytes [N, height, width, channels], `labels` their classes or None,
    `teacher` is the `distil.Teacher` of a recipe that has one."""

    def __init__(self, recipe, pictures, labels, teacher=None):
        self.recipe, self.pictures, self.labels, self.teacher = recipe, pictures, labels, teacher
        if recipe["class_names"] and labels is None:
            raise Refused("class_names: the recipe has classes, and the pictures have none")
        self.shape = picture(recipe)
        layers = recipe["discriminator"]["layers"]
        maps = shapes(layers, self.shape)
        self.dropout = {i: (layer["dropout"], maps[i]) for i, layer in enumerate(layers) if layer["dropout"]}
        self.orders = {}
        names = range(len(recipe["class_names"]))
        shown = self.shown()
        # A class without pictures has no turn.
        balanced = recipe["balance_classes"] and recipe["class_names"]
        members = [shown[labels[shown] == name] for name in names] if balanced else [shown]
        self.members = [(i, indices) for i, indices in enumerate(members) if len(indices)]

    def shown(self):
        """The pictures that training sees: all that are not held out, of each class its share."""
        count = len(self.pictures)
        order = self.rng(0, HOLDOUT).permutation(count)
        if self.labels is not None:
            # The first of each class have the lowest ranks, in parts of their class.
            labels, rank = self.labels[order], np.empty(count)
            for name in np.unique(labels):
                of_class = labels == name
                rank[of_class] = np.arange(of_class.sum()) / of_class.sum()
            order = order[np.argsort(rank, kind="stable")]
        return np.sort(order[held_out(self.recipe, count):])

    def rng(self, step, stream):
        return np.random.default_rng([self.recipe["seed"], step, stream])

    def order(self, stream, epoch, count):
        """The order of `count` pictures in a pass over them."""
        key = (stream, epoch)
        if key not in self.orders:
            self.orders = {k: order for k, order in self.orders.items() if k[1] >= epoch - 1}
            shuffled = self.recipe["shuffle"]
            self.orders[key] = self.rng(epoch, stream).permutation(count) if shuffled else np.arange(count)
        return self.orders[key]

    def indices(self, step):
        """The pictures of a step. With balanced classes these take turns, and each has an order of its own."""
        batch, turns = self.recipe["batch"], len(self.members)
        chosen = np.empty(batch, np.int64)
        for place, i in enumerate(range(step * batch, (step + 1) * batch)):
            number, members = self.members[i % turns]
            stream = SHUFFLE if turns == 1 else CLASS_ORDER + number
            epoch, at = divmod(i // turns, len(members))
            chosen[place] = members[self.order(stream, epoch, len(members))[at]]
        return chosen

    def masks(self, step):
        """The numbers that dropout multiplies by."""
        masks = {}
        for layer, (rate, shape) in self.dropout.items():
            size = (3, self.recipe["batch"], *shape)
            kept = self.rng(step, DROPOUT + layer).random(size, np.float32) >= rate
            masks[layer] = torch.from_numpy(kept / np.float32(1 - rate))
        return masks or None

    def of_step(self, step, rank=0, processes=1, device="cpu"):
        """The inputs of a step for one of several processes, on a device."""
        recipe, batch = self.recipe, self.recipe["batch"]
        _, height, width = self.shape
        share = slice(rank * batch // processes, (rank + 1) * batch // processes)
        indices = self.indices(step)

        def drawn(stream):
            return torch.from_numpy(latents.sampled(self.rng(step, stream), batch, recipe["latent"]))

        changes = None
        if augment.is_used(recipe["augment"]):
            changes = np.stack([augment.draw(self.rng(step, AUGMENT + i), recipe["augment"], batch, height, width)
                                for i in range(3)])
            changes = torch.from_numpy(changes)
        whole = Inputs(
            # Only the share of this process is read.
            real=torch.empty(batch, 0),
            latents=drawn(LATENTS),
            label_noise=torch.from_numpy(self.rng(step, LABELS).random((2, batch), np.float32)),
            changes=changes,
            dropout=self.masks(step),
            classes=torch.from_numpy(self.labels[indices]).long() if recipe["class_names"] else None,
            fresh_latents=drawn(FRESH_LATENTS) if recipe["fresh_latents"] else None,
        )
        part = whole.part(rank, processes).to(device)
        pixels = torch.from_numpy(self.pictures[indices[share]]).to(device, non_blocking=True)
        part.real = to_float(pixels, recipe["range"]).permute(0, 3, 1, 2)
        if self.teacher is not None and any(distil.weights(recipe, step)):
            part.teacher = self.teacher.draw(part.own_latents(), part.classes)
        return part
