"""Pictures as text, so that a record can carry them."""

from __future__ import annotations

import base64
import io

from PIL import Image


def picture(image: Image.Image) -> str:
    """A PNG in base64."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
