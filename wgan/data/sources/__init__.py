"""Where images come from: one module for each source, or family of sources, of `data.source`."""
