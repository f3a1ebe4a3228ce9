// Formats JSON without changing its tokens: parsing and serializing it would alter numbers that do not fit a float and
// drop duplicate members.

const token = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null|[{}[\],:]/g;

/** isJSON reports whether text is JSON. */
export function isJSON(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** maxDepth is how deeply JSON may be nested to be indented. What is nested deeper would be mostly indentation. */
const maxDepth = 200;

/** looksStructured reports whether text is a JSON object or array. */
export const looksStructured = (text) => /^\s*[[{]/.test(text) && isJSON(text);

/** pretty returns the tokens of JSON text, indented: [{kind, text}]. */
export function pretty(text) {
  const out = [];
  const tokens = text.match(token) ?? [];
  if (depthOf(tokens) > maxDepth) return [{ kind: 'space', text }];
  let depth = 0;
  const line = () => out.push({ kind: 'space', text: '\n' + '  '.repeat(depth) });
  tokens.forEach((t, i) => {
    const next = tokens[i + 1];
    if (t === '}' || t === ']') {
      depth--;
      if (tokens[i - 1] !== '{' && tokens[i - 1] !== '[') line();
    }
    out.push({ kind: kindOf(t, next), text: t });
    if (t === '{' || t === '[') {
      depth++;
      if (next !== '}' && next !== ']') line();
    } else if (t === ',') line();
    else if (t === ':') out.push({ kind: 'space', text: ' ' });
  });
  return out;
}

/** prettyText returns JSON text indented. */
export const prettyText = (text) => pretty(text).map((t) => t.text).join('');

/** compactText returns JSON text without spaces between its tokens. */
export const compactText = (text) => (text.match(token) ?? []).join('');

function depthOf(tokens) {
  let depth = 0;
  let deepest = 0;
  for (const t of tokens) {
    if (t === '{' || t === '[') deepest = Math.max(deepest, ++depth);
    else if (t === '}' || t === ']') depth--;
  }
  return deepest;
}

function kindOf(t, next) {
  if (t[0] === '"') return next === ':' ? 'name' : 'string';
  if (/[-\d]/.test(t[0])) return 'number';
  return /[a-z]/.test(t[0]) ? 'literal' : 'mark';
}
