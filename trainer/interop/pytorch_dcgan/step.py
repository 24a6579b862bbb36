"""A training step: the discriminator is updated once, then the generator (`trainer/src/train.rs`).

On several processes each has its part of the batch. Gradients are averaged by DistributedDataParallel, and batch
normalisation uses the statistics of the whole batch. So the step is that of one process, except for rounding.
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from . import augment, distil, losses
from .networks import Discriminator, Generator, initialise, is_joint, passes_apart
from .schedule import ema_decay, linear_decay


class Optimiser:
    """The optimiser of a network, as `trainer/nn/src/optim.rs` computes it."""

    def __init__(self, options, parameters):
        self.options, self.parameters, self.updates = options, list(parameters), 0
        if options["rule"] == "adam":
            betas = (options["beta1"], options["beta2"])
            self.torch = torch.optim.Adam(self.parameters, options["lr"], betas, options["epsilon"], fused=True)
        else:
            self.torch = torch.optim.RMSprop(self.parameters, options["lr"], options["rho"], options["epsilon"],
                                             foreach=True)

    def step(self, factor):
        rate = self.options["lr"] * factor / (1 + self.options.get("decay", 0.0) * self.updates)
        for group in self.torch.param_groups:
            group["lr"] = rate
        if self.options.get("clip"):
            nn.utils.clip_grad_value_(self.parameters, self.options["clip"])
        self.torch.step()
        self.forget()
        self.updates += 1

    def forget(self):
        """Drops the gradients."""
        self.torch.zero_grad(set_to_none=True)


@dataclass
class Losses:
    """What a step measures, as tensors of one number. On several processes they are the means over this one's part."""

    d_loss: torch.Tensor
    g_loss: torch.Tensor
    # Shares of real and of generated pictures that the discriminator takes for real ones.
    d_real: torch.Tensor
    d_fake: torch.Tensor
    # None in a step without a penalty.
    penalty: torch.Tensor | None = None
    # The distances to the teacher's pictures, times their weights. None in a step without them.
    distance: torch.Tensor | None = None


class DiscriminatorUpdate(nn.Module):
    """The loss of the discriminator in one forward pass, as DistributedDataParallel needs it."""

    def __init__(self, discriminator, recipe, judge):
        super().__init__()
        self.discriminator, self.recipe, self.judge = discriminator, recipe, judge

    def forward(self, fake, real, inputs, is_penalised, apart):
        """The loss, what has its gradient, the logits of generated and of real pictures, the penalty. With `apart` generated and
        real pictures pass through the discriminator apart."""
        recipe, changes = self.recipe, inputs.changes
        seen = [fake, real] if changes is None else [augment.apply(recipe["augment"], changes[i], x)
                                                     for i, x in enumerate((fake, real))]
        masks = [{layer: mask[i] for layer, mask in (inputs.dropout or {}).items()} for i in (0, 1)]
        if apart:
            logits = [self.judge(x, inputs.classes, mask) for x, mask in zip(seen, masks)]
        else:
            classes = None if inputs.classes is None else inputs.classes.repeat(2)
            both = {layer: torch.cat([mask, masks[1][layer]]) for layer, mask in masks[0].items()}
            logits = self.judge(torch.cat(seen), classes, both).chunk(2)
        loss, goal = losses.of_discriminator(recipe, *logits, inputs.label_noise)
        penalty = None
        if is_penalised:
            weights = recipe["penalty"]["generated"], recipe["penalty"]["real"]
            for weight, x, mask in zip(weights, seen, masks):
                if weight > 0:
                    square, half = losses.penalty(lambda x, mask=mask: self.judge(x, inputs.classes, mask), x)
                    penalty = 0.5 * weight * square + (0 if penalty is None else penalty)
                    # Halved, because the loss is the mean over both batches instead of the sum of their means.
                    goal = goal + 0.5 * weight * recipe["penalty"]["every"] * half
        return loss, goal, *logits, penalty


class Step:
    """Both networks, their optimisers and the moving average, and how a step changes them."""

    def __init__(self, recipe, device="cpu", bf16=False, compiled=False, processes=1, dtype=torch.float32):
        self.recipe, self.device, self.bf16, self.processes = recipe, torch.device(device), bf16, processes
        synchronise = processes > 1
        self.generator, self.discriminator = Generator(recipe, synchronise), Discriminator(recipe, synchronise)
        for stream, network in enumerate((self.generator, self.discriminator)):
            initialise(network, recipe["init"], recipe["seed"], stream)
            network.to(self.device, dtype, memory_format=torch.channels_last)
        # Without an average it is the parameters themselves.
        average = [p.detach() for p in self.generator.parameters()]
        self.average = [p.clone() for p in average] if recipe["ema_decay"] else average
        for player, network in self.networks():
            for layer in network.layers[:recipe[player]["freeze"]]:
                layer.requires_grad_(False)
            if compiled:
                network.compile()
        self.learnt = [p for p in self.discriminator.parameters() if p.requires_grad]
        self.g_optimiser = Optimiser(recipe["generator"]["optimizer"],
                                     (p for p in self.generator.parameters() if p.requires_grad))
        self.d_optimiser = Optimiser(recipe["discriminator"]["optimizer"], self.learnt)
        self.drawing, self.update = self.generator, DiscriminatorUpdate(self.discriminator, recipe, self.judge)
        if processes > 1:
            # Gradients are averaged, so each process has the same parameters at all times.
            self.drawing, self.update = (DistributedDataParallel(module) for module in (self.drawing, self.update))
        self.steps = 0

    def continue_at(self, steps):
        """Sets the number of steps that are done."""
        self.steps = steps
        self.g_optimiser.updates, self.d_optimiser.updates = (
            updates_of(self.recipe, player, steps) for player, _ in self.networks())

    def networks(self):
        return ("generator", self.generator), ("discriminator", self.discriminator)

    def autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def judge(self, x, classes, dropout, maps=None):
        """The logits. A list `maps` gets the outputs of the hidden layers."""
        with self.autocast():
            logits = self.discriminator(x, classes, dropout, maps)
        if self.bf16 and maps is not None:
            maps[:] = [values.float() for values in maps]
        return logits.float() if self.bf16 else logits

    def draw(self, generator, latents, classes):
        with self.autocast():
            images = generator(latents, classes)
        return images.float() if self.bf16 else images

    def step(self, inputs, trace=None):
        """Updates both networks. A dictionary `trace` gets the pictures, logits and gradients."""
        recipe, fresh = self.recipe, inputs.fresh_latents is not None
        factor = linear_decay(self.steps, recipe["steps"], recipe["lr_decay_start"])
        is_penalised = recipe["penalty"] is not None and self.steps % recipe["penalty"]["every"] == 0

        with torch.set_grad_enabled(not fresh):
            fake = self.draw(self.generator if fresh else self.drawing, inputs.latents, inputs.classes)
        d_loss, goal, fake_logits, real_logits, penalty = self.update(
            fake.detach(), inputs.real, inputs, is_penalised, passes_apart(recipe, self.steps))
        goal.backward()
        if trace is not None:
            trace |= {"fake": fake.detach(), "d_logits": torch.cat([fake_logits, real_logits]).detach()}
            trace |= {f"gradient.discriminator.{name}": g for name, g in gradients(self.discriminator)}
        self.d_optimiser.step(factor)
        self.discriminator.equalise()

        # Generated pictures alone have other statistics than both together.
        self.discriminator.hold_statistics(is_joint(recipe, self.steps))
        # Of the discriminator only the gradient of its input is needed.
        for parameter in self.learnt:
            parameter.requires_grad_(False)
        images = self.draw(self.drawing, inputs.fresh_latents, inputs.classes) if fresh else fake
        if trace is not None:
            images.retain_grad()
        mask = {layer: mask[2] for layer, mask in (inputs.dropout or {}).items()}

        def judged(pictures, maps=None):
            seen = pictures if inputs.changes is None else augment.apply(recipe["augment"], inputs.changes[2], pictures)
            return self.judge(seen, inputs.classes, mask, maps)

        logits, distance = self.judged_with_teacher(judged, images, inputs.teacher)
        self.discriminator.hold_statistics(False)
        g_loss = losses.of_generator(recipe, logits, real_logits)
        (g_loss if distance is None else g_loss + distance).backward()
        for parameter in self.learnt:
            parameter.requires_grad_(True)
        if trace is not None:
            trace |= {"images": images.detach(), "images_gradient": images.grad, "g_logits": logits.detach()}
            trace |= {f"gradient.generator.{name}": g for name, g in gradients(self.generator)}
        is_learning = self.steps >= recipe["warm_up"]
        if is_learning:
            self.g_optimiser.step(factor)
            self.generator.equalise()
        else:
            self.g_optimiser.forget()

        if recipe["ema_decay"] and is_learning:
            decay = ema_decay(updates_of(recipe, "generator", self.steps), recipe["ema_decay"], recipe["ema_power"])
            torch._foreach_lerp_(self.average, [p.detach() for p in self.generator.parameters()], 1 - decay)
        self.steps += 1
        d_fake, d_real = self.taken(fake_logits.detach(), real_logits.detach())
        penalty, distance = (None if value is None else value.detach() for value in (penalty, distance))
        return Losses(d_loss.detach(), g_loss.detach(), d_real, d_fake, penalty, distance)

    def judged_with_teacher(self, judged, images, teacher):
        """The logits of the generator's pictures, and the distance to those of the teacher: None without them. `judged`
        gives the logits of pictures."""
        if teacher is None:
            return judged(images), None
        of_pictures, of_features = distil.weights(self.recipe, self.steps)
        ours, theirs = [], []
        if of_features:
            with torch.no_grad():
                judged(teacher, theirs)
        logits = judged(images, ours)
        distance = of_features * distil.of_features(ours, theirs) if of_features else 0.0
        if of_pictures:
            distance = distance + of_pictures * distil.of_pictures(images, teacher)
        return logits, distance

    def taken(self, fake, real):
        """The shares of generated and of real pictures that were taken for real ones."""
        labels, middles = self.recipe["labels"], torch.zeros(2, device=fake.device, dtype=fake.dtype)
        if self.recipe["loss"] == "relativistic":
            # The loss depends on differences of logits only, so the sign of one logit has no meaning.
            middles = torch.stack([real.mean(), fake.mean()])
            if self.processes > 1:
                dist.all_reduce(middles)
                middles /= self.processes
        positive = labels["real"] > labels["generated"]
        return [((logits > middle) == positive).float().mean() for logits, middle in zip((fake, real), middles)]


def updates_of(recipe, player, steps):
    """How often a network has been updated in so many steps."""
    return max(steps - recipe["warm_up"], 0) if player == "generator" else steps


def gradients(network):
    """Copies of a network's gradients by name; those of frozen parameters are 0."""
    for name, p in network.named_parameters():
        yield name, torch.zeros_like(p) if p.grad is None else p.grad.detach().clone()
