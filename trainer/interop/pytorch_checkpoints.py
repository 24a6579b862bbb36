"""Reads what people save with PyTorch, for `pytorch_to_safetensors.py`: modules, state_dicts, checkpoints with several
networks, and normalised weights."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn


def refuse(message):
    raise SystemExit(f"error: {message}")


def load(path, trust):
    """What a file holds: a module, or dictionaries of arrays."""
    start = Path(path).open("rb").read(64)
    if not start:
        refuse(f"{path} is empty")
    if start.startswith(b"version https://git-lfs"):
        refuse(f"{path} is a Git LFS pointer, not the file itself: `git lfs pull` brings it")
    if start[8:9] == b"{":
        from safetensors.torch import load_file
        return load_file(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        if trust:
            refuse(f"{path}: {error}")
        refuse(f"{path} holds more than arrays, say a whole pickled module. Reading that runs code of the file. If you "
               "trust where it comes from, add --trust-pickle; the better way is torch.save(model.state_dict(), ...) "
               "where it was trained")
    except (AttributeError, ModuleNotFoundError) as error:
        refuse(f"{path} holds a whole module whose class is not found ({error}). Run this where that class can be "
               "imported, or save the state_dict")
    except RuntimeError as error:
        refuse(f"{path}: {str(error).strip().splitlines()[0]}")


def plain(state):
    """A state_dict without spectral and weight normalisation: the weights that they compute."""
    state = dict(state)
    for name in list(state):
        for end, parts in {
            ".weight_orig": (".weight_u", ".weight_v"),
            ".parametrizations.weight.original": (".parametrizations.weight.0._u", ".parametrizations.weight.0._v"),
        }.items():
            stem = name.removesuffix(end)
            if name.endswith(end) and all(stem + part in state for part in parts):
                weight, u, v = state.pop(name).double(), *(state.pop(stem + part).double() for part in parts)
                # Rows are outputs, which a transposed convolution has in the second axis. Nothing in the file says
                # which it is; u and v belong to the larger of the two values.
                rows = [weight.reshape(len(weight), -1)]
                rows += [weight.transpose(0, 1).reshape(weight.shape[1], -1)] if weight.ndim > 2 else []
                sigma = [u @ m @ v for m in rows if m.shape == (len(u), len(v))]
                state[stem + ".weight"] = (weight / max(sigma, key=abs)).float()
        for end, direction in {
            ".weight_g": ".weight_v", ".parametrizations.weight.original0": ".parametrizations.weight.original1",
        }.items():
            stem = name.removesuffix(end)
            if name.endswith(end) and name in state and stem + direction in state:
                g, v = state.pop(name).double(), state.pop(stem + direction).double()
                axes = [i for i, n in enumerate(g.shape) if n == 1 and v.shape[i] > 1] if g.ndim else []
                norm = v.norm() if not axes else torch.linalg.vector_norm(v, dim=axes, keepdim=True)
                state[stem + ".weight"] = (v * (g / norm)).float()
    return state


def candidates(value, wanted, path=""):
    """Every place in a checkpoint that has all arrays of a network: where, prefix of the names, arrays."""
    if not isinstance(value, Mapping):
        if isinstance(value, nn.Module):
            yield from candidates(value.state_dict(), wanted, path)
        return
    tensors = {name: v for name, v in value.items() if isinstance(name, str) and isinstance(v, torch.Tensor)}
    first = next(iter(wanted))
    for form in (tensors, plain(tensors)):
        found = [name.removesuffix(first) for name in form if name.endswith(first)]
        found = [p for p in found if all(p + n in form and form[p + n].shape == wanted[n].shape for n in wanted)]
        used = {p + name for p in found for name in wanted}
        for prefix in found:
            extra = [n for n in form if n.startswith(prefix) and n not in used and not n.endswith("num_batches_tracked")]
            # A name that other networks in the file do not explain belongs to a layer that this network lacks.
            if not extra:
                yield f"{path}{prefix}".rstrip("."), {n: form[prefix + n] for n in wanted}
        if found or form.keys() == plain(tensors).keys():
            break
    for name, inner in value.items():
        if isinstance(inner, (Mapping, nn.Module)):
            yield from candidates(inner, wanted, f"{path}{name}.")


def holds(value, path=""):
    """Names of the arrays in a checkpoint, for messages."""
    if isinstance(value, nn.Module):
        value = value.state_dict()
    for name, inner in value.items() if isinstance(value, Mapping) else ():
        if isinstance(inner, torch.Tensor):
            yield f"{path}{name} {list(inner.shape)}"
        yield from holds(inner, f"{path}{name}.")


def fill(model, held, key, path):
    """Loads the arrays of a checkpoint into a network."""
    wanted = {name: v for name, v in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    if not wanted:
        refuse("the network has no weights")
    places = dict(candidates(held, wanted))
    if key is not None:
        places = {place: state for place, state in places.items() if place == key}
    # The name that a plain state_dict has; DataParallel and torch.compile put a word in front.
    plainest = [place for place in places if place in ("", "module", "_orig_mod")]
    if len(places) > 1 and len(plainest) == 1:
        places = {plainest[0]: places[plainest[0]]}
    if len(places) > 1:
        refuse(f"{path} holds the network more than once: {', '.join(places)}. Say which it is with --key")
    if not places:
        listed = list(holds(held))
        few = lambda names: "\n    ".join([*names[:12], *([f"... and {len(names) - 12} more"] if len(names) > 12 else [])])
        refuse(f"{path} does not hold this network{f' under {key}' if key is not None else ''}.\n  The network needs:\n    "
               f"{few([f'{n} {list(v.shape)}' for n, v in wanted.items()])}\n  The file holds:\n    {few(listed)}")
    ((place, state),) = places.items()
    if place:
        print(f"weights: {place} of {path}")
    model.load_state_dict(state, strict=False)
