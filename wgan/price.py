"""The price of an hour of this machine, in its owner's currency."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

HOUR = 3600
LEAST = Decimal("0.01")
WHOLE_FROM = 100
"""From this amount on, fractions are omitted: no estimate is that precise."""
WRITTEN = re.compile(r"(?P<before>[^\d\s.,+-]*)\s*(?P<amount>\d+(?:\.\d+)?)\s*(?P<after>[^\d\s.,+-]*)")


@dataclass(frozen=True)
class Price:
    """An amount per hour; the currency is before or after it, as written."""

    amount: Decimal
    currency: str
    before: bool = False

    def of(self, seconds: float) -> Decimal:
        """The price of this many seconds."""
        return self.amount * Decimal(str(seconds)) / HOUR

    def written(self, amount: Decimal) -> str:
        """An amount of this currency: `0.37 EUR`, `$0.37`."""
        digits = f"{amount:,.0f}" if amount >= WHOLE_FROM else f"{amount:.2f}"
        if not self.before:
            return f"{digits} {self.currency}"
        return f"{self.currency}{' ' if self.currency[-1].isalpha() else ''}{digits}"

    def in_words(self, seconds: float) -> str:
        """`about 0.37 EUR`."""
        cost = self.of(seconds)
        return f"less than {self.written(LEAST)}" if cost < LEAST / 2 else f"about {self.written(cost)}"


def parse_price(text: str) -> Price:
    """Parse `2.50 EUR`, `€2.50` or the like. Raises `ValueError` with a readable message."""
    found = WRITTEN.fullmatch(text.strip())
    currencies = [found[side] for side in ("before", "after") if found[side]] if found else []
    if found is None or len(currencies) != 1 or not Decimal(found["amount"]):
        raise ValueError("it must be a positive number and one currency, such as 2.50 EUR")
    return Price(Decimal(found["amount"]), currencies[0], before=bool(found["before"]))
