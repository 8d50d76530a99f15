"""The most tokens that a provider counts for an image.

Each provider has a rule of its own, and some count ten times as much as others. The rules are from
the providers' pages of November 2026: OpenAI "Images and vision", Anthropic "Vision", Google
"Image understanding" and "Media resolution".
"""

import base64
import binascii
import math
import re
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image in a prompt.

    Attributes:
        size: width and height; None if nobody here can see it.
        low: whether the caller asks for little detail.
        named: whether its address says that it is an image, or it is in the body.
    """

    size: tuple[int, int] | None = None
    low: bool = False
    named: bool = True


Rule = Callable[[Image], int | None]


def most_tokens(names: Iterable[str], image: Image) -> int | None:
    """The most that any of these models counts; None if one may get something else for it."""
    counts = [_rule(name)(image) for name in names] or [_other(image)]
    known = [count for count in counts if count is not None]
    return max(known) if len(known) == len(counts) else None


def is_known(name: str) -> bool:
    """Whether there is a rule for a model of this name."""
    return _rule(name) is not _other


def _rule(name: str) -> Rule:
    return next((rule for pattern, rule in _RULES if pattern.search(name.lower())), _other)


# --- OpenAI

_TILE, _LONGEST, _SHORTEST = 512, 2048, 768
_PATCH = 32
_MOST_PATCHES, _MOST_PATCHES_OF_THE_NEWEST = 1536, 10_000


def _tiles(base: int, each: int) -> Rule:
    """The image is scaled to 768 pixels at its shorter side, and to 2,048 at most at its longer."""

    def rule(image: Image) -> int:
        if image.low:
            return base
        longer = float(_LONGEST)
        if image.size:
            longer = min(_LONGEST, _SHORTEST * max(image.size) / min(image.size))
        return base + each * 2 * math.ceil(longer / _TILE)

    return rule


def _patches(multiplier: float, most: int = _MOST_PATCHES) -> Rule:
    def rule(image: Image) -> int:
        patches = most
        if image.size:
            patches = min(most, _squares(image.size, _PATCH))
        return math.ceil(patches * multiplier) + 1

    return rule


def _dearer(*rules: Rule) -> Rule:
    return lambda image: max(rule(image) or 0 for rule in rules)


# --- Anthropic

# A token is 750 pixels, or a patch of 28 by 28; a larger image is scaled down first.
_PIXELS, _MOST_OF_CLAUDE, _MOST_OF_THE_NEWEST = 27, 1600, 4784


def _claude(most: int) -> Rule:
    return lambda image: min(most, _squares(image.size, _PIXELS)) if image.size else most


# --- Google

_OF_A_TILE, _SMALL = 258, 384
_SMALLEST_TILE, _LARGEST_TILE, _LARGEST = 256, 768, 3072
_MOST_OF_GEMINI = _OF_A_TILE * (_LARGEST // _SMALLEST_TILE) * 2
_MOST_OF_GEMINI_3 = 2240


def _gemini(image: Image) -> int | None:
    """Content without a name of an image may be a film or a document, which LiteLLM would fetch."""
    if not image.named:
        return None
    if not image.size:
        return _MOST_OF_GEMINI
    if max(image.size) <= _SMALL:
        return max(_OF_A_TILE, _MOST_OF_GEMINI_3)
    tile = min(max(min(image.size) / 1.5, _SMALLEST_TILE), _LARGEST_TILE)
    tiles = math.ceil(_OF_A_TILE * _squares(image.size, tile))
    return max(_MOST_OF_GEMINI_3, min(_MOST_OF_GEMINI, tiles))


# --- Others

# Models with open weights cut an image into up to this many pieces, and scale a small one up.
_LEAST_OF_OTHERS, _MOST_OF_OTHERS, _PIECE = 4096, 16_384, 16


def _other(image: Image) -> int | None:
    if not image.named:
        return None
    if not image.size:
        return _MOST_OF_OTHERS
    return min(_MOST_OF_OTHERS, max(_LEAST_OF_OTHERS, _squares(image.size, _PIECE)))


def _squares(size: tuple[int, int], side: float) -> int:
    width, height = size
    return math.ceil(width / side) * math.ceil(height / side)


_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        ("gpt-4o-mini", _tiles(2833, 5667)),
        ("gpt-4o|gpt-4\\.5|gpt-4-(turbo|vision|1106|0125)", _tiles(85, 170)),
        ("gpt-4\\.1-mini", _patches(1.62)),
        ("gpt-4\\.1-nano", _patches(2.46)),
        ("gpt-4\\.1", _dearer(_tiles(85, 170), _patches(1))),
        ("gpt-5[^/]*(mini|nano)", _patches(2.46)),
        ("gpt-5\\.[2-9]|gpt-[6-9]", _patches(1.2, _MOST_PATCHES_OF_THE_NEWEST)),
        ("gpt-5", _dearer(_tiles(70, 140), _patches(1.2))),
        ("o4-mini", _patches(1.72)),
        ("(^|[/.-])o[13]($|[-@:])", _tiles(75, 150)),
        ("computer-use-preview", _tiles(65, 129)),
        ("claude-[23]|claude-[a-z]+-4(-[0-6])?($|[-@:](20|v\\d|latest))", _claude(_MOST_OF_CLAUDE)),
        ("claude", _claude(_MOST_OF_THE_NEWEST)),
        ("gemini", _gemini),
    )
)


# --- The size of one that is in the body

# A header, with the small picture and the profile that a camera puts before the size.
_HEADER_BYTES = 256 * 1024
# No image of any kind is so short.
_SHORTEST_IMAGE = 24
_MARKER = 0xFF
_JPEG_SIZES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def size_of(encoded: str) -> tuple[int, int] | None:
    """Width and height of an image in base64; None if it is of a kind that is not read here."""
    try:
        header = base64.b64decode(encoded[: _HEADER_BYTES // 3 * 4])
    except (binascii.Error, ValueError):
        return None
    if len(header) < _SHORTEST_IMAGE:
        return 1, 1
    if header.startswith(b"\x89PNG\r\n\x1a\n"):
        return _sides(*struct.unpack(">II", header[16:24]))
    if header.startswith((b"GIF87a", b"GIF89a")):
        return _sides(*struct.unpack("<HH", header[6:10]))
    if header.startswith(b"\xff\xd8"):
        return _jpeg(header)
    return None


def _jpeg(header: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(header) and header[place] == _MARKER:
        marker, length = header[place + 1], int.from_bytes(header[place + 2 : place + 4])
        if marker in _JPEG_SIZES:
            height, width = struct.unpack(">HH", header[place + 5 : place + 9])
            return _sides(width, height)
        place += 2 + length
    return None


def _sides(width: int, height: int) -> tuple[int, int] | None:
    return (width, height) if width and height else None
