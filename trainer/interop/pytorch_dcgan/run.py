"""A run and its folder: training, checkpoints, metrics, samples.

    config.toml             the recipe, with the names of the classes
    checkpoint.pt           everything that a step changes; replaced as a whole
    metrics.jsonl           losses, in the form that `trainer` writes
    samples/step-000500.png pictures of the same latents every time
    generator.safetensors   the finished generator, for `trainer import`

All processes train; the first one writes the files.
"""

import fcntl
import json
import math
import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

from . import arrays, distil, folding, latents, recipe as recipes, sheets
from .error import Refused
from .inputs import Draws
from .step import Step

CHECKPOINT, METRICS, GENERATOR, CONFIG = "checkpoint.pt", "metrics.jsonl", "generator.safetensors", "config.toml"
LOCK = "lock"
# Of the form of checkpoints.
VERSION = 2
# Pictures in a sample sheet, and in a row of it.
SAMPLES, COLUMNS = 64, 8
# Seconds between two lines about the progress.
PATIENCE = 10
MEASURED = ("d_loss", "g_loss", "d_real", "d_fake")
# What only some steps measure.
SOMETIMES = ("penalty", "distance")


class Processes:
    """The processes of a run, as torchrun starts them."""

    def __init__(self, device=None):
        self.rank, self.count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        local, beside = int(os.environ.get("LOCAL_RANK", 0)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        if device is None:
            device = "cuda" if torch.cuda.device_count() >= beside else "cpu"
        self.device = torch.device(device, local) if device == "cuda" else torch.device(device)
        if device == "cuda":
            torch.cuda.set_device(self.device)
        if self.count > 1:
            dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")

    def any(self, flag):
        """Whether the flag is set in any process."""
        if self.count == 1:
            return flag
        flags = torch.tensor([int(flag)])
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags[0])

    def mean(self, values):
        if self.count > 1:
            dist.all_reduce(values)
        return values / self.count

    def exit(self, code=0):
        """Ends this process."""
        if self.count == 1:
            sys.exit(code)
        dist.destroy_process_group()
        # Threads of torch.distributed may still run when the interpreter ends, and then it aborts now and then.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    def say(self, line):
        if self.rank == 0:
            print(line, file=sys.stderr, flush=True)


def read_checkpoint(folder):
    """The checkpoint of a run; None if there is none."""
    path = Path(folder) / CHECKPOINT
    if not path.exists():
        return None
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise Refused(f"{path} cannot be read: {str(error).splitlines()[0]}")
    if held.get("version") != VERSION:
        raise Refused(f"{path} is of another version of this program")
    return held


class Run:
    def __init__(self, folder, recipe, data, source, processes, bf16=False, compiled=False):
        self.folder, self.recipe, self.data, self.source, self.processes = Path(folder), recipe, data, source, processes
        if recipe["batch"] % processes.count:
            raise Refused(f"batch: {recipe['batch']} pictures cannot be divided among {processes.count} processes")
        self.step = Step(recipe, processes.device, bf16, compiled, processes.count)
        self.teacher = distil.Teacher(recipe, processes.device) if recipe["distil"] else None
        self.draws = Draws(recipe, data.pixels, data.labels, self.teacher)
        self.seconds_before, self.started = 0.0, time.monotonic()
        # For each measured value: its sum, and the number of steps that have it; [values, 2].
        self.sums = torch.zeros(len(MEASURED) + len(SOMETIMES), 2, dtype=torch.float64, device=processes.device)
        self.asked = False

    def say(self, line):
        self.processes.say(line)

    def seconds(self):
        return self.seconds_before + time.monotonic() - self.started

    def restore(self, held):
        """Continues from a checkpoint."""
        if held["data"]["fingerprint"] != self.data.fingerprint():
            raise Refused(f"{self.source['path']} has other pictures than when the run began; give a new --out")
        if held["teacher"] != (self.teacher and self.teacher.fingerprint):
            raise Refused(f"{self.teacher.folder} has another teacher than when the run began; give a new --out")
        for player, network in self.step.networks():
            network.load_state_dict(held[player])
        for optimiser, state in zip((self.step.g_optimiser, self.step.d_optimiser), held["optimisers"]):
            optimiser.torch.load_state_dict(state)
        for average, saved in zip(self.step.average, held["average"]):
            average.copy_(saved)
        self.step.continue_at(held["step"])
        self.seconds_before = held["seconds"]
        self.sums.copy_(held["sums"])

    def begin(self, held):
        """Makes the folder, or removes what a killed process wrote after its last checkpoint."""
        if held is not None:
            self.restore(held)
        is_first = self.processes.rank == 0
        if self.processes.any(is_first and not self.lock()):
            raise Refused(f"another process trains in {self.folder}")
        if not is_first:
            return
        text = recipes.to_toml(self.recipe).encode()
        arrays.write_atomically(self.folder / CONFIG, lambda file: file.write(text))
        metrics, kept = self.folder / METRICS, []
        if metrics.exists():
            for line in metrics.read_text().splitlines():
                try:
                    kept += [line] if json.loads(line)["step"] <= self.step.steps else []
                except (ValueError, KeyError, TypeError):
                    # The line that a killed process was writing.
                    continue
        arrays.write_atomically(metrics, lambda file: file.writelines(f"{line}\n".encode() for line in kept))
        if held is None:
            self.sample()

    def lock(self):
        """Makes the folder and keeps other runs out of it until this process ends; whether that succeeded."""
        (self.folder / "samples").mkdir(parents=True, exist_ok=True)
        self.locked = open(self.folder / LOCK, "w")
        try:
            fcntl.flock(self.locked, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def train(self):
        """Trains to the last step, or until somebody interrupts."""
        recipe, step, every = self.recipe, self.step, self.recipe["every"]
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)
        first, self.started, told = step.steps, time.monotonic(), -math.inf
        interrupted = False
        while step.steps < recipe["steps"] and not interrupted:
            inputs = self.draws.of_step(step.steps, self.processes.rank, self.processes.count, self.processes.device)
            self.add(step.step(inputs))
            now = step.steps
            if now % every["log"] == 0:
                row = self.log()
                if time.monotonic() - told >= PATIENCE:
                    told = time.monotonic()
                    left = (told - self.started) / (now - first) * (recipe["steps"] - now)
                    self.say(f"step {now}/{recipe['steps']:,}  D {row['losses']['d_loss']:.3f}  "
                             f"G {row['losses']['g_loss']:.3f}  {row['pictures_per_second']:.0f} pictures/s  "
                             f"{duration(left)} left")
            if now % every["sample"] == 0:
                self.sample()
            if now % every["checkpoint"] == 0:
                self.save()
            interrupted = self.processes.any(self.asked)
        if step.steps > first:
            self.save()
            self.sample()
        where = self.folder / GENERATOR
        if step.steps < recipe["steps"]:
            self.say(f"stopped at step {step.steps}; the same command continues. The generator so far: {where}")
        else:
            self.say(f"done: {where}. Make a model of it with: trainer import {where} --config {self.folder / CONFIG}")

    def stop(self, *_):
        self.asked = True

    def add(self, losses):
        for sums, name in zip(self.sums, MEASURED + SOMETIMES):
            if (value := getattr(losses, name)) is not None:
                sums += torch.stack([value, torch.ones_like(value)])

    def log(self):
        """Appends the means since the last line to metrics.jsonl."""
        sums = self.processes.mean(self.sums.clone()).tolist()
        self.sums.zero_()
        losses = {name: value / count for name, (value, count) in zip(MEASURED + SOMETIMES, sums) if count}
        if not all(map(math.isfinite, losses.values())):
            raise Refused(f"training diverged before step {self.step.steps}: a loss is not a number. The last checkpoint is "
                          "from before; lower the learning rates")
        seconds, steps = self.seconds(), self.step.steps
        row = {"step": steps, "seconds": seconds, "pictures_per_second": steps * self.recipe["batch"] / seconds,
               "losses": losses}
        if self.processes.rank == 0:
            with open(self.folder / METRICS, "a") as file:
                file.write(json.dumps(row, separators=(",", ":")) + "\n")
        return row

    def finished(self):
        return folding.folded(self.recipe, self.step.generator, self.step.average)

    def sample(self):
        """Draws the same latents every time; with classes a row for each."""
        if self.processes.rank > 0:
            return
        count, classes = len(self.recipe["class_names"]), None
        seeds = torch.arange(COLUMNS).repeat(count) if count else torch.arange(SAMPLES)
        if count:
            classes = torch.arange(count).repeat_interleave(COLUMNS)
        of = torch.from_numpy(latents.of_seeds(seeds.numpy(), self.recipe["latent"]))
        images = folding.drawn(self.recipe, self.finished(), of, classes)
        path = self.folder / "samples" / f"step-{self.step.steps:06}.png"
        sheets.write(path, sheets.to_pixels(images, self.recipe["range"]), COLUMNS)

    def save(self):
        """Writes the checkpoint and the finished generator."""
        sums = self.processes.mean(self.sums.clone())
        # The weights are the same in all processes, so all of them stop.
        parameters = [p for _, network in self.step.networks() for p in network.parameters()]
        if not all(bool(p.isfinite().all()) for p in parameters):
            raise Refused(f"training diverged at step {self.step.steps}: a weight is not a number. The last checkpoint is "
                          "from before; lower the learning rates")
        if self.processes.rank > 0:
            return
        held = {
            "version": VERSION, "recipe": self.recipe, "step": self.step.steps, "seconds": self.seconds(), "sums": sums,
            "data": self.source | {"fingerprint": self.data.fingerprint()}, "average": self.step.average,
            "teacher": self.teacher and self.teacher.fingerprint,
            "optimisers": [o.torch.state_dict() for o in (self.step.g_optimiser, self.step.d_optimiser)],
        }
        held |= {player: network.state_dict() for player, network in self.step.networks()}
        arrays.write_atomically(self.folder / CHECKPOINT, lambda file: torch.save(held, file))
        folding.write(self.folder / GENERATOR, self.recipe, self.finished())


def duration(seconds):
    """A time for people: 40 s, 12 min, 3.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
