"""Tombstones: keyed hashes of erased users' names; every commit leaves these users out."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from jobs.trakt.bronze.erased_items import EMPTY, Erased, name_digest
from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jobs.trakt.settings.bronze import BronzeSettings
    from shared.database.session import DatabaseSession

__all__ = ["add_tombstones", "erased_users", "salt_of"]


def salt_of(settings: BronzeSettings) -> bytes:
    """Return the salt for users' names.

    Raises:
        ConfigurationError: it is not set.
    """
    if settings.user_salt is None:
        raise ConfigurationError(
            "TELECINE_TRAKT_USER_SALT is not set, and erased users cannot be recognised without it; expected a secret "
            "of at least 16 characters; set it, and never change it"
        )
    return settings.user_salt.get_secret_value().encode()


def erased_users(session: DatabaseSession, settings: BronzeSettings) -> Erased:
    """Return the erased users.

    Args:
        session: a transaction.
        settings: settings with the salt.

    Raises:
        ConfigurationError: there are erased users, and the salt is missing or differs from the one used to erase them.
        DatabaseNotMigrated: the table is missing.
    """
    found = {bytes.fromhex(row.user_hash) for row in session.rows("SELECT user_hash FROM trakt.tombstones")}
    if not found:
        return EMPTY
    salt = salt_of(settings)
    if _salt_digest(salt) not in found:
        raise ConfigurationError(
            f"TELECINE_TRAKT_USER_SALT differs from the salt of the {len(found) - 1:,} stored tombstones, which are "
            "hashes of the names and comments of erased users; expected the same salt; set the old one"
        )
    return Erased(salt, frozenset(found))


def add_tombstones(session: DatabaseSession, settings: BronzeSettings, names: Iterable[str], run_id: str) -> Erased:
    """Record the hashes of an erased user's names and of the comments' marks; return all erased users.

    All of them, because an earlier erasure that was killed may have recorded names that now occur only in page objects,
    where nothing links them to this user's other names.

    A hash of the salt alone is recorded too. It reveals a changed salt, with which no erased user would be recognised.

    Raises:
        ConfigurationError: the salt is not set, or differs from the one used for earlier erasures.
    """
    known = erased_users(session, settings)
    salt = salt_of(settings)
    digests = frozenset(name_digest(salt, name) for name in names)
    for digest in sorted((*digests, _salt_digest(salt))):
        session.run(
            "INSERT INTO trakt.tombstones (user_hash, run_id) VALUES (:user_hash, :run_id)"
            " ON CONFLICT (user_hash) DO NOTHING",
            user_hash=digest.hex(),
            run_id=run_id,
        )
    return Erased(salt, digests | known.digests)


def _salt_digest(salt: bytes) -> bytes:
    return hmac.digest(salt, b"telecine trakt salt", "sha256")
