"""Chooses a response's format: what the body requests, else what `Accept` prefers (RFC 9110)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from wgan.errors import WganError
from wgan.serving.encoding import JSON, MEDIA_TYPES, NPY, ZIP, Encoding, Format, Layout

Choice = TypeVar("Choice")


class NotAcceptable(WganError):
    """The request accepts no available format."""


@dataclass(frozen=True)
class MediaRange:
    """One entry of an `Accept` header."""

    type: str
    subtype: str
    quality: float
    position: int

    def specificity(self, media_type: str) -> int:
        """How closely it matches the media type: 0 not at all, 1 `*/*`, 2 `image/*`, 3 itself."""
        kind, _, name = media_type.partition("/")
        if (self.type, self.subtype) == (kind, name):
            return 3
        if (self.type, self.subtype) == (kind, "*"):
            return 2
        return int((self.type, self.subtype) == ("*", "*"))


def media_type_of(content_type: str) -> str:
    """`application/json` of `Application/JSON; charset=utf-8`."""
    return content_type.partition(";")[0].strip().lower()


def negotiate(format: Format | None, layout: Layout | None, accept: str | None) -> Encoding:
    """The encoding of images. Raises `NotAcceptable`."""
    if format is not None or (layout is not None and not accept):
        return Encoding(layout or "grid", format or "png")
    pictures = {media_type: Encoding(layout or "grid", name) for name, media_type in MEDIA_TYPES.items()}
    match layout:
        case None:
            others = {ZIP: Encoding("zip"), JSON: Encoding("base64"), NPY: Encoding("npy")}
            return preferred(accept, pictures | others)
        case "grid":
            return preferred(accept, pictures)
        case "zip":
            return preferred(accept, {ZIP: Encoding("zip")} | pictures)
        case "base64":
            return preferred(accept, {JSON: Encoding("base64")} | pictures)


def negotiate_walk(format: Format | None, accept: str | None, frames_per_second: float) -> Encoding:
    """The encoding of a walk: an animation, or for JSON single frames. Raises `NotAcceptable`."""
    webp = Encoding("animation", "webp", frames_per_second)
    gif = Encoding("animation", "gif", frames_per_second)
    if format is not None:
        return gif if format == "gif" else webp
    return preferred(accept, {"image/webp": webp, "image/gif": gif, JSON: Encoding("base64")})


def preferred(accept: str | None, choices: dict[str, Choice]) -> Choice:
    """The choice, by media type and in order of preference, that `Accept` prefers.

    The most specific range determines a media type's quality; 0 means never. Raises `NotAcceptable`.
    """
    ranges = _ranges(accept or "*/*")
    best: tuple[float, int, str] | None = None
    for media_type in choices:
        matching = [entry for entry in ranges if entry.specificity(media_type)]
        if not matching:
            continue
        closest = max(matching, key=lambda entry: (entry.specificity(media_type), -entry.position))
        if closest.quality > 0 and (best is None or (-closest.quality, closest.position) < best[:2]):
            best = (-closest.quality, closest.position, media_type)
    if best is None:
        raise NotAcceptable(
            f"Accept: {(accept or '')[:100]!r} names nothing that can be made: allowed are {', '.join(choices)}."
        )
    return choices[best[2]]


def _ranges(accept: str) -> list[MediaRange]:
    found = []
    for position, part in enumerate(accept.split(",")):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        kind, slash, subtype = name.partition("/")
        if not slash:
            continue
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = _quality(value.strip())
        found.append(MediaRange(kind, subtype, quality, position))
    return found


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value <= 1 else 0.0
