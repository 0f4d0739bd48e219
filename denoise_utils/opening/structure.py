"""How many bits a model's structure and settings take: what could be written into them instead of into weights."""

import json
import lzma

from denoise_utils.opening.layers import kinds

UNREAD = {"name", "trainable", "activity_regularizer", "batch_input_shape"}  # change no output
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 2**20}]


def count_bits(made):
    """Return the bits that the calls of a model (parts.Call) take at most, packed: their settings, who follows whom.

    Names, and what acts in training alone, are left out, as is each layer's repetition.
    """
    kept, layers, text = {}, {}, []
    for call in made:
        layer = layers.setdefault(id(call.config), len(layers))
        settings = kept.setdefault(_write(call), len(kept))
        before = [call.output - one for one in call.inputs]
        text.append(_number(layer - len(layers) + 1) + _number(settings) + _number(len(before)))
        text += map(_number, before)
    return 8 * (_pack("\n".join(kept).encode()) + _pack(b"".join(text)))


def _write(call):
    read = {
        key: value
        for key, value in call.config.items()
        if key not in UNREAD and not key.endswith(kinds.UNUSED) and value is not None
    }
    return f"{call.kind} {json.dumps(read, sort_keys=True, separators=(',', ':'))}"


def _number(value):
    return value.to_bytes(2, "little", signed=True)


def _pack(content):
    return len(lzma.compress(content, lzma.FORMAT_RAW, filters=FILTERS))
