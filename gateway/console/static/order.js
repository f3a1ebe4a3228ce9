// The order of keys: by their UTF-8 bytes, as on the server.

/** compare orders keys as the server does: by code point, unlike <. */
export function compare(a, b) {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    if (a.charCodeAt(i) === b.charCodeAt(i)) continue;
    return rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
  }
  return a.length - b.length;
}

// rank orders surrogates, which encode the code points above U+FFFF, after all other units.
const rank = (unit) => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit);

/** place returns the index of a key in children, which are in order, or the index to insert it at. */
export function place(children, key) {
  let low = 0;
  let high = children.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(children[middle].key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
