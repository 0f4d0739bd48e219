"use strict";
// Runs saved Keras models. This file is all of a Web Worker, which the page starts from a Blob.
// A tensor is {height, width, depth, values}; its values go by row, then column, then channel.

const ACTIVATIONS = {
  linear: x => x,
  relu: x => (x > 0 ? x : 0),
  sigmoid: x => 1 / (1 + Math.exp(-x)),
  softplus: x => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  tanh: Math.tanh,
};

function tensor(height, width, depth, values = new Float32Array(height * width * depth)) {
  return { height, width, depth, values };
}

function map(x, change) {
  return tensor(x.height, x.width, x.depth, x.values.map(change));
}

function softmax(x) {
  const out = tensor(x.height, x.width, x.depth);
  for (let start = 0; start < x.values.length; start += x.depth) {
    const pixel = x.values.subarray(start, start + x.depth), highest = Math.max(...pixel);
    const powers = pixel.map(value => Math.exp(value - highest));
    const sum = powers.reduce((a, b) => a + b);
    out.values.set(powers.map(power => power / sum), start);
  }
  return out;
}

function activate({ activation }, x) {
  if (activation === "softmax") return softmax(x);
  return activation === "linear" ? x : map(x, ACTIVATIONS[activation]);
}

function convolve(layer, x) {
  const [kernel, bias] = layer.weights;
  const [tall, wide, depth, filters] = layer.shapes[0];
  const above = (tall - 1) >> 1, before = (wide - 1) >> 1; // of "same" padding; the zeros around are skipped
  const out = tensor(x.height, x.width, filters);
  const sums = new Float64Array(filters);
  for (let row = 0, at = 0; row < x.height; row++) {
    const top = Math.max(0, above - row), bottom = Math.min(tall, x.height + above - row);
    for (let column = 0; column < x.width; column++, at += filters) {
      const left = Math.max(0, before - column), right = Math.min(wide, x.width + before - column);
      if (bias) sums.set(bias); else sums.fill(0);
      for (let i = top; i < bottom; i++) {
        for (let j = left; j < right; j++) {
          const from = ((row + i - above) * x.width + column + j - before) * depth;
          let weight = (i * wide + j) * depth * filters;
          for (let channel = 0; channel < depth; channel++, weight += filters) {
            const value = x.values[from + channel];
            if (value === 0) continue; // about half of them are, after a ReLU
            for (let filter = 0; filter < filters; filter++) sums[filter] += value * kernel[weight + filter];
          }
        }
      }
      out.values.set(sums, at);
    }
  }
  return activate(layer, out);
}

function rescale(layer, x) {
  const [scale, offset] = layer.weights;
  return map(x, (value, i) => value * scale[i % scale.length] + offset[i % offset.length]);
}

// One of the tensors may be a single pixel, such as a mean over the picture: it is repeated.
function join(tensors, combine) {
  return tensors.reduce((a, b) => {
    const [large, small] = a.values.length < b.values.length ? [b, a] : [a, b];
    const length = small.values.length;
    return map(large, (value, i) => combine(value, small.values[i % length]));
  });
}

function concatenate(layer, ...tensors) {
  const depth = tensors.reduce((sum, x) => sum + x.depth, 0);
  const out = tensor(tensors[0].height, tensors[0].width, depth);
  let start = 0;
  for (const x of tensors) {
    for (let pixel = 0; pixel < x.height * x.width; pixel++) {
      out.values.set(x.values.subarray(pixel * x.depth, (pixel + 1) * x.depth), pixel * depth + start);
    }
    start += x.depth;
  }
  return out;
}

// Calls combine(result so far, value, number of values in the window) for each value of each window.
function pool(layer, x, begin, combine) {
  const [tall, wide] = layer.pool_size;
  const size = (side, step) => (layer.padding === "same" ? Math.ceil(side / step) : Math.floor(side / step));
  const out = tensor(size(x.height, tall), size(x.width, wide), x.depth);
  const before = (side, outer, step) => Math.max(0, (outer * step - side) >> 1);
  const above = before(x.height, out.height, tall), left = before(x.width, out.width, wide);
  for (let row = 0; row < out.height; row++) {
    const top = Math.max(0, row * tall - above), bottom = Math.min(x.height, (row + 1) * tall - above);
    for (let column = 0; column < out.width; column++) {
      const first = Math.max(0, column * wide - left), last = Math.min(x.width, (column + 1) * wide - left);
      for (let channel = 0; channel < x.depth; channel++) {
        let result = begin;
        for (let i = top; i < bottom; i++) {
          for (let j = first; j < last; j++) {
            result = combine(result, x.values[(i * x.width + j) * x.depth + channel], (bottom - top) * (last - first));
          }
        }
        out.values[(row * out.width + column) * x.depth + channel] = result;
      }
    }
  }
  return out;
}

// Returns the tensor whose pixel at (row, column) is that of x at from(row, column).
function pick(x, height, width, from) {
  const out = tensor(height, width, x.depth);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const [down, across] = from(row, column), start = (down * x.width + across) * x.depth;
      out.values.set(x.values.subarray(start, start + x.depth), (row * width + column) * x.depth);
    }
  }
  return out;
}

function upsample({ size: [down, across] }, x) {
  const from = (row, column) => [Math.floor(row / down), Math.floor(column / across)];
  return pick(x, x.height * down, x.width * across, from);
}

function crop({ cropping: [[top, bottom], [left, right]] }, x) {
  return pick(x, x.height - top - bottom, x.width - left - right, (row, column) => [row + top, column + left]);
}

function turn(layer, x) {
  return pick(x, x.width, x.height, (row, column) => [column, row]);
}

const average = (result, value, number) => result + value / number;
const LAYERS = {
  Conv2D: convolve,
  Activation: activate,
  Rescaling: rescale,
  Concatenate: concatenate,
  Add: (layer, ...tensors) => join(tensors, (a, b) => a + b),
  Multiply: (layer, ...tensors) => join(tensors, (a, b) => a * b),
  MaxPooling2D: (layer, x) => pool(layer, x, -Infinity, (result, value) => Math.max(result, value)),
  AveragePooling2D: (layer, x) => pool(layer, x, 0, average),
  GlobalAveragePooling2D: (layer, x) => pool({ pool_size: [x.height, x.width] }, x, 0, average),
  UpSampling2D: upsample,
  Cropping2D: crop,
  Permute: turn,
  Flatten: (layer, x) => tensor(1, 1, x.values.length, x.values),
  Dropout: (layer, x) => x,
};

function readHalf(bits) {
  const sign = bits >> 15 ? -1 : 1, power = (bits >> 10) & 31, rest = bits & 1023;
  return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : 2 ** -14 * (rest / 1024));
}

// Gives each layer its weights as arrays, and notes which call is the last to need each call's output.
function prepare(network) {
  const bytes = Uint8Array.from(atob(network.weights), character => character.charCodeAt(0)).buffer;
  const half = network.dtype === "float16";
  const numbers = half ? Float32Array.from(new Uint16Array(bytes), readHalf) : new Float32Array(bytes);
  let start = 0;
  const layers = network.layers.map(layer => {
    const weights = layer.shapes.map(shape => {
      const length = shape.reduce((a, b) => a * b, 1);
      return numbers.subarray(start, (start += length));
    });
    return { ...layer, weights };
  });
  const lastUse = new Map();
  network.calls.forEach(([, ...inputs], number) => inputs.forEach(input => lastUse.set(input, number)));
  return { ...network, layers, lastUse };
}

function call(network, number, outputs) {
  const [layer, ...inputs] = network.calls[number];
  const { kind } = network.layers[layer];
  outputs[number] = LAYERS[kind](network.layers[layer], ...inputs.map(input => outputs[input]));
}

// Returns the output for a picture; tells (step, readout) after each tied step if asked, and keeps the features.
function run(network, picture, height, width, tell = null, features = []) {
  const outputs = [tensor(height, width, 1, picture)];
  const { calls, states } = network;
  const last = states[states.length - 1];
  const readOut = state => {
    const apart = outputs.slice();
    apart[last] = state;
    for (let number = last + 1; number < calls.length; number++) call(network, number, apart);
    return apart[calls.length - 1].values;
  };
  for (let number = 1; number < (tell ? last + 1 : calls.length); number++) {
    call(network, number, outputs);
    const step = states.indexOf(number);
    if (tell && step >= 0) {
      features.push(outputs[number]);
      tell(step + 1, readOut(outputs[number]));
    }
    for (const input of calls[number].slice(1)) {
      if (input && network.lastUse.get(input) === number) outputs[input] = null; // a large picture's would fill a phone
    }
  }
  return tell ? null : outputs[calls.length - 1].values;
}

const networks = {};
let features = [];

// Asked for one thing at a time: {networks}, {clean, side, network}, {read, network} or {features}.
self.onmessage = ({ data: ask }) => {
  if (ask.networks) {
    for (const [name, network] of Object.entries(ask.networks)) networks[name] = prepare(network);
  } else if (ask.clean) {
    features = [];
    const tell = (step, picture) => self.postMessage({ id: ask.id, step, picture });
    run(networks[ask.network], ask.clean, ask.side, ask.side, tell, features);
    self.postMessage({ id: ask.id, cleaned: true });
  } else if (ask.read) {
    const readings = ask.read.map(picture => run(networks[ask.network], picture, ask.side, ask.side));
    self.postMessage({ id: ask.id, readings });
  } else if (ask.features) {
    self.postMessage({ id: ask.id, features: features[ask.features - 1] || null, step: ask.features });
  }
};
