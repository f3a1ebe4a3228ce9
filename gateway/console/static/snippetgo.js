// Writes an action as a Go program.

import { inline, literal } from './snippet.js';

/** go returns an action as a program that uses package client. */
export function go(action, url) {
  const body = bodies[action.op](action);
  const imports = ['context', 'log', 'os', ...(/fmt\./.test(body) ? ['fmt'] : []), ...(/time\./.test(body) ? ['time'] : [])].sort();
  return `package main

import (
${imports.map((name) => `\t"${name}"`).join('\n')}

\t"key-value/client"
)

func main() {
\tkv, err := client.New(${literal(url)}, client.WithAPIKey(os.Getenv("KV_API_KEY")))
\tif err != nil {
\t\tlog.Fatal(err)
\t}
\tdefer kv.Close()
\tctx := context.Background()

${body.trimEnd().split('\n').map((line) => line && `\t${line}`).join('\n')}
}
`;
}

const check = `if err != nil {
\tlog.Fatal(err)
}
`;

const bodies = {
  get: ({ key }) => `entry, err := kv.Get(ctx, ${literal(key)})
${check}fmt.Printf("%s\\n", entry.Value)
`,
  set: (action) => {
    const call = (value) => `entry, created, err := kv.Set(ctx, ${[literal(action.key), value, ...options(action)].join(', ')})
${check}fmt.Println(entry.ETag, created)
`;
    return inline(action) ? call(`[]byte(${literal(action.content)})`)
      : `value, err := os.ReadFile("value")\n${check}${call('value')}`;
  },
  delete: (action) => `deleted, err := kv.Delete(ctx, ${[literal(action.key), ...condition(action)].join(', ')})
${check}fmt.Println(deleted)
`,
  touch: (action) => `entry, err := kv.Touch(ctx, ${[literal(action.key), ...options(action)].join(', ')})
${check}fmt.Println(entry.ExpireTime)
`,
  list: ({ prefix }) => `for entry, err := range kv.List(ctx, ${literal(prefix)}, client.KeysOnly()) {
${indent(check)}\tfmt.Println(entry.Key)
}
`,
  watch: ({ prefix }) => `for event, err := range kv.Watch(ctx, ${literal(prefix)}) {
${indent(check)}\tfmt.Printf("%s %s %s\\n", event.Type, event.Entry.Key, event.Entry.Value)
}
`,
};

const indent = (text) => text.replace(/^(?=.)/gm, '\t');

const options = (action) => [...life(action), ...condition(action)];

function life({ op, ttl }) {
  if (ttl === undefined && op === 'set') return ['client.KeepTTL()'];
  return ttl ? [`client.TTL(${ttl}*time.Millisecond)`] : [];
}

function condition({ etag }) {
  if (etag === undefined) return [];
  return [etag === null ? 'client.IfAbsent()' : `client.IfMatch(${literal(etag)})`];
}
