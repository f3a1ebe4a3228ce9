// Writes an action as a program in JavaScript or Python that uses REST and nothing but what the language comes with.

import { json, literal, rest } from './snippet.js';

/** javascript returns an action as a module for Node.js. */
export function javascript(action, url) {
  const { method, path, headers, body } = rest(action);
  const object = (members) => `{ ${Object.entries(members).map(([name, value]) => `${/^\w+$/.test(name) ? name : json(name)}: ${json(value)}`).join(', ')} }`;
  const options = [
    method === 'GET' ? '' : `  method: ${json(method)},\n`,
    `  headers: ${object(headers).replace(/^\{ /, '{ "x-api-key": process.env.KV_API_KEY, ').replace(', }', ' }')},\n`,
    body === undefined ? '' : `  body: ${body === 'file' ? 'await readFile("value")' : `JSON.stringify(${object(body)})`},\n`,
  ].join('');
  const call = (address) => `const response = await fetch(${address}, {\n${options}});\nif (!response.ok) throw new Error(await response.text());\n`;
  const address = json(url + path);
  switch (action.op) {
    case 'list': return `let token = "";
do {
${indent(call(`${address} + "&pageToken=" + encodeURIComponent(token)`), '  ')}  const page = await response.json();
  for (const { key } of page.values) console.log(key);
  token = page.nextPageToken;
} while (token);
`;
    case 'watch': return `${call(address)}for await (const text of response.body.pipeThrough(new TextDecoderStream())) process.stdout.write(text);\n`;
  }
  return `${body === 'file' ? 'import { readFile } from "node:fs/promises";\n\n' : ''}${call(address)}console.log(await response.text());\n`;
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
