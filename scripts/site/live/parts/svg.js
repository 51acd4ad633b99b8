// Drawings.
const SVG = "http://www.w3.org/2000/svg";

/** Append an SVG element. */
export function draw(parent, tag, attributes = {}, words) {
  const made = parent.appendChild(document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (words !== undefined) made.textContent = words;
  return made;
}
