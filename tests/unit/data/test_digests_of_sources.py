"""The digest of a source does not depend on whether its objects are in memory at once."""

from __future__ import annotations

import pytest

from wgan.data.source import content_digest, digest_of_objects


@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_objects_one_after_the_other_have_the_digest_of_their_list(count: int) -> None:
    objects = [[f'faces/ä {number} "quoted".png', number, f'"{number:032x}"'] for number in range(count)]
    for facts in ({}, {"plugins": ["HEIF"], "a": {"b": 1, "a": None}}):
        assert digest_of_objects(iter(objects), **facts) == content_digest(objects=objects, **facts)
