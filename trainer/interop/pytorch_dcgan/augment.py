"""Random changes of the pictures that the discriminator sees (`trainer/src/augment.rs`).

A change is 10 numbers: flip (0 or 1), shift down and to the right in pixels, first and last row and first and last column
that are cut out (the last ones are one past), brightness, saturation, contrast.
"""

import numpy as np
import torch

from .recipe import extent

NUMBERS = 10


def is_used(augment):
    return bool(augment["flip"] or augment["translate"] or augment["cutout"] or augment["color"])


def draw(rng, augment, count, height, width):
    """Random changes of `count` pictures; [count, 10], float32. `rng` is a generator of NumPy."""
    changes = np.zeros((count, NUMBERS), np.float32)
    changes[:, 8:] = 1
    for column, side in ((1, height), (2, width)):
        most = extent(augment["translate"], side)
        changes[:, column] = rng.integers(-most, most, count, endpoint=True)
    for column, side in ((3, height), (5, width)):
        if cut := extent(augment["cutout"], side):
            centre = rng.integers(0, side, count)
            changes[:, column] = np.maximum(centre - cut // 2, 0)
            changes[:, column + 1] = np.minimum(centre + cut - cut // 2, side)
    if augment["flip"]:
        changes[:, 0] = rng.integers(0, 2, count)
    if augment["color"]:
        changes[:, 7:] = rng.random((count, 3), np.float32) * (1, 2, 1) + (-0.5, 0, 0.5)
    return changes


def apply(augment, changes, x):
    """The changed pictures. `changes` are on the device of the pictures `x`, [N, channels, height, width]."""
    if augment["color"]:
        brightness, saturation, contrast = (changes[:, i, None, None, None].to(x.dtype) for i in (7, 8, 9))
        x = x + brightness
        x = from_mean(x, 1, saturation)
        x = from_mean(x, (1, 2, 3), contrast)
    if not (augment["flip"] or augment["translate"] or augment["cutout"]):
        return x
    n, _, height, width = x.shape
    flip, down, right, *hole = changes[:, :7].to(torch.int64)[:, :, None].unbind(1)
    rows, columns = (torch.arange(side, device=x.device) for side in (height, width))
    # All in one look-up and one mask.
    from_y, from_x = rows - down, columns - right
    keep_y, keep_x = (from_y >= 0) & (from_y < height), (from_x >= 0) & (from_x < width)
    from_x = torch.where(flip == 1, width - 1 - from_x, from_x)
    mask = keep_y[:, :, None] & keep_x[:, None, :]
    if augment["cutout"]:
        top, bottom, left, right = hole
        cut_y, cut_x = (rows >= top) & (rows < bottom), (columns >= left) & (columns < right)
        mask &= ~(cut_y[:, :, None] & cut_x[:, None, :])
    index = (torch.arange(n, device=x.device)[:, None, None], from_y.clamp(0, height - 1)[:, :, None],
             from_x.clamp(0, width - 1)[:, None, :])
    return (x.permute(0, 2, 3, 1)[index] * mask[..., None]).permute(0, 3, 1, 2)


def from_mean(x, axes, scale):
    """Scales the differences between values and their mean."""
    mean = x.mean(axes, keepdim=True)
    return mean + scale * (x - mean)
