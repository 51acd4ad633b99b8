// An answer: how likely a cat and how likely a dog, as a bar with its numbers.
import { make } from "./page.js";

/** 0.123 as "12.3%", without claiming that anything is certain. */
export function percent(x, say) {
  if (x > 0.999) return say("answer.over");
  return x < 0.001 ? say("answer.under") : `${(100 * x).toFixed(1)}%`;
}

export function meter(parent, dog, say) {
  const [cats, dogs] = [
    say("answer.cat", { percent: percent(1 - dog, say) }),
    say("answer.dog", { percent: percent(dog, say) }),
  ];
  const bar = make(parent, "div", { class: "live-meter", role: "img", "aria-label": `${cats}, ${dogs}` });
  make(bar, "span").style.width = `${100 * (1 - dog)}%`;
  const scale = make(parent, "div", { class: "live-scale", "aria-hidden": "true" });
  make(scale, "span", {}, cats);
  make(scale, "span", {}, dogs);
}
