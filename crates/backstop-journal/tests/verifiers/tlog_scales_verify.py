"""Verifies a journal with tlog-scales, which we did not write: the signature, the root, every entry.

Usage: tlog_scales_verify.py DIRECTORY ORIGIN VERIFIER-KEY; exit code 0 if all of it holds.
Nothing here computes a hash of the tree itself.
"""

import pathlib
import sys

from tlog_scales import backend, signing, tiles
from tlog_scales.reader import TilesReader


def main(directory: str, origin: str, key: str) -> None:
    files = backend.LocalBackend(pathlib.Path(directory))
    reader = TilesReader(files)
    checkpoint = reader.get_checkpoint()
    # Its parser skips lines that it does not expect; the note must be what it parsed.
    assert files.get("checkpoint").decode() == checkpoint.serialize(), "the note has other content"
    assert checkpoint.origin == origin, f"origin {checkpoint.origin!r}"
    checkpoint.verify(signing.Vkey.from_string(key))
    assert reader.calculate_root_hash() == checkpoint.root_hash, "root"
    for index in range(checkpoint.size):
        leaf = tiles.leaf_hash(reader.get_entry(index))
        reader.get_inclusion_proof(index, checkpoint.size).check(leaf, checkpoint.root_hash)
    for old in {1, checkpoint.size // 2, checkpoint.size - 1} & set(range(1, checkpoint.size)):
        proof = reader.get_consistency_proof(old, checkpoint.size)
        proof.check(reader.mth(0, old), checkpoint.root_hash)
    print(f"{checkpoint.size} entries")


if __name__ == "__main__":
    main(*sys.argv[1:])
