"""All persistent data is in S3: the objects of one bucket, including a run's checkpoints."""

from wgan.storage.objects import (
    Storage,
    StoredObject,
    UnfinishedUpload,
    open_storage,
    split_uri,
)

__all__ = ["Storage", "StoredObject", "UnfinishedUpload", "open_storage", "split_uri"]
