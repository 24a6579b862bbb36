"""The networks of a recipe and their training step in PyTorch.

The recipes are those of the program `trainer`, and so is the step: `trainer/src/train.rs` and `trainer/nn` define it, and
`../check_parity.py` compares both. Modules import only those above them:

    error       what stops a command, in words for the user
    recipe      reads and checks a recipe
    arrays      reads and writes .safetensors
    latents     the latent of a seed
    networks    layers, batch normalisation, classes, initial weights
    augment     random changes of pictures
    losses      losses of both networks, gradient penalty
    inputs      the inputs of a step, and how they are drawn from its number
    step        a training step, on one process or on several
    folding     the finished generator, without batch normalisation
    pictures    reads pictures of all formats
    sheets      many pictures on a sheet
    run         the folder of a run: checkpoints, metrics, samples
"""
