"""Reads a run's event file with TensorBoard's own reader, and compares it with the run's metrics and samples.

    pip install tensorboard
    python tests/tensorboard/read.py runs/001-pocket
"""

import json
import pathlib
import struct
import sys
import zlib

from tensorboard.backend.event_processing.event_accumulator import IMAGES, SCALARS, EventAccumulator

# The scalars of a line of losses: tag, and where its number is in metrics.jsonl.
LOSSES = {
    "loss/discriminator": ("losses", "d_loss"),
    "loss/generator": ("losses", "g_loss"),
    "loss/penalty": ("losses", "penalty"),
    "judged as real/real": ("losses", "d_real"),
    "judged as real/generated": ("losses", "d_fake"),
    "speed/real pictures a second": ("pictures_per_second",),
}
# The same for a line of scores.
SCORES = {"quality/score": ("scores", "quality_score")} | {
    f"quality/{name}": ("scores", name)
    for name in ("frechet", "precision", "recall", "density", "coverage", "diversity", "diversity_ratio")
}


def single(number):
    """The nearest number in single precision."""
    return struct.unpack("f", struct.pack("f", number))[0]


def at(line, path):
    """The number in a line of metrics.jsonl; None if the line has none."""
    for key in path:
        line = line.get(key)
        if line is None:
            return None
    return line


def pixels(png):
    """The decompressed pixel data of a PNG file, whatever other chunks it has."""
    place, data = 8, b""
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        if kind == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += 12 + length
    return zlib.decompress(data)


def main(run):
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={SCALARS: 0, IMAGES: 0})
    events.Reload()
    tags = events.Tags()
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    compared = 0
    for tag, path in (LOSSES | SCORES).items():
        expected = [(line["step"], single(at(line, path))) for line in lines if at(line, path) is not None]
        found = [(event.step, event.value) for event in events.Scalars(tag)] if tag in tags["scalars"] else []
        assert found == expected, f"{tag}: {found} instead of {expected}"
        compared += len(found)
    for level in range(max((len(at(line, ("scores", "swd")) or []) for line in lines), default=0)):
        expected = [single(line["scores"]["swd"][level]) for line in lines if "scores" in line]
        assert [event.value for event in events.Scalars(f"swd/level {level}")] == expected
        compared += len(expected)
    times = [event.wall_time for event in events.Scalars("loss/generator")]
    assert times == sorted(times), f"not in order: {times}"
    sheets = {int(path.stem.removeprefix("step-")): path for path in sorted((run / "samples").glob("step-*.png"))}
    shown = events.Images("samples")
    assert sorted(event.step for event in shown) == sorted(sheets), "samples of other steps"
    for event in shown:
        expected = pixels(sheets[event.step].read_bytes())
        assert pixels(event.encoded_image_string) == expected, f"the samples of step {event.step} differ"
    assert compared > 0 and shown, "nothing was compared"
    print(f"TensorBoard reads {compared} numbers and {len(shown)} sample sheets, all as in the run folder")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
