"""The networks and their training step in PyTorch."""

import torch
import torch.nn.functional as F
from torch import nn

from draws import Draws


def network(shape, player):
    """The layers of a recipe. `shape` is (channels, height, width)."""
    stack, (channels, height, width) = [], shape
    for layer in player["layers"]:
        kernel, stride, norm = layer.get("kernel"), layer.get("stride", 1), layer.get("batch_norm", False)
        out = layer["channels"]
        same = layer.get("padding", "same") == "same"
        if layer["op"] == "dense":
            stack += [nn.Flatten()] if stack else []
            stack += [nn.Dropout(layer["dropout"])] if "dropout" in layer else []
            inputs, (height, width) = channels * height * width, layer["size"]
            stack.append(nn.Linear(inputs, out * height * width, bias=not norm))
            if (height, width) != (1, 1):
                stack.append(nn.Unflatten(1, (out, height, width)))
        elif layer["op"] == "conv":
            # Even amounts on both sides, as the kernels and strides of the presets have it.
            padding = (kernel - stride) // 2 if same else 0
            stack.append(nn.Conv2d(channels, out, kernel, stride, padding, bias=not norm))
            height = width = (height + 2 * padding - kernel) // stride + 1
        else:
            stack.append(nn.ConvTranspose2d(channels, out, kernel, stride, (kernel - stride) // 2, bias=not norm))
            height, width = height * stride, width * stride
        stack += [nn.BatchNorm2d(out)] if norm else []
        name = layer["activation"]
        if name == "leaky_relu":
            stack.append(nn.LeakyReLU(layer["slope"], inplace=True))
        elif name != "linear":
            stack.append({"relu": nn.ReLU(inplace=True), "tanh": nn.Tanh()}[name])
        channels = out
    return nn.Sequential(*stack).to(memory_format=torch.channels_last).train()


class Optimiser:
    def __init__(self, o, parameters):
        self.parameters, self.options, self.steps = list(parameters), o, 0
        if o["rule"] == "adam":
            betas = (o["beta1"], o["beta2"])
            self.torch = torch.optim.Adam(self.parameters, o["lr"], betas, o["epsilon"], fused=True)
        else:
            self.torch = torch.optim.RMSprop(self.parameters, o["lr"], o["rho"], o["epsilon"], foreach=True)

    def step(self):
        if "decay" in self.options:
            self.torch.param_groups[0]["lr"] = self.options["lr"] / (1 + self.options["decay"] * self.steps)
        if self.options.get("clip"):
            nn.utils.clip_grad_value_(self.parameters, self.options["clip"])
        self.torch.step()
        self.torch.zero_grad(set_to_none=True)
        self.steps += 1


def extent(value, side):
    """Pixels of a side: a share of it below 1, and a number of pixels from 1 on."""
    return round(value * side if value < 1 else value)


class Augment:
    """Flip, translation and cutout, drawn for each picture; all in one look-up and one mask."""

    def __init__(self, options):
        self.flip, self.translate, self.cutout = (options.get(key, 0) for key in ("flip", "translate", "cutout"))

    def __call__(self, x):
        if not (self.flip or self.translate or self.cutout):
            return x
        n, _, height, width = x.shape
        rows, columns = torch.arange(height), torch.arange(width)
        by_y, by_x = extent(self.translate, height), extent(self.translate, width)
        from_y = rows - torch.randint(-by_y, by_y + 1, (n, 1))
        from_x = columns - torch.randint(-by_x, by_x + 1, (n, 1))
        keep_y, keep_x = (from_y >= 0) & (from_y < height), (from_x >= 0) & (from_x < width)
        if self.flip:
            from_x = torch.where(torch.randint(0, 2, (n, 1)) == 1, width - 1 - from_x, from_x)
        mask = keep_y[:, :, None] & keep_x[:, None, :]
        if self.cutout:
            cut_h, cut_w = extent(self.cutout, height), extent(self.cutout, width)
            top = torch.randint(0, height, (n, 1)) - cut_h // 2
            left = torch.randint(0, width, (n, 1)) - cut_w // 2
            cut_y = (rows >= top) & (rows < top + cut_h)
            cut_x = (columns >= left) & (columns < left + cut_w)
            mask &= ~(cut_y[:, :, None] & cut_x[:, None, :])
        pictures = x.permute(0, 2, 3, 1)
        index = (torch.arange(n)[:, None, None], from_y.clamp(0, height - 1)[:, :, None],
                 from_x.clamp(0, width - 1)[:, None, :])
        return (pictures[index] * mask[..., None]).permute(0, 3, 1, 2)


class Net:
    def __init__(self, config, variant, threads):
        torch.set_num_threads(threads)
        torch.manual_seed(config["seed"])
        self.config, self.draws, self.bf16 = config, Draws(config), variant == "bf16"
        self.generator = network((config["latent"], 1, 1), config["generator"])
        self.discriminator = network((3, self.draws.side, self.draws.side), config["discriminator"])
        self.g_optimiser = Optimiser(config["generator"]["optimizer"], self.generator.parameters())
        self.d_optimiser = Optimiser(config["discriminator"]["optimizer"], self.discriminator.parameters())
        self.augment = Augment(config.get("augment", {}))
        # Normalisation sees generated and real pictures apart, as DCGAN has it; else one pass does.
        self.apart = any(layer.get("batch_norm") for layer in config["discriminator"]["layers"])
        self.average = [p.detach().clone() for p in self.generator.parameters()]
        self.steps = 0

    def pass_through(self, network, x):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            return network(x).float()

    def loss(self, pictures, targets):
        return F.binary_cross_entropy_with_logits(self.pass_through(self.discriminator, pictures)[:, 0], targets)

    def step(self):
        draws, config, fresh = self.draws, self.config, self.config["fresh_latents"]
        real = torch.from_numpy(draws.real()).permute(0, 3, 1, 2)
        targets = torch.from_numpy(draws.targets())
        with torch.set_grad_enabled(not fresh):
            fake = self.pass_through(self.generator, torch.from_numpy(draws.latents()))
        seen = self.augment(fake.detach()), self.augment(real)
        if self.apart:
            halves = targets.split(draws.batch)
            d_loss = 0.5 * (self.loss(seen[0], halves[0]) + self.loss(seen[1], halves[1]))
        else:
            d_loss = self.loss(torch.cat(seen), targets)
        d_loss.backward()
        self.d_optimiser.step()

        # Of the discriminator only the gradient of its input is needed.
        self.discriminator.requires_grad_(False)
        if fresh:
            fake = self.pass_through(self.generator, torch.from_numpy(draws.latents()))
        g_loss = self.loss(self.augment(fake), torch.full((draws.batch,), float(config["labels"]["real"])))
        g_loss.backward()
        self.discriminator.requires_grad_(True)
        self.g_optimiser.step()

        if config["ema_decay"]:
            decay = min(config["ema_decay"], (1 + self.steps) / (10 + self.steps))
            torch._foreach_lerp_(self.average, [p.detach() for p in self.generator.parameters()], 1 - decay)
        self.steps += 1
        return d_loss.item(), g_loss.item()

    def parameters(self):
        return tuple(sum(p.numel() for p in m.parameters()) for m in (self.generator, self.discriminator))

    def fingerprints(self):
        with torch.no_grad():
            return [float(sum(p.double().abs().sum() for p in m.parameters()))
                    for m in (self.generator, self.discriminator)]
