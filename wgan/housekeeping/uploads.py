"""Rule: abandoned multipart uploads are aborted, which frees their parts."""

from __future__ import annotations

from wgan.errors import ObjectMissing, StorageError
from wgan.housekeeping.deletions import Deletions
from wgan.housekeeping.report import RuleReport
from wgan.housekeeping.survey import Survey
from wgan.storage import UnfinishedUpload


def abort_abandoned_uploads(survey: Survey) -> RuleReport:
    """Abort uploads without a new part for a while, except below MLflow's prefix and the ledger's."""
    deletions = Deletions("unfinished uploads", survey)
    storage, settings = survey.storage, survey.settings
    days = settings.keep_upload_days
    try:
        uploads = storage.list_uploads()
    except StorageError as error:
        return deletions.report(note=f"they could not be listed: {error}")
    if uploads is None:
        return deletions.report(
            note="this object store does not list them: give its bucket a lifecycle rule that aborts them."
        )
    untouched = (f"{settings.mlflow_prefix}/", f"{settings.promotions_prefix}/")
    for upload in uploads:
        if upload.key.startswith(untouched):
            deletions.keep("MLflow's own, or the ledger's")
            continue
        try:
            size, last = storage.uploaded_parts(upload)
        except ObjectMissing:
            continue  # completed or aborted since it was listed
        if not survey.older(last, days):
            deletions.keep(f"younger than {days:g} days")
            continue

        def why_kept_now(upload: UnfinishedUpload = upload) -> str | None:
            try:
                _, last = storage.uploaded_parts(upload)
            except ObjectMissing:
                return "already gone"
            return None if survey.older(last, days) else f"younger than {days:g} days"

        def delete(upload: UnfinishedUpload = upload) -> None:
            storage.abort_upload(upload)

        deletions.remove(upload.key, (size,), why_kept_now, delete)
    return deletions.report()
