"""Say what a saved model is, from its card and its file alone: no TensorFlow, under a second."""

import textwrap
from pathlib import Path

from denoise_utils import profiles, saving
from denoise_utils.measures import table
from denoise_utils.measures.verdicts import judge_size
from denoise_utils.opening import safe_open
from denoise_utils.saved import cards
from denoise_utils.system.escaping import markdown, plain

LONGEST = 16  # layers of a block that is shown once for all its repetitions
TITLES = ("layer", "class", "output", "weights", "parameters")


def describe(path, cap=profiles.CAP):
    """Return the card of the .h5 at `path` and the table of its layers as text, warnings first.

    Raises FileNotFoundError, or ValueError for a file or a card that cannot be read.
    """
    path = Path(path)
    contents = safe_open.inspect_model(path)
    card = saving.read_card(path)
    number = contents.count.parameters
    verdict = f"{number:,} parameters, {judge_size(number, cap)} (cap {cap:,})"
    lines = [f"{plain(path.name)}: {verdict}"]
    if saving.card_matches(path) is False:
        name, card_name = plain(path.name), plain(path.with_suffix(".json").name)
        lines.append(f"WARNING: {card_name} is the card of another file: its SHA-256 is not that of {name}.")
    built = contents.count.built
    if card.get("parameters", built) != built:
        lines.append(f"WARNING: the card counts {_shown(card['parameters'])} parameters, the file {built:,}.")
    lines += ["", *(_card_lines(card) if card else ["no card: nobody says what it removes and how well"]), ""]
    return "\n".join([*lines, *_table(contents)])


def _card_lines(card):
    """Return the card's facts, one to a line; what an older card lacks is left out."""
    settings, versions = _dict(card.get("settings")), _dict(card.get("versions"))
    told = _dict(settings.get("data"))
    rate = [settings.get(key) for key in ("optimizer", "learning_rate", "schedule")]
    facts = {
        "task": card.get("task"),
        "role": card.get("role"),
        "noise": card.get("noise") or cards.describe_noise(told),
        "formula": card.get("formula"),
        "input": card.get("input"),
        "data": ", ".join(f"{name} {sha256}" for name, sha256 in _dict(told.get("datasets")).items()),
        "split": card.get("split") or cards.describe_split(settings, _dict(card.get("test_scores"))),
        "optimizer": " ".join(str(part) for part in rate if part is not None),
        "loss": settings.get("loss"),
        "batch": settings.get("batch_size"),
        "epochs": f"{card['epochs_run']} run, the model is of epoch {card.get('epoch')}"
        if "epochs_run" in card
        else None,
        "seconds": card.get("seconds"),
        "machine": card.get("machine"),
        "test": _score_line(card.get("test_scores")),
        "noisy input": _score_line(card.get("noisy_input_scores")),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "limits": card.get("limits"),
        "sha256": card.get("sha256"),
    }
    lines = []
    for name, fact in facts.items():
        if fact not in (None, ""):
            lines += textwrap.wrap(f"{name:13}{_shown(fact)}", 110, subsequent_indent=" " * 13)
    return lines


def _score_line(scores):
    """Return scores in a line, each with its spread over the images."""
    scores, parts = table.rename(_dict(scores)), []
    for key, measure in table.MEASURES.items():
        if _is_number(scores.get(key)):
            spread = scores.get(f"{key}_sd")
            parts.append(measure.say(scores[key]) + (f" (sd {spread:.3g})" if isinstance(spread, float) else ""))
    return ", ".join(parts) + (f"; {scores['images']} images" if "images" in scores and parts else "")


def _table(contents):
    rows = [TITLES, *_fold(_layer_rows(contents.layers, ""))]
    rows.append(("total", "", "", "", f"{contents.count.built:,}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES))]
    cells = [[cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)] for row in rows]
    return ["  ".join([*cell, row[-1].rjust(widths[-1])]).rstrip() for cell, row in zip(cells, rows, strict=True)]


def _layer_rows(layers, above):
    """Return a row per layer; those of a model inside follow it, under its name."""
    rows = []
    for layer in layers:
        name, inner = f"{above}{_shown(layer.name)}", list((layer.layers or {}).values())
        output = _join(layer.outputs[0][0]) if layer.outputs else ""
        times = f" (used {len(layer.outputs)} times)" if len(layer.outputs) > 1 and not above else ""
        weights = ", ".join(map(_join, layer.weights))
        rows.append((name + times, layer.kind, output, weights, "" if inner else f"{layer.parameters:,}"))
        rows += _layer_rows(inner, f"{name}/")
    return rows


def _fold(rows):
    """Return rows of layers: blocks without weights that come three times or more, but for their names, stand once."""
    kinds, folded, place = [row[1:] for row in rows], [], 0
    while place < len(rows):
        found = [(length, _count_repeats(kinds, place, length)) for length in range(1, LONGEST + 1)]
        length, repeats = max(found, key=lambda one: one[0] * one[1])
        if repeats < 2:
            length, repeats = 1, 0
        folded += rows[place : place + length]
        if repeats:
            folded.append((f"... these {length} again, {repeats} times", "", "", "", ""))
        place += length * (1 + repeats)
    return folded


def _count_repeats(kinds, place, length):
    """Return how often the block of layers at `place` comes again right behind itself; 0 if one has weights."""
    block, repeats = kinds[place : place + length], 0
    if all(parameters == "0" for *_, parameters in block):
        while kinds[place + (repeats + 1) * length :][:length] == block:
            repeats += 1
    return repeats


def _join(shape):
    return "x".join("?" if side is None else str(side) for side in shape)


def _is_number(value):
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 10**18)


def _dict(value):
    return value if isinstance(value, dict) else {}


def _shown(value):
    return plain(str(value)[:4000])


def describe_folder(folder):
    """Return what the .h5 files of a folder are as a page of Markdown, from their cards and files alone."""
    rows = [
        f"| file | what it removes | role | parameters | input | {table.MEASURES['psnr'].axis}: input, output |",
        "| --- | --- | --- | ---: | --- | --- |",
    ]
    for path in saving.find_models(folder):
        card, contents = saving.read_card(path), safe_open.inspect_model(path)
        removed = ": ".join(text for text in (card.get("task"), card.get("noise")) if text)
        psnrs = [_dict(card.get(key)).get("psnr") for key in ("noisy_input_scores", "test_scores")]
        gain = ", ".join(f"{psnr:.1f}" for psnr in psnrs if _is_number(psnr)) or "-"
        number = f"{contents.count.parameters:,}"
        cells = (path.name, removed, card.get("role", "-"), number, card.get("input", "-"), gain)
        rows.append("| " + " | ".join(markdown(_shown(cell)) for cell in cells) + " |")
    return "\n".join(rows)
