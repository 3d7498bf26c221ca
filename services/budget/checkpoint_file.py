"""The Merkle tree of RFC 6962 and signed checkpoints (C2SP signed notes, Ed25519 of RFC 8032), read with Python alone for verify.py."""

import base64
from collections.abc import Mapping, Sequence
from hashlib import sha256, sha512
from pathlib import Path
from typing import NamedTuple

# Leaves that are folded into one node at once.
SUBTREE = 4096


class Checkpoint(NamedTuple):
    seq: int
    root: bytes
    chain: str
    file: str
    # The leaves of the rows since the checkpoint before, where the witness kept them beside it.
    leaves: bytes


class Tree:
    """The Merkle tree of RFC 6962: whole subtrees folded, and the leaves after them."""

    def __init__(self) -> None:
        self.leaves: list[bytes] = []
        self.peaks: list[tuple[int, bytes]] = []

    def fold(self) -> None:
        size, node = SUBTREE, self._node(self.leaves)
        self.leaves = []
        while self.peaks and self.peaks[-1][0] == size:
            node, size = sha256(b"\x01" + self.peaks.pop()[1] + node).digest(), size * 2
        self.peaks.append((size, node))

    def root(self) -> bytes:
        nodes = [peak for _, peak in self.peaks] + ([self._node(self.leaves)] if self.leaves else [])
        node = nodes.pop() if nodes else sha256().digest()
        while nodes:
            node = sha256(b"\x01" + nodes.pop() + node).digest()
        return node

    def _node(self, nodes: list[bytes]) -> bytes:
        while len(nodes) > 1:
            pairs = iter(nodes)
            nodes = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)] + nodes[len(nodes) & ~1 :]
        return nodes[0]


PRIME, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
CURVE, ROOT = -121665 * pow(121666, -1, PRIME) % PRIME, pow(2, (PRIME - 1) // 4, PRIME)


def _point(encoded: bytes) -> tuple[int, int, int, int]:
    """RFC 8032 5.1.3, in extended coordinates. Raises ValueError."""
    y, odd = int.from_bytes(encoded, "little") & ~(1 << 255), encoded[31] >> 7
    square = (y * y - 1) * pow(CURVE * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if (x * x - square) % PRIME:
        x = x * ROOT % PRIME
    if (x * x - square) % PRIME or y >= PRIME or (x == 0 and odd):
        raise ValueError("not a point of the curve")
    x = PRIME - x if x & 1 != odd else x
    return x, y, 1, x * y % PRIME


def _times(number: int, base: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    total = (0, 1, 1, 0)
    while number:
        total, base, number = _plus(total, base) if number & 1 else total, _plus(base, base), number >> 1
    return total


def _plus(p: tuple[int, int, int, int], q: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % PRIME, (p[1] + p[0]) * (q[1] + q[0]) % PRIME
    c, d = 2 * p[3] * q[3] * CURVE % PRIME, 2 * p[2] * q[2] % PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % PRIME, g * h % PRIME, f * g % PRIME, e * h % PRIME


def is_signed(message: bytes, *, signature: bytes, public_key: bytes) -> bool:
    """RFC 8032 5.1.7."""
    s, generator = int.from_bytes(signature[32:], "little"), _point((4 * pow(5, -1, PRIME) % PRIME).to_bytes(32, "little"))
    challenge = int.from_bytes(sha512(signature[:32] + public_key + message).digest(), "little") % ORDER
    left, right = _times(s, generator), _plus(_point(signature[:32]), _times(challenge, _point(public_key)))
    return len(signature) == 64 and s < ORDER and all((left[i] * right[2] - right[i] * left[2]) % PRIME == 0 for i in (0, 1))


def read(file: Path, *, keys: Mapping[str, str]) -> Checkpoint:
    """`keys` by name and id, as in example.org/ledger+a1b2c3d4; without any no signature is asked for."""
    body, _, signatures = file.read_text(encoding="utf-8").partition("\n\n")
    _, size, root, chain, *_ = body.split("\n")
    if not size.isascii() or not size.isdigit() or int(size) == 0:
        raise ValueError(f"{file.name}: {size!r} is no number of rows")
    signed = [(name, base64.b64decode(encoded)) for _, name, encoded in (line.split(" ") for line in signatures.splitlines())]
    known = [(each[4:], keys[f"{name}+{each[:4].hex()}"]) for name, each in signed if f"{name}+{each[:4].hex()}" in keys]
    if keys and not any(is_signed(f"{body}\n".encode(), signature=each, public_key=base64.b64decode(key)[1:]) for each, key in known):
        raise ValueError(f"{file.name}: signed by none of the keys that were given")
    beside = file.with_suffix(".leaves")
    leaves = beside.read_bytes() if beside.exists() else b""
    return Checkpoint(int(size), base64.b64decode(root), chain.removeprefix("chain "), file.name, leaves)


def first_difference(checkpoint: Checkpoint, *, leaves: Sequence[bytes]) -> int:
    """The first seq whose leaf is another than the witness has; that of the checkpoint when it kept none."""
    kept = [checkpoint.leaves[place : place + 32] for place in range(0, len(checkpoint.leaves), 32)]
    first = checkpoint.seq - min(len(kept), len(leaves))
    pairs = zip(kept[first - checkpoint.seq :], leaves[first - checkpoint.seq :], strict=False)
    return next((seq for seq, (theirs, ours) in enumerate(pairs, start=first + 1) if theirs != ours), int(checkpoint.seq))
