"""Colour profiles for the tests, after the ICC's specification (ICC.1:2022)."""

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))
ADOBE = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))


def profile(kind: bytes, space: bytes, connection: bytes, version=2, **tags: bytes) -> bytes:
    """A profile of a device's kind and colour space, with these tags."""
    at, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += struct.pack(">4sII", name.encode(), at + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s", at + len(body), version << 24, kind, space, connection, b"acsp"
    )
    return head.ljust(68, b"\0") + xyz(D50)[8:] + bytes(48) + table + body


def xyz(colour) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * part) for part in colour))


def curve(*values: int) -> bytes:
    """Nothing is the straight line, one value is 256 times a power, more are a table."""
    return b"curv\0\0\0\0" + struct.pack(f">I{len(values)}H", len(values), *values)


def of_screen(primaries, *values: int) -> bytes:
    tags = {f"{name}XYZ": xyz(colour) for name, colour in zip("rgb", primaries, strict=True)}
    tags |= {f"{name}TRC": curve(*values) for name in "rgb"}
    return profile(b"mntr", b"RGB ", b"XYZ ", wtpt=xyz(D50), **tags)


def of_greys(*values: int) -> bytes:
    return profile(b"mntr", b"GRAY", b"XYZ ", wtpt=xyz(D50), kTRC=curve(*values))


def of_inks(lightness: dict[tuple, tuple]) -> bytes:
    """A printer's: the L*, a*, b* (0 to 255) of each of the 16 mixtures of its four inks."""
    inks = np.ndindex(2, 2, 2, 2)
    straight = bytes(range(256))
    table = struct.pack(">4s4xBBBx9i", b"mft1", 4, 3, 2, *(65536 * np.eye(3, dtype=int)).flat)
    table += 4 * straight + bytes(v for ink in inks for v in lightness[ink]) + 3 * straight
    return profile(b"prtr", b"CMYK", b"Lab ", A2B0=table)
