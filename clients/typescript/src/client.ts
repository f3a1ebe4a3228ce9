import { createClient } from "@connectrpc/connect";
import { durationMs } from "@bufbuild/protobuf/wkt";

import { Cache, type CacheOptions } from "./cache.js";
import { Entry, toDate, type Value, type Version } from "./entry.js";
import { KeyValueError, toError } from "./error.js";
import { Gatherer, type RPC } from "./gather.js";
import { KeyValueService } from "./gen/keyvalue/v1/service_pb.js";
import { checkRange, type ListOptions, merge, type Prefix, type Range, toListRequest } from "./list.js";
import {
  type Conditions, type DeleteResult, fromResult, type GetOptions, type IncrementOptions, type Operation, type ResultOf, type SetOptions,
  type SetResult, toDuration, toMessage, type TouchOptions,
} from "./operation.js";
import { Backoff, maxAttempts, pause, Retries } from "./retry.js";
import { checkUrl, newTransport, type Protocol } from "./transport.js";
import { type Target, toTarget, watch, type WatchEvent, type WatchOptions } from "./watch.js";

export interface ClientOptions {
  /** The API key to send with every call. Everyone who can open a page can read the key in it. */
  apiKey?: string | undefined;
  /** What to speak. Undefined: "connect". */
  protocol?: Protocol;
  /** How long a request may take before its calls fail with DEADLINE_EXCEEDED, in ms. 0: any time. Undefined: 10,000. */
  timeout?: number;
  /** Whether the calls of one tick share a request. Undefined: true. */
  gather?: boolean;
  /**
   * Whether to send calls up to four times that certainly changed nothing: reads that got no answer, calls for which no connection could
   * be opened, as far as the platform tells, and calls that were rejected as overloaded. Undefined: true.
   */
  retry?: boolean;
  /** Replaces the platform's fetch, such as to use a proxy. */
  fetch?: typeof globalThis.fetch;
}

/** CallOptions are options of every call. */
export interface CallOptions {
  /**
   * Makes the call fail with the reason of the signal once it is aborted. A write may have been carried out all the same, unless the
   * signal was aborted before the call.
   */
  signal?: AbortSignal | undefined;
}

export interface BatchOptions extends CallOptions {
  /** Whether all operations take effect at one instant, or none does. */
  atomic?: boolean;
}

export interface DeleteRangeOptions extends Range, CallOptions {
  /** Delete every key of the store. Nothing else may be set then. */
  all?: boolean;
  /** Only count what would be deleted. */
  dryRun?: boolean;
}

export interface TicketOptions extends CallOptions {
  /** How long the ticket is valid, in ms: at most an hour. Undefined: 5 minutes. */
  ttl?: number | undefined;
}

/** Ticket opens one watch over REST, for callers that cannot send an API key. It is as secret as what it lets its bearer read. */
export interface Ticket {
  readonly ticket: string;
  /** When the ticket expires, and the watches that it opened end. */
  readonly expireTime: Date | undefined;
  /** What to give to an EventSource. It may be extended, such as with "&snapshot=true". */
  readonly url: string;
}

/** Stats are what the store holds, and counters since its engine started. */
export interface Stats {
  readonly keys: number;
  readonly memoryBytes: number;
  /** The limit of memoryBytes. Zero: none. */
  readonly maxMemoryBytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly expirations: number;
  readonly evictions: number;
  /** Open watches. */
  readonly watchers: number;
  /** How long the engine has been running, in ms. */
  readonly uptime: number;
  /** Identifies this run of the engine. */
  readonly run: string;
}

/** Caller describes the API key of a client. */
export interface Caller {
  /** The id of the key. It is not secret. */
  readonly id: string;
  /** What the key allows. Of the grants whose prefix a key of the store has, the one with the longest prefix decides. */
  readonly grants: readonly { readonly prefix: string; readonly ops: readonly string[] }[];
  /** When the key expires. Undefined if it never does. */
  readonly expireTime: Date | undefined;
  /** How many requests the key may make each second. Zero: any number. */
  readonly rate: number;
}

/**
 * KeyValueClient calls a store. It needs no closing, and one is enough for a page or a process.
 *
 * Every failure is a KeyValueError, except that a call whose signal was aborted rejects with the reason of the signal.
 */
export class KeyValueClient {
  readonly #url: string;
  readonly #rpc: RPC;
  readonly #gatherer: Gatherer;
  readonly #retries: Retries | undefined;
  readonly #timeoutMs: number;

  /** Url is that of a gateway, such as http://localhost:8888. A TypeError says what is wrong with it or with the options. */
  constructor(url: string | URL, options: ClientOptions = {}) {
    const { apiKey = "", protocol = "connect", timeout = 10_000, gather = true, retry = true, fetch } = options;
    if (!(timeout >= 0 && timeout < 2 ** 31)) { // timers that are set for longer fire at once
      throw new TypeError(`invalid timeout: got ${String(timeout)}, want a number of ms below 2^31, or 0 for any time`);
    }
    this.#url = checkUrl(url);
    this.#rpc = createClient(KeyValueService, newTransport(this.#url, protocol, apiKey, fetch));
    this.#retries = retry ? new Retries() : undefined;
    this.#timeoutMs = timeout;
    this.#gatherer = new Gatherer({ rpc: this.#rpc, retries: this.#retries, gather, timeoutMs: timeout, url: this.#url });
  }

  /** get returns the entry of key. It fails with KEY_NOT_FOUND if there is none, unless allowMissing is set. */
  get(key: string, options: GetOptions & CallOptions & { allowMissing: true }): Promise<Entry | undefined>;
  get(key: string, options?: GetOptions & CallOptions): Promise<Entry>;
  get(key: string, options: GetOptions & CallOptions = {}): Promise<Entry | undefined> {
    return this.#call({ get: { key, ...options } }, options);
  }

  /**
   * set stores a value and replaces what was there, unless a condition forbids it. It fails with VALUE_TOO_LARGE if the value is longer
   * than the server allows, by default 1 MiB. A failed set changes nothing.
   */
  set(key: string, value: Value, options: SetOptions & CallOptions = {}): Promise<SetResult> {
    return this.#call({ set: { key, value, ...options } }, options);
  }

  /** delete removes the entry of key. A key that does not exist is no error, unless a condition makes it one. */
  delete(key: string, options: Conditions & CallOptions = {}): Promise<DeleteResult> {
    return this.#call({ delete: { key, ...options } }, options);
  }

  /** touch changes only when the entry of key expires. It fails with KEY_NOT_FOUND if there is none. */
  touch(key: string, options: TouchOptions & CallOptions = {}): Promise<Version> {
    return this.#call({ touch: { key, ...options } }, options);
  }

  /**
   * increment adds delta, which may be negative, to the integer that key holds as decimal text, and returns the sum. It creates the key
   * if there is none. It fails with NOT_AN_INTEGER or INTEGER_OVERFLOW.
   */
  increment(key: string, delta: number | bigint = 1, options: IncrementOptions & CallOptions = {}): Promise<bigint> {
    return this.#call({ increment: { key, delta, ...options } }, options);
  }

  /**
   * batch carries out 1 to 1,000 operations in one request. The result of an operation that failed is its KeyValueError. If the batch is
   * atomic, all operations take effect at one instant or none does; then the call fails with the error of one, and operation is its
   * index. A batch without gets of its own is not sent again.
   */
  batch<const O extends readonly Operation[]>(
    operations: O, options: BatchOptions & { atomic: true },
  ): Promise<{ -readonly [I in keyof O]: ResultOf<O[I]> }>;
  batch<const O extends readonly Operation[]>(
    operations: O, options?: BatchOptions,
  ): Promise<{ -readonly [I in keyof O]: ResultOf<O[I]> | KeyValueError }>;
  async batch(operations: readonly Operation[], { atomic = false, signal }: BatchOptions = {}): Promise<unknown[]> {
    const messages = operations.map((operation) => ({ operation: toMessage(operation) }));
    const readOnly = operations.every((operation) => "get" in operation);
    const { results } = await this.#unary("batch", { operations: messages, atomic }, signal, readOnly);
    return messages.map((_, i) => fromResult(results[i]?.result ?? { case: undefined }));
  }

  /**
   * list yields entries in the byte order of their keys, page by page. A key that exists throughout is listed exactly once. With a
   * delimiter, it also yields prefixes.
   */
  list(options: ListOptions & { delimiter: string }): AsyncGenerator<Entry | Prefix, void>;
  list(options?: ListOptions): AsyncGenerator<Entry, void>;
  async *list(options: ListOptions = {}): AsyncGenerator<Entry | Prefix, void> {
    const request = toListRequest(options);
    do {
      const page = await this.#unary("list", request, options.signal, true);
      yield* merge(page, request.reverse);
      request.pageToken = page.nextPageToken;
    } while (request.pageToken);
  }

  /**
   * deleteRange deletes the entries of a range, up to 1,000 a request, and returns how many it deleted. It fails with REQUEST_INVALID
   * unless there is a prefix, both start and end, or all, so that an empty variable deletes nothing. If it fails, what it deleted
   * before stays deleted.
   */
  async deleteRange(options: DeleteRangeOptions): Promise<number> {
    const { all = false, dryRun = false, signal } = options;
    const request = { ...checkRange(options), all, dryRun, pageToken: "" };
    let sum = 0;
    do {
      const { deleted, nextPageToken } = await this.#unary("deleteRange", request, signal, dryRun);
      sum += Number(deleted);
      request.pageToken = nextPageToken;
    } while (request.pageToken);
    return sum;
  }

  /**
   * watch yields the changes of a key or of all keys with a prefix, each exactly once and in order. The first event is of type sync,
   * after the snapshot if there is one, or after what was missed if it resumes.
   *
   * If the store cannot be reached, stops or is overloaded, or the connection breaks or is silent, the watch resumes by itself after
   * the last event. It throws RESUME_TOO_OLD if the next changes are no longer in the history, unless startOver is set, and any error
   * that a retry would not change, such as API_KEY_INVALID. Leaving the loop closes the watch.
   */
  watch(target: Target & WatchOptions): AsyncGenerator<WatchEvent, never> {
    return watch(this.#rpc, this.#url, target, target);
  }

  /** cache keeps the entries of a prefix in this process. Use one for all readers of a prefix: each has a watch of its own. */
  cache(options: CacheOptions): Cache {
    const { prefix, onCut } = options;
    const watching = { prefix, snapshot: true, startOver: true, ...(onCut && { onCut }) };
    return new Cache(options, (signal) => this.watch({ ...watching, signal }));
  }

  /**
   * ticket returns a ticket for a watch of a key or a prefix, such as for an EventSource in a page, which sends no API key. It does not
   * outlive the API key of the client, whose rights it shares.
   */
  async ticket(target: Target & TicketOptions): Promise<Ticket> {
    const request = { target: toTarget(target), ttl: toDuration(target.ttl) };
    const { ticket, expireTime } = await this.#unary("createTicket", request, target.signal, true);
    return { ticket, expireTime: toDate(expireTime), url: `${this.#url}/v1/values:watch?ticket=${ticket}` };
  }

  /** stats returns what the store holds. */
  async stats({ signal }: CallOptions = {}): Promise<Stats> {
    const { keys, memoryBytes, maxMemoryBytes, hits, misses, expirations, evictions, watchers, uptime, run } =
      await this.#unary("getStats", {}, signal, true);
    return {
      keys: Number(keys), memoryBytes: Number(memoryBytes), maxMemoryBytes: Number(maxMemoryBytes), hits: Number(hits), misses: Number(misses),
      expirations: Number(expirations), evictions: Number(evictions), watchers: Number(watchers), uptime: uptime ? durationMs(uptime) : 0, run,
    };
  }

  /** caller returns what the API key of the client allows. */
  async caller({ signal }: CallOptions = {}): Promise<Caller> {
    const { id, grants, expireTime, rate } = await this.#unary("getCaller", {}, signal, true);
    return { id, grants: grants.map(({ prefix, ops }) => ({ prefix, ops })), expireTime: toDate(expireTime), rate };
  }

  async #call<O extends Operation>(operation: O, { signal }: CallOptions): Promise<ResultOf<O>> {
    const result = fromResult(await this.#gatherer.call(toMessage(operation), signal));
    if (result instanceof KeyValueError) throw result;
    return result as ResultOf<O>;
  }

  /** unary calls a method that is not an operation of a batch, and retries it where that is safe. */
  async #unary<M extends "batch" | "list" | "deleteRange" | "createTicket" | "getStats" | "getCaller">(
    method: M, request: Parameters<RPC[M]>[0], signal: AbortSignal | undefined, readOnly: boolean,
  ): Promise<Awaited<ReturnType<RPC[M]>>> {
    const rpc = this.#rpc[method] as (request: unknown, options: object) => ReturnType<RPC[M]>;
    const waits = new Backoff();
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      try {
        const response = await rpc(request, { signal, timeoutMs: this.#timeoutMs });
        this.#retries?.answered();
        return response;
      } catch (thrown) {
        signal?.throwIfAborted();
        const error = toError(thrown, this.#url);
        if (!this.#retries?.again(error, readOnly) || attempt === maxAttempts) throw error;
      }
      await pause(waits.next(), signal);
    }
  }
}
