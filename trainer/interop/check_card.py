"""Checks that folders of models are repositories of the Hugging Face Hub: reads the front matter of each README.md with
huggingface_hub, and the weights with safetensors.

    python check_card.py models/*/

Needs the packages huggingface_hub and safetensors. Needs no network.
"""

import sys
from pathlib import Path

from huggingface_hub import ModelCard
from safetensors import safe_open

MOST = 1_200_000  # bytes of a committed file of weights; drawn-64 has the largest


def check(folder: Path) -> None:
    """Raises an error that says what is wrong with this folder."""
    data = ModelCard.load(folder / "README.md").data
    assert data.license, "no license"
    assert data.library_name == "ribbit", data.library_name
    assert data.pipeline_tag == "unconditional-image-generation", data.pipeline_tag
    assert data.tags and all(isinstance(tag, str) for tag in data.tags), data.tags
    weights = folder / "generator.safetensors"
    assert weights.stat().st_size <= MOST, f"{weights} has {weights.stat().st_size} bytes"
    with safe_open(weights, framework="numpy") as file:
        names = set(file.keys())
    assert {"generator.0.weight", "generator.0.bias", "check.latent", "check.image"} <= names, names
    assert (folder / "model.gen").read_bytes()[:4] == b"RBGN", "no model.gen"


def main() -> None:
    folders = [Path(name) for name in sys.argv[1:]]
    if not folders:
        sys.exit(__doc__)
    for folder in folders:
        try:
            check(folder)
        except Exception as error:
            sys.exit(f"{folder}: {error}")
        print(f"{folder}: a model of the Hugging Face Hub")


if __name__ == "__main__":
    main()
