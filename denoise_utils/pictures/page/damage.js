"use strict";
// Damages drawings and measures them. Pictures are Float32Array in [0, 1], row by row.

// A seeded generator (mulberry32): the same seed damages every model's picture alike.
function random(seed) {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const between = (draw, low, high) => low + Math.floor(draw() * (high - low + 1));

function stampWatermarks(picture, side, marks, draw) {
  const noisy = picture.slice();
  for (let mark = 0; mark < Math.round(marks * (side / 28) ** 2); mark++) {
    const top = between(draw, 0, side - 5), left = between(draw, 0, side - 5);
    for (let i = 0; i < 5; i++) {
      noisy[(top + i) * side + left + i] = noisy[(top + i) * side + left + 4 - i] = 1;
    }
  }
  return noisy;
}

function layBar(picture, side, thickness, draw) {
  const byRow = draw() < 0.5, first = between(draw, (side * 10) / 28, (side * 20) / 28);
  return picture.map((value, i) => {
    const line = byRow ? Math.floor(i / side) : i % side;
    return line >= first && line < first + thickness ? 1 : value;
  });
}

function addGaussian(picture, side, sigma, draw) {
  return picture.map(value => {
    const normal = Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
    return Math.min(1, Math.max(0, value + sigma * normal));
  });
}

const percent = value => `${Math.round(100 * value)} %`;
const NOISES = {
  garment: {
    title: "Garment", task: "clutter", unit: percent, min: 0.05, max: 1, step: 0.05, value: 1,
    // The digit keeps half of the range, and the garment gets up to the other half, as in training.
    add: (picture, side, strength, draw, garment) => picture.map((value, i) => (value + strength * garment[i]) / 2),
  },
  watermark: {
    title: "Watermarks", task: "watermark", unit: value => `${value} marks`, max: 30, step: 1, value: 10,
    add: stampWatermarks,
  },
  bar: { title: "Bar", task: "occlusion", unit: value => `${value} pixels`, min: 1, max: 7, step: 1, value: 2, add: layBar },
  gaussian: {
    title: "Gaussian", task: "gaussian", unit: value => `σ ${value.toFixed(2)}`, max: 0.5, step: 0.02, value: 0.2,
    add: addGaussian,
  },
};

// Peak signal-to-noise ratio in dB of a picture, clipped to [0, 1].
function psnr(picture, clean) {
  const clip = value => Math.min(1, Math.max(0, value));
  const error = picture.reduce((sum, value, i) => sum + (clip(value) - clean[i]) ** 2, 0) / clean.length;
  return Math.min(100, -10 * Math.log10(error));
}
