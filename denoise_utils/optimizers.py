"""The optimizers by name, with their learning-rate schedules, and how a model gets one."""

import keras
from keras import ops


class Muon(keras.optimizers.Muon):
    """Muon (Jordan et al. 2024) for convolutions that map features to features, Adam for all other weights.

    Muon replaces the mean gradient of a matrix by the nearest orthogonal matrix, so that no direction
    is learned faster than another. Keras leaves convolutions to Adam; here a kernel (h, w, in, out) is
    taken as the matrix (h * w * in, out). A kernel that is applied at every step gathers the gradients
    of all steps, a few of which drown the others: there it pays.
    """

    def __init__(self, learning_rate, weight_decay=None, momentum=0.9, **options):
        super().__init__(learning_rate, weight_decay=weight_decay, momentum=momentum, **options)

    def _should_use_adamw(self, variable):
        return len(variable.shape) != 4 or min(variable.shape[2:]) <= 3  # 3: the first of an image, or the last

    def _muon_update_step(self, gradient, variable, lr, m):
        self.assign_add(m, gradient + m * (self.momentum - 1))
        ahead = ops.reshape(gradient + self.momentum * m, (-1, variable.shape[-1]))
        update = lr * self.lr_adjust(self.zeropower_via_newtonschulz5(ahead, self.ns_steps))
        self.assign_sub(variable, ops.reshape(update, variable.shape))


OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "nadam": keras.optimizers.Nadam,
    "sgd": keras.optimizers.SGD,
    "muon": Muon,
}


def make_optimizer(name, learning_rate, schedule, total_steps, **options):
    """Return a fresh optimizer; schedule "cosine" warms up over a twentieth, then decays to 0."""
    if schedule == "cosine":
        warmup = max(1, total_steps // 20)
        learning_rate = keras.optimizers.schedules.CosineDecay(
            0.0, total_steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
        )
    elif schedule != "constant":
        raise ValueError(f'Expected the schedule "constant" or "cosine", got "{schedule}".')
    if name not in OPTIMIZERS:
        raise ValueError(f'Expected an optimizer of {", ".join(OPTIMIZERS)}, got "{name}".')
    return OPTIMIZERS[name](learning_rate, **options)


def compile_model(model, optimizer, loss):
    """Compile the model with an optimizer whose variables exist, else TensorFlow traces the first step twice."""
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, loss)
