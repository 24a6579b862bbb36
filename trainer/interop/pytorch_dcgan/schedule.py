"""What falls linearly to 0 in a run (`trainer/src/schedule.rs`)."""


def linear_decay(step, steps, start):
    """1 until the share `start` of the steps is done, then falling linearly to 0 at the end."""
    done = step / max(steps, 1)
    return 1.0 if done < start or start >= 1 else max((1 - done) / (1 - start), 0.0)
