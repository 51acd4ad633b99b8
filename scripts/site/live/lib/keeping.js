// Large files are fetched once: the browser keeps them, so that they are there offline, too.

const NAME = "cats-dogs-convolutions";

/** The cache, or null where a browser gives none: on pages that are not from https or localhost. */
async function cache() {
  try {
    return await caches.open(NAME);
  } catch {
    return null;
  }
}

/** An address by which a changed file is another one. */
function address(home, name, { sha256 }) {
  const found = new URL(name, home);
  found.searchParams.set("v", sha256.slice(0, 16));
  return found.href;
}

/** What is kept of a small file, which is asked for anew where that is possible. */
export async function fresh(url) {
  const kept = await cache();
  try {
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${answer.status}`);
    await kept?.put(url, answer.clone()).catch(() => {});
    return answer;
  } catch (error) {
    const old = await kept?.match(url);
    if (old) return old;
    throw error;
  }
}

/** Whether all files are kept already. */
export async function complete(home, files) {
  const kept = await cache();
  const there = Object.entries(files).map(([name, file]) => kept?.match(address(home, name, file)));
  return (await Promise.all(there)).every(Boolean);
}

/**
 * Load files, {name: {bytes, sha256}}, and keep them: {name: ArrayBuffer}.
 * `progress` is told how many bytes of all are there. Older versions of the files are dropped.
 */
export async function load(home, files, progress = () => {}) {
  const kept = await cache();
  const found = {};
  let bytes = 0;
  for (const [name, file] of Object.entries(files)) {
    const url = address(home, name, file);
    const old = await kept?.match(url);
    const answer = old ?? (await fetch(url));
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    const parts = [];
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      progress((bytes += value.length));
    }
    found[name] = await new Blob(parts).arrayBuffer();
    if (old || !kept) continue;
    await kept.delete(url, { ignoreSearch: true }); // older versions
    const headers = { "Content-Type": answer.headers.get("Content-Type") ?? "" };
    await kept.put(url, new Response(found[name], { headers })).catch(() => {}); // no room is left
  }
  return found;
}
