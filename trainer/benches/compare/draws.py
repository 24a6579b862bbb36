"""What a step is given, for Keras and PyTorch alike."""

import numpy as np

PICTURES = 512


def side_of(config):
    """Height and width of a picture in pixels: what the generator's first layer makes, doubled by the others."""
    first, *others = config["generator"]["layers"]
    side = first["size"][0]
    for layer in others:
        side *= layer["stride"] if layer["op"] == "conv_transpose" else 1
    return side


class Draws:
    def __init__(self, config):
        self.batch, self.latent, self.labels = config["batch"], config["latent"], config["labels"]
        self.side = side_of(config)
        self.rng = np.random.default_rng(config["seed"])
        # Steps take as long whatever is to be seen in the pictures.
        self.pictures = self.rng.integers(0, 256, (PICTURES, self.side, self.side, 3), dtype=np.uint8)
        self.shuffle, self.order, self.at = config["shuffle"], np.arange(PICTURES), 0

    def real(self):
        """[N, side, side, 3], -1 ... 1."""
        index = np.arange(self.at, self.at + self.batch) % PICTURES
        self.at = (self.at + self.batch) % PICTURES
        if self.shuffle and self.at < self.batch:
            self.rng.shuffle(self.order)
        return self.pictures[self.order[index]].astype(np.float32) / np.float32(127.5) - np.float32(1)

    def latents(self):
        return self.rng.standard_normal((self.batch, self.latent), dtype=np.float32)

    def noise(self):
        """Numbers from 0 to 1 for the targets of the generated pictures and of the real ones; [2, N]."""
        return self.rng.random((2, self.batch), dtype=np.float32)

    def targets(self):
        """Of the generated pictures, then of the real ones; with noise."""
        labels = self.labels
        targets = np.repeat(np.float32([labels["generated"], labels["real"]]), self.batch)
        return targets + np.float32(labels.get("noise", 0)) * self.noise().ravel()
