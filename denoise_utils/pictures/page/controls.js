"use strict";
// What a visitor chooses and draws; each change asks for the picture anew.

// --- Choosing ---------------------------------------------------------------------------------------------------------

// Adds a radio button to a group: its label holds `content`, and choosing it calls choose(value).
function addChoice(group, value, content, label, choose) {
  const input = Object.assign(document.createElement("input"), { type: "radio", name: group, value });
  if (label) input.setAttribute("aria-label", label);
  input.onchange = () => choose(value);
  const box = document.createElement("label");
  box.append(input, content);
  find(group).append(box);
}

function element(tag, text, more = []) {
  const made = document.createElement(tag);
  made.append(text, ...more);
  return made;
}

const check = (group, value) =>
  document.getElementsByName(group).forEach(input => (input.checked = input.value === String(value)));

function chooseDigit(which) {
  chosen.digit = which;
  clean = which === null ? new Float32Array(chosen.side ** 2) : tile(digits, which);
  check("digits", which);
  paint(find("clean"), clean);
  ask();
}

function chooseModel(name) {
  chosen.model = name;
  check("models", name);
  stop();
  const thumbs = Array.from({ length: lastStep() + 1 }, (_, at) => {
    const lines = ["number", "decibels", "read"].map(name => Object.assign(element("span", ""), { className: name }));
    const thumb = element("button", document.createElement("canvas"), lines);
    thumb.type = "button";
    thumb.onclick = () => (stop(), goTo(at));
    return thumb;
  });
  find("strip").replaceChildren(...thumbs);
  find("step").max = step = lastStep();
  find("untrained").hidden = find("repeated").hidden = !isTied();
  tellFit();
  ask();
}

function tellFit() {
  const { trained, task } = models[chosen.model];
  const damage = task === NOISES[chosen.noise].task ? "" : " It never saw this damage.";
  const steps = isTied() ? "" : " It has no step to repeat: it cleans in one go.";
  find("fit").textContent = `It was trained on ${trained}.${damage}${steps}`;
}

function chooseNoise(name) {
  const { min = 0, max, step: by, value, task } = NOISES[name];
  Object.assign(chosen, { noise: name, strength: value });
  check("noises", name);
  Object.assign(find("strength"), { min, max, step: by, value });
  find("garments").hidden = name !== "garment";
  find("again").hidden = name === "garment";
  const fitting = found.models.find(model => model.task === task);
  if (fitting && models[chosen.model].task !== task) chooseModel(fitting.name);
  tellFit();
  chooseStrength(value);
}

function chooseStrength(value) {
  chosen.strength = value;
  const text = NOISES[chosen.noise].unit(value);
  find("strength-value").textContent = text;
  find("strength").setAttribute("aria-valuetext", text);
  ask();
}

function chooseGarment(which) {
  chosen.garment = which;
  check("garments", which);
  ask();
}

// A digit is chosen again; a drawing of one's own stays in the middle.
function changeSide(side) {
  const before = chosen.side, drawn = clean, edge = (side - before) / 2;
  chosen.side = side;
  if (chosen.digit !== null) return chooseDigit(chosen.digit);
  clean = new Float32Array(side ** 2).map((_, i) => {
    const row = Math.floor(i / side) - edge, column = (i % side) - edge;
    return Math.min(row, column) >= 0 && Math.max(row, column) < before ? drawn[row * before + column] : 0;
  });
  paint(find("clean"), clean);
  ask();
}

find("strength").oninput = event => chooseStrength(Number(event.target.value));
find("again").onclick = () => (chosen.seed++, ask());
find("clear").onclick = () => chooseDigit(null);
document.getElementsByName("side").forEach(input => {
  input.onchange = () => changeSide(Number(input.value));
});

// --- Drawing ----------------------------------------------------------------------------------------------------------

let pen = null; // where it was last, in pixels

function place(event) {
  const box = find("clean").getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height].map(part => part * chosen.side);
}

// A round pen with soft edges, as wide as the strokes of MNIST.
function stroke([fromX, fromY], [toX, toY]) {
  const { side } = chosen;
  clean = clean.map((value, i) => {
    const x = (i % side) + 0.5 - fromX, y = Math.floor(i / side) + 0.5 - fromY, dx = toX - fromX, dy = toY - fromY;
    const along = Math.min(1, Math.max(0, (x * dx + y * dy) / (dx * dx + dy * dy || 1)));
    const ink = 1.9 - Math.hypot(x - along * dx, y - along * dy);
    return Math.max(value, Math.min(1, Math.max(0, ink)));
  });
  chosen.digit = null;
  check("digits", null);
  paint(find("clean"), clean);
  ask();
}

find("clean").onpointerdown = event => {
  find("clean").setPointerCapture(event.pointerId);
  if (chosen.digit !== null) clean = new Float32Array(chosen.side ** 2); // a stroke begins a drawing of one's own
  pen = place(event);
  stroke(pen, pen);
};
find("clean").onpointermove = event => {
  if (!pen) return;
  const to = place(event);
  stroke(pen, to);
  pen = to;
};
find("clean").onpointerup = find("clean").onpointercancel = () => (pen = null);

// --- The beginning ----------------------------------------------------------------------------------------------------

function fillGallery(group, pictures, labels, title, choose) {
  pictures.forEach((picture, i) => {
    const canvas = document.createElement("canvas");
    paint(canvas, picture);
    addChoice(group, i, canvas, `${title} ${labels[i]}, ${i % 2 ? "second" : "first"} of two`, choose);
  });
}

const GARMENTS = ["T-shirt", "Trousers", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
fillGallery("digits", digits, found.digits.labels, "Digit", chooseDigit);
fillGallery("garments", garments, found.garments.labels.map(label => GARMENTS[label]), "", chooseGarment);
for (const [name, { title }] of Object.entries(NOISES)) addChoice("noises", name, element("span", title), null, chooseNoise);
for (const { name, title, parameters, multiplications, states } of found.models) {
  const steps = states.length > 1 ? `, ${states.length} steps` : ", no steps";
  const counts = `${name}: ${parameters.toLocaleString("en")} parameters, ${(multiplications / 1e6).toFixed(1)} million multiplications at 28 × 28${steps}`;
  addChoice("models", name, element("span", element("strong", title), [element("small", counts)]), null, chooseModel);
}

chooseDigit(chosen.digit);
chooseGarment(chosen.garment);
chooseModel(chosen.model);
chooseNoise(chosen.noise);
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) {
  goTo(0);
  play("play");
}
