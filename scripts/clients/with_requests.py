"""Python's requests at an HTTP API: see README.md, `HTTP programs`."""

import hashlib
import os
import sys

import requests

ITEMS, FILES = os.environ["ITEMS_URL"], os.environ["FILES_URL"]
AS_ITEMS = {"Authorization": "Bearer " + os.environ["ITEMS_TOKEN"]}
AS_FILES = {"Authorization": "Bearer " + os.environ["FILES_TOKEN"]}


def problem(answer):
    """What a client sees of a refusal: it is no answer of the service."""
    try:
        answer.raise_for_status()
    except requests.HTTPError as error:
        told = error.response
        print(told.status_code, told.headers["Content-Type"], told.json()["type"])
    else:
        print(answer.status_code, answer.text.strip())


def pieces():
    for _ in range(48):
        yield b"x" * 65536


def ordinary(session):
    for name in ("items", "moved"):
        answer = session.get(f"{ITEMS}/{name}", headers=AS_ITEMS)
        print(name, answer.status_code, len(answer.json()["items"]))
    print("missing", session.get(f"{ITEMS}/missing", headers=AS_ITEMS).status_code)
    digest, length = hashlib.sha256(), 0
    with session.get(f"{ITEMS}/big", headers=AS_ITEMS, stream=True) as answer:
        for piece in answer.iter_content(65536):
            digest.update(piece)
            length += len(piece)
    print("download", length, digest.hexdigest())
    # A generator has no length: it goes in chunks, as it comes.
    put = {**AS_FILES, "Content-Type": "application/octet-stream"}
    answer = session.post(f"{FILES}/storage/v1/object/bucket/file", headers=put, data=pieces())
    print("upload", answer.json()["bytes"], answer.json()["sha256"])


def main():
    with requests.Session() as session:
        match sys.argv[1]:
            case "ordinary":
                ordinary(session)
            case "destroys":
                problem(session.delete(f"{ITEMS}/items/1", headers=AS_ITEMS))
            case "redirected":
                problem(session.get(f"{ITEMS}/away", headers=AS_ITEMS))
                problem(session.get(f"{ITEMS}/outside", headers=AS_ITEMS))
            case "stray":
                stray = {"Authorization": "Bearer " + os.environ["STRAY"]}
                problem(session.get(f"{ITEMS}/items", headers=stray))
            case other:
                sys.exit(f"there is no mode {other}")


main()
