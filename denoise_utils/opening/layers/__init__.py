"""The table of the layers that a saved model may hold: of each its settings, shape, weights and reach.

Opening, counting and tiling read it; a layer without an entry is refused by all of them. To add one, write its entry
in the module of its kind: `convolutions`, `sizes`, `activations` or `others`. `kinds` says what a setting may be,
`entry` what an entry holds, `windows` how windows slide.
"""

from denoise_utils.opening.layers import activations, convolutions, kinds, others, sizes

TABLE = convolutions.LAYERS | sizes.LAYERS | activations.LAYERS | others.LAYERS
INPUT = kinds.COMMON | {
    "batch_shape": kinds.SIDES,
    "batch_input_shape": kinds.SIDES,
    "sparse": kinds.maybe(kinds.SWITCH),
    "ragged": kinds.maybe(kinds.SWITCH),
    "optional": kinds.maybe(kinds.SWITCH),
}
