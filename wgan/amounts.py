"""Amounts of images, as a number or as a share of those there were before."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, Decimal
from typing import Annotated

from pydantic import AfterValidator, Field

PATTERN = r"^([1-9][0-9]{0,8}|[0-9]{1,4}(\.[0-9]{1,3})?%)$"
ALLOWED = "an amount is a number of images, as 500, or a share of those there were, as 5%"


def is_amount(text: str) -> bool:
    """Whether the text is an amount."""
    return re.fullmatch(PATTERN, text) is not None


def _checked(text: str) -> str:
    if not is_amount(text):
        raise ValueError(ALLOWED)
    return text


Amount = Annotated[str, AfterValidator(_checked), Field(json_schema_extra={"pattern": PATTERN})]
"""`500`: images; `5%`: of those there were."""


def images_of(amount: str, before: int) -> int:
    """The images that an amount is where there were `before`: at least 1, and a share is rounded up."""
    if not amount.endswith("%"):
        return int(amount)
    share = Decimal(amount.removesuffix("%")) * before / 100
    return max(1, int(share.to_integral_value(ROUND_CEILING)))
