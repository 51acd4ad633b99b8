// The page of `catdog serve`. What it imports is the web edition's, and comes from this server, too.
import { meter, percent } from "/live/parts/answer.js";
import { inside } from "/live/parts/folders.js";
import { make, words } from "/live/parts/page.js";

const ready = words({});
const AT_ONCE = 3;
const find = (id) => document.getElementById(id);
const waiting = [];
const SILENT = "The program on this computer does not answer. Is it still running?";
const limits = fetch("/limits").then((answer) => answer.json(), () => {
  throw new Error(SILENT);
});
let busy = 0, done = 0, refused = 0, others = 0, round = 0;

function tell() {
  const left = waiting.length + busy;
  const plural = (n) => `${n} photo${n === 1 ? "" : "s"}`;
  let text = done ? `${plural(done)} answered` : "";
  if (refused) text += `${text ? ", " : ""}${refused} could not be read`;
  if (others) text += `${text ? ", " : ""}${others} other file${others === 1 ? "" : "s"} left out`;
  if (left) text += `${text ? ", " : ""}${plural(left)} to go …`;
  find("status").textContent = text;
  find("clear").hidden = !(done || refused || others);
}

function cardOf(name) {
  const card = make(find("results"), "li", { class: "card" });
  make(make(card, "div", { class: "text" }), "div", { class: "name" }, name);
  return card;
}

function add(files) {
  for (const file of files) waiting.push({ file, card: cardOf(file.name), round });
  tell();
  for (let i = busy; i < AT_ONCE; i++) next();
}

async function addFolder(entry) {
  const started = round;
  let files = [], suffixes = [], why = "There is no photo in this folder.";
  try {
    ({ suffixes } = await limits);
    files = await inside(entry);
  } catch (error) {
    why = error.message === SILENT ? SILENT : "This folder cannot be read.";
  }
  if (started !== round) return;
  const photos = files.filter(({ name }) => !name.startsWith("._")
    && suffixes.some((suffix) => name.toLowerCase().endsWith(suffix)));
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
  tell();
  let failed = null;
  try {
    const started = performance.now();
    const found = await ask(job.file);
    await show(job, found, (performance.now() - started) / 1000);
  } catch (error) {
    failed = error;
    fail(job, error.message);
  }
  busy--;
  if (job.round === round) failed ? refused++ : done++;
  tell();
  next();
}

async function ask(file) {
  const { bytes } = await limits;
  if (file.size > bytes)
    throw new Error(`This file has more than ${Math.round(bytes / 2 ** 20)} MB.`);
  for (let tries = 0; ; tries++) {
    let answer;
    try {
      answer = await fetch("/predict", { method: "POST", body: file });
    } catch {
      const there = await file.arrayBuffer().then(() => true, () => false);
      throw new Error(there ? SILENT : "This file is gone, or cannot be read.");
    }
    if (answer.status === 503 && tries < 60) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      continue;
    }
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(found.error ?? SILENT);
    return found;
  }
}

async function show({ file, card }, found, seconds) {
  const say = await ready;
  const text = card.querySelector(".text"), dog = found.dog;
  const box = make(card, "div", { class: "photo" });
  card.prepend(box);
  const frame = make(box, "div", { class: "frame" });
  const photo = make(frame, "img", { alt: file.name });
  photo.onload = photo.onerror = () => URL.revokeObjectURL(photo.src);
  photo.src = URL.createObjectURL(file);
  if (found.heat) {
    const src = `data:image/png;base64,${found.heat}`;
    make(frame, "img", { class: "heat", alt: "bright where the network looked", src });
  }
  const likely = found.likelier, chance = percent(likely === "dog" ? dog : 1 - dog, say);
  if (found.label === "neither") {
    make(text, "h2", {}, say("classifier.neither"));
    make(text, "p", {}, say("classifier.if", { label: say(`classifier.${likely}`) }));
  } else make(text, "h2", { class: likely }, `${likely === "cat" ? "Cat" : "Dog"}, ${chance}`);
  meter(text, dog, say);
  const times = `${found.seconds.toFixed(2)} s for the network, ${seconds.toFixed(2)} s in all`;
  make(text, "p", { class: "time" }, times);
}

function fail({ card }, why) {
  card.classList.add("wrong");
  const text = card.querySelector(".text");
  make(text, "h2", {}, "Not read");
  make(text, "p", {}, why);
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
  tell();
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
limits.then((found) => {
  const kinds = "JPEG, PNG, WebP, AVIF, TIFF, BMP or GIF";
  const megabytes = Math.round(found.bytes / 2 ** 20), million = Math.round(found.pixels / 1e6);
  find("limits").textContent =
    `${kinds}, up to ${megabytes} MB each, and ${million} million pixels unless it is a JPEG`;
});
