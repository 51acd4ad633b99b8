"use strict";
const AT_ONCE = 3;
const find = (id) => document.getElementById(id);
const waiting = [];
let limits = { bytes: 20 * 2 ** 20, pixels: 15e6, suffixes: [] };
let busy = 0, done = 0, refused = 0, others = 0, round = 0;

function make(parent, tag, name, text) {
  const made = parent.appendChild(document.createElement(tag));
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function say() {
  const left = waiting.length + busy;
  const plural = (n) => `${n} photo${n === 1 ? "" : "s"}`;
  let text = done ? `${plural(done)} answered` : "";
  if (refused) text += `${text ? ", " : ""}${refused} could not be read`;
  if (others) text += `${text ? ", " : ""}${others} other file${others === 1 ? "" : "s"} left out`;
  if (left) text += `${text ? ", " : ""}${plural(left)} to go …`;
  find("status").textContent = text;
  find("clear").hidden = !(done || refused || others);
}

function percent(x) {
  return x > 0.999 ? "over 99.9%" : x < 0.001 ? "under 0.1%" : `${(100 * x).toFixed(1)}%`;
}

function cardOf(name) {
  const card = make(find("results"), "li", "card");
  make(make(card, "div", "text"), "div", "name", name);
  return card;
}

function add(files) {
  for (const file of files) waiting.push({ file, card: cardOf(file.name), round });
  say();
  for (let i = busy; i < AT_ONCE; i++) next();
}

function inside(entry) {
  if (entry.isFile) return new Promise((resolve, reject) => entry.file(resolve, reject));
  const reader = entry.createReader(), found = [];
  return new Promise((resolve, reject) => {
    const more = () => reader.readEntries(async (some) => {  // a hundred at a time
      if (some.length) return found.push(...some), more();
      found.sort((a, b) => (a.name < b.name ? -1 : 1));
      Promise.all(found.map(inside)).then((files) => resolve(files.flat()), reject);
    }, reject);
    more();
  });
}

async function addFolder(entry) {
  const started = round;
  let files, why = "There is no photo in this folder.";
  try {
    files = await inside(entry);
  } catch {
    files = [], why = "This folder cannot be read.";
  }
  if (started !== round) return;
  const photos = files.filter(({ name }) => !name.startsWith("._")
    && limits.suffixes.some((suffix) => name.toLowerCase().endsWith(suffix)));
  others += files.length - photos.length;
  if (!photos.length) {
    refused++;
    fail({ card: cardOf(entry.name) }, why);
  }
  add(photos);
}

async function next() {
  const job = waiting.shift();
  if (!job) return;
  busy++;
  say();
  let failed = null;
  try {
    const started = performance.now();
    const found = await ask(job.file);
    show(job, found, (performance.now() - started) / 1000);
  } catch (error) {
    failed = error;
    fail(job, error.message);
  }
  busy--;
  if (job.round === round) failed ? refused++ : done++;
  say();
  next();
}

async function ask(file) {
  if (file.size > limits.bytes)
    throw new Error(`This file has more than ${Math.round(limits.bytes / 2 ** 20)} MB.`);
  for (let tries = 0; ; tries++) {
    let answer;
    try {
      answer = await fetch("/predict", { method: "POST", body: file });
    } catch {
      const there = await file.arrayBuffer().then(() => true, () => false);
      throw new Error(there ? "The program on this computer does not answer. Is it still running?"
        : "This file is gone, or cannot be read.");
    }
    if (answer.status === 503 && tries < 60) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      continue;
    }
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.error);
    return found;
  }
}

function show({ file, card }, found, seconds) {
  const box = document.createElement("div");
  box.className = "photo";
  const frame = make(box, "div", "frame");
  const photo = make(frame, "img");
  photo.alt = file.name;
  photo.onload = () => URL.revokeObjectURL(photo.src);
  photo.src = URL.createObjectURL(file);
  if (found.heat) {
    const heat = make(frame, "img", "heat");
    heat.alt = "bright where the network looked";
    heat.src = `data:image/png;base64,${found.heat}`;
  }
  card.prepend(box);
  const text = card.querySelector(".text"), dog = found.dog;
  const likely = dog >= 0.5 ? "dog" : "cat", chance = Math.max(dog, 1 - dog);
  if (found.label === "neither") {
    make(text, "h2", "", "Neither, it seems");
    make(text, "p", "", `It looks like no photo of a cat or a dog. If it must be one: ${likely}.`);
  } else make(text, "h2", likely, `${likely === "cat" ? "Cat" : "Dog"}, ${percent(chance)}`);
  const meter = make(text, "div", "meter");
  meter.setAttribute("role", "img");
  meter.setAttribute("aria-label", `cat ${percent(1 - dog)}, dog ${percent(dog)}`);
  make(meter, "span").style.width = `${100 * (1 - dog)}%`;
  const scale = make(text, "div", "scale");
  make(scale, "span", "", `cat ${percent(1 - dog)}`);
  make(scale, "span", "", `dog ${percent(dog)}`);
  make(text, "p", "time", `${found.seconds.toFixed(2)} s for the network, ${seconds.toFixed(2)} s in all`);
}

function fail({ card }, why) {
  card.classList.add("wrong");
  const text = card.querySelector(".text");
  make(text, "h2", "", "Not read");
  make(text, "p", "", why);
}

find("files").addEventListener("change", (event) => {
  add(event.target.files);
  event.target.value = "";
});
find("heat").addEventListener("change", (event) => {
  document.body.classList.toggle("plain", !event.target.checked);
});
find("clear").addEventListener("click", () => {
  waiting.length = done = refused = others = 0;
  round++;
  find("results").replaceChildren();
  say();
  find("files").focus();
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const dropped = [...event.dataTransfer.items].filter((item) => item.kind === "file");
  const entries = dropped.map((item) => item.webkitGetAsEntry?.());
  const folders = entries.filter((entry) => entry?.isDirectory);
  add([...event.dataTransfer.files].filter((_, i) => !entries[i]?.isDirectory));
  folders.forEach(addFolder);
});
addEventListener("paste", (event) => add(event.clipboardData.files));
fetch("/limits").then((answer) => answer.json()).then((found) => {
  limits = found;
  const kinds = "JPEG, PNG, WebP, AVIF, TIFF, BMP or GIF";
  const megabytes = Math.round(found.bytes / 2 ** 20), million = Math.round(found.pixels / 1e6);
  find("limits").textContent =
    `${kinds}, up to ${megabytes} MB each, and ${million} million pixels unless it is a JPEG`;
});
