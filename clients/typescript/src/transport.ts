import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

import { KeyValueError } from "./error.js";

/** Protocol is what a client speaks. Both have the same functions, errors and speed. */
export type Protocol = "connect" | "grpc-web";

type Fetch = typeof globalThis.fetch;

/** checkUrl returns the URL of a service without a slash at its end. */
export function checkUrl(url: string | URL): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const usable = parsed && /^https?:$/.test(parsed.protocol) && !parsed.username && !parsed.password && !parsed.search && !parsed.hash;
  if (!usable) throw new TypeError(`invalid service URL ${JSON.stringify(String(url))}: want http://host:port`);
  return parsed.href.replace(/\/+$/, "");
}

export function newTransport(baseUrl: string, protocol: Protocol, apiKey: string, fetch: Fetch | undefined): Transport {
  const options = { baseUrl, interceptors: apiKey ? [withKey(apiKey)] : [], fetch: checked(fetch), useBinaryFormat: true };
  switch (protocol) {
    case "connect": return createConnectTransport(options);
    case "grpc-web": return createGrpcWebTransport(options);
    default: throw new TypeError(`invalid protocol ${JSON.stringify(protocol)}: want "connect" or "grpc-web"`);
  }
}

/** withKey adds the API key to every call. It throws a TypeError, which does not contain the key, if no header can have it. */
function withKey(apiKey: string): Interceptor {
  try {
    new Headers({ "x-api-key": apiKey });
  } catch {
    throw new TypeError("invalid API key: it has characters that a header cannot have");
  }
  return (next) => (request) => {
    request.header.set("x-api-key", apiKey);
    return next(request);
  };
}

/**
 * checked makes fetch fail with a KeyValueError if the response does not come from a store, so that its status is not taken for
 * that of a call.
 */
function checked(fetch: Fetch | undefined): Fetch {
  return async (...request) => {
    const response = await (fetch ?? globalThis.fetch)(...request);
    const type = response.headers.get("content-type") ?? "";
    if (/^application\/(json|proto|connect\+|grpc-web)/.test(type)) return response;
    response.body?.cancel().catch(() => {});
    throw foreign(response, type);
  };
}

/** statuses are those of proxies and balancers that tell what a call can do about it. */
const statuses: Record<number, [string, string]> = {
  401: ["API_KEY_INVALID", "unauthenticated"],
  403: ["PERMISSION_DENIED", "permission_denied"],
  408: ["SERVICE_UNAVAILABLE", "unavailable"],
  429: ["RATE_LIMITED", "resource_exhausted"],
  502: ["SERVICE_UNAVAILABLE", "unavailable"],
  503: ["SERVICE_UNAVAILABLE", "unavailable"],
  504: ["SERVICE_UNAVAILABLE", "unavailable"],
};

function foreign(response: Response, type: string): KeyValueError {
  const [reason, code] = statuses[response.status] ?? ["", "unknown"];
  const answer = `HTTP ${response.status}${type && ` and ${type}`}`;
  const { origin, pathname } = new URL(response.url);
  return new KeyValueError(reason, code, `${origin}${pathname} answered with ${answer}, not as a store does: check the service URL`);
}
