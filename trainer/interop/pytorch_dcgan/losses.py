"""Losses of both networks (`trainer/nn/src/loss.rs`) and the gradient penalty (`trainer/nn/src/penalty.rs`).

All are means over the pictures of this process. Their mean over the processes is that of the whole batch.
"""

import torch
import torch.nn.functional as F

# The distance by which the penalty moves a picture: the root of the sum of squares over its values.
DISTANCE = 0.1


def of_discriminator(recipe, fake, real, noise):
    """The loss, and what has its gradient. `fake` and `real` are logits, `noise` numbers from 0 to 1 for both, [2, N]."""
    match recipe["loss"]:
        case "hinge":
            loss = 0.5 * (F.relu(1 + fake).mean() + F.relu(1 - real).mean())
        case "relativistic":
            # Each logit is learnt from with the logits of the other kind held fixed, and the mean is over both kinds.
            loss = F.softplus(fake - real).mean()
            return loss, 0.5 * loss
        case _:
            labels = recipe["labels"]
            targets = torch.cat([labels["generated"] + labels["noise"] * noise[0],
                                 labels["real"] + labels["noise"] * noise[1]])
            loss = F.binary_cross_entropy_with_logits(torch.cat([fake, real]), targets)
    return loss, loss


def of_generator(recipe, logits, real):
    """`real` are the logits of real pictures from the discriminator's update."""
    match recipe["loss"]:
        case "hinge":
            return -logits.mean()
        case "relativistic":
            return F.softplus(real.detach() - logits).mean()
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, recipe["labels"]["real"]))


def penalty(judge, pictures):
    """The mean of |dD/dx|^2 over the pictures, and what has half of its gradient.

    With v = dD/dx held fixed, d/dtheta (|v|^2 / 2) = d/dtheta (dD/dx * v), about (dD/dtheta(x + h v) -
    dD/dtheta(x - h v)) / 2h. So no layer needs a second derivative. `judge` gives the logits of pictures.
    """
    pictures = pictures.detach().requires_grad_(True)
    (slopes,) = torch.autograd.grad(judge(pictures).sum(), pictures)
    norms = slopes.flatten(1).norm(dim=1)
    step = torch.where(norms > 0, DISTANCE / norms, torch.zeros_like(norms))[:, None, None, None] * slopes
    moved = pictures.detach()
    differences = judge(moved + step) - judge(moved - step)
    return norms.square().mean(), (norms / (2 * DISTANCE) * differences).mean()
