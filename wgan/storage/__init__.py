"""Everything that lasts is in S3: one bucket's objects, and a run's checkpoints among them."""

from wgan.storage.objects import (
    Storage,
    StoredObject,
    UnfinishedUpload,
    file_sha256,
    open_storage,
    split_uri,
)

__all__ = ["Storage", "StoredObject", "UnfinishedUpload", "file_sha256", "open_storage", "split_uri"]
