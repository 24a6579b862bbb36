#!/usr/bin/env python3
"""What a run costs on 1, 2, 8 and 64 workers: step times that are measured here, and a model of the communication.

    python scaling.py --config pocket-64.toml --config pocket-128.toml        # prints the table of docs/scaling.md

Each worker has the batch of the recipe, so the batch of N workers is N times as large, and a run that sees as many pictures
has 1/N of the steps. A step takes as long as on one worker, plus the communication:

    ring all-reduce of S bytes among N workers: 2 (N - 1) / N * S / B + 2 (N - 1) * L

with the bandwidth B and the latency L of a message (Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for
clusters of workstations", J. Parallel Distrib. Comput. 69(2)). S is 4 bytes for each parameter, once a step. Each batch
normalisation adds two all-reduces for each forward and two for each backward pass, whose few bytes do not count. The model
has no overlap of communication and computation, so it is rather too high. It takes the least of the measured times, because
other programs on the machine can only make steps longer.

Two processes are also measured, on this machine, together with their bandwidth and latency (with gloo, between processes of
one machine). For more workers B and L are those of the options.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
import torch.distributed as dist

from pytorch_dcgan import recipe as recipes
from pytorch_dcgan.error import Refused
from pytorch_dcgan.inputs import Draws
from pytorch_dcgan.run import Processes
from pytorch_dcgan.step import Step

WORKERS = [1, 2, 8, 64]
PICTURES = 512


def measure(recipe, processes, steps):
    """Seconds of a step with the recipe's batch in each process: the median, the least and the largest."""
    recipe = recipe | {"batch": recipe["batch"] * processes.count, "class_names": []}
    channels, height, width = recipes.picture(recipe)
    # Steps take as long whatever is to be seen in the pictures.
    noise = np.random.default_rng(1).integers(0, 256, (PICTURES, height, width, channels), dtype=np.uint8)
    draws, step = Draws(recipe, noise, None), Step(recipe, processes.device, processes=processes.count)
    seconds = []
    for i in range(steps + 2):
        start = time.perf_counter()
        step.step(draws.of_step(i, processes.rank, processes.count, processes.device)).g_loss.item()
        seconds.append(time.perf_counter() - start)
    return [f(seconds[2:]) for f in (statistics.median, min, max)]


def link(processes, parameters):
    """Seconds of a message's latency and bytes a second, from all-reduces of one number and of this many."""
    def reduce(count):
        values, seconds = torch.zeros(count, device=processes.device), []
        for _ in range(30):
            start = time.perf_counter()
            dist.all_reduce(values)
            values[0].item()
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    hops, share = 2 * (processes.count - 1), 2 * (processes.count - 1) / processes.count
    short, long = reduce(1), reduce(parameters)
    return short / hops, share * 4 * parameters / max(long - short, 1e-9)


def parameters(recipe):
    step = Step(recipe | {"class_names": []})
    return sum(network.count() for _, network in step.networks())


def normalisations(recipe):
    """All-reduces of batch normalisation in a step."""
    g, d = (sum(layer["batch_norm"] for layer in recipe[player]["layers"]) for player in ("generator", "discriminator"))
    forward = (2 if recipe["fresh_latents"] else 1) * g + 3 * d
    return 2 * forward + 2 * (g + 3 * d)


def communication(recipe, count, workers, latency, bandwidth):
    """Seconds of communication in a step of the model."""
    if workers == 1:
        return 0.0
    hops = 2 * (workers - 1)
    # The gradients of the discriminator and those of the generator.
    messages = 2 + normalisations(recipe)
    return hops / workers * 4 * count / bandwidth + messages * hops * latency


def work(args):
    """This process is one of those that are measured."""
    processes = Processes(args.device)
    found = []
    for path in args.config:
        recipe = recipes.read(path)
        seconds = measure(recipe, processes, args.measured)
        found.append({"seconds": seconds, "link": link(processes, parameters(recipe)) if processes.count > 1 else None})
    if processes.rank == 0:
        print(json.dumps(found))
    processes.exit()


def measured_on(args, count):
    """What processes of this script measure."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count), __file__, "--work",
               f"--measured={args.measured}", *(f"--config={path}" for path in args.config)]
    command += [f"--device={args.device}"] if args.device else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    if done.returncode != 0:
        raise Refused("the measurement failed")
    return json.loads(done.stdout.splitlines()[-1])


def processor():
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", action="append", required=True, metavar="FILE", help="a recipe; may be repeated")
    parser.add_argument("--measured", type=int, default=20, metavar="N", help="measured steps")
    parser.add_argument("--bandwidth", type=float, default=10.0, metavar="GBIT", help="of a worker's network, in Gbit/s")
    parser.add_argument("--latency", type=float, default=50.0, metavar="US", help="of a message, in microseconds")
    parser.add_argument("--device", choices=["cpu", "cuda"])
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        return work(args)
    load = os.getloadavg()[0]
    one, two = measured_on(args, 1), measured_on(args, 2)
    device = torch.cuda.get_device_name() if args.device != "cpu" and torch.cuda.is_available() else processor()
    print(f"{device}, one thread of it for each worker; {os.cpu_count()} cores, load before: {load:.1f}; torch "
          f"{torch.__version__}; {args.measured} steps measured. Network of 8 and 64 workers: {args.bandwidth:g} Gbit/s, "
          f"{args.latency:g} us a message.\n")
    for path, alone, pair in zip(args.config, one, two):
        recipe = recipes.read(path)
        count, (_, seconds, _) = parameters(recipe), alone["seconds"]
        _, height, width = recipes.picture(recipe)
        latency, bandwidth = pair["link"]
        print(f"{recipe['name']}, {width}x{height}: batch {recipe['batch']} for each worker, {count:,} parameters, "
              f"{4 * count / 1e6:.1f} MB of gradients, {normalisations(recipe)} all-reduces of batch normalisation. "
              f"Between two processes: {bandwidth / 1e9:.2f} GB/s, {1e6 * latency:.0f} us.\n")
        print("| workers | batch of all | steps | s a step, model | of it communication "
              "| s a step, measured: median (least to most) | minutes | minutes of all workers |")
        print("|---|---|---|---|---|---|---|---|")
        for workers in WORKERS:
            own = (args.latency / 1e6, args.bandwidth * 1e9 / 8) if workers > 2 else (latency, bandwidth)
            talk = communication(recipe, count, workers, *own)
            steps, whole = -(-recipe["steps"] // workers), seconds + talk
            measured, minutes = "-", steps * whole / 60
            if workers <= 2:
                measured = "{:.3f} ({:.3f} to {:.3f})".format(*(alone if workers == 1 else pair)["seconds"])
            print(f"| {workers} | {workers * recipe['batch']} | {steps:,} | {whole:.3f} | {talk:.4f} | {measured} "
                  f"| {minutes:.0f} | {minutes * workers:.0f} |")
        print()


if __name__ == "__main__":
    try:
        main()
    except Refused as error:
        sys.exit(f"error: {error}")
