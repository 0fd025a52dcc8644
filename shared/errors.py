"""The error tree. The class determines the exit code; the instance carries a stable ``code`` and the facts.

.. code-block:: text

    TelecineError                 70  internal                a bug of ours
      UsageError                   2  usage                   a flag, a value, a file named on the command line
      DataError                   65  data_invalid            the input is invalid; a retry gives the same result
        ItemError                 65  (the pipeline's codes)  one item is invalid; the batch continues
        IntegrityError            65  integrity               stored data does not match what was committed
        ObjectMissing             65  object_missing          no object with this key
      TransientError              75  transient               a retry may succeed
        EndpointUnreachable       75  endpoint_unreachable
        StoreUnavailable          75  store_unavailable       503, throttling, a connection closed mid-body
        StorageFull               75  storage_full
        ObjectChanged             75  object_changed          the ETag is not the expected one
        DatabaseUnreachable       75  database_unreachable
      ConfigurationError          78  configuration           settings, rights, schema: needs operator action
        BucketMissing             78  bucket_missing
        RequestRefused            78  configuration           an archived object, a KMS key, 400, 405, 409, 416, 501
          AccessDenied            78  access_denied
        ExtraMissing              78  extra_missing           an optional dependency is not installed
        DatabaseNotMigrated       78  database_not_migrated
        WrongEnvironment          78  wrong_environment
    Stopped (BaseException)  130, 143                         a signal

Messages say what happened, to what, what was expected, and what to do next. Every class can be pickled, since Ray
passes them between processes.
"""

from __future__ import annotations

import signal
from typing import Any, ClassVar

__all__ = [
    "EXIT_BUG",
    "EXIT_CONFIGURATION",
    "EXIT_DATA",
    "EXIT_OK",
    "EXIT_TRANSIENT",
    "EXIT_USAGE",
    "AccessDenied",
    "BucketMissing",
    "ConfigurationError",
    "DataError",
    "DatabaseNotMigrated",
    "DatabaseUnreachable",
    "EndpointUnreachable",
    "ExtraMissing",
    "IntegrityError",
    "ItemError",
    "ObjectChanged",
    "ObjectMissing",
    "RequestRefused",
    "Stopped",
    "StorageFull",
    "StoreUnavailable",
    "TelecineError",
    "TransientError",
    "UsageError",
    "WrongEnvironment",
    "most_severe",
]

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_DATA = 65
EXIT_BUG = 70
EXIT_TRANSIENT = 75
EXIT_CONFIGURATION = 78

# A signal ends everything, and a bug hides all other errors. Then 78 (an operator must act) hides 65, and 65 hides 75.
_SEVERITY = (EXIT_OK, EXIT_USAGE, EXIT_TRANSIENT, EXIT_DATA, EXIT_CONFIGURATION, EXIT_BUG, 130, 143)


def most_severe(*codes: int) -> int:
    """Return the most severe of some exit codes; of none, 0.

    Args:
        codes: exit codes; one that the API does not name counts as a bug (70).
    """
    known = [code if code in _SEVERITY else EXIT_BUG for code in codes]
    return max(known, key=_SEVERITY.index, default=EXIT_OK)


class TelecineError(Exception):
    """Base class of all errors that telecine raises on purpose.

    Args:
        message: what happened, to what, what was expected, what to do next.
        code: overrides the class's stable code.
        retryable: overrides the class's default.
        data: named facts (bucket, key, action, …), stored in :attr:`data` and written to the ledger.
    """

    default_code: ClassVar[str] = "internal"
    default_retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = EXIT_BUG

    def __init__(self, message: str, *, code: str | None = None, retryable: bool | None = None, **data: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.retryable = self.default_retryable if retryable is None else retryable
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.code, self.retryable, self.data)


def _rebuild(cls: type[TelecineError], message: str, code: str, retryable: bool, data: dict[str, Any]) -> TelecineError:
    return cls(message, code=code, retryable=retryable, **data)


class UsageError(TelecineError):
    """A flag, a value or a file named on the command line is wrong."""

    default_code = "usage"
    exit_code = EXIT_USAGE


class DataError(TelecineError):
    """The input is invalid; a retry gives the same result."""

    default_code = "data_invalid"
    exit_code = EXIT_DATA


class ItemError(DataError):
    """One item (a TAR, an upload row, a run) is invalid; the rest of the batch continues. Pipelines set the codes."""

    default_code = "item_invalid"


class IntegrityError(DataError):
    """Stored data does not match what was committed."""

    default_code = "integrity"


class ObjectMissing(DataError):
    """No object with this key (data: ``uri``)."""

    default_code = "object_missing"


class TransientError(TelecineError):
    """A retry may succeed."""

    default_code = "transient"
    default_retryable = True
    exit_code = EXIT_TRANSIENT


class EndpointUnreachable(TransientError):
    """No connection to an S3 endpoint (data: ``endpoint``)."""

    default_code = "endpoint_unreachable"


class StoreUnavailable(TransientError):
    """The store still answers 5xx, throttles or cuts bodies after all retries (data: ``uri``, ``action``)."""

    default_code = "store_unavailable"


class StorageFull(TransientError):
    """No space left for an object or a temporary file (data: ``uri``)."""

    default_code = "storage_full"


class ObjectChanged(TransientError):
    """The object's ETag is not the expected one (data: ``uri``, ``expected``, ``found``)."""

    default_code = "object_changed"


class DatabaseUnreachable(TransientError):
    """No connection to PostgreSQL (data: ``host``)."""

    default_code = "database_unreachable"


class ConfigurationError(TelecineError):
    """Settings, rights or a schema are wrong; an operator must fix them."""

    default_code = "configuration"
    exit_code = EXIT_CONFIGURATION


class BucketMissing(ConfigurationError):
    """The bucket or folder does not exist (data: ``bucket``)."""

    default_code = "bucket_missing"


class RequestRefused(ConfigurationError):
    """The store permanently refuses one request (data: ``bucket``, ``action``, ``uri``).

    The cause may be the object (archived, or encrypted with a disabled key) or the whole bucket. A caller that reads
    many objects can tell by reading another one.
    """


class AccessDenied(RequestRefused):
    """The store refuses an action (data: ``bucket``, ``action``, such as ``s3:ListBucket``)."""

    default_code = "access_denied"


class ExtraMissing(ConfigurationError):
    """An optional dependency is not installed (data: ``extra``, ``module``)."""

    default_code = "extra_missing"


class DatabaseNotMigrated(ConfigurationError):
    """The database's schema is not the version that this telecine needs (data: ``found``, ``needed``)."""

    default_code = "database_not_migrated"


class WrongEnvironment(ConfigurationError):
    """The database belongs to another environment (data: ``found``, ``expected``)."""

    default_code = "wrong_environment"


class Stopped(BaseException):
    """A signal asked the process to end; like KeyboardInterrupt, it is not caught by ``except Exception``.

    Args:
        signum: SIGINT (exit 130, status ``cancelled``) or SIGTERM (exit 143, status ``interrupted``).
    """

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.signum,)

    @property
    def exit_code(self) -> int:
        """Return 128 plus the signal's number, as shells do."""
        return 128 + self.signum
