// Takes photos from the reader: a file, the camera, dropped or pasted. None of them leaves the page.
import { inside } from "./folders.js";
import { make } from "./page.js";

const LARGEST = 12e6; // pixels that are looked at; a telephone's canvas holds 16 million

/** Decode a file or picture upright, over white: {pixels, width, height}, of RGBA bytes. */
export async function decoded(file) {
  const picture = await createImageBitmap(file);
  const shrink = Math.min(1, Math.sqrt(LARGEST / (picture.width * picture.height)));
  const [width, height] = [picture.width, picture.height].map((n) => Math.round(n * shrink) || 1);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(picture, 0, 0, width, height);
  picture.close();
  return { pixels: context.getImageData(0, 0, width, height).data, width, height };
}

/** Make the buttons; `take` gets an array of files. Dropping works on all of `root`. */
export function photoButtons(root, parent, { say, signal, take, many = false }) {
  const label = make(parent, "label", { class: "live-button" }, say(many ? "photos.many" : "photos.one"));
  const input = make(label, "input", { type: "file", accept: "image/*", multiple: many });
  const hand = (files) => {
    const photos = [...files];
    if (photos.length) take(many ? photos : photos.slice(0, 1));
  };
  input.addEventListener("change", () => {
    hand(input.files);
    input.value = "";
  });
  if (navigator.mediaDevices?.getUserMedia) camera(root, parent, { say, signal, hand });

  const over = (on) => root.classList.toggle("live-over", on);
  root.addEventListener("dragover", (event) => {
    event.preventDefault();
    over(true);
  });
  root.addEventListener("dragleave", ({ relatedTarget }) => over(root.contains(relatedTarget)));
  root.addEventListener("drop", async (event) => {
    event.preventDefault();
    over(false);
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    const files = [...event.dataTransfer.files];
    if (!entries.some((entry) => entry?.isDirectory)) return hand(files);
    const found = (await Promise.all(entries.filter(Boolean).map(inside))).flat();
    hand(found.filter(({ type }) => type.startsWith("image/")));
  });
  const paste = (event) => {
    if (!root.isConnected) return document.removeEventListener("paste", paste); // a cell run anew
    if (root.contains(document.activeElement) || root.matches(":hover"))
      hand(event.clipboardData.files);
  };
  document.addEventListener("paste", paste, { signal });
}

function camera(root, parent, { say, signal, hand }) {
  let stream = null;
  let turn = 0; // a permission that comes after the box was closed opens nothing
  const off = () => {
    turn++;
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
  };
  const open = make(parent, "button", { type: "button", click: start }, say("photos.camera"));
  const box = make(root, "div", { class: "live-camera", hidden: true });
  parent.after(box); // where the reader has just clicked
  const video = make(box, "video", { playsinline: true, muted: true, "aria-label": say("photos.camera") });
  video.muted = true;
  const bar = make(box, "div", { class: "live-bar" });
  const shoot = make(bar, "button", { type: "button", click: snap }, say("photos.take"));
  make(bar, "button", { type: "button", click: stop }, say("photos.stop"));
  const refused = make(box, "p", { role: "status" });

  async function start() {
    off();
    const mine = turn;
    box.hidden = false;
    refused.textContent = "";
    try {
      const given = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      if (mine !== turn) return given.getTracks().forEach((track) => track.stop());
      stream = given;
      const watch = setInterval(() => { // its figure may go without a word, as a cell's output does
        if (!video.isConnected) off();
        if (stream !== given) clearInterval(watch);
      }, 1000);
      video.srcObject = stream;
      await video.play();
      shoot.focus();
    } catch {
      if (mine === turn) refused.textContent = say("photos.refused");
    }
  }
  async function snap() {
    if (!stream) return;
    hand([new File([await still(video)], say("photos.taken"), { type: "image/png" })]);
    stop();
  }
  function stop() {
    off();
    box.hidden = true;
    open.focus();
  }
  signal.addEventListener("abort", off);
}

function still(video) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext("2d").drawImage(video, 0, 0);
  return new Promise((done) => canvas.toBlob(done));
}
