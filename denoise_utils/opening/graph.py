"""Follow a saved model's config from input to output, without Keras: each layer's shape and weights, each call."""

import itertools
import math
from contextlib import contextmanager
from dataclasses import dataclass, field

from denoise_utils.opening import allow_list
from denoise_utils.opening.layers import TABLE
from denoise_utils.opening.parts import Call, Layer, Tensor

MAX_NUMBERS = 2**40  # of a tensor, where sizes are only reckoned: nothing of that size is made
MAX_CALLS = 4000  # of layers in all; a layer that is used again, or inside a model that is, counts again
MAX_USES = 200  # of one layer in one model
MAX_ORTHOGONAL = 1024  # of the smaller side of a weight that begins orthogonal: seconds for every thousand more


@dataclass
class Graph:
    """Follows one model, within bounds: numbers in a tensor of one image, calls of layers."""

    max_numbers: int
    calls: int = 0
    made: list = field(default_factory=list)  # each Call of a plain layer, in an order in which they can be made
    num_tensors: int = 0
    num_inputs: int = 0  # of the model itself, whose tensors are the first
    shapes: dict = field(default_factory=dict)  # of each tensor, by its number
    needed: dict = field(default_factory=dict)  # the shapes of a plain layer's weights, by the id() of its config

    def follow(self, model, inputs=None, known=None):
        """Return (layers by name, output Tensors) for the Tensors `inputs`, or for the model's own ones (None).

        `known` holds the layers as an earlier call found them: a layer that is used again has the same weights.
        """
        config, known = model["config"], {} if known is None else known
        if model["class_name"] == "Sequential":
            return known, self._follow_row(config, inputs, known)
        self._check_calls(len(config["layers"]))
        configs = {layer["config"]["name"]: layer for layer in config["layers"]}
        if len(configs) != len(config["layers"]):
            raise ValueError("two layers of one name")
        outputs = {name: [] for name in configs}
        sources = [one[0] for one in _find_ends(config["input_layers"])]
        strange = [name for name in sources if configs[name]["class_name"] != "InputLayer"]
        if strange:
            raise ValueError(f'the layer "{strange[0]}" as an input, which is no InputLayer')
        self.num_inputs = self.num_inputs or len(sources)
        for number, name in enumerate(sources):
            outputs[name].append([inputs[number] if inputs else self.add_tensor(name, _own_shape(configs[name]))])
        waiting = {
            name: [allow_list.find_tensors(node) for node in one["inbound_nodes"]] for name, one in configs.items()
        }
        if any(len(nodes) > MAX_USES for nodes in waiting.values()):
            raise ValueError(f"a layer that is used more than {MAX_USES} times")
        self._check_calls(sum(map(len, waiting.values())))
        self._follow_nodes(configs, waiting, outputs, known)
        unused = [name for name in configs if not outputs[name]]
        if unused:
            raise ValueError(f'the layer "{unused[0]}", which nothing is connected to')
        ends = [
            (*one[:1], one[1] - (configs[one[0]]["class_name"] in ("Functional", "Model")), one[2])
            for one in _find_ends(config["output_layers"])
        ]
        return known, [outputs[name][call][output] for name, call, output in ends]

    def _follow_nodes(self, configs, waiting, outputs, known):
        """Call the layers as soon as their inputs are there, as Keras does, until none waits."""
        ready = [name for name, nodes in waiting.items() if nodes]
        missing, watching = {}, {}  # the calls that a layer waits for; the layers that wait for a call
        while ready:
            name = ready.pop()
            if name not in missing:
                needed = {(source, call) for source, call, _ in waiting[name][0]}
                missing[name] = {one for one in needed if one[1] >= len(outputs.get(one[0], ()))}
                for one in missing[name]:
                    watching.setdefault(one, []).append(name)
            if missing[name]:
                continue
            del missing[name]
            inputs = [outputs[source][call][output] for source, call, output in waiting[name].pop(0)]
            outputs[name].append(self._call(configs[name], inputs, known))
            made = name, len(outputs[name]) - 1
            for other in watching.pop(made, ()):
                missing[other].remove(made)
                ready += [other] * (not missing[other])
            ready += [name] * bool(waiting[name])
        if any(waiting.values()):
            raise ValueError("layers in a circle, or connected to none")

    def _follow_row(self, config, inputs, known):
        """Follow a Sequential: its layers in a row, from its own input or the one it is given."""
        if not config["layers"]:
            raise ValueError("a model without layers")
        first, *rest = config["layers"]
        given = _own_shape(first) or _without_batch(config.get("build_input_shape"))
        if not inputs and given is None:
            raise ValueError("a model that does not say the shape of its input")
        row = inputs or [self.add_tensor(first["config"]["name"], given)]
        self.num_inputs = self.num_inputs or 1
        for layer in rest if first["class_name"] == "InputLayer" else config["layers"]:
            row = self._call(layer, row, known)
        return row

    def _call(self, layer, inputs, known):
        """Return the Tensors that a layer makes of `inputs`; note its weights, or compare them with those noted."""
        self._check_calls(1)
        self.calls += 1
        name, kind = layer["config"]["name"], layer["class_name"]
        found = Layer(name, kind, trainable=layer["config"].get("trainable") is not False)
        if kind in allow_list.MODELS:
            found.layers = known[name].layers if name in known else {}
            if name not in known and _has_own_input(layer):
                self.follow(layer, None, found.layers)
            found.layers, outputs = self.follow(layer, inputs, found.layers)
        elif kind == "InputLayer":
            raise ValueError(f'the input "{name}", which has an input itself')
        else:
            outputs = [self._apply(layer, inputs, found)]
        _check_build_config(layer, [tensor.shape for tensor in inputs])
        if known.setdefault(name, found).all_weights != found.all_weights:
            raise ValueError(f'the layer "{name}", used on inputs that need other weights')
        known[name].outputs.append([tensor.shape for tensor in outputs])
        return outputs

    def _apply(self, layer, inputs, found):
        """Return the Tensor that a plain layer makes."""
        name, config = found.name, layer["config"]
        with explained(name):
            shape, found.weights = TABLE[found.kind].shape(config, *(tensor.shape for tensor in inputs))
        for one in found.weights:
            self._check_shape(name, one)
        side = max((min(math.prod(shape[:-1]), shape[-1]) for shape in found.weights), default=0)
        if side > MAX_ORTHOGONAL and allow_list.has_orthogonal(config):
            raise ValueError(f'the layer "{name}" with an orthogonal weight of {side:,}, more than {MAX_ORTHOGONAL:,}')
        made = self.add_tensor(name, shape)
        self.needed[id(config)] = found.weights
        self.made.append(Call(found.kind, config, tuple(tensor.number for tensor in inputs), made.number))
        return made

    def add_tensor(self, name, shape):
        """Return a new Tensor of a shape that the layer `name` makes, or raise ValueError if it is impossible."""
        self.num_tensors += 1
        self.shapes[self.num_tensors] = self._check_shape(name, shape)
        return Tensor(self.num_tensors, shape)

    def _check_calls(self, more):
        if self.calls + more > MAX_CALLS:
            raise ValueError(f"more than {MAX_CALLS} uses of layers")

    def _check_shape(self, name, shape):
        """Return a shape, or raise ValueError if it is impossible or too large."""
        if shape is None or any(side is not None and (type(side) is not int or side < 1) for side in shape):
            raise ValueError(f'the layer "{name}" with the impossible shape {shape}')
        if math.prod(side or 1 for side in shape) > self.max_numbers:
            raise ValueError(f'the layer "{name}" with the shape {shape}, more than {self.max_numbers:,} numbers')
        return shape


@contextmanager
def explained(name):
    """Say of what a rule of the table raises which layer it is of."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f'the layer "{name}" with {error}') from None
    except KeyError as error:
        raise ValueError(f'the layer "{name}" without the setting {error}') from None
    except (TypeError, IndexError, AttributeError, ZeroDivisionError):
        raise ValueError(f'the layer "{name}" with settings or inputs that do not fit it') from None


def _find_ends(part):
    """Return the (layer, call, output) of a model's inputs or outputs, however they are nested."""
    if isinstance(part, list) and len(part) == 3 and isinstance(part[0], str):
        return [tuple(part)]
    return [one for inner in (part.values() if isinstance(part, dict) else part) for one in _find_ends(inner)]


def _without_batch(shape):
    return tuple(shape[1:]) if isinstance(shape, list) else None


def _own_shape(layer):
    """Return the shape that an InputLayer declares, without the batch; None for another layer."""
    if layer["class_name"] != "InputLayer":
        return None
    shape = layer["config"].get("batch_shape") or layer["config"].get("batch_input_shape")
    return _without_batch(shape)


def _has_own_input(model):
    config = model["config"]
    if model["class_name"] != "Sequential" or config.get("build_input_shape"):
        return True
    return bool(config["layers"]) and _own_shape(config["layers"][0]) is not None


def _fit(declared, shapes):
    """Tell whether shapes are the declared ones, whose sides may be any (None)."""
    if [len(shape) for shape in declared] != [len(shape) for shape in shapes]:
        return False
    sides = zip(itertools.chain(*declared), itertools.chain(*shapes), strict=True)
    return all(side in (None, found) for side, found in sides)


def _check_build_config(layer, inputs):
    """Raise ValueError if a layer is to be built, before it is used, for another shape than that of its input."""
    built = (layer.get("build_config") or {}).get("input_shape")
    if built is not None:
        declared = [built] if all(not isinstance(side, list) for side in built) else built
        if not _fit([_without_batch(shape) for shape in declared], inputs):
            raise ValueError(f'the layer "{layer["config"]["name"]}" built for other shapes than its inputs')
