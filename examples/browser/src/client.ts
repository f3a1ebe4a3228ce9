import { type Client, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";

import { KeyValueService } from "./gen/keyvalue/v1/service_pb.js";

export type KeyValue = Client<typeof KeyValueService>;

/** connect returns a client of the store at baseUrl that uses gRPC-Web. */
export function connect(baseUrl: string, apiKey: string): KeyValue {
  return createClient(KeyValueService, createGrpcWebTransport({ baseUrl, interceptors: [withKey(apiKey)] }));
}

/** withKey adds the API key to every call. */
function withKey(apiKey: string): Interceptor {
  return (next) => (request) => {
    request.header.set("x-api-key", apiKey);
    return next(request);
  };
}
