import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Reason is why a call failed: a stable name from the contract, or CACHE_TOO_SMALL, which only a cache of this package gives. It is
 * empty if none applies, such as for an answer of a server that is not a store. Servers newer than this package may send others.
 */
export type Reason =
  | "KEY_NOT_FOUND" | "ETAG_MISMATCH" | "KEY_EXISTS" | "KEY_ABSENT" | "KEY_INVALID" | "VALUE_INVALID" | "TTL_INVALID"
  | "PAGE_TOKEN_INVALID" | "REQUEST_INVALID" | "VALUE_TOO_LARGE" | "BATCH_TOO_LARGE" | "NOT_AN_INTEGER" | "INTEGER_OVERFLOW"
  | "RESUME_TOO_OLD" | "STORE_FULL" | "RATE_LIMITED" | "OVERLOADED" | "LOG_BEHIND" | "API_KEY_INVALID" | "PERMISSION_DENIED"
  | "SERVICE_UNAVAILABLE" | "DEADLINE_EXCEEDED" | "UNIMPLEMENTED" | "INTERNAL" | "CACHE_TOO_SMALL" | ""
  | (string & {});

/** KeyValueError is a failed call, or a failed operation of a batch. */
export class KeyValueError extends Error {
  override readonly name = "KeyValueError";

  constructor(
    /** The stable reason from the contract, such as KEY_NOT_FOUND. */
    readonly reason: Reason,
    /** The status code of the RPC, such as not_found. */
    readonly code: string,
    message: string,
    /** The values that the message mentions, by name, as the service sent them. */
    readonly metadata: Readonly<Record<string, string>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The index of the operation that made an atomic batch fail. Undefined if there is none. */
  get operation(): number | undefined {
    return this.metadata.operation === undefined ? undefined : Number(this.metadata.operation);
  }
}

/** invalid returns the error of a request that is rejected before it is sent. */
export function invalid(reason: Reason, message: string): KeyValueError {
  return new KeyValueError(reason, "invalid_argument", message);
}

/** implied are the reasons of codes that need no further explanation, such as those of a proxy's answer. */
const implied: Partial<Record<Code, Reason>> = {
  [Code.InvalidArgument]: "REQUEST_INVALID",
  [Code.Unauthenticated]: "API_KEY_INVALID",
  [Code.PermissionDenied]: "PERMISSION_DENIED",
  [Code.Unavailable]: "SERVICE_UNAVAILABLE",
  [Code.DeadlineExceeded]: "DEADLINE_EXCEEDED",
};

/**
 * toError returns the error of a call. An error that the server did not send is that of the connection: fetch failed, or the
 * response was cut. Its code says nothing then.
 */
export function toError(thrown: unknown, url: string): KeyValueError {
  if (thrown instanceof KeyValueError) return thrown;
  const error = ConnectError.from(thrown);
  if (error.cause instanceof KeyValueError) return error.cause; // of our fetch
  for (const detail of error.details) {
    const info = "type" in detail && detail.type === "google.rpc.ErrorInfo" ? errorInfo(detail.value) : undefined;
    if (info) return new KeyValueError(info.reason, codeName(error.code), error.rawMessage, info.metadata, { cause: error });
  }
  if (error.code === Code.DeadlineExceeded) {
    return new KeyValueError("DEADLINE_EXCEEDED", "deadline_exceeded", "the service did not answer in time", {}, { cause: error });
  }
  if (error.isWireError) {
    return new KeyValueError(implied[error.code] ?? "", codeName(error.code), error.rawMessage, {}, { cause: error });
  }
  const why = [error.rawMessage, messageOf(error.cause)].filter(Boolean).join(": ");
  return new KeyValueError("SERVICE_UNAVAILABLE", "unavailable", `no answer from ${url}: ${why}`, {}, { cause: error.cause ?? error });
}

/** messageOf returns the message of what made fetch fail. Only Node.js says more than "fetch failed". */
function messageOf(cause: unknown): string {
  const inner = cause instanceof Error ? cause.cause : undefined;
  return inner instanceof Error ? inner.message || String((inner as { code?: unknown }).code ?? "") : "";
}

/** unsentCodes are the errors of Node.js that come before a connection is open. Browsers do not tell. */
const unsentCodes = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT"]);

/** unsent reports whether a call certainly did not reach a server. */
export function unsent(error: KeyValueError): boolean {
  const cause = error.cause instanceof Error ? (error.cause.cause as { code?: unknown } | undefined) : undefined;
  return typeof cause?.code === "string" && unsentCodes.has(cause.code);
}

/** codeName returns the name of a code in the contract, such as not_found. */
function codeName(code: Code): string {
  return (Code[code] ?? "Unknown").replace(/[A-Z]/g, (letter, at: number) => (at ? "_" : "") + letter.toLowerCase());
}

/** errorInfo decodes a google.rpc.ErrorInfo, or returns undefined if it is not one of the contract. */
function errorInfo(bytes: Uint8Array): { reason: string; metadata: Record<string, string> } | undefined {
  try {
    const info = strings(bytes);
    if (info.text.get(2) !== "keyvalue.v1") return undefined;
    const pairs = info.nested.map((entry) => strings(entry).text).map((pair) => [pair.get(1) ?? "", pair.get(2) ?? ""] as const);
    return { reason: info.text.get(1) ?? "", metadata: Object.fromEntries(pairs) };
  } catch {
    return undefined; // it is not a message
  }
}

/** strings decodes a message that has nothing but strings, and in field 3 messages. */
function strings(bytes: Uint8Array): { text: Map<number, string>; nested: Uint8Array[] } {
  const text = new Map<number, string>();
  const nested: Uint8Array[] = [];
  for (const reader = new BinaryReader(bytes); reader.pos < reader.len; ) {
    const [field, type] = reader.tag();
    if (type !== WireType.LengthDelimited) reader.skip(type, field);
    else if (field === 3) nested.push(reader.bytes());
    else text.set(field, reader.string());
  }
  return { text, nested };
}
