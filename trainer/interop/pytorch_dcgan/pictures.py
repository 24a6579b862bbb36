"""Reads pictures of the formats that `trainer` reads: a folder of pictures, CIFAR-10 and CIFAR-100 (folder, file or archive,
binary or Python), IDX (MNIST and its like), .npz and .npy.

Pictures of another size are cut to the middle and resized. Resized pictures may differ by a few steps of 255 from those of
`trainer`, which has another resizer; `trainer data --save FOLDER` writes pictures that both read alike.
"""

import gzip
import io
import os
import pickle
import re
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from . import sheets
from .error import Refused

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
# Folders that divide a data set into parts, each with the same classes.
PARTS = {"train", "training", "training_set", "test", "testing", "test_set", "val", "valid", "validation"}
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
CIFAR_FOLDERS = ["", "cifar-10-batches-bin", "cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py",
                 "cifar-100-binary", "cifar-100-python", "cifar-100-python-target/cifar-100-python"]
IDX_FOLDERS = ["", "raw", "MNIST/raw", "FashionMNIST/raw"]
PICTURES = ["x_train", "train_images", "images", "x", "X", "data", "pictures", "arr_0"]
LABELS = ["y_train", "train_labels", "labels", "y", "Y", "targets", "arr_1"]
LEAST_SIDE, MOST_CLASSES = 8, 64


@dataclass
class Pictures:
    """Pictures before classes are chosen."""

    # [N, height, width, channels], bytes.
    pixels: np.ndarray
    # The class of each picture, a number or None; None without any.
    labels: list | None = None
    # Names of the classes, by their numbers; None if the numbers are the names.
    names: list | None = None
    are_folders: bool = False
    # The class that is taken if none is asked for.
    usual: str | None = None


@dataclass
class Dataset:
    """The pictures of a run."""

    pixels: np.ndarray
    # The class of each picture, uint8; None without classes.
    labels: np.ndarray | None
    class_names: list

    def fingerprint(self):
        """A number that changes with the pictures and their order."""
        return zlib.crc32(self.pixels.tobytes(), 0 if self.labels is None else zlib.crc32(self.labels.tobytes()))


def load(path, shape, source, class_names, one_class, say=lambda line: None):
    """The pictures at `path`, brought to `shape` (channels, height, width). `source` and `class_names` are the keys
    `classes` and `class_names` of the recipe, `one_class` is the only class that is taken, or None."""
    path = Path(path)
    if not path.exists():
        raise Refused(f"{path}: there is no such file or folder")
    try:
        found = read(path, shape, say)
    except (OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile, tarfile.TarError,
            zlib.error) as error:
        raise Refused(f"{path}: {error}")
    return chosen(path, found, source, class_names, one_class, say)


def read(path, shape, say):
    if path.is_dir():
        if cifar := cifar_folder(path):
            return fitted(read_cifar([(file.name, file.read_bytes) for file in cifar]), shape)
        if idx := idx_file(path):
            return fitted(read_idx(idx), shape)
        if (path / "mnist.npz").is_file():
            return fitted(read_numpy(path / "mnist.npz"), shape)
        return read_folder(path, shape, say)
    name = path.name.lower()
    if name.endswith((".tar.gz", ".tgz", "_archive")):
        with tarfile.open(path) as archive:
            files = [m for m in archive.getmembers() if m.isfile()]
            return fitted(read_cifar([(Path(m.name).name, archive.extractfile(m).read) for m in files]), shape)
    if name.endswith((".npz", ".npy")):
        return fitted(read_numpy(path), shape)
    if part_of_cifar(path.name):
        meta = [path.with_name(meta) for meta in ("batches.meta", "meta") if path.with_name(meta).is_file()]
        return fitted(read_cifar([(file.name, file.read_bytes) for file in [path, *meta]]), shape)
    return fitted(read_idx(path), shape)


def chosen(path, found, source, class_names, one_class, say):
    """Takes the classes that the recipe or the command asks for."""
    if found.labels is None or len(found.pixels) == 0:
        found.labels = None
    numbers = [] if found.labels is None else sorted({label for label in found.labels if label is not None})
    names = {number: found.names[number] if found.names else str(number) for number in numbers}
    if one_class not in (None, "all"):
        number = number_of(names, one_class, path)
        return Dataset(found.pixels[[label == number for label in found.labels]], None, [])
    wanted = None
    if class_names:
        wanted = [number_of(names, name, path) for name in class_names]
    elif source == "labels" or (source == "folders" and found.are_folders and None not in (found.labels or [None])):
        if 2 <= len(numbers) <= MOST_CLASSES:
            wanted = numbers
        elif source == "labels":
            say(f"{path} has {len(numbers)} classes, and 2 to {MOST_CLASSES} can be used: training without classes")
    if wanted is None:
        if found.usual and one_class is None:
            return chosen(path, found, source, [], found.usual, say)
        return Dataset(found.pixels, None, [])
    places = {number: place for place, number in enumerate(wanted)}
    kept = [label in places for label in found.labels]
    labels = np.array([places[label] for label in found.labels if label in places], np.uint8)
    return Dataset(found.pixels[kept], labels, [names[number] for number in wanted])


def number_of(names, asked, path):
    exact = [number for number, name in names.items() if name == asked]
    alike = [number for number, name in names.items() if name.lower() == asked.lower()]
    if not exact and len(alike) != 1:
        raise Refused(f"{path} has no class {asked}; it has: {', '.join(names.values()) or 'none'}")
    return (exact or alike)[0]


def fit(picture, shape):
    """The middle of a picture, resized; [height, width, channels]."""
    channels, height, width = shape
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        if not picture.getchannel("A").getextrema()[1]:
            raise ValueError("wholly transparent")
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture)
    picture = picture.convert("RGB")
    used = (min(max((picture.height * width + height // 2) // height, 1), picture.width),
            min(max((picture.width * height + width // 2) // width, 1), picture.height))
    left, top = (picture.width - used[0]) // 2, (picture.height - used[1]) // 2
    picture = picture.crop((left, top, left + used[0], top + used[1]))
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture.convert("L" if channels == 1 else "RGB")).reshape(height, width, channels)


def fitted(found, shape):
    channels, height, width = shape
    if found.pixels.shape[1:] != (height, width, channels):
        squeezed = (picture[:, :, 0] if picture.shape[2] == 1 else picture for picture in found.pixels)
        found.pixels = np.stack([fit(Image.fromarray(picture), shape) for picture in squeezed])
    return found


def by_number(text):
    """Sorts numbers in names by their value."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", text)]


def read_folder(root, shape, say):
    """The pictures in a folder and its subfolders, in the order of their paths."""
    paths = sorted((path for path in files_below(root) if path.suffix.lower() in ENDINGS), key=lambda path: path.parts)
    pixels, kept, skipped = [], [], 0
    for path in paths:
        if any(part.startswith(".") for part in path.parts) or in_run(root, path):
            continue
        try:
            with Image.open(root / path) as picture:
                if picture.info.get(sheets.MARK[0]) == sheets.MARK[1]:
                    continue
                if min(picture.size) < LEAST_SIDE:
                    raise ValueError("too small")
                pixels.append(fit(ImageOps.exif_transpose(picture), shape))
            kept.append(path)
        except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
            skipped += 1
    if skipped:
        say(f"skipped: {skipped} files that are no pictures; `trainer data --data {root}` lists them")
    if len(pixels) < 2:
        raise Refused(f"{root}: at least 2 pictures are needed, and it has {len(pixels)}")
    parents = [path.parts[:-1] for path in kept]
    firsts = {parts[0] for parts in parents if parts}
    level = 1 if firsts and all(name.lower() in PARTS for name in firsts) else 0
    classes = [parts[level] if len(parts) > level else None for parts in parents]
    names = sorted({name for name in classes if name}, key=by_number)
    numbers = {name: number for number, name in enumerate(names)} | {None: None}
    labels = [numbers[name] for name in classes] if names else None
    return Pictures(np.stack(pixels), labels, names, are_folders=True)


def files_below(root):
    """The files in a folder and its subfolders, relative to it. Links are followed, and each folder is read once."""
    seen = set()
    for folder, below, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        yield from (Path(folder, file).relative_to(root) for file in files)


def in_run(root, path):
    """Whether a picture is in the folder of a run, which has sheets and real pictures."""
    folders = [root / parent for parent in path.parents][:-1]
    return any((folder / "metrics.jsonl").exists() and (folder / "config.toml").exists() for folder in folders)


def part_of_cifar(name):
    return re.fullmatch(r"data_batch_\d+(\.bin)?|train(\.bin)?", name)


def cifar_folder(path):
    """The files of CIFAR in a folder or one below it."""
    for below in CIFAR_FOLDERS:
        folder = path / below
        if folder.is_dir():
            files = sorted((f for f in folder.iterdir() if f.is_file()), key=lambda f: by_number(f.name))
            parts = [f for f in files if part_of_cifar(f.name)]
            if parts:
                return parts + [f for f in files if f.name in ("batches.meta", "meta")]
    return None


class Arrays(pickle.Unpickler):
    """Reads pickles that have nothing but arrays in them."""

    ALLOWED = {("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"),
               ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module, name):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it has {module}.{name} in it, which is not read")
        return super().find_class(module, name)


def read_cifar(files):
    """The files of a set, as names and functions that read them."""
    pixels, labels, names = [], [], None
    for name, contents in sorted(files, key=lambda file: by_number(file[0])):
        if name in ("batches.meta", "meta"):
            held = Arrays(io.BytesIO(contents()), encoding="bytes").load()
            names = [n.decode() for n in held.get(b"label_names", held.get(b"fine_label_names"))]
        elif not part_of_cifar(name):
            continue
        elif name.endswith(".bin"):
            of_label = 2 if name == "train.bin" else 1
            records = np.frombuffer(contents(), np.uint8).reshape(-1, of_label + 3072)
            labels += records[:, of_label - 1].tolist()
            pixels.append(records[:, of_label:])
        else:
            held = Arrays(io.BytesIO(contents()), encoding="bytes").load()
            labels += list(held[b"labels"] if b"labels" in held else held[b"fine_labels"])
            pixels.append(np.asarray(held[b"data"], np.uint8))
    if not pixels:
        raise ValueError("it has no training pictures of CIFAR in it")
    is_ten = max(labels) < 10
    pixels = np.concatenate(pixels).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Pictures(np.ascontiguousarray(pixels), labels, names or (CIFAR10 if is_ten else None),
                    usual="frog" if is_ten else None)


def idx_file(path):
    """The training pictures in a folder of MNIST or its like."""
    for below in IDX_FOLDERS:
        folder = path / below
        files = sorted(folder.glob("*images[-.]idx3-ubyte*")) if folder.is_dir() else []
        files = [f for f in files if f.suffix in ("", ".gz", ".idx3-ubyte") and not (f.suffix == ".gz" and f.with_suffix("") in files)]
        files = [f for f in files if "train" in f.name] or files
        if len(files) > 1:
            raise Refused(f"{path} has {len(files)} files of training pictures; give one of them, such as {files[0]}")
        if files:
            return files[0]
    return None


def idx_array(path):
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:3] != b"\0\0\x08":
        raise ValueError("it is none of the formats that are read: a folder of pictures, CIFAR, IDX, .npz, .npy")
    axes = data[3]
    shape = [int.from_bytes(data[4 + 4 * i:8 + 4 * i], "big") for i in range(axes)]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_idx(path):
    pixels = idx_array(path)
    if pixels.ndim != 3:
        raise ValueError(f"its shape {pixels.shape} is none of pictures")
    if path.name.startswith("emnist") and pixels.shape[1] == pixels.shape[2]:
        # EMNIST keeps its pictures with rows and columns exchanged.
        pixels = pixels.transpose(0, 2, 1)
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    plain = name.removesuffix(".gz")
    beside = [path.with_name(n) for n in (name, plain, f"{plain}.gz")]
    beside = next((file for file in beside if file.is_file() and file != path), None)
    labels = idx_array(beside).tolist() if beside else None
    if labels is not None and len(labels) != len(pixels):
        raise ValueError(f"{beside} has {len(labels)} labels for {len(pixels)} pictures")
    return Pictures(np.ascontiguousarray(pixels)[..., None], labels)


def read_numpy(path):
    held, labels = np.load(path, allow_pickle=False), None
    if not isinstance(held, np.ndarray):
        name = next((name for name in PICTURES if name in held.files), held.files[0] if len(held.files) == 1 else None)
        if name is None:
            raise ValueError(f"it holds {', '.join(held.files)}, and none has a name for pictures, such as images")
        known = next((name for name in LABELS if name in held.files), None)
        labels = held[known].ravel().tolist() if known else None
        held = held[name]
    if held.ndim == 4 and held.shape[1] in (1, 3) and held.shape[3] not in (1, 3):
        held = held.transpose(0, 2, 3, 1)
    if held.ndim == 3:
        held = held[..., None]
    if held.ndim != 4 or held.shape[3] not in (1, 3):
        raise ValueError(f"its shape {held.shape} is none of pictures: [N, height, width] and [N, height, width, channels] are")
    return Pictures(as_bytes(held), labels)


def as_bytes(values):
    """Floats from 0 to 1, from -1 to 1 or from 0 to 255 as bytes."""
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    low, high, is_float = values.min(), values.max(), np.issubdtype(values.dtype, np.floating)
    if is_float and 0 <= low and high <= 1:
        offset, scale = 0, 255
    elif is_float and -1 <= low and high <= 1:
        offset, scale = 1, 127.5
    elif 0 <= low and high <= 255:
        offset, scale = 0, 1
    else:
        raise ValueError(f"its values go from {low} to {high}; 0 to 255, 0 to 1 and -1 to 1 can be read")
    return np.floor((values + offset) * scale + 0.5).astype(np.uint8)
