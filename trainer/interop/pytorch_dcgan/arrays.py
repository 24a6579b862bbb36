"""Named arrays in `.safetensors` files (https://github.com/huggingface/safetensors): the length of a JSON header, the
header, the bytes of the arrays."""

import json
import os
from pathlib import Path

import numpy as np

from .error import Refused

TYPES = {"F32": np.float32, "F64": np.float64, "I64": np.int64, "U8": np.uint8}
NAMES = {np.dtype(dtype): name for name, dtype in TYPES.items()}


def read(path):
    """The arrays of a file by name, and the metadata of its header."""
    data = Path(path).read_bytes()
    try:
        start = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:start])
        metadata, arrays = header.pop("__metadata__", {}), {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            values = np.frombuffer(data[start + begin:start + end], TYPES[entry["dtype"]])
            arrays[name] = values.reshape(entry["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(f"{path} is damaged, or no .safetensors ({error})")
    return arrays, metadata


def write(path, arrays, metadata):
    """Writes arrays and metadata to a file, atomically."""
    header, parts, at = {"__metadata__": metadata}, [], 0
    for name, array in arrays.items():
        array = np.array(array, order="C")
        parts.append(array.tobytes())
        end = at + len(parts[-1])
        header[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    write_atomically(path, lambda file: file.writelines([len(text).to_bytes(8, "little"), text, *parts]))


def write_atomically(path, write):
    """Calls `write` with a temporary file beside `path`, and renames it. After a crash `path` has the old content or the
    new one."""
    path = Path(path)
    temporary = path.with_name(f".writing-{path.name}")
    with open(temporary, "wb") as file:
        write(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
