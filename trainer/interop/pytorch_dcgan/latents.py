"""The latent of a seed, bit for bit as `gen-core/src/latent.rs` defines it.

Values are whole numbers from -127 to 127 in steps of 1/32. The functions below that end in an underscore compute what the
crate micromath computes, in float32 without fused operations.
"""

import numpy as np

SCALE = np.float32(1 / 32)
MOST = 127


def splitmix_(state):
    """The next state and output of SplitMix64."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state, z ^ (z >> np.uint64(31))


class Xoshiro128PlusPlus:
    """One generator for each seed; all advance together."""

    def __init__(self, seeds):
        with np.errstate(over="ignore"):
            state, first = splitmix_(np.asarray(seeds, np.uint64))
            _, second = splitmix_(state)
        self.s = [(word >> np.uint64(shift)).astype(np.uint32) for word in (first, second) for shift in (0, 32)]

    def next(self):
        s, rotated = self.s, lambda x, by: (x << np.uint32(by)) | (x >> np.uint32(32 - by))
        with np.errstate(over="ignore"):
            result = rotated(s[0] + s[3], 7) + s[0]
        t = s[1] << np.uint32(9)
        s[2] = s[2] ^ s[0]
        s[3] = s[3] ^ s[1]
        s[1] = s[1] ^ s[2]
        s[0] = s[0] ^ s[3]
        s[2] = s[2] ^ t
        s[3] = rotated(s[3], 11)
        return result


def ln_(x):
    """For 0 < x <= 1."""
    inverse = (np.uint32(0x7F000000) - x.view(np.uint32)).view(np.float32)
    work = np.where(x < 1, inverse, x)
    exponent = (work.view(np.uint32) >> np.uint32(23)).astype(np.float32) - np.float32(127)
    y = work / (work.view(np.uint32) & np.uint32(0x7F800000)).view(np.float32)
    c = [np.float32(v) for v in (-1.7417939, 2.8212026, -1.4699568, 0.44717955, 0.056570851)]
    polynomial = c[0] + (c[1] + (c[2] + (c[3] - c[4] * y) * y) * y) * y
    result = exponent * np.float32(np.log(2)) + polynomial
    result = np.where(x < 1, -result, result)
    return np.where(np.abs(x - np.float32(1)) < np.finfo(np.float32).eps, np.float32(0), result)


def root_(x):
    return ((x.view(np.uint32) + np.uint32(0x3F800000)) >> np.uint32(1)).view(np.float32)


def cos_(x):
    x = x * (np.float32(1 / np.pi) / np.float32(2))
    shifted = x + np.float32(0.25)
    floor = np.trunc(shifted)
    floor = np.where(shifted < floor, floor - np.float32(1), floor)
    x = x - (np.float32(0.25) + floor)
    x = x * (np.float32(16) * (np.abs(x) - np.float32(0.5)))
    return x + np.float32(0.225) * x * (np.abs(x) - np.float32(1))


def to_step(value):
    return (np.clip(value, np.float32(-MOST), np.float32(MOST)) + np.float32(128.5)).astype(np.int32) - 128


def steps_of_seeds(seeds, length):
    """The latents of these seeds in steps; [N, length], int32."""
    random, unit = Xoshiro128PlusPlus(seeds), np.float32(2.0 ** -24)
    columns = []
    while len(columns) < length:
        u = ((random.next() >> np.uint32(8)) + np.uint32(1)).astype(np.float32) * unit
        angle = (random.next() >> np.uint32(8)).astype(np.float32) * unit * np.float32(2 * np.pi)
        squared = np.maximum(np.float32(-2) * ln_(u), np.float32(0))
        root = root_(squared)
        # A Newton step.
        radius = np.float32(0.5) * (root + squared / root) / SCALE
        sine = cos_(angle - np.float32(np.pi) / np.float32(2))
        columns += [to_step(radius * cos_(angle)), to_step(radius * sine)]
    return np.stack(columns[:length], 1)


def of_seeds(seeds, length):
    """The latents of these seeds; [N, length], float32."""
    return steps_of_seeds(seeds, length).astype(np.float32) * SCALE


def sampled(rng, count, length):
    """Latents of the same distribution from NumPy's generator, for training; [count, length], float32."""
    values = rng.standard_normal((count, length), dtype=np.float32)
    return np.clip(np.round(values / SCALE), -MOST, MOST) * SCALE
