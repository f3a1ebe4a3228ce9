import { type Timestamp, timestampDate, durationMs } from "@bufbuild/protobuf/wkt";

import type { Entry as Message } from "./gen/keyvalue/v1/entry_pb.js";

/** Value is what a key holds. Valid UTF-8 is read as a string and anything else as bytes, however it was written. */
export type Value = string | Uint8Array;

/** Version describes a version of an entry, without its value. */
export interface Version {
  readonly key: string;
  /** Identifies this version. Opaque and never reused. Pass it as ifMatch to write only if nobody else has. */
  readonly etag: string;
  /** The number of the write that made this version. It grows with every write of the entry. */
  readonly revision: bigint;
  /** When this version was written, by the clock of the service. */
  readonly updateTime: Date;
  /** When the entry expires, by the clock of the service. Undefined if it never does. */
  readonly expireTime: Date | undefined;
  /** How long the entry had left to live when the response was made, in ms. Undefined if it never expires. */
  readonly ttl: number | undefined;
}

/** Entry is a key with its value. */
export class Entry implements Version {
  readonly key!: string;
  readonly etag!: string;
  readonly revision!: bigint;
  readonly updateTime!: Date;
  readonly expireTime: Date | undefined;
  readonly ttl: number | undefined;
  /** The value. Undefined if it was not asked for. */
  readonly value: Value | undefined;

  constructor(version: Version, value: Value | undefined) {
    Object.assign(this, version);
    this.value = value;
  }

  /** text returns the value as a string. It throws a TypeError if the value is not UTF-8, or was not asked for. */
  text(): string {
    if (typeof this.value === "string") return this.value;
    throw new TypeError(`the value of ${JSON.stringify(this.key)} ${this.value ? "is not UTF-8: read its bytes" : "was not asked for"}`);
  }

  /** bytes returns the value as bytes. It throws a TypeError if the value was not asked for. */
  bytes(): Uint8Array {
    return this.value instanceof Uint8Array ? this.value : new TextEncoder().encode(this.text());
  }

  /** json parses the value. It throws a SyntaxError if the value is not JSON, and otherwise as text does. */
  json(): unknown {
    return JSON.parse(this.text());
  }
}

export function toVersion(message: Message): Version {
  return {
    key: message.key,
    etag: message.etag,
    revision: message.revision,
    updateTime: toDate(message.updateTime) ?? new Date(0),
    expireTime: toDate(message.expireTime),
    ttl: message.ttl && durationMs(message.ttl),
  };
}

export function toEntry(message: Message): Entry {
  return new Entry(toVersion(message), message.content.value);
}

export function toDate(time: Timestamp | undefined): Date | undefined {
  return time && timestampDate(time);
}

/** compareKeys orders keys as the store does: by their bytes in UTF-8, and not by UTF-16 units as < does. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** rank moves surrogates, which encode characters above U+FFFF, after all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
