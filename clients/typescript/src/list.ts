import { compareKeys, type Entry, toEntry } from "./entry.js";
import { invalid } from "./error.js";
import type { ListResponse } from "./gen/keyvalue/v1/list_pb.js";
import { checkKey } from "./operation.js";

/** Range is a set of keys: those that begin with prefix, those from start on and before end, or those to which both applies. */
export interface Range {
  prefix?: string;
  /** The first key, which need not exist. */
  start?: string;
  /** The key before which the range ends, which need not exist. */
  end?: string;
}

/** ListOptions say what to list. Without prefix, start and end, it is every key. */
export interface ListOptions extends Range {
  /** List from the last key to the first. */
  reverse?: boolean;
  /** Leave out the values. */
  keysOnly?: boolean;
  /** List one level of a hierarchy, such as "/" for that of directories. All keys that have it after the prefix are one Prefix. */
  delimiter?: string;
  /** How many entries to fetch at a time: at most 1,000. Undefined: 100. It does not change what is listed. */
  pageSize?: number;
  /** Ends the listing, which then throws the reason of the signal. */
  signal?: AbortSignal | undefined;
}

/** Prefix stands for all keys that begin with it, in a listing with a delimiter. */
export interface Prefix {
  readonly prefix: string;
}

/** checkRange returns the bounds of a range as they are sent. */
export function checkRange({ prefix = "", start = "", end = "" }: Range) {
  return { prefix: checkKey(prefix), start: checkKey(start), end: checkKey(end) };
}

/** toListRequest returns the request of the first page. */
export function toListRequest(options: ListOptions) {
  const { pageSize = 0, delimiter = "", keysOnly = false, reverse = false } = options;
  if (pageSize !== pageSize >> 0) throw invalid("REQUEST_INVALID", `invalid page size: got ${String(pageSize)}, want an integer of at most 1000`);
  return { ...checkRange(options), pageSize, delimiter: checkKey(delimiter), keysOnly, reverse, pageToken: "" };
}

/** merge returns the entries and prefixes of a page in their order. */
export function merge({ entries, prefixes }: ListResponse, reverse: boolean): (Entry | Prefix)[] {
  const all = [...entries.map(toEntry), ...prefixes.map((prefix) => ({ prefix }))];
  if (prefixes.length === 0) return all;
  const name = (item: Entry | Prefix) => ("prefix" in item ? item.prefix : item.key);
  return all.sort((a, b) => (reverse ? -1 : 1) * compareKeys(name(a), name(b)));
}
