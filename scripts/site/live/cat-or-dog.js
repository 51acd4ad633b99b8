// Cat or dog? The shipped model on the reader's photos, in the page: none of them leaves it.
import { complete, fresh, load } from "./lib/keeping.js";
import { meter, percent } from "./parts/answer.js";
import { assets, make, mounted, paint, words } from "./parts/page.js";
import { decoded, photoButtons } from "./parts/photos.js";

export function mount(root, options = {}) {
  return mounted(root, async (own, signal) => {
    const say = await words(options);
    const home = assets(options);
    const about = await (await fresh(new URL("classifier.json", home).href)).json();
    const bytes = Object.values(about.files).reduce((sum, file) => sum + file.bytes, 0);
    const size = (bytes / 1e6).toFixed(0);
    const kept = await complete(home, about.files);

    let model;
    const before = make(own, "div");
    make(before, "p", {}, say(kept ? "classifier.kept" : "classifier.offer", { size }));
    const begin = async () => {
      start.hidden = true;
      progress.hidden = false;
      model?.end(); // it may never have come
      model = new Model(new URL("./lib/classifier-worker.js", import.meta.url), signal);
      try {
        await model.ask({ home, about }, (now) => {
          progress.value = now;
          state.textContent = say("classifier.loading", { now: (now / 1e6).toFixed(1), size });
        });
        before.remove();
        ready(own, { say, signal, model, home, files: about.files });
      } catch (error) {
        state.textContent = say("classifier.failed", { error: error.message });
        start.hidden = false;
        progress.hidden = true;
        if (nowhere(own)) start.focus({ preventScroll: true });
      }
    };
    const name = say(kept ? "classifier.start" : "classifier.load", { size });
    const start = make(before, "button", { type: "button", click: begin }, name);
    const progress = make(before, "progress", { max: bytes, value: 0, hidden: true, "aria-label": name });
    const state = make(before, "p", { role: "status", class: "live-status" });
  });
}

/** The worker: it is asked one thing after the other. */
class Model {
  constructor(url, signal) {
    this.worker = new Worker(url, { type: "module" });
    if (signal.aborted) this.end();
    signal.addEventListener("abort", () => this.end());
  }

  end() {
    this.worker.terminate();
  }

  ask(question, progress) {
    return new Promise((done, failed) => {
      this.worker.onmessage = ({ data }) => {
        if ("error" in data) failed(new Error(data.error));
        else if (data.bytes) progress(data.bytes);
        else done(data.answer);
      };
      this.worker.onerror = ({ message }) => failed(new Error(message));
      this.worker.postMessage(question);
    });
  }
}

function ready(own, { say, signal, model, home, files }) {
  const bar = make(own, "div", { class: "live-bar" });
  const status = make(own, "p", { role: "status", class: "live-status" }, say("classifier.ready"));
  const cards = make(own, "ul", { class: "live-cards" });
  let [asked, answered, unread, round, last] = [0, 0, 0, 0, Promise.resolve()];
  const take = (files) => {
    asked += files.length;
    tell();
    const started = round;
    for (const file of files) last = last.then(() => started === round && one(file, started));
  };
  const tell = () => {
    const key = answered < asked ? "classifier.progress" : unread ? "classifier.some" : "classifier.all";
    status.textContent = say(key, { answered, asked, unread });
  };
  const one = async (file, started) => {
    const card = make(cards, "li");
    let why = say("photos.unreadable");
    try {
      const photo = await decoded(file);
      why = null;
      const found = await model.ask({ photo });
      if (started !== round) return;
      show(card, file, found, say);
    } catch (error) {
      if (started !== round) return;
      unread++;
      make(card, "strong", {}, file.name);
      make(card, "p", {}, why ?? say("classifier.broken", { error: error.message }));
    }
    answered++;
    tell();
  };
  photoButtons(own, bar, { say, signal, take, many: true });
  const example = async () => {
    let cat;
    try {
      ({ "cat.png": cat } = await load(home, { "cat.png": files["cat.png"] }));
    } catch (error) {
      status.textContent = say("classifier.failed", { error: error.message });
      return;
    }
    const pictures = [new Blob([cat]), await noise()];
    take(pictures.map((one, i) => new File([one], say(["classifier.cat", "classifier.noise"][i]))));
  };
  make(bar, "button", { type: "button", click: example }, say("classifier.examples"));
  const heat = make(make(bar, "label"), "input", { type: "checkbox", checked: true });
  heat.parentElement.append(` ${say("classifier.heat")}`);
  heat.addEventListener("change", () => cards.classList.toggle("live-plain", !heat.checked));
  const clear = () => {
    cards.replaceChildren();
    asked = answered = unread = 0;
    round++;
    status.textContent = say("classifier.ready");
  };
  make(bar, "button", { type: "button", click: clear }, say("classifier.clear"));
  if (nowhere(own)) bar.querySelector("input").focus({ preventScroll: true });
}

/** Whether the focus is here, or nowhere, as when its button was taken away: a reader may be elsewhere. */
function nowhere(own) {
  const { activeElement, body } = document;
  return !activeElement || activeElement === body || own.contains(activeElement);
}

function show(card, file, { dog, neither, heat, seconds }, say) {
  const label = dog >= 0.5 ? "dog" : "cat";
  const frame = make(card, "div", { class: "live-frame" });
  const picture = make(frame, "img", { alt: "" });
  picture.onload = () => URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(file);
  paint(make(frame, "canvas", { class: "live-heat" }), heat.width, heat.height, glow(heat, label));
  make(card, "small", {}, file.name);
  if (neither) {
    make(card, "strong", {}, say("classifier.neither"));
    make(card, "p", {}, say("classifier.if", { label: say(`classifier.${label}`) }));
  } else {
    const chance = percent(Math.max(dog, 1 - dog), say);
    make(card, "strong", { class: `live-${label}` }, say(`answer.${label}`, { percent: chance }));
  }
  meter(card, dog, say);
  make(card, "small", {}, say("classifier.seconds", { seconds: seconds.toFixed(2) }));
  card.dataset.dog = dog;
  card.dataset.label = neither ? "neither" : label;
}

/** What speaks for the label, as yellow of more or less strength: RGBA. */
function glow({ values }, label) {
  const strength = Array.from(values, (value) => Math.max(label === "dog" ? value : -value, 0));
  const most = Math.max(...strength, 1e-12);
  return strength.flatMap((value) => [255, 210, 0, 190 * Math.sqrt(value / most)]);
}

function noise() {
  const canvas = document.createElement("canvas");
  paint(canvas, 260, 260, Uint8Array.from({ length: 4 * 260 * 260 }, (_, i) =>
    i % 4 === 3 ? 255 : 256 * Math.random()));
  return new Promise((done) => canvas.toBlob(done));
}
