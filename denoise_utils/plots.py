"""Figures: rows of images, training curves, scatter of a search, diagrams of architectures.

Every function returns the matplotlib figure; `label` names the data that it was made from.
"""

import json
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from denoise_utils import evaluation, models
from denoise_utils.opening import allow_list

if TYPE_CHECKING:
    import keras


COLOURS = {
    "Conv2D": "#9ecae1",
    "Conv2DTranspose": "#a1d99b",
    "MaxPooling2D": "#fdd0a2",
    "UpSampling2D": "#fdd0a2",
    "Dense": "#c7b9e2",
}
BOXES_PER_ROW = 8


def _note(figure: Figure, label: str) -> Figure:
    if label:
        figure.text(0.995, 0.0, label, ha="right", va="top", fontsize=7, color="0.45")
    return figure


def show_images(
    rows: dict[str, np.ndarray],
    clean: np.ndarray | None = None,
    label: str = "",
    titles: list[str] | None = None,
    inches: float = 1.05,
) -> Figure:
    """Draw `rows` (title to images (N, H, W, C)) as rows of N pictures.

    With `clean` (N, H, W, C), each picture of another row carries its PSNR in dB. `titles`
    (N strings) stand over the first row; a picture is `inches` wide.
    """
    num_columns = max(len(images) for images in rows.values())
    size = (inches * num_columns + 0.9, (inches + 0.17) * len(rows) + 0.1)
    figure, axes = plt.subplots(len(rows), num_columns, figsize=size, squeeze=False)
    for number, (line, (name, images)) in enumerate(zip(axes, rows.items(), strict=True)):
        scores = None if clean is None else evaluation.psnr(images, clean)
        for column, axis in enumerate(line):
            axis.set_axis_off()
            if column >= len(images):
                continue
            axis.imshow(np.squeeze(evaluation.clip(images[column])), cmap="gray", vmin=0, vmax=1, interpolation="none")
            if scores is not None and scores[column] < evaluation.HIGHEST_PSNR:
                axis.set_title(f"{scores[column]:.1f} dB", fontsize=8, pad=2)
            elif titles is not None and number == 0:
                axis.set_title(titles[column], fontsize=8, pad=2)
        line[0].text(-0.12, 0.5, name, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
    figure.tight_layout(pad=0.3)
    return _note(figure, label)


def draw_model(model: "keras.Model") -> Figure:
    """Draw the model's layers as numbered boxes with output shapes and parameters, read line by line.

    An arrow leads to a layer from the one before it; one that has other inputs names their numbers.
    """
    rows, inputs = models.describe_layers(model), _find_inputs(model)
    width, num_lines = min(len(rows), BOXES_PER_ROW), -(-len(rows) // BOXES_PER_ROW)
    figure, axes = plt.subplots(figsize=(1.35 * width, 1.25 * num_lines + 0.4))
    for number, row in enumerate(rows):
        line, column = divmod(number, BOXES_PER_ROW)
        colour = COLOURS.get(row["layer"], "#eeeeee")
        axes.add_patch(plt.Rectangle((column - 0.41, -line - 0.36), 0.82, 0.72, facecolor=colour, edgecolor="0.4"))
        text = f"{row['layer']}\n{row['output']}\n{row['parameters']:,} p."
        if number and inputs[number] != [number - 1]:
            text += f"\nof {' and '.join(str(one + 1) for one in inputs[number])}"
        axes.text(column, -line, text, ha="center", va="center", fontsize=min(7, 126 / len(row["layer"])))
        axes.text(column - 0.39, -line + 0.34, number + 1, ha="left", va="top", fontsize=6, color="0.3")
        if number - 1 in inputs[number]:
            end = (column - 0.41, -line)  # where a line begins, it comes from the end of the one above
            axes.annotate("", end, (column - 0.59, -line), arrowprops={"arrowstyle": "->", "color": "0.4"})
    axes.set(xlim=(-0.6, width - 0.5), ylim=(-num_lines + 0.5, 0.5))
    axes.set_title(f"{model.name}: {model.count_params():,} parameters", fontsize=10, loc="left")
    axes.set_axis_off()
    figure.tight_layout(pad=0.3)
    return figure


def _find_inputs(model):
    """Return for each layer the numbers of the layers that it takes its inputs from, at its first call."""
    numbers = {layer.name: number for number, layer in enumerate(model.layers)}
    found = []
    config = json.loads(model.to_json())["config"]  # as a file holds it
    for layer in config["layers"]:
        nodes = layer.get("inbound_nodes", [])
        tensors = [tensor[0] for tensor in allow_list.find_tensors(nodes[0])] if nodes else []
        found.append([numbers[name] for name in tensors])
    if "input_layers" not in config:  # Sequential: a row, whose config begins with the input
        found = [[number - 1] if number else [] for number in range(len(model.layers))]
    return found
