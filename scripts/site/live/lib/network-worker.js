// Runs the network away from the page, which so stays quick.
import { open, run } from "./network.js";
import { colours, square } from "./photo.js";

let network;
onmessage = async ({ data: { assets, pixels, width, height } }) => {
  try {
    if (!network) {
      const [about, weights] = await Promise.all(
        ["network.json", "network.bin"].map((name) => fetch(new URL(name, assets))),
      );
      network = open(await about.json(), await weights.arrayBuffer());
      postMessage({ network });
    }
    const start = performance.now();
    const found = run(network, square(colours(pixels), width, height, network.size));
    postMessage({ found, seconds: (performance.now() - start) / 1000 });
  } catch (error) {
    postMessage({ error: error.message });
  }
};
