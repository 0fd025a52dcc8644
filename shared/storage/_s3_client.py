"""S3 clients and threads, one of each per process and set of options; sources of keys; retries with jitter."""

from __future__ import annotations

import functools
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from shared.errors import ConfigurationError
from shared.secrets import AWS_KEYS, FOLDER_VARIABLE, from_folder
from shared.storage._s3_errors import Cut, is_transient, retry_after, typed

if TYPE_CHECKING:
    from collections.abc import Callable

    import boto3.session
    from botocore.loaders import Loader
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client

    from shared.settings.storage import S3Options
    from shared.storage._s3_errors import Request
    from shared.storage.metrics import Call

__all__ = ["client", "forget", "pause", "pool", "retry", "session"]

_T = TypeVar("_T")

# Full jitter (Amazon Builders' Library, "Timeouts, retries, and backoff with jitter"): attempt n waits a random time up
# to 0.2 s * 2^n, at most 5 s. Four waits take 1.5 s on average, 3 s at most.
_FIRST_WAIT_S: Final = 0.2
_LONGEST_WAIT_S: Final = 5.0
_LONGEST_ASKED_S: Final = 20.0

_lock = threading.Lock()
# The SDK's chain depends on these, besides the options.
_CHAIN: Final = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", FOLDER_VARIABLE)
_clients: dict[tuple[S3Options, tuple[str | None, ...]], S3Client] = {}
_pools: dict[int, ThreadPoolExecutor] = {}


def client(options: S3Options) -> S3Client:
    """Return the process's client for some options; thread-safe, unlike a session."""
    name = (options, tuple(map(os.environ.get, _CHAIN)))
    found = _clients.get(name)
    if found is None:
        with _lock:
            found = _clients.get(name) or _clients.setdefault(name, _connect(options))
    return found


def pool(options: S3Options) -> ThreadPoolExecutor:
    """Return the process's threads for parallel ranges and parts; a task must not wait for another one."""
    with _lock:
        if options.connections not in _pools:
            _pools[options.connections] = ThreadPoolExecutor(options.connections, thread_name_prefix="telecine-s3")
        return _pools[options.connections]


def forget() -> None:
    """Close all clients and threads of this process; the next call creates new ones."""
    with _lock:
        clients, pools = list(_clients.values()), list(_pools.values())
        _clients.clear()
        _pools.clear()
    for one in pools:
        one.shutdown(wait=False, cancel_futures=True)
    for each in clients:
        each.close()


def _after_fork() -> None:
    # A child using its parent's sockets would read the parent's responses; closing them would end the parent's TLS.
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.Lock()
    _clients.clear()
    _pools.clear()


os.register_at_fork(after_in_child=_after_fork)


def _connect(options: S3Options) -> S3Client:
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        signature_version=UNSIGNED if options.auth == "anonymous" else None,
        connect_timeout=options.connect_timeout_s,
        read_timeout=options.read_timeout_s,
        max_pool_connections=options.connections + 2,  # the threads of the pool, and the caller's own
        retries={"total_max_attempts": 1, "mode": "standard"},  # ours are counted, and reach into the body
        s3={} if options.path_style is None else {"addressing_style": "path" if options.path_style else "virtual"},
        # The checksums that the SDK adds by default are unknown to many other S3 servers.
        request_checksum_calculation="when_required" if options.endpoint_url else "when_supported",
        response_checksum_validation="when_required",
        tcp_keepalive=True,
    )
    made = session(options)
    region = options.region or made.region_name or ("us-east-1" if options.endpoint_url else None)
    return made.client("s3", endpoint_url=options.endpoint_url, region_name=region, config=config)


def session(options: S3Options) -> boto3.session.Session:
    """Create a session with the credentials that the options select.

    Raises:
        ConfigurationError: the profile does not exist, or the key is incomplete.
    """
    import boto3
    from botocore.exceptions import ProfileNotFound
    from botocore.session import Session

    if options.auth == "ambient":
        key = _mounted_key()
        return boto3.session.Session(
            botocore_session=_described(Session()),
            aws_access_key_id=key.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=key.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=key.get("AWS_SESSION_TOKEN"),
        )
    # An explicit choice overrides AWS_PROFILE, which may name a profile that does not exist.
    bare = _described(Session(session_vars={"profile": (None, None, None, None)}))
    if options.auth == "profile":
        try:
            if options.profile:
                return boto3.session.Session(profile_name=options.profile)
            reason = "no AWS profile was given"
        except ProfileNotFound:
            reason = f"AWS profile '{options.profile}' does not exist"
        known = ", ".join(bare.available_profiles) or "none: AWS_CONFIG_FILE and ~/.aws have no profile"
        raise ConfigurationError(
            f"{reason}; available profiles: {known}. Name one with --profile, or use another --auth."
        )
    if options.auth == "static":
        if not (options.access_key_id and options.secret_access_key):
            raise ConfigurationError(
                "--auth static needs a key and its secret: set --access-key-id and --secret-access-key, or their"
                " variables."
            )
        bare.set_credentials(options.access_key_id, options.secret_access_key, options.session_token)
    return boto3.session.Session(botocore_session=bare)


def _described(made: Session) -> Session:
    """Let a session read the descriptions of services that the process has read: 0.1 s of processor time each."""
    made.register_component("data_loader", _loader(made.get_config_variable("data_path")))
    return made


@functools.cache
def _loader(folders: str | None) -> Loader:
    from botocore.loaders import create_loader

    return create_loader(folders)


def _mounted_key() -> dict[str, str]:
    """Return the key in the folder of secrets, by variable; empty without one, or if the environment has a key.

    The variables of one key are never mixed with files of another.

    Raises:
        ConfigurationError: the folder has only a part of a key.
    """
    if any(os.environ.get(name) for name in AWS_KEYS[:2]):
        return {}
    found = {name: file[1] for name in AWS_KEYS if (file := from_folder((name,)))}
    if missing := [name for name in AWS_KEYS[:2] if found and name not in found]:
        raise ConfigurationError(
            f"the folder of {FOLDER_VARIABLE} has a part of an S3 key, but no {missing[0]};"
            f" expected {AWS_KEYS[0]} and {AWS_KEYS[1]}, or neither"
        )
    return found


def _client(options: S3Options, request: Request) -> S3Client:
    try:
        return client(options)
    except ValueError as error:  # botocore rejects an endpoint URL this way
        raise typed(error, request, options, 1) from error


def pause(seconds: float, stop: threading.Event | None) -> None:
    """Wait before the next attempt; ends early when ``stop`` is set."""
    if stop is None:
        time.sleep(seconds)
    else:
        stop.wait(seconds)


def retry(
    options: S3Options,
    request: Request,
    call: Call,
    work: Callable[[S3Client], _T],
    stop: threading.Event | None = None,
) -> _T:
    """Run one call until it succeeds, fails permanently, or has used up its attempts.

    Args:
        options: the client and the number of attempts.
        request: described in the error.
        call: counts the retries.
        work: the call; reads the whole body, so that a truncated one is retried as well.
        stop: no further attempt is made once it is set.

    Raises:
        TelecineError: as listed in :mod:`shared.storage.protocol`.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    attempt = 0
    while True:
        attempt += 1
        try:
            return work(_client(options, request))
        except (BotoCoreError, ClientError, ResponseParserError, Cut) as error:
            if not is_transient(error) or attempt >= options.attempts or (stop is not None and stop.is_set()):
                raise typed(error, request, options, attempt) from error
            call.retries += 1
            wait = random.uniform(0, min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2**attempt))  # noqa: S311 - not a secret
            pause(max(wait, min(retry_after(error), _LONGEST_ASKED_S)), stop)
