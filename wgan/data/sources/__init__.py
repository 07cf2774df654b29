"""Where images come from: one module per source, or family of sources, of `data.source`."""
