"""Python's httpx at an HTTP API, over HTTP/2 where it is offered: see README.md, `HTTP programs`."""

import hashlib
import os
import sys

import httpx

ITEMS, FILES = os.environ["ITEMS_URL"], os.environ["FILES_URL"]
AS_ITEMS = {"Authorization": "Bearer " + os.environ["ITEMS_TOKEN"]}
AS_FILES = {"Authorization": "Bearer " + os.environ["FILES_TOKEN"]}


def problem(answer):
    """What a client sees of a refusal: it is no answer of the service."""
    try:
        answer.raise_for_status()
    except httpx.HTTPStatusError as error:
        told = error.response
        print(told.status_code, told.headers["Content-Type"], told.json()["type"])
    else:
        print(answer.status_code, answer.text.strip())


def pieces():
    for _ in range(48):
        yield b"x" * 65536


def ordinary(client):
    for name in ("items", "moved"):
        answer = client.get(f"{ITEMS}/{name}", headers=AS_ITEMS)
        assert answer.http_version == "HTTP/2", answer.http_version
        print(name, answer.status_code, len(answer.json()["items"]))
    print("missing", client.get(f"{ITEMS}/missing", headers=AS_ITEMS).status_code)
    digest, length = hashlib.sha256(), 0
    with client.stream("GET", f"{ITEMS}/big", headers=AS_ITEMS) as answer:
        for piece in answer.iter_bytes():
            digest.update(piece)
            length += len(piece)
    print("download", length, digest.hexdigest())
    # A generator has no length: it goes in frames, as it comes.
    put = {**AS_FILES, "Content-Type": "application/octet-stream"}
    answer = client.post(f"{FILES}/storage/v1/object/bucket/file", headers=put, content=pieces())
    print("upload", answer.json()["bytes"], answer.json()["sha256"])


def main():
    with httpx.Client(http2=True, follow_redirects=True, timeout=60) as client:
        match sys.argv[1]:
            case "ordinary":
                ordinary(client)
            case "destroys":
                problem(client.delete(f"{ITEMS}/items/1", headers=AS_ITEMS))
            case "redirected":
                problem(client.get(f"{ITEMS}/away", headers=AS_ITEMS))
                problem(client.get(f"{ITEMS}/outside", headers=AS_ITEMS))
            case "stray":
                stray = {"Authorization": "Bearer " + os.environ["STRAY"]}
                problem(client.get(f"{ITEMS}/items", headers=stray))
            case other:
                sys.exit(f"there is no mode {other}")


main()
