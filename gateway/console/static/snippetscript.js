// Writes an action as a program: in JavaScript with the package of clients/typescript, in Python with REST and nothing but what the
// language comes with.

import { inline, json, literal, rest } from './snippet.js';

/** javascript returns an action as a module for Node.js. */
export function javascript(action, url) {
  const file = action.op === 'set' && !inline(action);
  return `${file ? 'import { readFile } from "node:fs/promises";\n' : ''}import { KeyValueClient } from "key-value-client"; // npm install key-value-client

const kv = new KeyValueClient(${json(url)}, { apiKey: process.env.KV_API_KEY });
${call(action, file)}`;
}

// call returns the statements that carry out an action with a client.
function call({ op, key, prefix, content, ttl, etag }, file) {
  const condition = etag === undefined ? {} : etag === null ? { ifAbsent: true } : { ifMatch: etag };
  const write = op === 'set' && ttl === undefined ? { keepTtl: true, ...condition } : { ...(ttl && { ttl }), ...condition };
  const options = (members) => Object.entries(members).map(([name, value]) => `${name}: ${json(value)}`).join(', ');
  const more = (members) => (options(members) ? `, { ${options(members)} }` : '');
  switch (op) {
    case 'get': return `const entry = await kv.get(${json(key)});\nconsole.log(entry.value);\n`;
    case 'delete': return `console.log(await kv.delete(${json(key)}${more(condition)}));\n`;
    case 'touch': return `console.log(await kv.touch(${json(key)}${more(write)}));\n`;
    case 'list': return `for await (const { key } of kv.list({ ${options({ prefix, keysOnly: true })} })) console.log(key);\n`;
    case 'watch': return `for await (const event of kv.watch({ ${options({ prefix })} })) console.log(event.type, event.key, event.entry?.value);\n`;
  }
  return `console.log(await kv.set(${json(key)}, ${file ? 'await readFile("value")' : json(content)}${more(write)}));\n`;
}

/** python returns an action as a program for Python 3. */
export function python(action, url) {
  const { method, path, headers, body } = rest(action);
  const object = (members) => `{${Object.entries(members).map(([name, value]) => `${literal(name)}: ${value === null ? 'None' : literal(value)}`).join(', ')}}`;
  const all = object(headers).replace(/^\{/, '{"x-api-key": os.environ["KV_API_KEY"], ').replace(', }', '}');
  const data = body === undefined ? '' : `    data=${body === 'file' ? 'open("value", "rb").read()' : `json.dumps(${object(body)}).encode()`},\n`;
  const request = (address) => `request = urllib.request.Request(\n    ${address},\n    method=${literal(method)},\n    headers=${all},\n${data})\n`;
  const address = literal(url + path);
  const modules = (...names) => `${names.map((name) => `import ${name}`).join('\n')}\n\n`;
  switch (action.op) {
    case 'list': return `${modules('json', 'os', 'urllib.parse', 'urllib.request')}token = ""
while True:
${indent(request(`${address} + "&pageToken=" + urllib.parse.quote(token)`), '    ')}    with urllib.request.urlopen(request) as response:
        page = json.load(response)
    for entry in page["values"]:
        print(entry["key"])
    token = page.get("nextPageToken", "")
    if not token:
        break
`;
    case 'watch': return `${modules('os', 'urllib.request')}${request(address)}with urllib.request.urlopen(request) as response:
    for line in response:
        print(line.decode(), end="", flush=True)
`;
  }
  return `${modules(...(body && body !== 'file' ? ['json'] : []), 'os', 'urllib.request')}${request(address)}with urllib.request.urlopen(request) as response:
    print(response.read().decode())
`;
}

const indent = (text, by) => text.replace(/^(?=.)/gm, by);
