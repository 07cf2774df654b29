"""Data: from a source of images to content-addressed uint8 shards in S3 and a memory-mapped local cache."""
