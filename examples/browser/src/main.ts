import { connect } from "./client.js";
import { watch } from "./watch.js";

const field = (name: string) => document.getElementById(name) as HTMLInputElement;
const output = document.getElementById("output") as HTMLPreElement;

const show = (text: string) => {
  output.textContent = text;
};
const client = () => connect(field("url").value, field("api-key").value);

async function get() {
  const { entry } = await client().get({ key: field("key").value });
  const content = entry?.content;
  show(content?.case === "data" ? `${content.value.length} bytes` : (content?.value ?? ""));
}

async function set() {
  const content = { case: "value" as const, value: field("value").value };
  const { created } = await client().set({ key: field("key").value, content });
  show(created ? "created" : "changed");
}

async function list() {
  const { entries } = await client().list({ prefix: field("key").value, keysOnly: true });
  show(entries.map((entry) => entry.key).join("\n"));
}

let watching: AbortController | undefined;

async function follow() {
  watching?.abort();
  watching = new AbortController();
  show("");
  await watch(client(), field("key").value, watching.signal, (type, key) => {
    output.textContent += `${type} ${key}\n`;
  });
}

for (const [name, action] of Object.entries({ get, set, list, watch: follow })) {
  document.getElementById(name)?.addEventListener("click", () => {
    action().catch((error: unknown) => show(String(error)));
  });
}
