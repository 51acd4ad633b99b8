// Trains away from the page. It is told {pictures}, then {filters, round} to begin anew, {rate}, {run}.
import { create, differentiate, evaluate, random, step } from "./training.js";

const BATCH = 16;
let pictures, labels, held, round, network, rate, draw, order, at, epoch, losses;
let running = false;
let generation = 0;

function begin(filters) {
  network = create({ side: Math.sqrt(pictures[0].length / 3), filters });
  draw = random(1);
  order = pictures.map((_, i) => i).slice(held);
  [at, epoch, losses] = [0, 0, []];
  report();
}

/** Say what the network gives for the drawings that it does not learn from. */
function report() {
  const { loss, accuracy, dogs } = evaluate(network, pictures.slice(0, held), labels.slice(0, held));
  const training = losses.reduce((sum, one) => sum + one, 0) / losses.length; // NaN before the first
  postMessage({ round, epoch, loss, accuracy, dogs, training, kernel: network.weights.kernel1 });
  losses = [];
}

function shuffle() {
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
}

async function train() {
  const mine = ++generation;
  while (running && mine === generation) {
    if (!at) shuffle();
    const batch = order.slice(at, at + BATCH);
    losses.push(differentiate(network, batch.map((i) => pictures[i]), batch.map((i) => labels[i])));
    step(network, rate);
    at += BATCH;
    postMessage({ round, part: epoch + at / order.length, kernel: network.weights.kernel1 });
    if (at >= order.length) {
      at = 0;
      epoch++;
      report();
    }
    await new Promise((later) => setTimeout(later)); // for what the page has to say
  }
}

onmessage = ({ data }) => {
  if (data.pictures) ({ pictures, labels, held } = data);
  if (data.rate) ({ rate } = data);
  if (data.filters) {
    ({ round } = data);
    begin(data.filters);
  }
  if (data.run !== undefined) {
    running = data.run;
    if (running) train();
  }
};
