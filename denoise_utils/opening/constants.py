"""Count the numbers that a model computes from none of its input: constants, which may be parameters in disguise.

The model is evaluated in NumPy on images that have nothing in common, and on pictures, which look more like what it is
for: a gate may open for these alone. A channel, a row or a column of a tensor that is the same for all of a group is a
constant, whatever made it: settings, edges, rounded weights, activations of nothing.
"""

from dataclasses import dataclass, field

import numpy as np

from denoise_utils.opening import allow_list, precision
from denoise_utils.opening.layers import TABLE, functions

UNLIKE, PICTURES = 5, 4  # images that a model is evaluated on, and how many pictures behind them
SAME = 0.03  # of the numbers of a channel, row or column: if no image changes any by more, it is constant
SAME_FOR_PICTURES = 0.002  # they are more alike; and a gate that opens for them lets constants through as they are
SIDE = 32  # of an image, where the model takes any
MOST_NUMBERS = 40_000_000  # in all tensors of one image: more take long
MOST_MULTIPLICATIONS = 3_000_000_000  # for one image
EXACT = 1e-6  # of a number here or there, which in an honest model are hardly ever constant
FEW_VALUES = 8  # of those: where an activation saturates it takes few values
DIGITS = 12  # binary digits by which two constants differ


def count_computed(made, shapes, num_inputs, weights):
    """Return how many constants the calls `made` compute beyond what their weights explain, or None: too much work.

    `shapes` are those of all tensors, `weights` the arrays of each layer by the id() of its config.
    """
    if _is_long(made, shapes, weights):
        return None
    values = draw_inputs(shapes, num_inputs)
    last = {one: place for place, call in enumerate(made) for one in call.inputs}
    tallies = [_Tally(slice(UNLIKE), SAME), _Tally(slice(UNLIKE, None), SAME_FOR_PICTURES)]
    for place, call in enumerate(made):
        if not all(one in values for one in call.inputs):  # of a model inside, on an input of its own
            continue
        stored = weights.get(id(call.config), [])
        output = values[call.output] = evaluate(call, stored, [values[one] for one in call.inputs])
        for tally in tallies:
            tally.add(call, sum(one.size for one in stored), output)
        for one in {*call.inputs, call.output}:
            if last.get(one, -1) <= place:
                del values[one]
    return max(tally.beyond for tally in tallies)


@dataclass
class _Tally:
    """The constants that a group of images finds, and what the weights of their layers explain."""

    group: slice
    same: float
    found: int = 0
    explained: dict = field(default_factory=dict)  # by the id() of a layer's config
    seen: set = field(default_factory=set)

    def add(self, call, num_weights, output):
        """Add what a call makes. A layer that some image changes somewhere explains no constant elsewhere."""
        phrases, share = _read_constants(output[self.group], self.same, self.seen)
        self.found += 0 if TABLE[call.kind].repeats(call.config) else phrases
        place = id(call.config)
        self.explained[place] = min(share * num_weights, self.explained.get(place, num_weights))

    @property
    def beyond(self):
        """How many constants the weights do not explain."""
        return max(self.found - int(sum(self.explained.values())), 0)


def _is_long(made, shapes, weights):
    """Say whether evaluating the calls would take more than a second or two, or much memory."""
    sizes = [int(np.prod([side or SIDE for side in shapes[call.output]])) for call in made]
    works = [
        size * sum(one[..., 0].size for one in weights.get(id(call.config), []) if one.ndim > 1)
        for call, size in zip(made, sizes, strict=True)
    ]
    return sum(sizes) > MOST_NUMBERS or sum(works) > MOST_MULTIPLICATIONS


def draw_inputs(shapes, num_inputs):
    """Return {tensor: images} for the model's inputs: black, white, three of noise, then pictures."""
    rng, values = np.random.default_rng(0), {}
    for number in range(1, num_inputs + 1):
        shape = [side or SIDE for side in shapes[number]]
        noise = rng.random((3, *shape))
        noise[1] = 1 - noise[0]
        noise[2] = noise[2] < 0.5
        pictures = _draw_pictures(rng, PICTURES, shape)
        values[number] = np.concatenate([np.zeros((1, *shape)), np.ones((1, *shape)), noise, pictures])
    return values


def _draw_pictures(rng, number, shape):
    """Return images (number, *shape): strokes under a cloth with some grain, no place of which is the same in two."""
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij"))
    found = []
    for brightness in np.geomspace(0.05, 1, number):
        waves, phase, middle = rng.normal(0, 3, len(shape)), rng.uniform(0, 6), rng.uniform(-0.4, 0.4, len(shape))
        cloth = brightness * (1.2 + np.sin(np.tensordot(waves, places, 1) + phase)) / 2.2
        far = np.sqrt(((places.T - middle).T ** 2).sum(axis=0))
        strokes = np.abs(far - rng.uniform(0.3, 0.7)) < 0.1
        found.append((strokes + cloth + rng.uniform(0, 0.1, shape)) / 2.1)
    return np.stack(found)


def evaluate(call, weights, inputs):
    """Return what a call of a layer makes of its inputs, activation included, in the type it computes in."""
    name, config = precision.find_type(call.config), call.config
    rounded = [precision.convert(one, name) for one in inputs]
    weights = [precision.convert(one, name) for one in weights]
    with np.errstate(all="ignore"):
        y = TABLE[call.kind].compute(config, weights, *rounded)
        y = precision.convert(np.asarray(y), name)
        return precision.convert(np.asarray(_activate(config.get("activation"), y)), name)


def _activate(activation, x):
    if isinstance(activation, dict):
        return TABLE[activation["class_name"]].compute(activation["config"], [], x)
    return functions.WORDS[activation](x) if activation in functions.WORDS else x


@np.errstate(all="ignore")
def _read_constants(output, same, seen):
    """Return (the constants in a tensor, repetitions left out; their share of it); `seen` holds those read before.

    `same` is how far, relative to their size, numbers may be apart that count as one.
    """
    output = output.astype(np.float64)
    middle = output.mean(axis=0)
    spread = np.nan_to_num(np.ptp(output, axis=0), nan=np.inf)
    constant = np.zeros(middle.shape, dtype=bool)
    largest = np.nan_to_num(np.abs(middle), nan=0, posinf=np.inf).max(initial=0)
    near = spread <= same * largest  # elsewhere no slice is constant: that settles most tensors
    if near.all() and _is_constant(spread, middle, same, ()):
        slices, constant[...] = [_round(middle, spread.max())], True
    else:
        slices = _find_slices(middle, spread, same, constant, near)
    found = sum(_count_phrases(part, seen) for part in slices)
    exact = spread <= EXACT * np.abs(middle)
    scattered = middle[exact]
    if len(scattered) > FEW_VALUES and len(np.unique(scattered := _round(scattered, 0))) > FEW_VALUES:
        found, constant = max(found, _count_phrases(scattered, seen)), constant | exact
    return found, float(np.mean(constant & (middle != 0)))


def _is_constant(spread, middle, same, kept):
    """Say of each place along the axes `kept` whether no image changes what lies there by more than a little."""
    others = tuple(axis for axis in range(middle.ndim) if axis not in kept)
    return spread.max(axis=others) <= same * np.sqrt((middle**2).mean(axis=others))


def _find_slices(middle, spread, same, constant, near):
    """Return the channels, rows and columns of a tensor that are constant as a whole; mark them in `constant`.

    `near` marks the places that may lie in one.
    """
    found = []
    for axis in range(middle.ndim if middle.ndim > 1 else 0):
        others = tuple(other for other in range(middle.ndim) if other != axis)
        if not near.all(axis=others).any():
            continue
        whole = _is_constant(spread, middle, same, (axis,))
        if whole.any():
            blur = np.compress(whole, spread, axis=axis).max(axis=others, keepdims=True)
            found.append(_round(np.compress(whole, middle, axis=axis), blur, others))
            np.moveaxis(constant, axis, 0)[whole] = True
    return found


def _round(values, blur, axes=None):
    """Return numbers rounded so that those are equal which images blur into each other: less than two blurs apart.

    Along `axes` the steps lie around the middle of the numbers: of those at a border of two, chance would decide.
    """
    mantissas, exponents = np.frexp(values)
    values = np.ldexp(np.round(mantissas * 2**DIGITS) / 2**DIGITS, exponents)
    step = 2 * np.asarray(blur)
    if not (step > EXACT).any():
        return values
    middle = (values.max(axis=axes, keepdims=True) + values.min(axis=axes, keepdims=True)) / 2
    width = np.maximum(step, EXACT) * np.ones_like(middle)
    rounded = np.round((values - middle) / width) * width
    return np.where(step > EXACT, rounded + _merge(middle.ravel(), width.ravel()).reshape(middle.shape), values)


def _merge(middles, widths):
    """Return the middles of some slices, the widest first; one that lies within its width of another becomes that."""
    merged, kept = np.empty_like(middles), []
    for place in np.argsort(-widths, kind="stable"):
        near = [one for one in kept if abs(one - middles[place]) <= widths[place]]
        kept += [] if near else [middles[place]]
        merged[place] = near[0] if near else middles[place]
    return merged


def _count_phrases(part, seen):
    """Return how many numbers describe `part`: slices like those before count once, then each phrase.

    A phrase is a row of numbers that was there before, and the one behind it (Ziv and Lempel, 1978).
    """
    for axis in range(part.ndim):
        others = tuple(other for other in range(part.ndim) if other != axis)
        changes = (np.diff(part, axis=axis) != 0).any(axis=others)
        part = np.compress(np.concatenate([[True], changes]), part, axis=axis)
    key = part.tobytes()
    row = part.ravel().tolist()
    if key in seen or row == [0.0]:
        return 0
    seen.add(key)
    phrases, known, phrase = 0, {}, 0
    for symbol in row:
        after = known.get((phrase, symbol))
        if after is None:
            phrases += 1
            known[phrase, symbol] = phrases
            phrase = 0
        else:
            phrase = after
    return phrases + (phrase != 0)


def assign_weights(model, needed, arrays):
    """Return {id(config): arrays} of the plain layers in an admitted `model`, from `arrays` {layer: stored ones}.

    Keras stores a layer's weights in order, those that training changes first.
    """
    found = {}
    for layer in model["config"]["layers"]:
        stored = [np.asarray(one) for one in arrays.get(layer["config"]["name"], [])]
        wanted = _list_needed(layer, needed, True)
        for place, shape, _ in sorted(wanted, key=lambda one: one[2]):
            number = next((number for number, one in enumerate(stored) if one.shape == shape), None)
            if number is not None:
                found.setdefault(place, []).append(stored.pop(number))
    return found


def _list_needed(layer, needed, on):
    """Return (id(config), shape, whether it is stored behind the others) of each weight of a layer or a model."""
    config = layer["config"]
    on = on and config.get("trainable") is not False
    if layer["class_name"] in allow_list.MODELS:
        return [one for inner in config["layers"] for one in _list_needed(inner, needed, on)]
    shapes = needed.get(id(config), [])
    fixed = TABLE[layer["class_name"]].statistics if layer["class_name"] in TABLE else 0
    return [(id(config), shape, not on or place >= len(shapes) - fixed) for place, shape in enumerate(shapes)]
