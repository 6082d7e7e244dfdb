"""grpcio at a gRPC API: see README.md, `Sockets and calls`. Its messages are bytes, so that it needs no schema."""

import os
import queue
import sys

import grpc

TARGET, TOKEN = os.environ["CALLS_TARGET"], os.environ["CALLS_TOKEN"]
AS_LEASE = (("authorization", "Bearer " + TOKEN),)


def ordinary(channel):
    unary = channel.unary_unary("/acme.Items/Talk")
    for said in (b"one", b"", bytes(200_000)):
        heard, call = unary.with_call(said, metadata=AS_LEASE, timeout=30)
        print("unary", len(said), heard == said, call.code().name)
    # Each word is said once the one before was answered.
    words = queue.Queue()
    heard = channel.stream_stream("/acme.Items/Talk")(iter(words.get, None), metadata=AS_LEASE, timeout=30)
    for word in (b"two", b"three", b"four"):
        words.put(word)
        print("stream", next(heard).decode())
    words.put(None)
    print("over", list(heard), heard.code().name)


def problem(channel, path, metadata):
    try:
        heard = channel.unary_unary(path)(b"one", metadata=metadata, timeout=30)
        print("answered", heard)
    except grpc.RpcError as error:
        print(error.code().name, error.details())


def main():
    with grpc.secure_channel(TARGET, grpc.ssl_channel_credentials()) as channel:
        match sys.argv[1]:
            case "ordinary":
                ordinary(channel)
            case "refused":
                problem(channel, "/acme.Items/Rename", AS_LEASE)
            case "stray":
                stray = (("authorization", "Bearer " + os.environ["STRAY"]),)
                problem(channel, "/acme.Items/Talk", stray)
            case other:
                sys.exit(f"there is no mode {other}")


main()
