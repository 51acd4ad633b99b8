// Runs the network away from the page, which so stays quick.
import { open, run } from "./network.js";
import { colours, square } from "./photo.js";

let loading; // once, however many photos come meanwhile

async function load(assets) {
  const [about, weights] = await Promise.all(
    ["network.json", "network.bin"].map((name) => fetch(new URL(name, assets))),
  );
  const network = open(await about.json(), await weights.arrayBuffer());
  postMessage({ network });
  return network;
}

onmessage = async ({ data: { assets, pixels, width, height, mine } }) => {
  try {
    loading ??= load(assets);
    const network = await loading.catch((error) => {
      loading = undefined;
      throw error;
    });
    const start = performance.now();
    const found = run(network, square(colours(pixels), width, height, network.size));
    postMessage({ mine, found, seconds: (performance.now() - start) / 1000 });
  } catch (error) {
    postMessage({ mine, error: error.message });
  }
};
