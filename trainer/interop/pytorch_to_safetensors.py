"""PyTorch generator -> safetensors that `trainer import` reads.

    pip install torch safetensors numpy
    python pytorch_to_safetensors.py generator.pth out.safetensors --network tutorial
    python pytorch_to_safetensors.py --random 1 out.safetensors --network pocket --divisor 4

The file holds a `state_dict`; the network is one of those below. Add yours to NETWORKS:
any nn.Module will do whose state_dict has the layers in the order of their numbers.
"""

import argparse

import torch
from safetensors.torch import save_file
from torch import nn


def tutorial(divisor):
    """The generator of the Keras tutorial; `divisor` narrows the hidden layers."""
    c1, c2 = 128 // divisor, 256 // divisor
    conv = lambda c, kernel: [nn.Conv2d(c, c2, kernel, padding=kernel // 2), nn.LeakyReLU(0.3)]
    return nn.Sequential(
        nn.Linear(32, c1 * 16 * 16), nn.LeakyReLU(0.3), nn.Unflatten(1, (c1, 16, 16)),
        *conv(c1, 5),
        nn.ConvTranspose2d(c2, c2, 4, stride=2, padding=1), nn.LeakyReLU(0.3),
        *conv(c2, 5), *conv(c2, 5),
        nn.Conv2d(c2, 3, 7, padding=3), nn.Tanh(),
    )


def pocket(divisor):
    """Ribbit's own generator, with batch normalisation."""
    c = [n // divisor for n in (48, 32, 24, 12)]
    up = lambda a, b: [nn.ConvTranspose2d(a, b, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(
        nn.Linear(32, c[0] * 4 * 4, bias=False), nn.Unflatten(1, (c[0], 4, 4)), nn.BatchNorm2d(c[0]), nn.ReLU(),
        *up(c[0], c[1]), *up(c[1], c[2]), *up(c[2], c[3]),
        nn.Conv2d(c[3], 3, 3, padding=1), nn.Tanh(),
    )


NETWORKS = {"tutorial": tutorial, "pocket": pocket}


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", nargs="?", help=".pth or .pt of a state_dict")
    parser.add_argument("out")
    parser.add_argument("--network", choices=NETWORKS, default="tutorial")
    parser.add_argument("--latent", type=int, default=32, help="length of the network's latent")
    parser.add_argument("--dense", choices=("chw", "hwc"), default="chw",
                        help="hwc if the network reshapes its dense layer to NHWC and permutes")
    parser.add_argument("--divisor", type=int, default=1, help="narrows the network's hidden layers")
    parser.add_argument("--random", type=int, metavar="SEED", help="random weights instead of a file's")
    parser.add_argument("--pictures", type=int, default=4, help="how many go into the file as a proof")
    args = parser.parse_args()
    if (args.weights is None) == (args.random is None):
        parser.error("give either a file of weights or --random SEED")

    torch.manual_seed(args.random or 0)
    model = NETWORKS[args.network](args.divisor).eval()
    if args.weights:
        model.load_state_dict(torch.load(args.weights, map_location="cpu", weights_only=True))
    else:  # as large as they must be for a signal to get through; variances are positive
        for layer in model.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for value, mean in zip(layer.state_dict().values(), (1, 0, 0, 1)):
                    value.normal_(mean, 0.1)
            elif hasattr(layer, "weight"):
                transposed = isinstance(layer, nn.ConvTranspose2d)
                fan = layer.weight[:, 0].numel() / 4 if transposed else layer.weight[0].numel()
                layer.weight.normal_(0, (1.6 / fan) ** 0.5)
                if layer.bias is not None:
                    layer.bias.normal_(0, 0.1)
    latent = torch.randn(args.pictures, args.latent)
    image = model(latent)
    tensors = {f"generator.{name}": value.contiguous() for name, value in model.state_dict().items()}
    header = {"layout": "oihw", "dense": args.dense}  # what --layout and --dense would say
    save_file(tensors | {"check.latent": latent, "check.image": image}, args.out, metadata=header)
    print(f"{args.out}: trainer import {args.out} --preset ... or --config ...")


if __name__ == "__main__":
    main()
