"""Python's websockets at a WebSocket: see README.md, `Sockets and calls`."""

import json
import os
import sys

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

URL, TOKEN = os.environ["LIVE_URL"], os.environ["LIVE_TOKEN"]
AS_LEASE = {"Authorization": "Bearer " + TOKEN}


def ordinary():
    with connect(f"{URL}/harmless/echo", additional_headers=AS_LEASE, subprotocols=["chat"]) as socket:
        print("opened", socket.subprotocol)
        for said in ("hello", "x" * 200_000, bytes(range(256)) * 20):
            socket.send(said)
            print(type(said).__name__, len(said), socket.recv() == said)
        # A list goes in pieces.
        socket.send(["one, ", "two, ", "three"])
        print("pieces", socket.recv())
        print("pong", socket.ping().wait(10))
    print("closed", socket.protocol.close_code)


def refused():
    try:
        with connect(f"{URL}/things", additional_headers=AS_LEASE):
            print("opened")
    except InvalidStatus as error:
        told = error.response
        print(told.status_code, told.headers["Content-Type"], json.loads(told.body)["type"])


def stray():
    with connect(f"{URL}/harmless/echo", additional_headers=AS_LEASE) as socket:
        socket.send(json.dumps({"token": os.environ["STRAY"]}))
        try:
            print(socket.recv())
        except ConnectionClosed as closed:
            print(closed.rcvd.code, closed.rcvd.reason)


match sys.argv[1]:
    case "ordinary":
        ordinary()
    case "refused":
        refused()
    case "stray":
        stray()
    case other:
        sys.exit(f"there is no mode {other}")
