/**
 * A client of the key-value store for browsers, Node.js, Deno and workers.
 *
 * @packageDocumentation
 */
export type { Cache, CacheChange, CacheOptions } from "./cache.js";
export {
  type BatchOptions, type Caller, type CallOptions, type ClientOptions, type DeleteRangeOptions, KeyValueClient, type Stats, type Ticket,
  type TicketOptions,
} from "./client.js";
export type { Entry, Value, Version } from "./entry.js";
export { KeyValueError, type Reason } from "./error.js";
export type { ListOptions, Prefix, Range } from "./list.js";
export type {
  Conditions, DeleteResult, GetOptions, IncrementOptions, Operation, ResultOf, SetOptions, SetResult, TouchOptions,
} from "./operation.js";
export type { Protocol } from "./transport.js";
export type { WatchPut, WatchRemove, WatchReset, WatchSync, Target, WatchTouch, WatchEvent, WatchOptions } from "./watch.js";
