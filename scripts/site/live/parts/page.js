// What several live figures need of a page.

/** Append an element; attributes that are functions listen to the event of that name. */
export function make(parent, tag, attributes = {}, text) {
  const made = parent.appendChild(document.createElement(tag));
  for (const [name, value] of Object.entries(attributes))
    if (typeof value === "function") made.addEventListener(name, value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

let say = (key, { error }) => error; // until the words have come

/** A function from a message's key to its words, in which {name} becomes values.name. */
export async function words(options) {
  const english = () => fetch(new URL("../messages/en.json", import.meta.url));
  const messages = options.messages ?? (await (await english()).json());
  return (say = (key, values = {}) => messages[key].replace(/{(\w+)}/g, (_, name) => values[name]));
}

/** Where the figures' own files stand: weights, drawings. */
export function assets(options) {
  return new URL(options.assets ?? "../assets/", import.meta.url).href;
}

/** Draw gray values, 0 to 1, or RGBA bytes, on a canvas of as many pixels. */
export function paint(canvas, width, height, values) {
  [canvas.width, canvas.height] = [width, height];
  const picture = new ImageData(width, height);
  if (values.length === 4 * width * height) picture.data.set(values);
  else
    for (let i = 0; i < values.length; i++) {
      picture.data.fill(255 * values[i], 4 * i, 4 * i + 3);
      picture.data[4 * i + 3] = 255;
    }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

/** Put a mark around pixels top, left, bottom, right of a picture of this height and width. */
export function outline(mark, [top, left, bottom, right], [height, width]) {
  const percent = (part, whole) => `${(100 * part) / whole}%`;
  Object.assign(mark.style, {
    top: percent(top, height),
    left: percent(left, width),
    height: percent(bottom - top + 1, height),
    width: percent(right - left + 1, width),
  });
}

/** Fill `root` by an asynchronous function, which returns how to end it. */
export function mounted(root, fill) {
  const gone = new AbortController();
  const picture = [...root.childNodes];
  const own = document.createElement("div");
  own.className = "live";
  // its keys are its own: not those of slides, nor of JupyterLab
  own.dataset.lmSuppressShortcuts = "true";
  own.addEventListener("keydown", (event) => event.stopPropagation());
  const ready = fill(own, gone.signal).then(
    () => gone.signal.aborted || root.replaceChildren(own),
    (error) => {
      console.error(error);
      root.querySelector('[role="status"]')?.remove();
      make(root, "p", { role: "status" }, say("live.failed", { error: error.message }));
    },
  );
  return {
    ready,
    destroy() {
      gone.abort();
      root.replaceChildren(...picture);
    },
  };
}
