import type { Client } from "@connectrpc/connect";

import { KeyValueError, toError } from "./error.js";
import type { KeyValueService } from "./gen/keyvalue/v1/service_pb.js";
import { fromResult, type Message, type Result } from "./operation.js";
import { Backoff, maxAttempts, pause, type Retries } from "./retry.js";

/** RPC is the generated client of the contract. */
export type RPC = Client<typeof KeyValueService>;

const maxOperations = 256;
/** maxBatchBytes is how large the operations of a batch may be together, in bytes, and likewise the content that they return. */
const maxBatchBytes = 256 << 10;
/** largeBytes is the size from which a call is sent by itself, in bytes, so that small ones need not wait for it. */
const largeBytes = 16 << 10;
/** turns is how many turns of the microtask queue must bring no further call before a batch is sent. */
const turns = 8;

/** Call is an operation whose caller waits for its result. */
class Call {
  readonly promise: Promise<Result>;
  readonly size: number; // in bytes, about
  settled = false; // it has an outcome, or its caller has given up
  request: Request | undefined; // that is under way
  #settle!: { resolve(result: Result): void; reject(why: unknown): void };

  constructor(readonly message: Message) {
    this.size = sizeOf(message);
    this.promise = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
  }

  resolve(result: Result): void {
    this.settled = true;
    this.#settle.resolve(result);
  }

  reject(why: unknown): void {
    this.settled = true;
    this.#settle.reject(why);
  }

  /** giveUp rejects the call with why. It aborts the request if nobody else waits for it. */
  giveUp(why: unknown): void {
    if (this.settled) return;
    this.reject(why);
    if (this.request && --this.request.waiting === 0) this.request.controller.abort();
  }
}

/** Request is one that carries calls. */
interface Request {
  readonly controller: AbortController;
  waiting: number; // calls that have not given up
}

/** Signal tells calls that it was aborted. It listens once for all calls, because some runtimes warn of many listeners. */
class Signal {
  readonly calls = new Set<Call>();
  readonly #abort = () => this.calls.forEach((call) => call.giveUp(this.signal.reason));

  constructor(readonly signal: AbortSignal) {
    signal.addEventListener("abort", this.#abort);
  }

  end(): void {
    this.signal.removeEventListener("abort", this.#abort);
  }
}

export interface GatherOptions {
  rpc: RPC;
  retries: Retries | undefined; // undefined: calls are sent once
  gather: boolean; // false: every call is a request of its own
  timeoutMs: number; // of a request; 0: none
  url: string; // for errors
}

/**
 * Gatherer sends the calls that are made in one tick as one Batch, which is not atomic. There is no timer: the batch leaves when the
 * running callback has ended, and what it has woken. A single call is sent as it is. Each call keeps its own signal and error.
 */
export class Gatherer {
  readonly #options: GatherOptions;
  readonly #signals = new Map<AbortSignal, Signal>(); // of calls that have no outcome
  #queue: Call[] = [];

  constructor(options: GatherOptions) {
    this.#options = options;
  }

  /** call carries out one operation. It rejects with the reason of signal once that is aborted. */
  async call(message: Message, signal: AbortSignal | undefined): Promise<Result> {
    signal?.throwIfAborted();
    const call = new Call(message);
    if (!this.#options.gather || call.size > largeBytes) void this.#send([call]);
    else if (this.#queue.push(call) === 1) void this.#flush();
    return signal ? this.#until(signal, call) : call.promise;
  }

  /** until waits for call until signal is aborted. */
  async #until(signal: AbortSignal, call: Call): Promise<Result> {
    const shared = this.#signals.get(signal) ?? new Signal(signal);
    this.#signals.set(signal, shared);
    shared.calls.add(call);
    try {
      return await call.promise;
    } finally {
      shared.calls.delete(call);
      if (shared.calls.size === 0) {
        shared.end();
        this.#signals.delete(signal);
      }
    }
  }

  /** flush waits until no further calls are made, and sends those that wait in batches. */
  async #flush(): Promise<void> {
    for (let quiet = 0, seen = 1; quiet < turns; quiet++) {
      await null;
      if (this.#queue.length !== seen) [quiet, seen] = [0, this.#queue.length];
    }
    const calls = this.#queue.filter((call) => !call.settled);
    this.#queue = [];
    for (let at = 0, size = 0, from = 0; at < calls.length; at++) {
      size += calls[at]!.size;
      const next = calls[at + 1];
      if (next && at + 1 - from < maxOperations && size + next.size <= maxBatchBytes) continue;
      void this.#send(calls.slice(from, at + 1));
      [from, size] = [at + 1, 0];
    }
  }

  /** send gives each call an outcome. Those that failed and may be sent again are, together. */
  async #send(calls: Call[], attempt = 1, waits = new Backoff()): Promise<void> {
    const open = calls.filter((call) => !call.settled);
    if (open.length === 0) return;
    const outcomes = await this.#request(open);
    const again: Call[] = [];
    const alone: Call[] = [];
    for (const [i, call] of open.entries()) {
      const outcome = outcomes[i]!;
      if (call.settled) continue;
      if (!(outcome instanceof KeyValueError)) {
        this.#options.retries?.answered();
        call.resolve(outcome);
      } else if (open.length > 1 && runsAlone(outcome)) {
        // The statistics have counted a get whose value was too large for the response of the batch.
        if (call.message.case === "get" && outcome.reason === "BATCH_TOO_LARGE") call.message.value.uncounted = true;
        alone.push(call);
      } else if (this.#options.retries?.again(outcome, call.message.case === "get") && attempt < maxAttempts) {
        again.push(call);
      } else {
        call.reject(outcome);
      }
    }
    for (const call of alone) void this.#send([call]);
    if (again.length === 0) return;
    await pause(waits.next());
    await this.#send(again, attempt + 1, waits);
  }

  /** request sends calls in one request, and returns their results or errors. */
  async #request(calls: Call[]): Promise<(Result | KeyValueError)[]> {
    const { rpc, timeoutMs, url } = this.#options;
    const request = { controller: new AbortController(), waiting: calls.length };
    for (const call of calls) call.request = request;
    try {
      const options = { signal: request.controller.signal, timeoutMs };
      const [first] = calls;
      if (first && calls.length === 1) return [await single(rpc, first.message, options)];
      const operations = calls.map((call) => ({ operation: call.message }));
      const { results } = await rpc.batch({ operations, maxContentBytes: maxBatchBytes }, options);
      return calls.map((_, i) => outcomeOf(results[i]?.result ?? { case: undefined }));
    } catch (thrown) {
      const error = toError(thrown, url);
      return calls.map(() => error);
    } finally {
      for (const call of calls) call.request = undefined;
    }
  }
}

/** single sends an operation as the request of the method of the same name. */
async function single(rpc: RPC, { case: name, value }: Message, options: { signal: AbortSignal; timeoutMs: number }): Promise<Result> {
  switch (name) {
    case "get": return { case: name, value: await rpc.get(value, options) };
    case "set": return { case: name, value: await rpc.set(value, options) };
    case "delete": return { case: name, value: await rpc.delete(value, options) };
    case "touch": return { case: name, value: await rpc.touch(value, options) };
    case "increment": return { case: name, value: await rpc.increment(value, options) };
  }
}

function outcomeOf(result: Result): Result | KeyValueError {
  if (result.case !== undefined && result.case !== "error") return result;
  return fromResult(result) as KeyValueError;
}

/**
 * runsAlone reports whether a batch did not carry out a call that may work by itself: another call of the batch lacked a right, or
 * the batch or its response was longer than the server allows.
 */
function runsAlone(error: KeyValueError): boolean {
  return error.reason === "PERMISSION_DENIED" || error.reason === "BATCH_TOO_LARGE";
}

/** sizeOf returns about how large an operation is, in bytes. */
function sizeOf({ value }: Message): number {
  const content = "content" in value ? value.content?.value?.length : 0;
  return 64 + (value.key?.length ?? 0) + (content ?? 0);
}
