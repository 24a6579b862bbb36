"""What changes with the steps of a run (`trainer/src/schedule.rs`)."""


def linear_decay(step, steps, start):
    """1 until the share `start` of the steps is done, then falling linearly to 0 at the end."""
    done = step / max(steps, 1)
    return 1.0 if done < start or start >= 1 else max((1 - done) / (1 - start), 0.0)


def ema_decay(update, decay, power):
    """Decay of the moving average in its update number `update`, from 0 on: at most `decay`, and so small at first that update
    `s` counts in proportion to `s` to the power `power`."""
    return min(decay, (1 + update) / (2 + power + update))
