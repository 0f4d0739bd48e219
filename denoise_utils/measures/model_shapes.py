"""Read what a model takes and makes: the shape of its images, the names of its tensors, the order of its axes."""

from typing import TYPE_CHECKING

from denoise_utils.system import escaping

if TYPE_CHECKING:
    import keras


def only_shape(model: "keras.Model", side: str) -> tuple:
    """Return the shape of one image of the only input, or output, of the model; raise ValueError if it has more."""
    tensors = model.inputs if side == "input" else model.outputs
    if len(tensors) != 1:
        raise ValueError(
            f"Expected a model with one {side}, got {name_tensors(model, side)}: take the part of it that denoises, "
            "keras.Model(input, output)."
        )
    return tuple(tensors[0].shape[1:])


def name_tensors(model: "keras.Model", side: str) -> str:
    """Return how many inputs or outputs (`side`) a model has, and the first of their names: "2 (clean, mask)"."""
    names = [tensor.name for tensor in model.inputs] if side == "input" else model.output_names
    shown = [escaping.plain(name)[:40] for name in names[:4]]
    return f"{len(names)} ({', '.join([*shown, *['...'] * (len(names) > 4)])})"


def find_channels_first(model: "keras.Model") -> str | None:
    """Return the name of a layer that takes images as (C, H, W), or None; those of models inside count."""
    for layer in model.layers:
        found = find_channels_first(layer) if hasattr(layer, "layers") else None
        if found or getattr(layer, "data_format", None) == "channels_first":
            return found or layer.name
    return None
