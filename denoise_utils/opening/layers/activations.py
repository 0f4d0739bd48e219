"""Activations: as layers of their own, and as a setting of other layers."""

from denoise_utils.opening.layers import entry, functions, kinds
from denoise_utils.opening.layers.entry import Entry

WORDS = (
    "linear relu relu6 leaky_relu elu selu gelu silu swish softplus softsign softmax log_softmax sigmoid hard_sigmoid "
    "hard_silu hard_swish log_sigmoid tanh hard_tanh tanh_shrink exponential mish celu sparse_plus squareplus"
)
SLOPE = kinds.weight(0, 0.3)


def _prelu(config, shape):
    shared = config.get("shared_axes") or ()
    shared = [shared] if isinstance(shared, int) else shared
    return shape, [tuple(1 if axis in shared else entry.known(side) for axis, side in enumerate(shape, 1))]


OBJECTS = {
    "ReLU": Entry(
        {
            "max_value": kinds.maybe(kinds.weight(1, 6)),
            "negative_slope": kinds.maybe(SLOPE),
            "threshold": kinds.maybe(kinds.weight(0)),
        },
        compute=functions.clip_relu,
    ),
    "LeakyReLU": Entry(
        {"negative_slope": SLOPE, "alpha": SLOPE}, compute=functions.leaky_relu
    ),  # alpha: its older name
    "ELU": Entry({"alpha": kinds.weight(1)}, compute=functions.elu_layer),
    "Softmax": Entry({"axis": kinds.AXES}, reach=entry.see_axis, compute=functions.softmax_layer),
}
ACTIVATION = kinds.named("a standard activation", WORDS, {kind: one.settings for kind, one in OBJECTS.items()})
LAYERS = OBJECTS | {
    "Activation": Entry({"activation": ACTIVATION}),
    "PReLU": Entry(
        {"shared_axes": kinds.maybe(kinds.wholes(1, 10)), **kinds.trained("alpha")}, _prelu, compute=functions.prelu
    ),
}
