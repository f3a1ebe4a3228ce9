// What the tests share.

import { KeyValueError } from 'key-value-client';

/** recorder returns a fetch that records the name of each RPC, and what it recorded. */
export function recorder() {
  const calls = [];
  const recording = (url, init) => {
    calls.push(new URL(url).pathname.split('/').at(-1));
    return fetch(url, init);
  };
  return { fetch: recording, calls };
}

/** reasonOf returns the reason with which call failed. Any other error is thrown, and a success is returned as "ok". */
export async function reasonOf(call) {
  try {
    await call;
    return 'ok';
  } catch (error) {
    if (error instanceof KeyValueError) return error.reason;
    throw error;
  }
}

/** answers returns a fetch that answers with each of these in turn, and then with the last one again and again. */
export function answers(...list) {
  const calls = [];
  const scripted = async (url, init) => {
    calls.push(new URL(url).pathname.split('/').at(-1));
    const next = list.length > 1 ? list.shift() : list[0];
    return typeof next === 'function' ? next(url, init) : next.clone();
  };
  return { fetch: scripted, calls };
}

/** failure is the answer of a server that rejects a call. The detail is a google.rpc.ErrorInfo. */
export function failure(reason, code, status) {
  const field = (n, text) => Buffer.concat([Buffer.of((n << 3) | 2, text.length), Buffer.from(text)]);
  const value = Buffer.concat([field(1, reason), field(2, 'keyvalue.v1')]).toString('base64').replace(/=+$/, '');
  const body = JSON.stringify({ code, message: `rejected: ${reason}`, details: [{ type: 'google.rpc.ErrorInfo', value }] });
  return withUrl(new Response(body, { status, headers: { 'content-type': 'application/json' } }));
}

/** page is the answer of something that is not a store. */
export const page = (status) => withUrl(new Response('<h1>Hello</h1>', { status, headers: { 'content-type': 'text/html' } }));

// withUrl gives a response the URL that one of the network has.
function withUrl(response) {
  Object.defineProperty(response, 'url', { value: 'http://store.example/keyvalue.v1.KeyValueService/Get' });
  response.clone = ((clone) => () => withUrl(clone.call(response)))(response.clone);
  return response;
}
