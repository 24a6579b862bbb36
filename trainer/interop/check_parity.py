#!/usr/bin/env python3
"""Performs a training step that `trainer` wrote with PyTorch, and compares all results.

    trainer parity --write steps                        # a step of every preset
    python check_parity.py steps/*.safetensors
    torchrun --nproc-per-node 2 check_parity.py steps/*.safetensors

On several processes each has its part of the batch, as in train_pytorch.py. The module is the same as there:
pytorch_dcgan/step.py. trainer/src/parity/one_step.rs describes the files.

Differences that are allowed:

    pictures          R of the array's largest value; R is 1e-4, and 1e-5 with --float64
    gradients         R of the array's largest value, or of 1/1000 of the network's if that is more
    logits            R of the largest value, or R if none reaches 1
    losses            1e-5, times the loss where it is over 1
    optimiser alone   1e-6, with the gradients of the file
    weights, average  1e-6 more than what gradients within their tolerance explain

--float64 computes in float64, so that only the rounding of `trainer` is left: it has to be as near as to Keras. Without it
PyTorch's sums in float32 are part of the difference, and those are less exact: the gradient of a bias is one sum over all
pixels of a batch, whose terms nearly cancel each other. Where a gradient is 0 except for rounding, as that of the last bias
with the relativistic loss, the array's own largest value says nothing, so the network's counts.

The derivative of a ReLU jumps at 0. Among the millions of units of a step, the inputs of a few are 0 except for rounding,
and two programs may have them on different sides. One such unit changes gradients by 1e-3 of their largest value, and
neither program is wrong. So units whose input is under 3e-6 of the layer's largest value are put on the side on which
`trainer` had them; the file lists these sides. No other unit is changed.

--record FILE computes the step in float64 and writes its results in the form of such a file. `trainer parity FILE`
compares with it. Recorded are only steps without units near 0.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

from pytorch_dcgan import arrays, distil, recipe as recipes
from pytorch_dcgan.error import Refused
from pytorch_dcgan.inputs import Inputs
from pytorch_dcgan.networks import equal_gain, passes_apart
from pytorch_dcgan.run import Processes
from pytorch_dcgan.schedule import linear_decay
from pytorch_dcgan.step import Optimiser, Step, updates_of

RELATIVE = {torch.float32: 1e-4, torch.float64: 1e-5}
OF_LOSS, ABSOLUTE, NEAR = 1e-5, 1e-6, 3e-6
# The part of a network's largest gradient that counts for an array with smaller ones.
FLOOR = 1e-3
# The pass of the teacher's pictures through the discriminator.
TEACHER = "teacher"
MOMENTS = {"adam": {"first": "exp_avg", "second": "exp_avg_sq"}, "rms_prop": {"second": "square_avg"}}


class Golden:
    """A step as the file has it."""

    def __init__(self, path):
        self.path = path
        self.arrays, header = arrays.read(path)
        self.recipe = recipes.parse(header["recipe"], path)
        self.header, self.step = header, int(header["step"])

    def get(self, name):
        if name not in self.arrays:
            raise Refused(f"{self.path} has no array {name}")
        return torch.from_numpy(self.arrays[name].copy())

    def inputs(self):
        def optional(name):
            return self.get(name) if name in self.arrays else None

        layers = {int(name.split(".")[2]) for name in self.arrays if name.startswith("dropout.")}
        masks = {layer: torch.stack([self.get(f"dropout.{i}.{layer}") for i in range(3)]) for layer in layers}
        return Inputs(
            real=self.get("real"),
            latents=self.get("latents"),
            label_noise=self.get("label_noise").view(2, -1),
            changes=torch.stack([self.get(f"changes.{i}") for i in range(3)]),
            dropout=masks or None,
            classes=optional("classes"),
            fresh_latents=optional("fresh_latents"),
            teacher=optional("teacher"),
        )

    def start(self, step):
        """Brings networks, moments and average to the state before the step."""
        step.continue_at(self.step)
        for player, network in step.networks():
            optimiser = step.g_optimiser if player == "generator" else step.d_optimiser
            with torch.no_grad():
                for name, parameter in network.named_parameters():
                    parameter.copy_(self.get(f"before.{player}.{name}"))
            names = {p: name for name, p in network.named_parameters()}
            self.moments(player, optimiser, names)
        for average, (name, _) in zip(step.average, step.generator.named_parameters()):
            average.copy_(self.get(f"average.generator.{name}"))

    def moments(self, player, optimiser, names):
        optimiser.updates = updates_of(self.recipe, player, self.step)
        for parameter in optimiser.parameters:
            state = {"step": torch.tensor(float(optimiser.updates))}
            for ours, theirs in MOMENTS[optimiser.options["rule"]].items():
                moment = self.get(f"{ours}.{player}.{names[parameter]}")
                state[theirs] = torch.zeros_like(parameter).copy_(moment)
            optimiser.torch.state[parameter] = state

    def scale(self, player, name):
        """The value that differences of this gradient are compared with."""
        prefix = f"gradient.{player}."
        largest = max(float(np.abs(array).max()) for n, array in self.arrays.items() if n.startswith(prefix))
        return max(float(np.abs(self.arrays[prefix + name]).max()), FLOOR * largest, 1e-30)

    def after(self, player, off):
        """The parameters after the optimiser alone, with the gradients of the file, off by this part of their scale."""
        options, found = self.recipe[player], {}
        prefix, factor = f"before.{player}.", self.factor()
        for name in [n.removeprefix(prefix) for n in self.arrays if n.startswith(prefix)]:
            parameter = torch.nn.Parameter(self.get(prefix + name))
            gradient = self.get(f"gradient.{player}.{name}")
            parameter.grad = gradient + off * self.scale(player, name)
            optimiser = Optimiser(options["optimizer"], [parameter])
            self.moments(player, optimiser, {parameter: name})
            if not self.is_frozen(player, name):
                optimiser.step(factor)
            found[name] = parameter.detach()
        for i, layer in enumerate(options["layers"]):
            name = f"layers.{i}.linear.weight"
            if layer["equal_gain"] and not self.is_frozen(player, name):
                found[name] = equal_gain(found[name], [layer["stride"]] * 2)
        return found

    def factor(self):
        return linear_decay(self.step, self.recipe["steps"], self.recipe["lr_decay_start"])

    def is_frozen(self, player, name):
        kind, layer, *_ = name.split(".")
        return kind == "layers" and int(layer) < self.recipe[player]["freeze"]


class Kinks:
    """Puts units that are nearly 0 on the side on which the file has them."""

    def __init__(self, step, golden, rank, processes):
        recipe, penalty = golden.recipe, golden.recipe["penalty"]
        self.golden, self.rank, self.processes, self.near, self.moved = golden, rank, processes, 0, 0
        passes = ["d_fake", "d_real"] if passes_apart(recipe, golden.step) else ["d_fake+d_real"]
        if penalty and golden.step % penalty["every"] == 0:
            passes += [None] * 3 * sum(penalty[kind] > 0 for kind in ("real", "generated"))
        # No gradient passes through the teacher's pictures.
        taught = [TEACHER] if distil.weights(recipe, golden.step)[1] else []
        self.passes = {"discriminator": [*passes, *taught, "d_of_g"], "generator": [None, "g"] if recipe["fresh_latents"] else ["g"]}
        self.now = {}
        for player, network in step.networks():
            network.register_forward_pre_hook(lambda *_, player=player: self.enter(player))
            for i, layer in enumerate(network.layers):
                if isinstance(layer.activation, (torch.nn.ReLU, torch.nn.LeakyReLU)):
                    layer.activation.register_forward_pre_hook(
                        lambda module, args, player=player, i=i: self.adjusted(player, i, module, args[0]))

    def enter(self, player):
        self.now[player] = self.passes[player].pop(0)

    def sides(self, name, layer, shape):
        """Which units of this process are positive, of those that the file lists."""
        positive = torch.zeros(shape, dtype=torch.bool)
        count, row = len(positive), positive.flatten(1)
        for picture, place in self.golden.arrays[f"near.{name}.{layer}"]:
            at = picture - self.rank * count
            if 0 <= at < count:
                row[at, place] = True
        return positive

    def adjusted(self, player, layer, module, x):
        if self.now[player] == TEACHER:
            return None
        names = (self.now[player] or "").split("+")
        slope = getattr(module, "negative_slope", 0.0)
        with torch.no_grad():
            # Generated and real pictures may be of another size by far.
            parts = x.flatten(1).chunk(len(names))
            largest = [torch.maximum(part.max(), -slope * part.min()).expand(len(part)) for part in parts]
            # Exactly 0 is no rounding: the derivative there is that from the left in both programs.
            near = (x.abs() < NEAR * torch.cat(largest)[:, None, None, None]) & (x != 0)
            self.near += int(near.sum())
        if self.now[player] is None:
            return None
        positive = torch.cat([self.sides(name, layer, (len(x) // len(names), *x.shape[1:])) for name in names])
        self.moved += int((near & (positive != (x > 0))).sum())
        side = torch.where(positive, 1e-30, -1e-30).to(x.dtype)
        return torch.where(near, side + (x - x.detach()), x)


def performed(golden, rank, processes, dtype):
    """The results of the step by the names of the file, and its kinks. Pictures and logits are those of this process."""
    step = Step(golden.recipe, processes=processes, dtype=dtype)
    golden.start(step)
    kinks = Kinks(step, golden, rank, processes)
    trace = {}
    losses = step.step(golden.inputs().part(rank, processes).to("cpu", dtype), trace)
    # The loss of a process is the mean over its own pictures.
    trace["images_gradient"] /= processes
    values = torch.stack([v.double() for v in vars(losses).values() if v is not None])
    if processes > 1:
        dist.all_reduce(values)
        values /= processes
    trace |= {name: value for name, value in zip([k for k, v in vars(losses).items() if v is not None], values)}
    for player, network in step.networks():
        trace |= {f"after.{player}.{name}": p.detach() for name, p in network.named_parameters()}
    names = [name for name, _ in step.generator.named_parameters()]
    trace |= {f"average_after.generator.{name}": average for name, average in zip(names, step.average)}
    return trace, kinks


def part(name, array, rank, processes):
    """The part of an array of the file that this process has computed."""
    if processes == 1 or name not in ("fake", "images", "images_gradient", "d_logits", "g_logits"):
        return array
    if name == "d_logits":
        return torch.cat([half.chunk(processes)[rank] for half in array.chunk(2)])
    return array.chunk(processes)[rank]


def compare(golden, rank, processes, dtype):
    """The largest differences by kind, in parts of the largest value (weights: as they are), and what is out of tolerance."""
    trace, kinks = performed(golden, rank, processes, dtype)
    worst, out, relative = {}, [], RELATIVE[dtype]

    def add(kind, name, difference, allowed, scale=1.0):
        found = torch.tensor([float(difference.max()), float((difference - allowed).max())], dtype=torch.float64)
        if processes > 1:
            dist.all_reduce(found, dist.ReduceOp.MAX)
        worst[kind] = max(worst.get(kind, 0.0), float(found[0]) / scale)
        if not found[1] <= 0:
            out.append(f"{name} ({kind}): {found[0]:.1e}")

    for name, ours in trace.items():
        kind = name.partition(".")[0]
        if kind in ("after", "average_after"):
            continue
        theirs = golden.get(name).double()
        largest = theirs.abs().max()
        difference = (ours.double() - part(name, theirs, rank, processes)).abs()
        if kind == "gradient":
            scale = golden.scale(*name.split(".", 2)[1:])
            add("gradients", name, difference, relative * scale, scale)
        elif kind in ("fake", "images", "images_gradient"):
            add("pictures", name, difference, relative * largest, float(largest))
        elif kind in ("d_logits", "g_logits"):
            largest = largest.clamp(min=1)
            add("logits", name, difference, relative * largest, float(largest))
        else:
            largest = largest.clamp(min=1)
            add("losses", name, difference, OF_LOSS * largest, float(largest))
    if TEACHER in golden.arrays:
        inputs = golden.inputs().part(rank, processes).to("cpu", dtype)
        drawn = distil.Teacher(golden.recipe, dtype=dtype).draw(inputs.own_latents(), inputs.classes)
        difference = (drawn - inputs.teacher).double().abs()
        add("pictures", TEACHER, difference, relative * golden.get(TEACHER).abs().max().double())
    for player in ("generator", "discriminator"):
        alone, low, high = (golden.after(player, off) for off in (0, relative, -relative))
        for name in alone:
            theirs = golden.get(f"after.{player}.{name}").double()
            add("optimiser", f"after.{player}.{name}", (alone[name] - theirs).abs(), ABSOLUTE)
            explained = (high[name].double() - low[name]).abs() + ABSOLUTE
            add("weights", f"after.{player}.{name}", (trace[f"after.{player}.{name}"] - theirs).abs(), explained)
            if player == "generator":
                theirs = golden.get(f"average_after.{player}.{name}").double()
                add("average", f"average_after.{player}.{name}",
                    (trace[f"average_after.{player}.{name}"] - theirs).abs(), explained)
    return worst, out, kinks


def record(golden, path):
    """Writes the step with PyTorch's results in float64."""
    trace, kinks = performed(golden, 0, 1, torch.float64)
    if kinks.near:
        raise Refused(f"{golden.path}: {kinks.near} units are nearly 0, so the derivative depends on rounding; take another "
                      "seed for the recipe")
    kept = ("before", "average", "first", "second", "real", "classes", "latents", "fresh_latents", "teacher",
            "label_noise", "changes")
    inputs = {name: array for name, array in golden.arrays.items() if name.partition(".")[0] in kept}

    def stored(name, value):
        return value.numpy().astype(np.float64 if value.ndim == 0 else np.float32)

    arrays.write(path, inputs | {name: stored(name, value) for name, value in trace.items()}, golden.header)
    print(f"{path}: {Path(path).stat().st_size:,} bytes")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("steps", nargs="+", help="files that `trainer parity --write` wrote")
    parser.add_argument("--float64", action="store_true", help="compute in float64, to see what float32 costs `trainer`")
    parser.add_argument("--record", metavar="FILE", help="write PyTorch's results instead")
    return parser.parse_args()


def main(args, processes):
    """Compares, and gives the code to exit with."""
    rank, count = processes.rank, processes.count
    kinds = ["pictures", "logits", "losses", "gradients", "optimiser", "weights", "average"]
    if args.record:
        (path,) = args.steps
        record(Golden(path), args.record)
        return 0
    if rank == 0:
        print(f"largest differences on {count} process{'es' * (count > 1)} in {'float64' if args.float64 else 'float32'}"
              ": in parts of the largest value; of weights as they are")
        print(f"{'':<18}" + "".join(f"{kind:>11}" for kind in kinds) + "  units near 0, moved", flush=True)
    wrong = []
    for path in args.steps:
        golden = Golden(path)
        if golden.recipe["batch"] % count:
            raise Refused(f"batch: {golden.recipe['batch']} pictures cannot be divided among {count} processes")
        worst, out, kinks = compare(golden, rank, count, torch.float64 if args.float64 else torch.float32)
        if rank == 0:
            numbers = "".join(f"{worst[kind]:>11.1e}" for kind in kinds)
            print(f"{golden.recipe['name']:<18}{numbers}  {kinks.near}, {kinks.moved}{'  OUT' if out else ''}", flush=True)
        wrong += [f"{golden.recipe['name']}: {name}" for name in out]
    if rank == 0:
        print("\nout of tolerance:\n    " + "\n    ".join(wrong) if wrong else "all differences are within the tolerance")
    return int(bool(wrong))


if __name__ == "__main__":
    args, code = arguments(), 1
    processes = Processes("cpu")
    try:
        code = main(args, processes)
    except Refused as error:
        processes.say(f"error: {error}")
    processes.exit(code)
