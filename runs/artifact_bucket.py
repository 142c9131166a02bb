"""Artifacts in a bucket of Amazon S3, or of any store that speaks its protocol."""

from typing import Any

from boto3.s3.transfer import TransferConfig  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from storages.backends.s3 import S3Storage  # type: ignore[import-untyped]

CONNECT_SECONDS, READ_SECONDS = 5, 30
ATTEMPTS = 3  # of each request
SPOOL_BYTES = 1024 * 1024  # a longer object waits in a temporary file while it is read


class ArtifactBucket(S3Storage):  # type: ignore[misc]  # untyped
    """What django-storages does, with time limits, and with nothing that only Amazon answers."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.client_config = Config(
            # Other stores have no host name for each bucket, and not all know newer checksums.
            s3={"addressing_style": "path" if self.endpoint_url else "auto"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        self.transfer_config = TransferConfig(use_threads=False)
        self.max_memory_size = SPOOL_BYTES

    def probe(self) -> None:
        """Raise what boto3 raises for a bucket that is not there, or not ours."""
        self.connection.meta.client.head_bucket(Bucket=self.bucket_name)
