"""The report as one self-contained HTML file: no script, style sheet, picture or server."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray
from PIL import Image

from wgan.data_report.markdown import verdict
from wgan.data_report.record import DataReport
from wgan.pixels import png_address

TEMPLATE = "report.html.j2"
LARGEST = 96
"""Height and width of a picture on the page, pixels, at most."""


def report_html(report: DataReport, pictures: Mapping[int, NDArray[np.uint8]]) -> str:
    """The whole page; `pictures` has the image (C, H, W) of every position that the report's examples name."""
    environment = Environment(
        loader=PackageLoader("wgan.data_report", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    addresses = {position: _address(image) for position, image in pictures.items()}
    dataset = report.dataset
    return environment.get_template(TEMPLATE).render(
        it=report,
        verdict=verdict(report),
        data=dataset,
        total=dataset.count + dataset.held_out_count,
        picture=addresses,
        largest_class=max((entry.training + entry.held_out for entry in report.classes), default=0),
    )


def _address(image: NDArray[np.uint8]) -> str:
    picture = Image.fromarray(image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0))
    picture.thumbnail((LARGEST, LARGEST))
    return png_address(picture)
