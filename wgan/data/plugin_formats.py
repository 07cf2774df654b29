"""Image formats that Pillow reads through a plugin: read where the plugin is installed, else named with it."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True)
class Plugin:
    """What reads a format."""

    package: str
    module: str
    pillow_name: str
    """The format's name in Pillow."""


PLUGINS = {
    "HEIC": Plugin("pillow-heif", "pillow_heif", "HEIF"),
    "JPEG XL": Plugin("pillow-jxl-plugin", "pillow_jxl", "JXL"),
}


@cache
def plugin_formats() -> frozenset[str]:
    """The formats whose plugin is installed."""
    return frozenset(name for name, plugin in PLUGINS.items() if importlib.util.find_spec(plugin.module))


def register_plugins() -> None:
    """Make Pillow know the installed plugins."""
    for name in plugin_formats():
        module = importlib.import_module(PLUGINS[name].module)  # pillow_jxl registers itself
        if name == "HEIC":
            module.register_heif_opener(thumbnails=False)


def unsupported(format: str) -> str:
    """The reason for leaving out an image of a format that is not read here."""
    remedy = f" (install {PLUGINS[format].package})" if format in PLUGINS else ""
    return f"an unsupported format: {format}{remedy}"


def plugin_facts() -> dict[str, list[str]]:
    """What the installed plugins add to the digest of a source whose files are not listed in it; empty without them."""
    formats = sorted(plugin_formats())
    return {"plugins": formats} if formats else {}
