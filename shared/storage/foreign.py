"""Options of an S3 client that is not ours: that of delta-rs, which reads and writes the log of Delta tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import ConfigurationError
from shared.storage._s3_client import session

if TYPE_CHECKING:
    from shared.settings.storage import S3Options

__all__ = ["delta_options"]


def delta_options(options: S3Options) -> dict[str, str]:
    """Return the same endpoint, key, region, timeouts and retries as ours, by the names of delta-rs.

    A temporary key may expire: ask again for each operation.

    Args:
        options: as of the settings.

    Returns:
        Options that contain secrets.

    Raises:
        ConfigurationError: there are no credentials, or the profile does not exist.
    """
    from botocore.exceptions import BotoCoreError

    made = session(options)
    region = options.region or made.region_name or ("us-east-1" if options.endpoint_url else None)
    found = {
        # The log's next entry is put only if it does not exist; nothing else, such as DynamoDB, is needed.
        "conditional_put": "etag",
        "connect_timeout": f"{options.connect_timeout_s}s",
        "timeout": f"{options.connect_timeout_s + options.read_timeout_s}s",
        "max_retries": str(options.attempts - 1),
        "allow_http": str((options.endpoint_url or "").startswith("http://")).lower(),
    }
    if options.endpoint_url:
        found["aws_endpoint_url"] = options.endpoint_url
    if region:
        found["aws_region"] = region
    if options.path_style is not None:
        found["aws_virtual_hosted_style_request"] = str(not options.path_style).lower()
    if options.auth == "anonymous":
        return found | {"aws_skip_signature": "true"}
    try:
        key = made.get_credentials()
        frozen = None if key is None else key.get_frozen_credentials()
    except BotoCoreError as error:
        raise ConfigurationError(f"no usable credentials for S3: {error}") from error
    if frozen is None or not (frozen.access_key and frozen.secret_key):
        raise ConfigurationError(
            "no credentials for S3; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; in a pod, give "
            "its service account a role (IRSA) or set the chart's existingSecret"
        )
    found |= {"aws_access_key_id": frozen.access_key, "aws_secret_access_key": frozen.secret_key}
    return found | ({"aws_session_token": frozen.token} if frozen.token else {})
