"""Compressed texts of which a part is compressed once, however often it is written.

A zlib stream is a row of blocks, some of which may hold their bytes as they are (RFC 1950, RFC 1951). Blocks that were
made before are put into any number of streams; what reads these is any zlib.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

COMPRESS_FROM = 4_096
"""Bytes. A row grows by a page at most, and compressing would take a tenth of the time of a small orchestration."""
_HEADER = b"\x78\x01"
"""Deflate with the largest window, compressed fast (RFC 1950, 2.2)."""
_LAST = b"\x03\x00"
"""A last block with nothing in it (RFC 1951, 3.2.6)."""
_ADLER_BASE = 65_521
_WINDOW_BITS = 14
_MOST_REPEATED = 8_192
"""Bytes of a part to which the next one may refer."""
_SMALL = 32_768
"""Bytes up to which the tables of a small compressor are enough. Those of the usual one take longer to clear than so
little takes to compress."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some bytes as blocks of a stream.

    :param blocks: that begin and end at whole bytes.
    :param size: how many bytes they stand for.
    :param checksum: their Adler-32.
    :param end: their last bytes, to which what follows may refer.
    """

    blocks: bytes
    size: int
    checksum: int
    end: bytes

    def then(self, raw: bytes) -> Part:
        """This part with more bytes at its end. What is alike in both is not there twice."""
        blocks = _deflated(raw, -_WINDOW_BITS, zlib.Z_FULL_FLUSH, self.end)
        return Part(self.blocks + blocks, self.size + len(raw), zlib.adler32(raw, self.checksum), raw[-_MOST_REPEATED:])


NOTHING = Part(b"", 0, zlib.adler32(b""), b"")


def around(before: bytes, part: Part, after: bytes) -> bytes:
    """A zlib stream of a part and what stands around it."""
    checksum = zlib.adler32(after, _joint_checksum(zlib.adler32(before), part.checksum, part.size))
    return b"".join((_HEADER, _blocks(before), part.blocks, _blocks(after), _LAST, checksum.to_bytes(4, "big")))


def deflate(raw: bytes) -> bytes:
    """A zlib stream of bytes."""
    return _deflated(raw, zlib.MAX_WBITS, zlib.Z_FINISH)


def _blocks(raw: bytes) -> bytes:
    size = len(raw)
    if size >= COMPRESS_FROM:
        return _deflated(raw, -_WINDOW_BITS, zlib.Z_FULL_FLUSH)
    # A block that is stored: its length and the complement of it stand before (RFC 1951, 3.2.4).
    return b"\x00" + (size | (size ^ 0xFFFF) << 16).to_bytes(4, "little") + raw


def _deflated(raw: bytes, window: int, flush: int, dictionary: bytes = b"") -> bytes:
    memory = 6 if len(raw) <= _SMALL else zlib.DEF_MEM_LEVEL
    packer = zlib.compressobj(1, zlib.DEFLATED, window, memory, zlib.Z_DEFAULT_STRATEGY, dictionary)
    return packer.compress(raw) + packer.flush(flush)


def _joint_checksum(first: int, second: int, size: int) -> int:
    """The Adler-32 of bytes with the checksum `first`, followed by `size` bytes with the checksum `second`.

    Its lower half is 1 and the sum of all bytes, its upper half the sum of what the lower one was after each byte, both
    modulo 65521 (RFC 1950, 8.2). In the second sum, what came before counts once for each byte.
    """
    before = (first & 0xFFFF) - 1
    low = (before + (second & 0xFFFF)) % _ADLER_BASE
    high = ((first >> 16) + (second >> 16) + size * before) % _ADLER_BASE
    return high << 16 | low
