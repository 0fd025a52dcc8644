"""Errors of a build."""

from __future__ import annotations

from shared.errors import ConfigurationError, DataError, TransientError

__all__ = ["DbtEnded", "DbtMissing", "DbtTimeout", "ModelFailed", "ModelTestFailed", "SaltMissing"]


class SaltMissing(ConfigurationError):
    """The secret with which user names are hashed is not set."""

    default_code = "SALT_MISSING"


class DbtMissing(ConfigurationError):
    """The Python of dbt's environment does not exist (data: ``path``)."""

    default_code = "DBT_MISSING"


class DbtTimeout(TransientError):
    """dbt did not end in time, and was killed (data: ``seconds``)."""

    default_code = "DBT_TIMEOUT"


class DbtEnded(TransientError):
    """dbt ended without a result, for example killed by the kernel for lack of memory (data: ``status``)."""

    default_code = "DBT_ENDED"


class ModelFailed(DataError):
    """A model could not be built (data: ``model``, ``said``)."""

    default_code = "MODEL_FAILED"


class ModelTestFailed(DataError):
    """Rows violate a test of a model (data: ``test``, ``model``, ``rows``)."""

    default_code = "TESTS_FAILED"
