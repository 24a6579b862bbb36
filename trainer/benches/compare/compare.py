#!/usr/bin/env python3
"""Training steps of Keras, PyTorch and this repository's trainer, in turn on the same machine.

    pip install tensorflow-cpu torch        # in an environment of its own
    cargo build -p trainer --release
    python trainer/benches/compare/compare.py

README.md beside this file says what is compared and how.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# The nets are presets of `trainer`. Batch normalisation and augmentation, as the `pocket` ones have them, were only
# written for PyTorch.
NETS = {
    "tutorial": ["keras", "keras-calls", "torch", "torch-bf16", "ribbit", "ribbit-bf16"],
    "reference-pocket": ["keras", "keras-calls", "torch", "torch-bf16", "ribbit", "ribbit-bf16"],
    "pocket": ["torch", "torch-bf16", "ribbit", "ribbit-bf16"],
    "pocket-64": ["torch", "torch-bf16", "ribbit", "ribbit-bf16"],
}
WORKERS = {
    "keras": "Keras / TensorFlow, tf.functions",
    "keras-calls": "Keras, the tutorial's own calls",
    "torch": "PyTorch, channels-last",
    "torch-bf16": "PyTorch, bf16 autocast",
    "ribbit": "ribbit",
    "ribbit-bf16": "ribbit, bf16",
}
OURS = ["ribbit", "ribbit-bf16"]
# What each kind of --cpu of `trainer bench` is called by the parts of PyTorch and TensorFlow.
CPUS = {"avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}}
# As the tutorial's author counts them: generator, discriminator.
PARAMETERS = {"tutorial": (6_264_579, 790_913)}


def environment(options):
    """The user's, without settings that a worker would run differently with elsewhere."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    for name in ("OMP", "MKL", "RAYON"):
        env[f"{name}_NUM_THREADS"] = str(options.threads)
    env["TF_NUM_INTRAOP_THREADS"] = env["TF_NUM_INTEROP_THREADS"] = str(options.threads)
    env.update(TF_CPP_MIN_LOG_LEVEL="3", KERAS_BACKEND="tensorflow", CUDA_VISIBLE_DEVICES="")
    return env | CPUS.get(options.cpu, {})


class Worker:
    """A process that does a step when it is asked for one."""

    def __init__(self, name, net, options):
        self.name, self.steps, self.summary = name, [], None
        is_ours = name.startswith("ribbit")
        if is_ours:
            command = [options.trainer, "bench", "--paired", "--preset", net, f"--threads={options.threads}"]
            command += ["--precision=bf16"] if name == "ribbit-bf16" else ["--precision=float32"]
            command += [f"--cpu={options.cpu}"] if options.cpu else []
        else:
            command = [sys.executable, __file__, "--work", name, f"--threads={options.threads}"]
        self.process = subprocess.Popen(
            command, env=environment(options), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        if not is_ours:
            self.ask(recipe_text(options.trainer, net).replace("\n", "\0"))
        self.expect("ready")

    def ask(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended early, with exit code {self.process.wait()}")
        return line.strip()

    def expect(self, what):
        answer = self.answer()
        if answer != what:
            sys.exit(f'{self.name} said "{answer}" instead of "{what}"')

    def turn(self, seconds):
        end = time.monotonic() + seconds
        while True:
            self.ask()
            self.steps.append(json.loads(self.answer()))
            if time.monotonic() >= end:
                break

    def finish(self):
        self.process.stdin.close()
        self.summary = json.loads(self.answer())
        if self.process.wait() != 0:
            sys.exit(f"{self.name} failed at its end")

    def row(self):
        wall = [step["seconds"] for step in self.steps]
        cpu = [step["cpu_seconds"] for step in self.steps]
        peak = self.summary["peak_memory"] / 2**20
        return statistics.median(wall), min(wall), statistics.median(cpu), peak


def recipe_text(trainer, net):
    return subprocess.run([trainer, "presets", net], check=True, text=True, capture_output=True).stdout


def compare(net, names, options):
    workers = [Worker(name, net, options) for name in names]
    for _ in range(options.rounds):
        for worker in workers:
            # Threads of the one before may still be waiting for work with their cores busy.
            time.sleep(options.pause)
            worker.turn(options.turn)
    for worker in workers:
        worker.finish()

    counts = {w.name: (w.summary["generator_parameters"], w.summary["discriminator_parameters"]) for w in workers}
    expected = PARAMETERS.get(net, next(iter(counts.values())))
    if any(count != expected for count in counts.values()):
        sys.exit(f"{net}: the networks differ in their parameters: {counts}, expected {expected}")

    batch = workers[0].summary["batch"]
    generator, discriminator = expected
    print(f"\n{net}: batch {batch}, generator {generator:,} parameters, discriminator {discriminator:,}\n")
    print("| | steps | s, median | s, min | CPU-s, median | peak MiB | s / ours | s / ours, bf16 | pictures/s |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows = {worker: worker.row() for worker in workers}
    ours = [next((row[0] for worker, row in rows.items() if worker.name == name), None) for name in OURS]
    for worker, (median, least, cpu, peak) in rows.items():
        ratios = " | ".join(f"{median / seconds:.2f}" if seconds else "-" for seconds in ours)
        print(
            f"| {WORKERS[worker.name]} | {len(worker.steps)} | {median:.4f} | {least:.4f} | {cpu:.4f} | {peak:.0f} "
            f"| {ratios} | {batch / median:.0f} |",
            flush=True,
        )


def work(name, threads):
    """This process is a worker of Keras or PyTorch."""
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(line):
        print(line, file=answers, flush=True)

    config = tomllib.loads(sys.stdin.readline().replace("\0", "\n"))
    kind, _, variant = name.partition("-")
    net = importlib.import_module(f"with_{kind}").Net(config, variant, threads)
    before = net.fingerprints()
    # Graphs are made, memory is found.
    for _ in range(2):
        net.step()
    if any(a == b for a, b in zip(before, net.fingerprints())):
        sys.exit(f"{name}: a network has not learnt: {before}, {net.fingerprints()}")
    say("ready")
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        net.step()
        say(json.dumps({"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}))
    generator, discriminator = net.parameters()
    summary = {"generator_parameters": generator, "discriminator_parameters": discriminator}
    say(json.dumps(summary | {"batch": config["batch"], "peak_memory": peak_memory()}))


def peak_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def header(names, options):
    with open("/proc/cpuinfo") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown")
    version = subprocess.run([options.trainer, "--version"], check=True, text=True, capture_output=True).stdout
    versions = [version.strip(), f"Python {platform.python_version()}"]
    wanted = {"keras": ["keras", "tensorflow", "tensorflow-cpu"], "torch": ["torch"]}
    for package in (p for kind, packages in wanted.items() if any(n.startswith(kind) for n in names) for p in packages):
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            pass
    print(f"{cpu}, {os.cpu_count()} cores, {options.threads} threads; load before: {os.getloadavg()[0]:.2f}")
    if options.cpu:
        print(f"workers are limited to {options.cpu}")
    print(", ".join(versions))


def listed(known):
    def parse(text):
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: there are {', '.join(known)}")
        return names

    return parse


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", type=listed(NETS), default=list(NETS), help=",".join(NETS))
    parser.add_argument("--workers", type=listed(WORKERS), default=list(WORKERS), help=",".join(WORKERS))
    parser.add_argument("--rounds", type=int, default=10, help="turns of each worker")
    parser.add_argument("--turn", type=float, default=0.5, help="seconds of a turn; at least one step")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds before a turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cpu", choices=list(CPUS), help="use no better vector instructions than these")
    parser.add_argument("--trainer", default=str(ROOT / "target/release/trainer"), help="the program that is measured")
    parser.add_argument("--work", choices=list(WORKERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.threads)
        return
    if options.rounds < 1 or options.threads < 1:
        parser.error("--rounds and --threads are at least 1")
    if not Path(options.trainer).is_file():
        parser.error(f"{options.trainer} is missing: cargo build -p trainer --release")
    header(options.workers, options)
    for net in options.nets:
        if names := [name for name in NETS[net] if name in options.workers]:
            compare(net, names, options)


if __name__ == "__main__":
    main()
