#!/usr/bin/env python3
"""Trains a recipe of `trainer` with PyTorch, on one processor or on many machines.

    torchrun --nproc-per-node 8 train_pytorch.py --config mine.toml --data PICTURES --out run
    trainer import run/generator.safetensors --config mine.toml

It does the same step as `trainer` (check_parity.py compares both). `batch` is the batch of all processes together. The
same command continues a run that was stopped or killed. Ctrl-C writes a checkpoint and the generator so far.
docs/scaling.md says what is the same as in `trainer`, what is not, and what a run costs.
"""

import argparse
import os
from pathlib import Path

import torch

from pytorch_dcgan import pictures, recipe as recipes
from pytorch_dcgan.error import Refused
from pytorch_dcgan.run import Processes, Run, read_checkpoint

ROOT = Path(__file__).resolve().parents[2]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", metavar="FILE", help="a recipe, in the form that `trainer presets NAME` prints")
    parser.add_argument("--preset", metavar="NAME", help="a preset; asks the program `trainer` for it")
    parser.add_argument("--data", metavar="PATH", help="pictures: a folder of them, CIFAR, IDX, .npz or .npy")
    parser.add_argument("--class", dest="one_class", metavar="NAME",
                        help="only this class (frog of CIFAR-10, everything of other sources, if the recipe has no classes)")
    parser.add_argument("--out", metavar="FOLDER", help="folder of the run; a run in it is continued")
    parser.add_argument("--resume", metavar="FOLDER", help="continue this run with its own recipe and pictures")
    parser.add_argument("--teacher", metavar="FOLDER", help="learn from this generator, too (the recipe's `distil.teacher`): "
                        "a run of this program, or a shipped model")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of the run, instead of those of the recipe")
    parser.add_argument("--precision", choices=["float32", "bf16"],
                        help="bf16 computes both networks with autocast (the recipe's `precision`)")
    parser.add_argument("--compile", action="store_true", help="compile both networks with torch.compile")
    parser.add_argument("--device", choices=["cpu", "cuda"],
                        help="cuda if there is one for each process of a machine, otherwise cpu")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of each process on the processor")
    parser.add_argument("--trainer", metavar="PATH", default=os.environ.get("RIBBIT_TRAINER"),
                        help="the program `trainer`, for --preset (target/release/trainer, otherwise `trainer`)")
    args = parser.parse_args()
    if args.resume and (args.config or args.preset or args.data or args.out):
        parser.error("--resume goes without --config, --preset, --data and --out: the run knows them")
    if not args.resume and (bool(args.config) == bool(args.preset) or not args.data or not args.out):
        parser.error("one of --config and --preset, --data and --out are needed, or --resume")
    return args


def asked_recipe(args):
    if args.config:
        return recipes.read(args.config)
    built = ROOT / "target/release/trainer"
    trainer = args.trainer or (str(built) if built.exists() else "trainer")
    return recipes.parse(recipes.preset(args.preset, trainer), args.preset)


def main(args, processes):
    folder = args.resume or args.out
    held = read_checkpoint(folder)
    if args.resume and held is None:
        raise Refused(f"{folder} has no checkpoint")
    recipe = held["recipe"] if args.resume else asked_recipe(args)
    source = held["data"] if args.resume else {"path": args.data, "class": args.one_class}
    if args.steps is not None:
        recipe = recipes.checked(recipe | {"steps": args.steps})
    if args.teacher:
        recipe = recipes.checked(recipe | {"distil": (recipe["distil"] or {}) | {"teacher": args.teacher}})
    if recipe["distil"]:
        # A run continues from any folder.
        teacher = str(Path(recipe["distil"]["teacher"]).resolve())
        recipe = recipe | {"distil": recipe["distil"] | {"teacher": teacher}}
    data = pictures.load(source["path"], recipes.picture(recipe), recipe["classes"], recipe["class_names"],
                         source["class"], processes.say)
    recipe = recipes.resolved_for(recipe, len(data.pixels)) | {"class_names": data.class_names}
    recipe = recipes.checked(recipe)
    if held is not None and (other := sorted(recipes.differences(recipe | {"steps": 0}, held["recipe"] | {"steps": 0}))):
        raise Refused(f"{folder} has a run with another recipe ({', '.join(other)}); give a new --out")
    bf16 = (args.precision or recipe["precision"]) == "bf16"
    run = Run(folder, recipe, data, source, processes, bf16, args.compile)
    classes = f", classes: {', '.join(data.class_names)}" if data.class_names else ""
    processes.say(f"{recipe['name']}: {len(data.pixels):,} pictures{classes}; generator {run.step.generator.count():,} "
                  f"parameters, discriminator {run.step.discriminator.count():,}; {processes.count} x "
                  f"{processes.device.type}, {'bf16' if bf16 else 'float32'}")
    for key, reason in recipes.unused(recipe):
        processes.say(f"not used here: {key}, because {reason}")
    run.begin(held)
    if held is not None:
        processes.say(f"continues at step {run.step.steps}")
    run.train()


if __name__ == "__main__":
    args = arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    processes = Processes(args.device)
    code = 0
    try:
        main(args, processes)
    except Refused as error:
        # Every process finds the same error.
        processes.say(f"error: {error}")
        code = 1
    processes.exit(code)
