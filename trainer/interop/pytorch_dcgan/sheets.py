"""Many pictures on a sheet, as `trainer` arranges them (`trainer/src/grid.rs`)."""

import io

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from . import arrays

# Colour of the gaps, their pixels, and the enlargement of the pictures.
GAP, PAD, SCALE = (24, 24, 28), 2, 2
# Marks a sheet, so that it is not used as a training picture.
MARK = ("Software", "ribbit, a sheet of pictures")


def to_pixels(images, value_range):
    """Values [N, channels, height, width] of the networks as bytes [N, height, width, channels]."""
    scaled = (images + 1) * 127.5 if value_range == "symmetric" else images * 255
    return (scaled + 0.5).clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def write(path, pictures, columns):
    """Writes pictures, bytes [N, height, width, channels], in rows of `columns` as a PNG file."""
    count, height, width, _ = pictures.shape
    high, wide = height * SCALE + PAD, width * SCALE + PAD
    sheet = np.empty((-(-count // columns) * high + PAD, columns * wide + PAD, 3), np.uint8)
    sheet[:] = GAP
    for i, picture in enumerate(pictures.repeat(SCALE, 1).repeat(SCALE, 2)):
        top, left = i // columns * high + PAD, i % columns * wide + PAD
        sheet[top:top + height * SCALE, left:left + width * SCALE] = picture
    info, buffer = PngInfo(), io.BytesIO()
    info.add_text(*MARK)
    Image.fromarray(sheet).save(buffer, "PNG", pnginfo=info)
    arrays.write_atomically(path, lambda file: file.write(buffer.getvalue()))
