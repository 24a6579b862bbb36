"""Reads a recipe: the TOML file that `trainer presets NAME` prints. docs/recipe-keys.md lists its keys.

A recipe is a dictionary with the keys of the file. Keys that the file leaves out have their defaults, and other spellings
of keys are replaced by the usual ones.
"""

import subprocess
import tomllib
from pathlib import Path

from .error import Refused

# Keys with their defaults; REQUIRED where there is none.
REQUIRED = object()
KEYS = {
    "name": REQUIRED, "about": REQUIRED, "seed": REQUIRED, "steps": REQUIRED, "batch": REQUIRED, "latent": REQUIRED,
    "classes": "folders", "class_names": [], "class_embedding": 8, "balance_classes": False,
    "holdout": 0.0, "range": "symmetric",
    "init": REQUIRED, "ema_decay": REQUIRED, "ema_power": 8.0, "lr_decay_start": 1.0, "latent_scale": 1.0, "shuffle": REQUIRED,
    "fresh_latents": REQUIRED, "warm_up": 0, "joint_batch_norm": 0, "kernels": "fast", "precision": "float32",
    "fallback": "float32", "every": REQUIRED,
    "guard": {}, "loss": "bce", "labels": {}, "penalty": None, "distil": None, "augment": {}, "small_dataset": None, "quantize": {},
    "generator": REQUIRED, "discriminator": REQUIRED,
}
TABLES = {
    "every": {"log": REQUIRED, "sample": REQUIRED, "checkpoint": REQUIRED, "pair": None, "measure": None},
    "labels": {"real": 1.0, "generated": 0.0, "noise": 0.0},
    "penalty": {"real": 0.0, "generated": 0.0, "every": REQUIRED},
    "distil": {"teacher": REQUIRED, "pixels": 10.0, "features": 10.0, "decay_start": 1.0},
    "augment": {"flip": False, "translate": 0.0, "cutout": 0.0, "color": False},
    "small_dataset": {"below": REQUIRED, "augment": REQUIRED},
    "generator": {"optimizer": REQUIRED, "freeze": 0, "layers": REQUIRED},
    "discriminator": {"optimizer": REQUIRED, "freeze": 0, "layers": REQUIRED},
}
LAYER = {"op": REQUIRED, "size": None, "channels": REQUIRED, "kernel": None, "stride": 1, "padding": "same",
         "batch_norm": False, "layer_norm": False, "equal_gain": False, "dropout": 0.0, "activation": REQUIRED, "slope": None}
OPTIMISERS = {
    "adam": {"rule": REQUIRED, "lr": REQUIRED, "beta1": REQUIRED, "beta2": REQUIRED, "epsilon": REQUIRED},
    "rms_prop": {"rule": REQUIRED, "lr": REQUIRED, "rho": REQUIRED, "epsilon": REQUIRED, "clip": REQUIRED,
                 "decay": REQUIRED},
}
# Other spellings that `trainer` reads.
SPELLINGS = {"ema": "ema_decay", "decay_from": "lr_decay_start", "spread": "latent_scale", "few": "small_dataset",
             "quantise": "quantize", "optimiser": "optimizer", "colour": "color"}
# Keys that do not change a step. They are read by `trainer` only.
UNUSED = {
    "every.measure": "there is no quality score, so the run ends with its last step",
    "every.pair": "no pairs are written",
    "guard": "a run in trouble does not go back by itself",
    "quantize": "`trainer import` quantises, without fine-tuning",
}
CHOICES = {
    "range": ["symmetric", "unit"], "loss": ["bce", "hinge", "relativistic"], "precision": ["float32", "bf16"],
    "op": ["dense", "conv", "conv_transpose"], "padding": ["same", "valid"],
    "activation": ["linear", "relu", "leaky_relu", "tanh", "sigmoid"],
}


def preset(name, trainer):
    """The text of a preset; `trainer` is the program."""
    try:
        done = subprocess.run([trainer, "presets", name], text=True, capture_output=True)
    except OSError as error:
        raise Refused(f"--preset asks the program for the recipe, and {trainer} does not run ({error.strerror}): "
                      "--trainer PATH says where it is, or --config takes what `trainer presets NAME` printed")
    if done.returncode != 0:
        raise Refused(done.stderr.strip().removeprefix("error: "))
    return done.stdout


def read(path):
    """The recipe in a file."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}")
    return parse(text, path)


def parse(text, source):
    """The recipe in a text; `source` is for messages."""
    try:
        recipe = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"{source}: {error}")
    try:
        return checked(recipe)
    except Refused as error:
        raise Refused(f"{source}: {error}")


def table(key, found, known):
    """The table `found` with all keys of `known`; `key` is its name."""
    path = f"{key}." if key else ""
    if not isinstance(found, dict):
        raise Refused(f"{key}: it has to be a table")
    result = {SPELLINGS.get(name, name): value for name, value in found.items()}
    for name in result:
        if name not in known:
            raise Refused(f"{path}{name}: there is no such key, or it is not supported here")
    for name, default in known.items():
        if name not in result:
            if default is REQUIRED:
                raise Refused(f"{path}{name}: it is missing")
            result[name] = default
        elif name in CHOICES and result[name] not in CHOICES[name]:
            raise Refused(f"{path}{name}: \"{result[name]}\" is not supported, only {', '.join(CHOICES[name])}")
    return result


def checked(recipe):
    recipe = table("", recipe, KEYS)
    for name, known in TABLES.items():
        if recipe[name] is not None:
            recipe[name] = table(name, recipe[name], known)
    if recipe["small_dataset"]:
        small = recipe["small_dataset"]
        small["augment"] = table("small_dataset.augment", small["augment"], TABLES["augment"])
    for player in ("generator", "discriminator"):
        network, rule = recipe[player], recipe[player]["optimizer"].get("rule")
        if rule not in OPTIMISERS:
            raise Refused(f"{player}.optimizer.rule: \"{rule}\" is not supported, only {', '.join(OPTIMISERS)}")
        network["optimizer"] = table(f"{player}.optimizer", network["optimizer"], OPTIMISERS[rule])
        network["layers"] = [table(f"{player}.layers[{i}]", layer, LAYER) for i, layer in enumerate(network["layers"])]
        for i, layer in enumerate(network["layers"]):
            check_layer(f"{player}.layers[{i}]", layer)
        if not 0 <= network["freeze"] < len(network["layers"]):
            raise Refused(f"{player}.freeze: fewer than its {len(network['layers'])} layers, not {network['freeze']}")
    for key in ("dropout", "layer_norm"):
        if any(layer[key] for layer in recipe["generator"]["layers"]):
            raise Refused(f"generator.layers: {key} is for the discriminator")
    is_normal = isinstance(recipe["init"], dict) and list(recipe["init"]) in (["normal"], ["smooth"])
    if not is_normal and recipe["init"] != "glorot_uniform":
        raise Refused("init: only { normal = DEVIATION }, { smooth = DEVIATION } and \"glorot_uniform\" are supported")
    if recipe["classes"].startswith("auto:"):
        raise Refused(f"classes: \"{recipe['classes']}\" is not supported: `trainer data --classes {recipe['classes']} "
                      "--size SIZE --save FOLDER` sorts the pictures into subfolders, which are classes with "
                      "classes = \"folders\"")
    if recipe["classes"] not in ("folders", "labels", "off", "none"):
        raise Refused(f"classes: \"{recipe['classes']}\" is not supported, only folders, labels, off")
    if not 2 <= recipe["batch"] <= 4096:
        raise Refused(f"batch: 2 to 4096 pictures, not {recipe['batch']}")
    if recipe["steps"] < 1:
        raise Refused("steps: at least 1")
    for name in ("log", "sample", "checkpoint"):
        if recipe["every"][name] < 1:
            raise Refused(f"every.{name}: at least 1")
    if not 0 <= recipe["ema_decay"] < 1:
        raise Refused(f"ema_decay: 0 or more and under 1, not {recipe['ema_decay']}")
    distil = recipe["distil"]
    if distil and not (distil["pixels"] > 0 or distil["features"] > 0):
        raise Refused("distil: a teacher needs a weight: pixels, features, or both")
    if recipe["penalty"] and recipe["joint_batch_norm"]:
        raise Refused("penalty: not together with joint_batch_norm, as it needs passes of real and generated pictures apart; "
                      "joint_batch_norm = 0 allows it")
    if recipe["joint_batch_norm"] and not any(layer["batch_norm"] for layer in recipe["discriminator"]["layers"]):
        raise Refused("joint_batch_norm: the discriminator has no batch_norm, so the key changes nothing; leave it out")
    if not (0 <= recipe["holdout"] <= 0.5 or recipe["holdout"] >= 2):
        raise Refused(f"holdout: a share of the pictures, 0 to 0.5, or a number, 2 or more, not {recipe['holdout']}")
    if not 0 <= recipe["ema_power"] <= 100:
        raise Refused(f"ema_power: 0 to 100, not {recipe['ema_power']}")
    labels = recipe["labels"]
    if recipe["loss"] != "bce" and labels != TABLES["labels"]:
        raise Refused("labels: they belong to loss = \"bce\"; leave them out")
    if labels["real"] == labels["generated"]:
        raise Refused("labels: `real` and `generated` must differ")
    if picture(recipe)[0] not in (1, 3):
        raise Refused("generator.layers: the last one draws 1 channel or 3")
    last = recipe["generator"]["layers"][-1]["activation"]
    if last != "tanh" and not (recipe["range"] == "unit" and last == "sigmoid"):
        raise Refused("range: \"symmetric\" goes with a generator that ends in tanh, \"unit\" with one that ends in "
                      "sigmoid or tanh")
    layers = recipe["discriminator"]["layers"]
    _, *outputs = shapes(layers, picture(recipe))
    if any(layer["layer_norm"] and shape == (1, 1, 1) for layer, shape in zip(layers, outputs)):
        raise Refused("discriminator.layers: layer_norm of a layer with a single value would always give the same number")
    if outputs[-1] != (1, 1, 1) or layers[-1]["activation"] != "linear":
        raise Refused("discriminator.layers: the last one is linear with one output")
    return recipe


def check_layer(key, layer):
    is_dense = layer["op"] == "dense"
    if (layer["size"] is not None) != is_dense:
        raise Refused(f"{key}.size: it belongs to dense layers, and every one has it")
    if (layer["kernel"] is None) != is_dense:
        raise Refused(f"{key}.kernel: it belongs to convolutions, and every one has it")
    if (layer["slope"] is not None) != (layer["activation"] == "leaky_relu"):
        raise Refused(f"{key}.slope: it belongs to leaky_relu, which always has it")
    if layer["equal_gain"] and (layer["op"] != "conv_transpose" or layer["kernel"] < layer["stride"]):
        raise Refused(f"{key}.equal_gain: it belongs to transposed convolutions whose kernel is at least as large as the stride")
    if layer["batch_norm"] and layer["layer_norm"]:
        raise Refused(f"{key}: one of batch_norm and layer_norm, not both")
    if not 0 <= layer["dropout"] < 1:
        raise Refused(f"{key}.dropout: 0 or more and under 1, not {layer['dropout']}")


def extent(value, side):
    """Pixels of a side: `value` is a share of it below 1, and a number of pixels from 1 on. Halves are rounded up."""
    return int((value * side if value < 1 else value) + 0.5)


def output_shape(layer, shape):
    """Shape of a layer's output, (channels, height, width)."""
    kernel, stride, same = layer["kernel"], layer["stride"], layer["padding"] == "same"
    if layer["op"] == "dense":
        return layer["channels"], *layer["size"]
    if layer["op"] == "conv":
        sides = [-(-side // stride) if same else (side - kernel) // stride + 1 for side in shape[1:]]
    else:
        sides = [side * stride if same else (side - 1) * stride + kernel for side in shape[1:]]
    if min(sides) < 1 or (layer["op"] == "conv_transpose" and kernel < stride):
        raise Refused(f"a kernel of {kernel} and a stride of {stride} do not fit a map of {shape[1]}x{shape[2]}")
    return layer["channels"], *sides


def shapes(layers, shape):
    """Shapes of the input and of every layer's output, (channels, height, width)."""
    found = [shape]
    for layer in layers:
        found.append(output_shape(layer, found[-1]))
    return found


def class_width(recipe):
    """How many numbers of a class the generator reads; 0 without classes."""
    return recipe["class_embedding"] if recipe["class_names"] else 0


def picture(recipe):
    """Shape of the pictures, (channels, height, width)."""
    return shapes(recipe["generator"]["layers"], (recipe["latent"] + class_width(recipe), 1, 1))[-1]


def resolved_for(recipe, pictures):
    """The recipe for so many pictures: `small_dataset` is applied or dropped."""
    small = recipe["small_dataset"]
    changed = {"augment": small["augment"]} if small and pictures < small["below"] else {}
    return recipe | changed | {"small_dataset": None}


def held_out(recipe, pictures):
    """How many of so many pictures are held out."""
    share = recipe["holdout"]
    return int(share * pictures + 0.5) if share < 2 else int(share)


def unused(recipe):
    """Keys of this recipe that have no effect here, with the reason."""
    for key, reason in UNUSED.items():
        first, _, second = key.partition(".")
        if recipe[first] and (not second or recipe[first][second]):
            yield key, reason


def differences(a, b, path=""):
    """Keys in which two recipes differ."""
    for key in a.keys() | b.keys():
        left, right = a.get(key), b.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            yield from differences(left, right, f"{path}{key}.")
        elif left != right:
            yield f"{path}{key}"


def to_toml(recipe):
    """The recipe as a TOML file."""
    tables = {key: value for key, value in recipe.items() if key in ("generator", "discriminator")}
    lines = [f"{key} = {toml_value(value)}" for key, value in recipe.items() if key not in tables and value is not None]
    for key, network in tables.items():
        layers = "".join(f"    {toml_value(layer_keys(layer))},\n" for layer in network["layers"])
        lines += ["", f"[{key}]", f"optimizer = {toml_value(network['optimizer'])}"]
        lines += [f"freeze = {network['freeze']}"] if network["freeze"] else []
        lines += [f"layers = [\n{layers}]"]
    return "\n".join(lines) + "\n"


def layer_keys(layer):
    """The keys of a layer that are not as by default: a dense layer may not have those of a convolution."""
    return {key: value for key, value in layer.items() if LAYER[key] is REQUIRED or value != LAYER[key]}


def toml_value(value):
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            inner = ", ".join(f"{key} = {toml_value(v)}" for key, v in value.items() if v is not None)
            return f"{{ {inner} }}" if inner else "{}"
        case list():
            return f"[{', '.join(map(toml_value, value))}]"
        case str():
            escaped = "".join(c if c >= " " and c not in '"\\\x7f' else f"\\u{ord(c):04x}" for c in value)
            return f'"{escaped}"'
        case _:
            return repr(value)
