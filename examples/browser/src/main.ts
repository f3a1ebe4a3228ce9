import { type ClientOptions, KeyValueClient, KeyValueError } from "key-value-client";

const field = (name: string) => document.getElementById(name) as HTMLInputElement;
const output = document.getElementById("output") as HTMLPreElement;

const show = (text: string) => {
  output.textContent = text;
};

/** client returns a client of the store as the fields say. A page with a fixed URL creates one and keeps it. */
const client = () =>
  new KeyValueClient(field("url").value, {
    apiKey: field("api-key").value,
    protocol: field("protocol").value as NonNullable<ClientOptions["protocol"]>,
  });

async function get() {
  const { value } = await client().get(field("key").value);
  show(typeof value === "string" ? value : `${value?.length} bytes`);
}

async function set() {
  const { created } = await client().set(field("key").value, field("value").value);
  show(created ? "created" : "changed");
}

async function list() {
  const keys: string[] = [];
  for await (const { key } of client().list({ prefix: field("key").value, keysOnly: true })) keys.push(key);
  show(keys.join("\n"));
}

let watching = new AbortController();

/** follow shows the changes below the prefix until the next watch starts. Interruptions show only as a line: the watch resumes. */
async function follow() {
  watching.abort();
  watching = new AbortController();
  const { signal } = watching;
  show("");
  const onCut = () => output.append("interrupted\n");
  for await (const event of client().watch({ prefix: field("key").value, startOver: true, onCut, signal })) {
    output.append("key" in event ? `${event.type} ${event.key}\n` : `${event.type}\n`);
  }
}

const describe = (error: unknown) => (error instanceof KeyValueError ? `${error.reason}: ${error.message}` : String(error));

for (const [name, action] of Object.entries({ get, set, list, watch: follow })) {
  document.getElementById(name)?.addEventListener("click", () => {
    action().catch((error: unknown) => {
      if (!(error instanceof DOMException && error.name === "AbortError")) show(describe(error));
    });
  });
}
