"""Where manifests and artifacts may lie: keys within the source's bucket, and nothing else."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.errors import reject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["EP_ID", "RUN_ID", "ArtifactFolders", "check_prefix", "check_root", "manifest_key", "run_of", "runs_folder"]

RUN_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
EP_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"

_PLACEHOLDERS: Final = ("prefix", "run_id", "ep_id", "show", "season", "episode")
_MANIFEST: Final = "manifest.json"
_RUN_ID: Final = re.compile(RUN_ID)
# rhoslc-s06e11; an episode named otherwise has no folders by show.
_EPISODE: Final = re.compile(r"(?P<show>.+)-s(?P<season>[0-9]+)e(?P<episode>[0-9]+)")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_KEY_BYTES: Final = 1024  # S3's own limit


def check_root(template: str) -> str:
    """Check one of ``artifact_roots``.

    Args:
        template: a folder of keys with placeholders, such as ``{prefix}/runs/{run_id}/``.

    Returns:
        The same, with one slash at its end.

    Raises:
        ValueError: the valid placeholders are named.
    """
    named = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{template!r} is no template: {error}; valid placeholders are {named}") from None
    for _, name, form, conversion in pieces:
        if name is not None and (name not in _PLACEHOLDERS or form or conversion):
            raise ValueError(f"{template!r} has {{{name}}}; valid placeholders are {named}, each as it stands here")
    parts = template.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in template or _CONTROLS.search(template):
        raise ValueError(f"{template!r} must be a folder of keys; '', '.', '..' and backslashes are no valid parts")
    if "{run_id}" not in parts:
        raise ValueError(
            f"{template!r} needs {{run_id}} between two slashes: artifacts of other runs are refused by it"
        )
    return "/".join(parts) + "/"


def check_prefix(prefix: str) -> str:
    """Check the folder above ``runs/``, and return it without slashes at its ends; empty for none.

    Raises:
        ValueError: keys below it could name something else than themselves.
    """
    folder = prefix.strip("/")
    if folder and (why := _odd(folder)):
        raise ValueError(f"it must be a folder of keys, such as derived, or / for none; {prefix!r} has {why}")
    return folder


def manifest_key(prefix: str, run_id: str) -> str:
    """Return where the manifest of a run lies."""
    return f"{runs_folder(prefix)}{run_id}/{_MANIFEST}"


def runs_folder(prefix: str) -> str:
    """Return the folder of runs, with a slash at its end."""
    return f"{prefix}/runs/" if prefix else "runs/"


def run_of(key: str, prefix: str) -> str | None:
    """Return the run whose manifest has this key; None for any other file, nested manifests included."""
    folder = runs_folder(prefix)
    if not key.startswith(folder):
        return None
    run_id, _, rest = key[len(folder) :].partition("/")
    return run_id if rest == _MANIFEST and _RUN_ID.fullmatch(run_id) else None


@dataclass(frozen=True, slots=True)
class ArtifactFolders:
    """The folders in which the artifacts of one run may lie.

    Attributes:
        folders: each with a slash at its end, so that ``runs/abc`` does not hold ``runs/abcd/``.
        foreign: the same folders of any other run.
        source: the store's URI; ``s3_key`` may begin with it.
    """

    folders: tuple[str, ...]
    foreign: tuple[re.Pattern[str], ...]
    source: str

    @classmethod
    def of(cls, roots: Iterable[str], *, prefix: str, run_id: str, ep_id: str, source: str) -> ArtifactFolders:
        """Fill in templates that :func:`check_root` has checked; one by show needs an episode of that form."""
        values = {"prefix": prefix, "run_id": run_id, "ep_id": ep_id}
        if episode := _EPISODE.fullmatch(ep_id):
            values |= episode.groupdict()
        any_run = dict.fromkeys(_PLACEHOLDERS, "[^/]+") | {"prefix": re.escape(prefix)}
        folders, foreign = [], []
        for root in roots:
            names = {name for _, name, _, _ in string.Formatter().parse(root) if name}
            if names <= values.keys():
                folders.append(_fill(root, values))
            foreign.append(re.compile(_fill(root, any_run, re.escape) + "."))
        return cls(tuple(folders), tuple(foreign), source.rstrip("/"))

    def key(self, s3_key: str) -> str:
        """Return the key of an artifact within the store.

        Nothing is decoded or resolved: S3 takes ``p/../q`` and ``%2e`` literally, and URL libraries do not.

        Args:
            s3_key: as the manifest has it: a key, or ``s3://`` with this very bucket.

        Raises:
            Rejected: ``FOREIGN_LOCATION``, ``NOT_AN_OBJECT_KEY``, ``KEY_ESCAPE`` or ``CROSS_RUN_REF``.
        """
        valid = f"valid is a key below {' or '.join(self.folders) or 'no folder'}"
        if self.source.startswith("s3://") and s3_key.startswith(f"{self.source}/"):
            key = s3_key[len(self.source) + 1 :]
        elif _SCHEME.match(s3_key):
            message = f"the place {_shown(s3_key)} is not in {self.source}; {valid}"
            raise reject("FOREIGN_LOCATION", message, actual=_shown(s3_key))
        elif _DRIVE.match(s3_key):
            raise _no_key(s3_key, valid)
        else:
            key = s3_key
        if why := _odd(key.removeprefix("/")):
            raise reject("KEY_ESCAPE", f"the key {_shown(key)} has {why}; {valid}", actual=_shown(key))
        if key.startswith("/"):
            if key[1:].startswith(self.folders):
                message = f"the key {_shown(key)} begins with a slash; {valid}"
                raise reject("KEY_ESCAPE", message, actual=_shown(key))
            raise _no_key(key, valid)
        if any(key.startswith(folder) for folder in self.folders):
            return key
        if any(pattern.match(key) for pattern in self.foreign):
            message = f"the key {_shown(key)} is in the folder of another run; {valid}"
            raise reject("CROSS_RUN_REF", message, actual=_shown(key))
        raise reject("KEY_ESCAPE", f"the key {_shown(key)} is outside the run's folders; {valid}", actual=_shown(key))


def _fill(root: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    pieces = [escape(text) + (values[name] if name else "") for text, name, _, _ in string.Formatter().parse(root)]
    return "".join(pieces).lstrip("/")  # an empty prefix


def _odd(key: str) -> str | None:
    """Say what makes a key one that could name something else than itself."""
    if any(part in ("", ".", "..") for part in key.split("/")):
        return "an empty part, '.' or '..'"
    if "\\" in key:
        return "a backslash"
    if _ENCODED.search(key):
        return "a percent-encoded character, which nothing decodes"
    if _CONTROLS.search(key):
        return "a control character"
    return f"more than {_MAX_KEY_BYTES} bytes" if len(key.encode()) > _MAX_KEY_BYTES else None


def _no_key(s3_key: str, valid: str) -> Exception:
    message = f"{_shown(s3_key)} is a path on the producer's machine, not the key of an object; {valid}"
    return reject("NOT_AN_OBJECT_KEY", message, actual=_shown(s3_key))


def _shown(s3_key: str) -> str:
    # Without the query: a presigned URL has its signature there, and without userinfo.
    text = re.sub(r"//[^/@]*@", "//", s3_key.split("?", 1)[0])
    return repr(text if len(text) <= 200 else f"{text[:200]}…")  # noqa: PLR2004
