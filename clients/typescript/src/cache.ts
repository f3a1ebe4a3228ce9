import { compareKeys, Entry } from "./entry.js";
import { KeyValueError } from "./error.js";
import type { WatchEvent } from "./watch.js";

/** defaultMaxBytes is the bound of a cache, in bytes, unless another one is set. */
const defaultMaxBytes = 64 << 20;

export interface CacheOptions {
  /** The keys to keep: those that begin with it. Empty: all keys. */
  prefix: string;
  /** How large the keys and values may be together, in bytes, about. Undefined: 64 MiB. */
  maxBytes?: number;
  /** Called when the watch of the cache is interrupted. It resumes by itself; until then the cache returns what it has. */
  onCut?: (error: KeyValueError) => void;
  /** Closes the cache. */
  signal?: AbortSignal | undefined;
}

/** CacheChange tells a listener that the entry of a key has changed. */
export interface CacheChange {
  readonly key: string;
  /** The entry now. Undefined if there is none any more. */
  readonly entry: Entry | undefined;
  /** The entry before. Undefined if there was none. */
  readonly previous: Entry | undefined;
}

/** Held is an entry that a cache has. */
interface Held {
  readonly entry: Entry;
  readonly deadline: number; // by performance.now(); Infinity: it never expires
}

/**
 * Cache keeps the entries of a prefix in this process, by a snapshot and a watch. Reads are synchronous and send nothing. What they
 * return may be older than what the store has: by the time that an event takes, and by the length of an interruption; see age. A
 * cache never goes back to an older version of an entry, and returns no entry whose TTL has elapsed.
 *
 * A cache that ended returns nothing any more: each read throws why, instead of an answer that grows old silently.
 */
export class Cache {
  readonly #maxBytes: number;
  readonly #controller = new AbortController();
  readonly #listeners = new Set<(change: CacheChange) => void>();
  readonly #ready: Promise<void>;
  #settle!: { resolve(): void; reject(why: unknown): void }; // of #ready

  #entries: Map<string, Held> | undefined; // undefined until the first snapshot is complete
  #snapshot: Map<string, Held> | undefined = new Map(); // one that is not complete
  #revision = 0n; // all changes up to it are in #entries
  #waiters = new Set<() => void>(); // called after each event, and at the end
  #bytes = 0; // what the latest of the two holds
  #heard = -Infinity; // when the latest event came, by performance.now()
  #ended: { why: unknown } | undefined;

  /** @internal Use KeyValueClient.cache. */
  constructor(options: CacheOptions, open: (signal: AbortSignal) => AsyncIterable<WatchEvent>) {
    const { maxBytes = defaultMaxBytes, signal } = options;
    if (typeof maxBytes !== "number" || !(maxBytes > 0)) throw new RangeError(`invalid maxBytes: got ${String(maxBytes)}, want more than zero`);
    signal?.throwIfAborted();
    this.#maxBytes = maxBytes;
    this.#ready = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
    this.#ready.catch(() => {}); // a reader that does not wait for it gets the error from get
    const close = () => this.#end(signal?.reason);
    signal?.addEventListener("abort", close);
    void this.#follow(open(this.#controller.signal)).finally(() => signal?.removeEventListener("abort", close));
  }

  /** ready resolves when the cache has its first snapshot. It rejects if the cache ended before, such as for a wrong API key. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /** get returns the entry of key, or undefined if there is none. It throws until the cache is ready, and after it has ended. */
  get(key: string): Entry | undefined {
    const held = this.#open().get(key);
    return held && held.deadline > performance.now() ? held.entry : undefined;
  }

  /** entries returns the entries whose keys begin with prefix, in the order of keys. It throws as get does. */
  entries(prefix = ""): Entry[] {
    const now = performance.now();
    const found: Entry[] = [];
    for (const { entry, deadline } of this.#open().values()) {
      if (entry.key.startsWith(prefix) && deadline > now) found.push(entry);
    }
    return found.sort((a, b) => compareKeys(a.key, b.key));
  }

  /**
   * age returns how long ago the store was heard, in ms: at most that old is what the cache returns, plus the time that an event
   * travels. It stays below 15 s or so while the watch is connected, since the store then says so at least that often. It is
   * Infinity until the first event.
   */
  age(): number {
    return performance.now() - this.#heard;
  }

  /**
   * onChange calls listener after each change from now on, and returns a function that ends this. The first snapshot counts as changes
   * too. A TTL that elapses while the watch is interrupted is told when it resumes. A listener that throws affects
   * neither the cache nor other listeners: its error is reported as uncaught, as with listeners of an EventTarget.
   */
  onChange(listener: (change: CacheChange) => void): () => void {
    const own = (change: CacheChange) => listener(change); // the same listener may be added twice
    this.#listeners.add(own);
    return () => { this.#listeners.delete(own); };
  }

  /**
   * waitRevision resolves when the cache has every write with this revision or a smaller one, such as one that this program has made:
   * reads do not return what was there before. A write outside the prefix can take 15 s to be known. It rejects when signal is
   * aborted or the cache ends.
   */
  waitRevision(revision: bigint, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (signal?.aborted) reject(signal.reason);
        else if (this.#ended) reject(this.#ended.why);
        else if (this.#entries && this.#revision >= revision) resolve();
        else return;
        signal?.removeEventListener("abort", check);
        this.#waiters.delete(check);
      };
      signal?.addEventListener("abort", check);
      this.#waiters.add(check);
      check();
    });
  }

  /** close ends the cache and its watch. */
  close(): void {
    this.#end(new Error("the cache is closed"));
  }

  #open(): Map<string, Held> {
    if (this.#ended) throw this.#ended.why;
    if (!this.#entries) throw new Error("the cache is not ready: await ready() first");
    return this.#entries;
  }

  async #follow(events: AsyncIterable<WatchEvent>): Promise<void> {
    try {
      for await (const event of events) {
        this.#apply(event);
        for (const check of this.#waiters) check();
      }
    } catch (why) {
      this.#end(why);
    }
  }

  #end(why: unknown): void {
    if (this.#ended) return;
    this.#ended = { why };
    this.#entries = this.#snapshot = undefined;
    this.#settle.reject(why);
    for (const check of this.#waiters) check();
    this.#controller.abort(why);
  }

  #apply(event: WatchEvent): void {
    this.#heard = performance.now();
    switch (event.type) {
      case "reset":
        this.#snapshot = new Map();
        this.#bytes = 0;
        break;
      case "sync":
        if (this.#snapshot) this.#replace(this.#snapshot);
        break;
      case "put":
        this.#change(event.key, event.entry);
        break;
      case "touch": {
        const held = (this.#snapshot ?? this.#entries)?.get(event.key);
        if (held) this.#change(event.key, new Entry(event.entry, held.entry.value));
        break;
      }
      default:
        this.#change(event.key, undefined);
    }
    if (event.type !== "reset" && event.resumeToken && event.revision > this.#revision) this.#revision = event.revision;
  }

  /** change sets the entry of key, in the snapshot if one is under way. */
  #change(key: string, entry: Entry | undefined): void {
    const entries = this.#snapshot ?? this.#entries!;
    const previous = entries.get(key)?.entry;
    this.#bytes += sizeOf(entry) - sizeOf(previous);
    if (entry) entries.set(key, { entry, deadline: performance.now() + (entry.ttl ?? Infinity) });
    else entries.delete(key);
    if (this.#bytes > this.#maxBytes) {
      const message = `the entries exceed the bound of the cache: ${this.#bytes} bytes with ${JSON.stringify(key)}, maxBytes ${this.#maxBytes}`;
      throw new KeyValueError("CACHE_TOO_SMALL", "resource_exhausted", message);
    }
    if (!this.#snapshot && (entry ?? previous)) this.#tell({ key, entry, previous });
  }

  /** replace makes a complete snapshot what the cache returns. */
  #replace(snapshot: Map<string, Held>): void {
    const before = this.#entries ?? new Map<string, Held>();
    this.#entries = snapshot;
    this.#snapshot = undefined;
    this.#settle.resolve();
    for (const [key, { entry }] of snapshot) {
      const previous = before.get(key)?.entry;
      if (previous?.etag !== entry.etag) this.#tell({ key, entry, previous });
    }
    for (const [key, { entry }] of before) {
      if (!snapshot.has(key)) this.#tell({ key, entry: undefined, previous: entry });
    }
  }

  #tell(change: CacheChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        queueMicrotask(() => { throw error; });
      }
    }
  }
}

/** sizeOf returns about how large an entry is, in bytes. */
function sizeOf(entry: Entry | undefined): number {
  return entry ? entry.key.length + (entry.value?.length ?? 0) : 0;
}
