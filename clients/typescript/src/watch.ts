import { type Entry, toEntry } from "./entry.js";
import { invalid, type KeyValueError, toError } from "./error.js";
import type { RPC } from "./gather.js";
import { type Event, Event_Type } from "./gen/keyvalue/v1/watch_pb.js";
import { checkKey } from "./operation.js";
import { Backoff, maxWait, pause } from "./retry.js";

/** Target is what to watch: one key, or all keys with a prefix. An empty prefix is that of all keys. */
export type Target = { key: string; prefix?: undefined } | { prefix: string; key?: undefined };

export interface WatchOptions {
  /**
   * Start with the existing entries as events of type put, followed by one of type sync. Changes made while the snapshot is read may
   * be reported within it; the last event of a key is current. A snapshot cannot be resumed: if it is interrupted, an event of type
   * reset follows, and the snapshot starts again.
   */
  snapshot?: boolean;
  /** Start after the event that had this token. An empty one has no effect, otherwise snapshot has none. */
  resumeFrom?: string;
  /** Continue with an event of type reset and a snapshot where the watch would otherwise end with RESUME_TOO_OLD. */
  startOver?: boolean;
  /** Called each time the watch is interrupted, before it waits and resumes. If it throws, the watch ends with that error. */
  onCut?: (error: KeyValueError) => void;
  /** Ends the watch, which then throws the reason of the signal. */
  signal?: AbortSignal | undefined;
}

/** WatchEvent is a change, or a change in the state of the watch itself. */
export type WatchEvent = WatchPut | WatchTouch | WatchRemove | WatchSync | WatchReset;

/** The entry was written or, in a snapshot, exists. */
export interface WatchPut extends Change {
  readonly type: "put";
  readonly entry: Entry;
}

/** Only the TTL of the entry changed. The entry has no value: that is the one of the latest put. */
export interface WatchTouch extends Change {
  readonly type: "touch";
  readonly entry: Entry;
}

/** The entry was deleted, its TTL elapsed, or it was removed to make room. */
export interface WatchRemove extends Change {
  readonly type: "delete" | "expire" | "evict";
}

/**
 * The watch is up to date: the snapshot, if there is one, is complete, and every later change will be reported. It is repeated when
 * there was no other event for 15 s.
 */
export interface WatchSync {
  readonly type: "sync";
  /** All changes up to this revision have been reported. */
  readonly revision: bigint;
  readonly resumeToken: string;
}

/**
 * The watch has lost its position, and a complete snapshot follows, up to the next sync. A program that keeps a copy of the entries
 * must clear it now. It occurs only with snapshot or startOver.
 */
export interface WatchReset {
  readonly type: "reset";
}

interface Change {
  readonly key: string;
  /** The revision of the change. */
  readonly revision: bigint;
  /** Lets another watch continue after this event. Empty within a snapshot. */
  readonly resumeToken: string;
}

/** silence is how long a stream may bring nothing, in ms. The service sends a sync after 15 s without another event. */
const silence = 45_000;

/** watch yields the events of one stream after the other, until it cannot resume. */
export async function* watch(
  rpc: RPC, url: string, target: Target, options: WatchOptions, longest = silence,
): AsyncGenerator<WatchEvent, never> {
  const to = toTarget(target);
  const { signal } = options;
  const backoff = new Backoff();
  let token = options.resumeFrom ?? "";
  let snapshot = options.snapshot ?? false;
  let partial = false; // a snapshot has begun and not ended
  let reset = false; // a reset comes next
  for (;;) {
    signal?.throwIfAborted();
    const opened = performance.now();
    const stream = follow(rpc, { target: to, resumeToken: token, snapshot: snapshot && !token }, signal, longest);
    try {
      for await (const { event, resumeToken } of stream) {
        if (reset) {
          reset = false;
          yield { type: "reset" };
        }
        partial = !resumeToken;
        if (resumeToken) {
          token = resumeToken;
          backoff.reset();
        }
        const told = event && toEvent(event, resumeToken);
        if (told) yield told; // otherwise it is of a kind that this version does not know
      }
    } catch (thrown) {
      signal?.throwIfAborted();
      const error = toError(thrown, url);
      if (error.reason === "RESUME_TOO_OLD" && options.startOver) [token, snapshot, reset] = ["", true, true];
      else if (resumable.has(error.reason)) reset ||= partial;
      else throw error;
      options.onCut?.(error);
    }
    if (performance.now() - opened > maxWait) backoff.reset();
    await pause(backoff.next(), signal);
  }
}

/** resumable are the reasons with which a stream may end and the next one may not. */
const resumable = new Set(["SERVICE_UNAVAILABLE", "DEADLINE_EXCEEDED", "OVERLOADED", "LOG_BEHIND", "RATE_LIMITED"]);

/** follow yields the messages of one stream. It closes the stream when its reader stops, and when it brings nothing for too long. */
async function* follow(rpc: RPC, request: Parameters<RPC["watch"]>[0], signal: AbortSignal | undefined, longest: number) {
  const controller = new AbortController();
  const end = () => controller.abort(signal?.reason);
  signal?.addEventListener("abort", end);
  const tooLong = () => controller.abort(new Error(`the watch brought nothing for ${longest} ms`));
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const messages = rpc.watch(request, { signal: controller.signal, timeoutMs: 0 })[Symbol.asyncIterator]();
    for (;;) {
      timer = setTimeout(tooLong, longest);
      const { done, value } = await messages.next();
      clearTimeout(timer);
      if (done) throw new Error("the stream ended");
      yield value;
    }
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
    controller.abort();
  }
}

/** toTarget returns a target as it is sent. It throws unless there is exactly one. */
export function toTarget({ key, prefix }: Target): { case: "key" | "prefix"; value: string } {
  if ((key === undefined) === (prefix === undefined)) throw invalid("REQUEST_INVALID", "either a key or a prefix is needed");
  return key === undefined ? { case: "prefix", value: checkKey(prefix) } : { case: "key", value: checkKey(key) };
}

const types: Partial<Record<Event_Type, (WatchPut | WatchTouch | WatchRemove)["type"]>> = {
  [Event_Type.PUT]: "put",
  [Event_Type.TOUCH]: "touch",
  [Event_Type.DELETE]: "delete",
  [Event_Type.EXPIRE]: "expire",
  [Event_Type.EVICT]: "evict",
};

function toEvent(event: Event, resumeToken: string): WatchEvent | undefined {
  if (event.type === Event_Type.SYNC) return { type: "sync", revision: event.revision, resumeToken };
  const type = types[event.type];
  if (!type || !event.entry) return undefined;
  const change = { key: event.entry.key, revision: event.revision, resumeToken };
  return type === "put" || type === "touch" ? { type, entry: toEntry(event.entry), ...change } : { type, ...change };
}
