"""Options and errors of an S3 client that is not ours: that of delta-rs, which reads and writes Delta logs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from shared.errors import ConfigurationError, ObjectMissing, StoreUnavailable, TelecineError
from shared.storage._s3_client import session

if TYPE_CHECKING:
    from shared.settings.storage import S3Options

__all__ = ["delta_error", "delta_options"]

_REQUEST: Final = re.compile(r"Error performing (GET|HEAD|PUT|POST|DELETE) (\S+) in ")
_STATUS: Final = re.compile(r"non-2xx status code\W+([3-5][0-9]{2}) ")
_CODE: Final = re.compile(r"<Code>(\w+)</Code>")
_SAID: Final = re.compile(r"<Message>([^<]*)</Message>")
_NO_LOCATION: Final = "redirect without LOCATION"
_ACTIONS: Final = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "POST": "s3:DeleteObject",
    "DELETE": "s3:DeleteObject",
}
# Colours in the texts of delta-rs.
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


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


def delta_error(text: str, uri: str, options: S3Options) -> TelecineError | None:
    """Translate an answer of S3, which delta-rs quotes in its errors, as our client would.

    Args:
        text: the text of the error.
        uri: ``s3://bucket/key`` of the table.
        options: as of the settings.

    Returns:
        An error that another attempt does not change, such as a refused key, a missing bucket or a wrong region; None
        if the text quotes no answer, or one that an attempt may change.
    """
    from botocore.exceptions import ClientError

    from shared.storage._s3_errors import Request, typed

    text = _COLOUR.sub("", text)
    requests, status, code = _REQUEST.findall(text), _STATUS.search(text), _CODE.search(text)
    if not requests or not (status or _NO_LOCATION in text):
        return None
    method, url = requests[-1]
    said = _SAID.search(text)
    answer = {
        "Error": {
            "Code": code[1] if code else "" if status else "PermanentRedirect",
            "Message": said[1] if said else "",
        },
        "ResponseMetadata": {"HTTPStatusCode": int(status[1]) if status else 301},
    }
    action = "s3:ListBucket" if "list-type=" in url else _ACTIONS[method]
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    error = ClientError(answer, action)  # type: ignore[arg-type]
    found = typed(error, Request(action, bucket, key), options, options.attempts)
    return None if isinstance(found, StoreUnavailable | ObjectMissing) else found
