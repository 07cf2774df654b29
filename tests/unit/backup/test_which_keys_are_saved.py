"""Listings of a bucket while others write to it."""

from __future__ import annotations

from wgan.backup.objects import keys_to_save


def test_a_manifest_that_only_the_second_listing_has_waits_for_the_next_backup() -> None:
    first = ["datasets/a/1/images-00000.npy", "datasets/a/1/manifest.json"]
    # A second data set was completed between two pages of the second listing: its first shard is not in it.
    second = [*first, "datasets/b/2/images-00001.npy", "datasets/b/2/manifest.json", "mlflow/1/model.onnx"]
    assert keys_to_save(first, second) == [*first, "datasets/b/2/images-00001.npy", "mlflow/1/model.onnx"]


def test_objects_deleted_meanwhile_are_not_copied() -> None:
    assert keys_to_save(["checkpoints/a/step-00000001.pt", "kept"], ["kept"]) == ["kept"]
