"""Folds the older part of a document's history and handled ids into blocks of bytes.

SecantusDB decodes a document completely to look at one of its fields: 64 transitions cost it as much as the rest of the
document, a block as little as one field. Blocks never change, and the newest entries stay readable for people and for
older versions, which carry blocks along like every field they do not know
(docs/decisions/0040-old-history-is-folded.md).
"""

import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import bson
from bson.codec_options import CodecOptions

from chassis.storage.history import Transition

FOLDED_FROM = 32
"""Transitions in a document at which all but the newest are folded."""
LEFT_OPEN = 16
"""The newest transitions and handled ids, which are never folded."""
BLOCKS_KEPT = 8
"""Blocks of a document. The oldest is forgotten first: at least 128 transitions are remembered beside the open ones."""

_CACHED = 128
_OPTIONS: CodecOptions[dict[str, Any]] = CodecOptions(tz_aware=True)


def fold(history: Sequence[Mapping[str, Any]], handled: Sequence[str]) -> bytes:
    """A block of transitions in their stored form, and of handled ids."""
    return zlib.compress(bson.encode({"history": list(history), "handled": list(handled)}))


def transitions_of(block: bytes) -> tuple[Transition, ...]:
    return tuple(Transition.from_document(entry) for entry in _unfolded(block)["history"])


@lru_cache(_CACHED)
def handled_of(block: bytes) -> frozenset[str]:
    return frozenset(_unfolded(block)["handled"])


def _unfolded(block: bytes) -> dict[str, Any]:
    return bson.decode(zlib.decompress(block), _OPTIONS)
