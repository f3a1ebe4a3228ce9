// Durations: as users type them, as the server expects them, and as a countdown.

const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** parseDuration parses text such as 90s, 5m, 1h30m or 7d. It returns ms, or null if text is not a duration. */
export function parseDuration(text) {
  const compact = text.trim().replaceAll(' ', '').toLowerCase();
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(compact)) return null;
  let ms = 0;
  for (const [, n, unit] of compact.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)) ms += Number(n) * units[unit];
  ms = Math.round(ms);
  return ms > 0 ? ms : null;
}

/** toGo formats ms for the REST routes. */
export const toGo = (ms) => (ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`);

/** toSeconds formats ms as a Duration in the JSON form of protobuf. */
export const toSeconds = (ms) => `${ms / 1000}s`;

/** parseGo parses a duration in the syntax of Go and returns ms. */
export function parseGo(text) {
  const units = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, '\u00b5s': 0.001, ns: 1e-6 };
  return [...text.matchAll(/([\d.]+)(h|ms|m|s|\u00b5s|ns)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit], 0);
}

/** countdown formats ms with its two largest units. */
export function countdown(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const parts = [[86400, 'd'], [3600, 'h'], [60, 'm'], [1, 's']];
  const first = parts.findIndex(([size]) => seconds >= size);
  if (first < 0) return '0s';
  let rest = seconds;
  return parts.slice(first, first + 2).map(([size, name], i) => {
    const n = Math.floor(rest / size);
    rest %= size;
    return (i ? String(n).padStart(2, '0') : n) + name;
  }).join(' ');
}

/** clock formats a time of day. */
export const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });

/** moment formats a date and a time of day. */
export const moment = (ms) => new Date(ms).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium', hour12: false });
