"""Where Prefect keeps what tasks return: as JSON in the bucket, so that any worker can go on with a run."""

from __future__ import annotations

from prefect_aws import AwsClientParameters, AwsCredentials, S3Bucket
from pydantic import SecretStr

from wgan.settings import Settings

BLOCK_NAME = "wgan-results"


def save_result_storage(settings: Settings) -> None:
    """Write the Prefect block that names the bucket; repeated calls bring address and credentials up to date."""
    secret = settings.s3_secret_access_key
    credentials = AwsCredentials(
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=SecretStr(secret.get_secret_value()) if secret else None,
        region_name=settings.s3_region,
        aws_client_parameters=AwsClientParameters(endpoint_url=settings.s3_endpoint_url),
    )
    bucket = S3Bucket(bucket_name=settings.bucket, bucket_folder=settings.prefect_prefix, credentials=credentials)
    bucket.save(BLOCK_NAME, overwrite=True)
