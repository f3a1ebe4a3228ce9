// What an API key may do.

import { compare } from './order.js';

/** Rights are grants of operations on prefixes. Of the grants whose prefix a key has, the longest decides. */
export class Rights {
  /** Without grants, as long as the server has not told them, everything is offered. */
  constructor(grants = [{ prefix: '', ops: ['read', 'write'] }]) { this.grants = grants; }

  /** may reports whether an operation, "read" or "write", is allowed on a key. */
  may(op, key) { return allows(this.#longest((prefix) => key.startsWith(prefix)), op); }

  /** mayAll reports whether an operation is allowed on all keys that can begin with a prefix. */
  mayAll(op, prefix) { return this.may(op, prefix) && this.grants.every((grant) => !grant.prefix.startsWith(prefix) || allows(grant, op)); }

  /** all reports whether everything is allowed. */
  all() { return ['read', 'write'].every((op) => this.mayAll(op, '')); }

  /** any reports whether an operation is allowed on some keys. */
  any(op) { return this.grants.some((grant) => allows(grant, op)); }

  /** roots returns the shortest prefixes that may be read. */
  roots() { return this.#edges('read', true); }

  /** parts returns the ranges of the keys with a prefix that may be read: { start, end }, where undefined is no bound. */
  parts(prefix) {
    const parts = [{}];
    for (const hole of this.#edges('read', false).filter((hole) => hole.startsWith(prefix))) {
      parts.at(-1).end = hole;
      parts.push({ start: after(hole) });
    }
    return parts;
  }

  // edges returns the prefixes, in order, where it changes whether an operation is allowed.
  #edges(op, allowed) {
    return this.grants.filter((grant) => allows(grant, op) === allowed && allows(this.#around(grant.prefix), op) !== allowed)
      .map((grant) => grant.prefix).sort(compare);
  }

  #around(inner) { return this.#longest((prefix) => prefix.length < inner.length && inner.startsWith(prefix)); }

  #longest(matches) {
    return this.grants.filter((grant) => matches(grant.prefix)).sort((a, b) => b.prefix.length - a.prefix.length)[0];
  }
}

const allows = (grant, op) => grant !== undefined && grant.ops.includes(op);

// after returns the first text after all texts with a prefix, by code points.
function after(prefix) {
  const points = [...prefix];
  let last = points.pop().codePointAt(0);
  while (last === 0x10ffff && points.length) last = points.pop().codePointAt(0);
  return points.join('') + String.fromCodePoint(last === 0xd7ff ? 0xe000 : last + 1);
}

/** describe says what a caller may do, in the words of "kv keys list". */
export function describe({ grants, expireTime, rate }) {
  const rights = grants.map(({ prefix, ops }) => `${ops.join(' and ') || 'not use'} ${prefix ? `${prefix}*` : 'every key'}`);
  return [`May ${rights.join(', ') || 'do nothing'}.`, expireTime && `Expires ${new Date(expireTime).toLocaleString()}.`,
    rate && `At most ${rate} requests a second.`].filter(Boolean).join(' ');
}
