// Base64, sizes and hex dumps.

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

export function toBase64(bytes) {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary);
}

export const toBytes = (text) => new TextEncoder().encode(text);

/** formatBytes formats a size in bytes for people. */
export function formatBytes(n) {
  if (n < 1024) return `${n} B`;
  let unit = -1;
  do {
    n /= 1024;
    unit++;
  } while (n >= 1023.95 && unit < 4);
  return `${n.toFixed(n < 100 ? 1 : 0)} ${['KiB', 'MiB', 'GiB', 'TiB', 'PiB'][unit]}`;
}

/** hexRows returns a hex dump of bytes, beginning at an offset, as at most that many rows of width bytes. */
export function hexRows(bytes, from, rows, width = 16) {
  const all = [];
  for (let at = from; at < bytes.length && all.length < rows; at += width) {
    const row = [...bytes.subarray(at, at + width)];
    all.push({
      offset: at.toString(16).padStart(8, '0'),
      hex: row.map((b) => b.toString(16).padStart(2, '0')).join(' ').padEnd(3 * width - 1),
      text: row.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '·')).join(''),
    });
  }
  return all;
}
