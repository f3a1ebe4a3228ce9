import os
import time

import grpc

import error_pb2
from keyvalue.v1 import operation_pb2, service_pb2_grpc, watch_pb2

kv = service_pb2_grpc.KeyValueServiceStub(grpc.insecure_channel("localhost:8888"))
auth = [("x-api-key", os.environ["KV_API_KEY"])]


def reason(error):
    """Returns the reason of a failed call, such as KEY_NOT_FOUND, or None."""
    for name, value in error.trailing_metadata():
        if name == "grpc-status-details-bin":
            for detail in error_pb2.Status.FromString(value).details:
                info = error_pb2.ErrorInfo()
                if detail.Unpack(info):
                    return info.reason


def watch(prefix):
    """Yields the changes of keys with a prefix, and resumes after the last one if the connection breaks."""
    request = watch_pb2.WatchRequest(prefix=prefix)
    while True:
        try:
            for response in kv.Watch(request, metadata=auth):
                request.resume_token = response.resume_token
                yield response.event
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            time.sleep(1)


kv.Set(operation_pb2.SetRequest(key="hello", value="world"), metadata=auth, timeout=5)
print(kv.Get(operation_pb2.GetRequest(key="hello"), metadata=auth, timeout=5).entry.value)

try:
    kv.Get(operation_pb2.GetRequest(key="nope"), metadata=auth, timeout=5)
except grpc.RpcError as error:
    print(error.code().name, reason(error), error.details())

for event in watch("jobs/"):
    if event.type == watch_pb2.Event.TYPE_SYNC:  # up to date: later changes follow
        kv.Set(operation_pb2.SetRequest(key="jobs/1", value="begin"), metadata=auth, timeout=5)
    else:
        print(watch_pb2.Event.Type.Name(event.type), event.entry.key, event.entry.value)
        break
