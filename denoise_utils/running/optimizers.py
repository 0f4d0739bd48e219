"""The optimizers by name, with their learning-rate schedules, and how a model gets one."""

import math

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


class SOAP(keras.optimizers.Optimizer):
    """SOAP (Vyas et al. 2024, arXiv 2409.11321): Adam in the eigenbasis of each kernel's gradients.

    A kernel (h, w, in, out) is taken as a matrix (h * w * in, out). Running averages of G G' and G' G tell in which
    directions its gradients G vary; Adam, which scales every number by itself, works along those directions.
    The first moment is kept in the weights' own space, the second along the directions. Their basis is the identity
    until step `every`, then the eigenvectors, renewed every so many steps by one QR of (average x basis). What has
    one row or column, or more than `most` of them, is left to Adam.
    """

    def __init__(
        self,
        learning_rate=5e-3,
        beta_1=0.9,
        beta_2=0.95,
        beta_average=0.95,
        every=10,
        most=512,
        epsilon=1e-8,
        **options,
    ):
        super().__init__(learning_rate=learning_rate, **options)
        self.beta_1, self.beta_2, self.beta_average = beta_1, beta_2, beta_average
        self.every, self.most, self.epsilon = every, most, epsilon

    def _sides(self, variable):
        """Return (rows, columns) of the matrix that a variable is taken as, or () if it is left to Adam."""
        if len(variable.shape) not in (2, 4):
            return ()
        sides = math.prod(variable.shape[:-1]), variable.shape[-1]
        return sides if min(sides) > 1 and max(sides) <= self.most else ()

    def build(self, variables):
        """Make the state: two moments for each variable, two averages and two bases for each matrix."""
        if self.built:
            return
        super().build(variables)
        self._moments = self.add_optimizer_variables(variables, ["moment", "square"])
        self._averages, self._bases = [], []
        for variable in variables:
            for kept, start in ((self._averages, "zeros"), (self._bases, "identity")):
                kept.append([self.add_variable((side, side), start) for side in self._sides(variable)])

    def update_step(self, gradient, variable, learning_rate):
        """Take one step of a variable."""
        index, step = self._get_variable_index(variable), ops.cast(self.iterations + 1, variable.dtype)
        moment, square = (moments[index] for moments in self._moments)
        shape = self._sides(variable) or variable.shape
        gradient = ops.reshape(gradient, shape)
        left_right = self._bases[index]
        turned = _turn(gradient, left_right)
        self.assign(moment, moment + (1 - self.beta_1) * (ops.reshape(gradient, variable.shape) - moment))
        self.assign(square, square + (1 - self.beta_2) * (ops.reshape(turned**2, variable.shape) - square))
        ahead = _turn(ops.reshape(moment, shape), left_right) / (1 - self.beta_1**step)
        spread = ops.sqrt(ops.reshape(square, shape) / (1 - self.beta_2**step))
        change = _turn_back(ahead / (spread + self.epsilon), left_right)
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * ops.reshape(change, variable.shape))
        if left_right:
            self._learn(gradient, self._averages[index][0], left_right[0])
            self._learn(ops.transpose(gradient), self._averages[index][1], left_right[1])

    def _learn(self, matrix, average, basis):
        """Add `matrix` to the running average of one side, and renew the basis of that side when it is due."""
        outer = ops.matmul(matrix, ops.transpose(matrix))
        self.assign(average, average + (1 - self.beta_average) * (outer - average))
        self.assign(basis, self._renew(average, basis))

    def _renew(self, average, basis):
        """Return the basis for the next step: the same, but for every so many steps."""
        step, average, basis = self.iterations + 1, ops.convert_to_tensor(average), ops.convert_to_tensor(basis)

        def renewed():
            return ops.cond(
                ops.equal(step, self.every),
                lambda: ops.flip(ops.linalg.eigh(average)[1], axis=-1),  # the largest first, as QR keeps them
                lambda: ops.linalg.qr(ops.matmul(average, basis))[0],
            )

        return ops.cond(ops.equal(step % self.every, 0), renewed, lambda: basis)

    def get_config(self):
        """Return what builds this optimizer again."""
        names = ("beta_1", "beta_2", "beta_average", "every", "most", "epsilon")
        return super().get_config() | {name: getattr(self, name) for name in names}


def _turn(matrix, bases):
    """Return `matrix` as seen along the bases (left, right), or as it is if there are none."""
    return ops.matmul(ops.matmul(ops.transpose(bases[0]), matrix), bases[1]) if bases else matrix


def _turn_back(matrix, bases):
    return ops.matmul(ops.matmul(bases[0], matrix), ops.transpose(bases[1])) if bases else matrix


OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "nadam": keras.optimizers.Nadam,
    "sgd": keras.optimizers.SGD,
    "muon": Muon,
    "soap": SOAP,
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
