"""The contents of a request: words, images, and what has a length that nobody here can see.

A part of a message says by its `type`, and by the keys that carry a value, what it is. Words are
never looked at: neither a text, nor a tool's description, nor what a tool was called with.
"""

import base64
import binascii
import json
import mimetypes
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.images import Image, size_of

_PROMPTS = ("messages", "system", "input", "prompt")

# Parts hold others, or their text, under these.
_INNER = ("content", "output", "images")

_IMAGES = frozenset({"image_url", "input_image", "image", "computer_screenshot"})
_FILES = frozenset({"file", "input_file", "document", "container_upload", "media"})
_SOUNDS = frozenset({"input_audio", "audio", "audio_url"})
_FILMS = frozenset({"video_url", "input_video", "video"})
# What a provider kept, and brings back.
_KEPT = frozenset({"item_reference", "image_generation_call"})

# Where the content of a part is, or how a provider finds it.
_REFERENCES = (
    "image_url",
    "source",
    "file",
    "file_id",
    "file_url",
    "file_uri",
    "file_data",
    "fileUri",
    "fileData",
    "inline_data",
    "inlineData",
    "input_audio",
    "audio",
    "audio_url",
    "video",
    "video_url",
)
# In a part of an unknown type, these are enough to be content from elsewhere.
_ELSEWHERE = ("file_id", "file_url", "file_uri", "file_data", "fileUri", "fileData", "inlineData")

_KINDS = ("format", "media_type", "mime_type", "mimeType", "content_type")
_DESCRIPTIONS = ("type", "filename", "detail", *_KINDS)
# Of two of these in one file, a provider gets either.
_DATA = ("file_id", "file_data", "file_url", "file_uri", "fileUri", "url", "data")

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?[^,]{0,200},", re.IGNORECASE)
_READABLE = re.compile(r"image/(?!svg)[\w.+-]+", re.IGNORECASE)
_TEXT = re.compile(r"text/[\w.+-]+|application/(json|xml|yaml)", re.IGNORECASE)


@dataclass
class Contents:
    """The contents of a request.

    Attributes:
        words: the body, without what is no words.
        media: which of audio, image and video is in it, or asked for.
        unseen: whether a provider gets content of a length that nobody here can see.
    """

    words: dict[str, Any]
    images: list[Image] = field(default_factory=list)
    media: set[str] = field(default_factory=set)
    unseen: bool = False

    @property
    def text(self) -> str:
        """All words, as they are in a body."""
        return json.dumps(self.words, ensure_ascii=False, separators=(",", ":"), default=str)


def contents(body: Mapping[str, Any]) -> Contents:
    """Look through a request that was checked."""
    found = Contents(words=dict(body))
    for name in _PROMPTS:
        if name in body:
            found.words[name] = _seen(body[name], found)
    found.unseen |= bool(body.get("previous_response_id"))
    found.media |= {str(kind) for kind in body.get("modalities") or ()} & {"audio", "image"}
    if body.get("audio"):
        found.media.add("audio")
    return found


def _seen(value: object, found: Contents) -> object:
    """The words of content."""
    if isinstance(value, list):
        return [_seen(item, found) for item in value]
    if not isinstance(value, dict):
        return value
    return _part(value, found)


def _part(part: Mapping[str, Any], found: Contents) -> dict[str, Any]:
    kind = part.get("type")
    kind = kind if isinstance(kind, str) else None
    words = {name: _seen(value, found) if name in _INNER else value for name, value in part.items()}
    if kind in _IMAGES or (kind is None and part.get("image_url")):
        return _image(words, found)
    if kind in _FILES:
        return _file(words, found)
    if kind in _SOUNDS | _FILMS and _references(part):
        found.media.add("audio" if kind in _SOUNDS else "video")
        return _unseen(words, found)
    if kind in _KEPT or any(_holds(part.get(name)) for name in _ELSEWHERE) or _is_spoken(part):
        return _unseen(words, found)
    return words


def _references(part: Mapping[str, Any]) -> list[str]:
    return [name for name in _REFERENCES if _holds(part.get(name))]


def _holds(value: object) -> bool:
    """Whether there is something, and not its description alone."""
    if isinstance(value, dict):
        return any(inner for name, inner in value.items() if name not in _DESCRIPTIONS)
    return bool(value)


def _is_spoken(part: Mapping[str, Any]) -> bool:
    """An answer that was spoken is sent back by its name."""
    audio = part.get("audio")
    return "role" in part and isinstance(audio, dict) and bool(audio.get("id"))


def _unseen(words: dict[str, Any], found: Contents) -> dict[str, Any]:
    found.unseen = True
    return {name: value for name, value in words.items() if name not in _REFERENCES}


# --- Images


def _image(words: dict[str, Any], found: Contents) -> dict[str, Any]:
    names = _references(words)
    if not names:
        return words
    for name in names:
        value = words[name]
        address, kinds = _address(value)
        if others := [kind for kind in kinds if not _READABLE.fullmatch(kind)]:
            found.media |= _media(others)
            found.unseen = True
            continue
        detail = words.get("detail") or (value.get("detail") if isinstance(value, dict) else None)
        data = _data(value)
        found.media.add("image")
        found.images.append(
            Image(
                size=size_of(data) if data else None,
                low=detail == "low",
                named=bool(data or kinds or name == "file_id" or _is_stored(value)),
            )
        )
        if data or address:
            words = {**words, name: None}
    return words


def _is_stored(value: object) -> bool:
    return isinstance(value, dict) and bool(value.get("file_id"))


def _address(value: object) -> tuple[str, list[str]]:
    """Address of an image or a file, and every media type that anything says it has."""
    said: list[str] = []
    address = value
    if isinstance(value, dict):
        address = value.get("url") or value.get("file_data") or value.get("file_url") or ""
        said = [str(value[name]) for name in _KINDS if value.get(name)]
        if value.get("type") == "base64" and not said:
            said = ["application/octet-stream"]
    address = address if isinstance(address, str) else ""
    if address[:5].lower() == "data:":
        inline = _DATA_URL.match(address)
        return address, [(inline and inline["type"]) or "text/plain", *said]
    guessed = mimetypes.guess_type(address.partition("?")[0], strict=False)[0]
    return address, said or ([guessed] if guessed else [])


def _media(kinds: Iterable[str]) -> set[str]:
    return {kind.partition("/")[0].lower() for kind in kinds} & {"audio", "video"}


def _data(value: object) -> str | None:
    """Bytes in the body itself, in base64."""
    if isinstance(value, dict):
        if value.get("type") == "base64" and isinstance(value.get("data"), str):
            return str(value["data"])
        value = value.get("url") or value.get("file_data")
    if isinstance(value, str) and (inline := _DATA_URL.match(value)):
        return value[inline.end() :]
    return None


# --- Files


def _file(words: dict[str, Any], found: Contents) -> dict[str, Any]:
    for name in _references(words):
        value = words[name]
        if isinstance(value, dict) and value.get("type") == "text":
            continue
        if isinstance(value, dict) and value.get("type") == "content":
            words = {**words, name: _seen(value, found)}
            continue
        text = _plain_text(value)
        if text is None:
            found.media |= _media(_address(value)[1])
            return _unseen(words, found)
        words = {**words, name: text}
    return words


def _plain_text(value: object) -> str | None:
    """The text of a file that is in the body, if it is one."""
    data, kinds = _data(value), _address(value)[1]
    if data is None or not kinds or not all(_TEXT.fullmatch(kind) for kind in kinds):
        return None
    if isinstance(value, dict) and sum(bool(value.get(name)) for name in _DATA) > 1:
        return None
    try:
        return base64.b64decode(data).decode(errors="replace")
    except (binascii.Error, ValueError):
        return None
