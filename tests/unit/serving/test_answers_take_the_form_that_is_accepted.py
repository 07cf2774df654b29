"""`Accept` as in RFC 9110: the closest range decides, 0 means never, and media types have no case."""

from __future__ import annotations

import pytest

from wgan.serving.encoding import Encoding
from wgan.serving.negotiation import NotAcceptable, media_type_of, negotiate, negotiate_walk


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, Encoding("grid", "png")),
        ("*/*", Encoding("grid", "png")),
        ("image/png;q=0, */*", Encoding("grid", "jpeg")),
        ("image/*;q=0, */*", Encoding("zip")),
        ("IMAGE/WebP", Encoding("grid", "webp")),
        ("image/jpeg;q=0.5, image/webp;Q=0.7", Encoding("grid", "webp")),
        ("*/*;q=0.1, application/x-npy", Encoding("npy")),
        ("image/webp, image/*;q=0.9, */*;q=0.1", Encoding("grid", "webp")),
        ("text/html, application/json;q=0.2", Encoding("base64")),
    ],
)
def test_the_most_preferred_available_format_is_used(accept: str | None, expected: Encoding) -> None:
    assert negotiate(None, None, accept) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/png;q=0", "*/*;q=0", "image/png;q=2", "png", ","])
def test_a_request_that_accepts_no_available_format_is_refused(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="names nothing that can be made"):
        negotiate(None, None, accept)


def test_the_body_takes_precedence_over_accept() -> None:
    assert negotiate("jpeg", None, "image/png") == Encoding("grid", "jpeg")
    assert negotiate(None, "zip", "*/*") == Encoding("zip", "png")


def test_a_walk_is_an_animation_unless_frames_are_requested() -> None:
    assert negotiate_walk(None, "*/*", 12.0) == Encoding("animation", "webp", 12.0)
    assert negotiate_walk(None, "image/webp;q=0, image/*", 12.0) == Encoding("animation", "gif", 12.0)
    assert negotiate_walk(None, "application/json", 12.0) == Encoding("base64")


def test_a_content_type_is_compared_without_parameters_and_case() -> None:
    assert media_type_of("Application/X-NPY; charset=binary") == "application/x-npy"
