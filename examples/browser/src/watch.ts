import { Code, ConnectError } from "@connectrpc/connect";

import type { KeyValue } from "./client.js";
import { Event_Type } from "./gen/keyvalue/v1/watch_pb.js";

const pause = 1000; // ms between two attempts

/**
 * watch calls seen with each change below prefix until signal is aborted. A stream that is cut is resumed right after
 * the last event. It fails if the store will not go on: a wrong key, or changes that are not kept any more.
 */
export async function watch(kv: KeyValue, prefix: string, signal: AbortSignal, seen: (type: string, key: string) => void) {
  let resumeToken = "";
  while (!signal.aborted) {
    try {
      for await (const message of kv.watch({ target: { case: "prefix", value: prefix }, resumeToken }, { signal })) {
        resumeToken = message.resumeToken || resumeToken;
        if (message.event) seen(Event_Type[message.event.type], message.event.entry?.key ?? "");
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!cut(error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

// cut reports whether a stream ended for a reason that passes. A connection that breaks has no code of its own.
function cut(error: unknown): boolean {
  return [Code.Unavailable, Code.Unknown, Code.Internal, Code.ResourceExhausted].includes(ConnectError.from(error).code);
}
