import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Duration } from "@bufbuild/protobuf/wkt";

import { Entry, toEntry, toVersion, type Value, type Version } from "./entry.js";
import { invalid, KeyValueError } from "./error.js";
import type { OperationError, OperationResult, OperationSchema } from "./gen/keyvalue/v1/operation_pb.js";

/** Message is an operation as it is sent. */
export type Message = Extract<NonNullable<MessageInitShape<typeof OperationSchema>["operation"]>, { case: string }>;

/** Result is the result of an operation as it is received. */
export type Result = OperationResult["result"];

/** Conditions make a write depend on the entry, checked atomically with it. At most one may be set. */
export interface Conditions {
  /**
   * Write only if the entry still has this etag. Otherwise the call fails with ETAG_MISMATCH. If it is present and undefined, the
   * call fails with REQUEST_INVALID, so that an etag that is missing by mistake does not make the write unconditional.
   */
  ifMatch?: string;
  /** Write only if the key does not exist. Otherwise the call fails with KEY_EXISTS. */
  ifAbsent?: boolean;
  /** Write only if the key exists. Otherwise the call fails with KEY_ABSENT. */
  ifExists?: boolean;
}

export interface GetOptions {
  /** Return undefined for a key that does not exist, and do not fail with KEY_NOT_FOUND. */
  allowMissing?: boolean;
}

export interface SetOptions extends Conditions {
  /** How long the entry lives, in ms: at most 10 years. Undefined: it never expires. */
  ttl?: number | undefined;
  /** Keep the TTL that the entry has. Not together with ttl. */
  keepTtl?: boolean;
}

export interface TouchOptions extends Conditions {
  /** How long the entry lives from now on, in ms: at most 10 years. Undefined: it never expires. */
  ttl?: number | undefined;
}

export interface IncrementOptions {
  /** The number to which delta is added if the key does not exist. Undefined: 0. */
  initial?: number | bigint;
  /** How long the entry lives if it is created, in ms. Undefined: it never expires. An existing entry keeps its TTL. */
  ttl?: number | undefined;
}

/** Operation is one operation of a batch. Exactly one of the members is set; the others must be absent. */
export type Operation =
  | { get: { key: string } & GetOptions }
  | { set: { key: string; value: Value } & SetOptions }
  | { delete: { key: string } & Conditions }
  | { touch: { key: string } & TouchOptions }
  | { increment: { key: string; delta?: number | bigint } & IncrementOptions };

/** SetResult is the version that a set wrote. */
export interface SetResult extends Version {
  /** Whether the key is new. */
  readonly created: boolean;
}

/** DeleteResult says what a delete did. */
export interface DeleteResult {
  /** Whether there was an entry. */
  readonly deleted: boolean;
  /** The revision of the removal. Zero if there was no entry. */
  readonly revision: bigint;
}

/** ResultOf is what an operation returns. */
export type ResultOf<O extends Operation> =
  O extends { get: { allowMissing: true } } ? Entry | undefined
  : O extends { get: unknown } ? Entry
  : O extends { set: unknown } ? SetResult
  : O extends { delete: unknown } ? DeleteResult
  : O extends { touch: unknown } ? Version
  : O extends { increment: unknown } ? bigint
  : never;

/** toMessage returns an operation as it is sent. It throws a KeyValueError if that cannot be. */
export function toMessage(operation: Operation): Message {
  for (const request of Object.values(operation)) checkNames(request);
  if ("get" in operation) {
    const { key, allowMissing = false } = operation.get;
    return { case: "get", value: { key: checkKey(key), allowMissing } };
  }
  if ("set" in operation) {
    const { key, value, ttl, keepTtl = false } = operation.set;
    const precondition = toPrecondition(operation.set);
    return { case: "set", value: { key: checkKey(key), content: toContent(value), ttl: toDuration(ttl), keepTtl, precondition } };
  }
  if ("delete" in operation) {
    return { case: "delete", value: { key: checkKey(operation.delete.key), precondition: toPrecondition(operation.delete) } };
  }
  if ("touch" in operation) {
    const { key, ttl } = operation.touch;
    return { case: "touch", value: { key: checkKey(key), ttl: toDuration(ttl), precondition: toPrecondition(operation.touch) } };
  }
  if ("increment" in operation) {
    const { key, delta = 1, initial = 0, ttl } = operation.increment;
    const [by, from] = [toInteger("delta", delta), toInteger("initial", initial)];
    return { case: "increment", value: { key: checkKey(key), delta: by, initial: from, ttl: toDuration(ttl) } };
  }
  throw invalid("REQUEST_INVALID", "an operation must set exactly one of get, set, delete, touch, increment");
}

/** known are the names of all members of requests. */
const known = new Set(["key", "value", "delta", "initial", "ttl", "keepTtl", "allowMissing", "ifMatch", "ifAbsent", "ifExists", "signal"]);

/** checkNames throws if a request has a member with an unknown name: a misspelled condition must not be silently ignored. */
function checkNames(request: object): void {
  for (const name of Object.keys(request)) {
    if (!known.has(name)) throw invalid("REQUEST_INVALID", `unknown option ${JSON.stringify(name)}`);
  }
}

/** fromResult returns what an operation returned, or the error with which it failed. */
export function fromResult(result: Result): Entry | SetResult | DeleteResult | Version | bigint | KeyValueError | undefined {
  switch (result.case) {
    case "get": return result.value.entry && toEntry(result.value.entry);
    case "set": return { ...toVersion(result.value.entry!), created: result.value.created };
    case "delete": return { deleted: result.value.deleted, revision: result.value.revision };
    case "touch": return toVersion(result.value.entry!);
    case "increment": return result.value.value;
    case "error": return operationError(result.value);
    default: return new KeyValueError("SERVICE_UNAVAILABLE", "unavailable", "the response does not match the request");
  }
}

function operationError({ reason, code, message, metadata }: OperationError): KeyValueError {
  return new KeyValueError(reason, code, message, metadata);
}

/**
 * checkKey returns key. It throws if the key cannot be sent: JavaScript's strings may have half of a character, which would silently
 * become another one. The service checks everything else.
 */
export function checkKey(key: unknown): string {
  if (typeof key !== "string") throw invalid("KEY_INVALID", `invalid key: got ${kindOf(key)}, want a string`);
  if (!key.isWellFormed()) throw invalid("KEY_INVALID", `invalid key ${JSON.stringify(key)}: it has half of a surrogate pair`);
  return key;
}

function toContent(value: unknown): { case: "value"; value: string } | { case: "data"; value: Uint8Array } {
  if (value instanceof Uint8Array) return { case: "data", value };
  if (typeof value !== "string") throw invalid("VALUE_INVALID", `invalid value: got ${kindOf(value)}, want a string or a Uint8Array`);
  if (!value.isWellFormed()) throw invalid("VALUE_INVALID", "invalid value: it has half of a surrogate pair");
  return { case: "value", value };
}

/** toDuration returns a TTL as a message. The service checks its range. */
export function toDuration(ttl: unknown): Pick<Duration, "seconds" | "nanos"> | undefined {
  if (ttl === undefined) return undefined;
  if (typeof ttl !== "number" || !(Math.abs(ttl) < 1e15)) {
    throw invalid("TTL_INVALID", `invalid TTL: got ${String(ttl)}, want a number of ms, at most that of 10 years`);
  }
  const nanos = BigInt(Math.round(ttl * 1e6));
  return { seconds: nanos / 1_000_000_000n, nanos: Number(nanos % 1_000_000_000n) };
}

function toInteger(name: string, n: unknown): bigint {
  const integer = typeof n === "bigint" ? n : Number.isSafeInteger(n) ? BigInt(n as number) : undefined;
  if (integer === undefined) throw invalid("REQUEST_INVALID", `invalid ${name}: got ${String(n)}, want an integer; a bigint if it exceeds 2^53`);
  if (integer !== BigInt.asIntN(64, integer)) throw invalid("REQUEST_INVALID", `invalid ${name}: ${integer} does not fit into 64 bits`);
  return integer;
}

function toPrecondition(conditions: Conditions) {
  const { ifMatch, ifAbsent, ifExists } = conditions;
  if (Number(ifMatch !== undefined) + Number(ifAbsent ?? 0) + Number(ifExists ?? 0) > 1) {
    throw invalid("REQUEST_INVALID", "at most one of ifMatch, ifAbsent, ifExists may be set");
  }
  if ("ifMatch" in conditions) return { kind: { case: "etag" as const, value: checkEtag(ifMatch) } };
  if (ifAbsent || ifExists) return { kind: { case: "exists" as const, value: Boolean(ifExists) } };
  return undefined;
}

function checkEtag(etag: unknown): string {
  if (typeof etag === "string" && etag.isWellFormed()) return etag;
  throw invalid("REQUEST_INVALID", `invalid ifMatch: got ${kindOf(etag)}, want the etag of an entry`);
}

function kindOf(value: unknown): string {
  return value === null ? "null" : typeof value;
}
