"use strict";
// The page itself: what is drawn and chosen, what the worker answers, and what is shown of it.

const found = JSON.parse(document.getElementById("found").textContent);
const models = Object.fromEntries(found.models.map(model => [model.name, model]));
const judge = "judge";
const smallSide = 28;
const find = id => document.getElementById(id);

const chosen = { model: found.models[0].name, noise: "garment", garment: 4, digit: 14, strength: 1, side: smallSide, seed: 1 };
let clean = new Float32Array(smallSide ** 2); // the drawing
let shown = { clean, pictures: [], readings: [] }; // what the worker answered last: the damaged picture, then each step's
let step = 0;

// --- Pictures -----------------------------------------------------------------------------------------------------

function decode(sprite) {
  const bytes = Uint8Array.from(atob(sprite.pixels), character => character.charCodeAt(0));
  const size = smallSide ** 2;
  return sprite.labels.map((label, i) => Float32Array.from(bytes.subarray(i * size, (i + 1) * size), byte => byte / 255));
}

const digits = decode(found.digits), garments = decode(found.garments);

// A picture of the chosen size: one of the pictures, or nine of them beginning with it.
function tile(pictures, first) {
  const { side } = chosen, times = side / smallSide;
  return new Float32Array(side * side).map((_, i) => {
    const row = Math.floor(i / side), column = i % side;
    const which = first + times * Math.floor(row / smallSide) + Math.floor(column / smallSide);
    return pictures[which % pictures.length][(row % smallSide) * smallSide + (column % smallSide)];
  });
}

function paint(canvas, picture, colour = value => [value, value, value]) {
  const side = Math.sqrt(picture.length);
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const image = new ImageData(side, side);
  picture.forEach((value, i) => image.data.set([...colour(value).map(part => part * 255), 255], 4 * i));
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// --- The worker: asked for one thing at a time, the newest picture first --------------------------------------------

const code = new Blob([find("network").textContent], { type: "text/javascript" });
const worker = new Worker(URL.createObjectURL(code));
let busy = false, wanted = null, asked = null, number = 0;

worker.onerror = () => {
  find("alert").textContent = "The network could not be started in this browser. Another browser may do it.";
  find("alert").hidden = false;
};
worker.postMessage({ networks: { ...models, [judge]: found.judge } });

function ask() {
  const add = NOISES[chosen.noise].add, draw = random(chosen.seed);
  const noisy = add(clean, chosen.side, chosen.strength, draw, tile(garments, chosen.garment));
  wanted = { id: ++number, clean, noisy, side: chosen.side, network: chosen.model };
  if (!busy) send();
}

function send() {
  busy = true;
  asked = wanted;
  wanted = null;
  const same = shown.network === asked.network && shown.side === asked.side;
  shown = { ...asked, pictures: same ? shown.pictures : [], readings: same ? shown.readings : [] };
  shown.pictures[0] = asked.noisy;
  showThumb(0);
  showStep();
  worker.postMessage({ id: asked.id, clean: asked.noisy, side: asked.side, network: asked.network });
}

worker.onmessage = ({ data: answer }) => {
  if (answer.id !== asked.id) return;
  if (answer.picture) {
    shown.pictures[answer.step] = answer.picture;
    showThumb(answer.step);
    if (answer.step === step) showStep();
  } else if (answer.cleaned) {
    if (wanted) send();
    else if (asked.side === smallSide) worker.postMessage({ id: asked.id, read: shown.pictures, side: asked.side, network: judge });
    else finish([]);
  } else if (answer.readings) {
    finish(answer.readings);
  } else if (answer.features && answer.step === Math.max(step, 1)) {
    showMaps(answer.features);
  }
};

function finish(readings) {
  shown.readings = readings;
  busy = false;
  show();
  if (wanted) send();
  else tellStatus();
}

// --- What is shown ----------------------------------------------------------------------------------------------------

const lastStep = () => models[chosen.model].states.length;
const decibels = at => (shown.pictures[at] ? `${psnr(shown.pictures[at], shown.clean).toFixed(1)} dB` : "…");
const isEmpty = () => !shown.clean.some(value => value > 0);

function reading(at) {
  const chances = shown.readings[at];
  if (!chances || isEmpty()) return null;
  const digit = chances.indexOf(Math.max(...chances));
  return { digit, sure: percent(chances[digit]) };
}

function describeReading(at) {
  const read = reading(at);
  return read ? `${read.digit}, ${read.sure}` : "–";
}

const isTied = () => lastStep() > 1;

function nameStep(at) {
  if (!at) return "Damaged, not yet cleaned";
  return isTied() ? `Step ${at} of ${lastStep()}` : "Cleaned in one go";
}

function showThumb(at) {
  const thumb = find("strip").children[at];
  if (!thumb || !shown.pictures[at]) return;
  paint(thumb.querySelector("canvas"), shown.pictures[at]);
  const read = reading(at);
  thumb.querySelector(".number").textContent = at ? (isTied() ? `Step ${at}` : "Cleaned") : "Damaged";
  thumb.querySelector(".decibels").textContent = decibels(at);
  thumb.querySelector(".read").textContent = read ? `reads ${read.digit}` : "";
}

function showStep() {
  if (shown.pictures[step]) ["stage", "peek"].forEach(id => paint(find(id), shown.pictures[step]));
  find("where").textContent = nameStep(step);
  find("step").value = step;
  find("step").setAttribute("aria-valuetext", nameStep(step));
  for (const [place, at] of [["before", 0], ["now", step], ["after", lastStep()]]) {
    find(`psnr-${place}`).textContent = decibels(at);
    find(`read-${place}`).textContent = describeReading(at);
  }
  [...find("strip").children].forEach((thumb, at) => thumb.setAttribute("aria-current", at === step));
  if (find("maps").open) worker.postMessage({ id: asked.id, features: Math.max(step, 1) });
}

function show() {
  shown.pictures.forEach((_, at) => showThumb(at));
  showStep();
}

function tellStatus() {
  const last = lastStep(), [before, after] = [reading(0), reading(last)];
  const read = before && after ? ` The judge reads ${before.digit} before and ${after.digit} after.` : "";
  find("status").textContent = `Cleaned: ${decibels(0)} before, ${decibels(last)} after.${read}`;
}

// Blue is below zero, orange above, black is zero; each map is as bright as its own largest value lets it be.
function showMaps({ height, width, depth, values }) {
  const colour = value => (value > 0 ? [value, value * 0.62, value * 0.2] : [-value * 0.25, -value * 0.6, -value]);
  const maps = Array.from({ length: depth }, (_, channel) => {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Feature map ${channel + 1} of ${depth}`);
    const map = Float32Array.from({ length: height * width }, (_, i) => values[i * depth + channel]);
    const largest = map.reduce((high, value) => Math.max(high, Math.abs(value)), 1e-9);
    paint(canvas, map.map(value => value / largest), colour);
    return canvas;
  });
  find("maps-list").replaceChildren(...maps);
  find("maps-text").textContent =
    `${isTied() ? `After step ${Math.max(step, 1)}` : "Before the readout"} each pixel has ${depth} numbers, one in each map. Orange is above zero, blue below, ` +
    "black is zero. Each map has its own scale.";
}

function goTo(at) {
  step = Math.min(lastStep(), Math.max(0, at));
  showStep();
}

// --- Playing ----------------------------------------------------------------------------------------------------------

const PLAYERS = { play: [1, "Play"], rewind: [-1, "Rewind"] };
let timer = null, playing = null;

function stop() {
  clearInterval(timer);
  playing = null;
  for (const [id, [, title]] of Object.entries(PLAYERS)) find(id).lastElementChild.textContent = title;
}

function play(id) {
  const again = playing === id;
  stop();
  if (again) return;
  const [direction] = PLAYERS[id], [start, end] = direction > 0 ? [0, lastStep()] : [lastStep(), 0];
  playing = id;
  find(id).lastElementChild.textContent = "Pause";
  if (step === end) goTo(start);
  timer = setInterval(() => {
    if (!shown.pictures[step + direction]) return; // a slow machine has not made it yet
    goTo(step + direction);
    if (step === end) stop();
  }, 280);
}

for (const id of Object.keys(PLAYERS)) find(id).onclick = () => play(id);
for (const [id, by] of [["back", -1], ["next", 1]]) find(id).onclick = () => (stop(), goTo(step + by));
find("step").oninput = event => (stop(), goTo(Number(event.target.value)));
find("maps").ontoggle = showStep;
// On a phone a small copy of the stage stays in sight while the stage itself is not.
new IntersectionObserver(([seen]) => (find("peek").hidden = seen.isIntersecting)).observe(find("stage"));
