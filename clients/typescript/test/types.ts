// What the types promise. It is compiled and not run.

import { type Entry, KeyValueClient, KeyValueError, type Prefix, type SetResult, type WatchEvent } from "key-value-client";

/** Same is true if two types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** same compiles only if both types are the same. */
function same<A, B>(..._: Same<A, B> extends true ? [] : [never]): void {}

export async function types(kv: KeyValueClient): Promise<void> {
  const entry = await kv.get("k");
  same<typeof entry, Entry>();
  const maybe = await kv.get("k", { allowMissing: true });
  same<typeof maybe, Entry | undefined>();

  const results = await kv.batch([{ get: { key: "a" } }, { set: { key: "b", value: "x" } }, { increment: { key: "n" } }]);
  same<typeof results, [Entry | KeyValueError, SetResult | KeyValueError, bigint | KeyValueError]>();
  const atomic = await kv.batch([{ get: { key: "a", allowMissing: true } }, { increment: { key: "n" } }], { atomic: true });
  same<typeof atomic, [Entry | undefined, bigint]>();

  for await (const item of kv.list({ prefix: "a/" })) same<typeof item, Entry>();
  for await (const item of kv.list({ delimiter: "/" })) same<typeof item, Entry | Prefix>();

  for await (const event of kv.watch({ prefix: "a/", snapshot: true })) {
    same<typeof event, WatchEvent>();
    if (event.type === "put") same<typeof event.entry, Entry>();
  }

  // @ts-expect-error: a value is a string or bytes
  await kv.set("k", 1);
  // @ts-expect-error: the option is ifMatch
  await kv.set("k", "x", { ifmatch: "etag" });
  // @ts-expect-error: a watch has one target
  kv.watch({ prefix: "a/", key: "a" });
  // @ts-expect-error: an operation of a batch is one of five
  await kv.batch([{ list: { prefix: "a/" } }]);
}

export async function nameOf(kv: KeyValueClient, key: string): Promise<string | undefined> {
  try {
    return (await kv.get(key, { signal: AbortSignal.timeout(2_000) })).text();
  } catch (error) {
    if (error instanceof KeyValueError && error.reason === "KEY_NOT_FOUND") return undefined;
    throw error;
  }
}
