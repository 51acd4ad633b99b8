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

/** Whether bytes are those that are listed; where the browser cannot tell, they are. */
async function same(buffer, { sha256 }) {
  if (!globalThis.crypto?.subtle) return true; // on pages that are not from https or localhost
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", buffer));
  return Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
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
    // not what the browser has kept besides, which may be a wrong file of the first try
    const answer = old ?? (await fetch(url, { cache: kept ? "reload" : "default" }));
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    const parts = [];
    for (const reader = answer.body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      progress((bytes += value.length));
    }
    found[name] = await new Blob(parts).arrayBuffer();
    if (!(await same(found[name], file))) {
      await kept?.delete(url);
      throw new Error(`${name}: another version; load the page again`);
    }
    if (old || !kept) continue;
    await kept.delete(url, { ignoreSearch: true }); // older versions
    const headers = { "Content-Type": answer.headers.get("Content-Type") ?? "" };
    await kept.put(url, new Response(found[name], { headers })).catch(() => {}); // no room is left
  }
  return found;
}
