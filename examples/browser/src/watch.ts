import { Code, ConnectError } from "@connectrpc/connect";

import type { KeyValue } from "./client.js";
import { Event_Type } from "./gen/keyvalue/v1/watch_pb.js";

const pause = 1000; // ms between attempts

/**
 * watch calls onChange for each change of a key with the prefix, until signal is aborted. It resumes an interrupted stream
 * after the last event. It throws if the watch cannot be resumed: the API key is invalid, or the store no longer keeps
 * the changes.
 */
export async function watch(kv: KeyValue, prefix: string, signal: AbortSignal, onChange: (type: string, key: string) => void) {
  let resumeToken = "";
  while (!signal.aborted) {
    try {
      for await (const message of kv.watch({ target: { case: "prefix", value: prefix }, resumeToken }, { signal })) {
        resumeToken = message.resumeToken || resumeToken;
        if (message.event) onChange(Event_Type[message.event.type], message.event.entry?.key ?? "");
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isTransient(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

// isTransient reports whether retrying can succeed. A broken connection has no code of its own.
function isTransient(error: unknown): boolean {
  return [Code.Unavailable, Code.Unknown, Code.Internal, Code.ResourceExhausted].includes(ConnectError.from(error).code);
}
