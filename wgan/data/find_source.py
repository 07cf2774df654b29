"""Finds the source of a configuration."""

from __future__ import annotations

from wgan.config import DataConfig
from wgan.data.source import Source
from wgan.download.access import Access
from wgan.plugins import make_plugin


def find_source(config: DataConfig, access: Access) -> Source:
    """The source of a configuration, identified but not yet opened; a custom one is called with both arguments.

    Raises `DataError`, and `UsageError` for a custom source that fails or is not allowed on this machine.
    """
    location = config.location or ""  # the configuration requires one where it is needed
    match config.source:
        case "digits":
            from wgan.data.sources.digits import digits_source

            return digits_source()
        case "mnist" | "fashion-mnist" | "kmnist":
            from wgan.data.sources.mnist import mnist_source

            return mnist_source(config.source, access)
        case "stacked-mnist":
            from wgan.data.sources.stacked_mnist import stacked_mnist_source

            return stacked_mnist_source(config.stacked_count, config.seed, access)
        case "cifar10":
            from wgan.data.sources.cifar10 import cifar10_source

            return cifar10_source(access)
        case "celeba":
            from wgan.data.sources.celeba import celeba_source

            return celeba_source(access)
        case "lsun":
            from wgan.data.sources.lsun import lsun_source

            return lsun_source(location, access)
        case "folder":
            from wgan.data.sources.folder import folder_source

            return folder_source(location, config.max_images, access)
        case "archive":
            from wgan.data.sources.archive import archive_source

            return archive_source(location, config.max_images, access)
        case "s3":
            from wgan.data.sources.s3 import s3_source

            return s3_source(location, config.max_images, access)
        case "parquet":
            from wgan.data.sources.parquet import parquet_source

            return parquet_source(location, config.image_column, config.label_column, access)
        case "webdataset":
            from wgan.data.sources.webdataset import webdataset_source

            return webdataset_source(location, config.label_column, access)
        case path:
            return make_plugin("data.source", path, Source, config, access)
