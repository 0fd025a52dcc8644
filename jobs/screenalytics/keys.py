"""Keys of manifests and artifacts: only inside the folders of their run, without ``..``, ``%2e`` and URLs."""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jobs.screenalytics.errors import reject
from shared.text import cut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["EP_ID", "RUN_ID", "ArtifactFolders", "check_prefix", "check_root", "manifest_key", "run_of", "runs_folder"]

RUN_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
EP_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}"

_PLACEHOLDERS: Final = ("prefix", "run_id", "ep_id", "show", "season", "episode")
_MANIFEST: Final = "manifest.json"
_RUN_ID: Final = re.compile(RUN_ID)
# rhoslc-s06e11. Episodes with other names have no folders by show.
_EPISODE: Final = re.compile(r"(?P<show>.+)-s(?P<season>[0-9]+)e(?P<episode>[0-9]+)", re.IGNORECASE)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_ENCODED: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MAX_KEY_BYTES: Final = 1024  # S3's own limit


def check_root(template: str) -> str:
    """Check one of ``artifact_roots``, and return it with one slash at the end.

    Args:
        template: a key prefix with placeholders, such as ``{prefix}/runs/{run_id}/``.

    Raises:
        ValueError: the message lists the valid placeholders.
    """
    named = ", ".join(f"{{{name}}}" for name in _PLACEHOLDERS)
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{template!r} is not a template: {error}; the placeholders are {named}") from None
    for _, name, form, conversion in pieces:
        if name is not None and (name not in _PLACEHOLDERS or form or conversion):
            raise ValueError(f"{template!r} has {{{name}}}; the placeholders are {named}, without any format")
    parts = template.removesuffix("/").split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in template or _CONTROLS.search(template):
        raise ValueError(f"{template!r} is not a folder of keys; expected no empty part, '.', '..' or backslash")
    if "{run_id}" not in parts:
        raise ValueError(f"{template!r} must have {{run_id}} as a separate folder, to exclude artifacts of other runs")
    return "/".join(parts) + "/"


def check_prefix(prefix: str) -> str:
    """Check the folder above ``runs/``, and return it without outer slashes; empty for none.

    Raises:
        ValueError: keys below it would be ambiguous.
    """
    folder = prefix.strip("/")
    if folder and (why := _ambiguous(folder)):
        raise ValueError(f"{prefix!r} has {why}; expected a folder of keys, such as derived, or / for none")
    return folder


def manifest_key(prefix: str, run_id: str) -> str:
    """Return the key of a run's manifest."""
    return f"{runs_folder(prefix)}{run_id}/{_MANIFEST}"


def runs_folder(prefix: str) -> str:
    """Return the folder of all runs, with a slash at the end."""
    return f"{prefix}/runs/" if prefix else "runs/"


def run_of(key: str, prefix: str) -> str | None:
    """Return the run whose manifest has this key; None for any other object, nested manifests included."""
    folder = runs_folder(prefix)
    if not key.startswith(folder):
        return None
    run_id, _, rest = key[len(folder) :].partition("/")
    return run_id if rest == _MANIFEST and _RUN_ID.fullmatch(run_id) else None


@dataclass(frozen=True, slots=True)
class ArtifactFolders:
    """The folders in which the artifacts of one run may be stored.

    Attributes:
        folders: each with a slash at the end, so that ``runs/abc`` does not match ``runs/abcd/``.
        own: patterns of the same folders, with the episode in any case and any number of leading zeros: producers write
        season 1 of ``Demo-S1E2`` as ``s01`` or ``s1``.
        other_episode: patterns of the same folders for any episode.
        other_run: patterns of the same folders for any run.
        source: URI of the store; ``s3_key`` may start with it.
    """

    folders: tuple[str, ...]
    own: tuple[re.Pattern[str], ...]
    other_episode: tuple[re.Pattern[str], ...]
    other_run: tuple[re.Pattern[str], ...]
    source: str

    @classmethod
    def of(cls, roots: Iterable[str], *, prefix: str, run_id: str, ep_id: str, source: str) -> ArtifactFolders:
        """Fill in templates checked by :func:`check_root`; those by show are left out if the episode has no show."""
        values = {"prefix": prefix, "run_id": run_id, "ep_id": ep_id}
        similar = {"prefix": re.escape(prefix), "run_id": re.escape(run_id), "ep_id": f"(?i:{re.escape(ep_id)})"}
        if episode := _EPISODE.fullmatch(ep_id):
            parts = episode.groupdict()
            numbers = {name: int(parts[name]) for name in ("season", "episode")}
            # As the producer pads them; shown in messages.
            values |= {"show": parts["show"], **{name: f"{number:02}" for name, number in numbers.items()}}
            similar |= {name: f"0*{number}" for name, number in numbers.items()}
            similar["show"] = f"(?i:{re.escape(parts['show'])})"
            similar["ep_id"] = f"{similar['show']}-(?i:s){similar['season']}(?i:e){similar['episode']}"
        any_run = dict.fromkeys(_PLACEHOLDERS, "[^/]+") | {"prefix": re.escape(prefix)}
        any_episode = any_run | {"run_id": re.escape(run_id)}
        roots = tuple(roots)
        filled = [root for root in roots if _names(root) <= values.keys()]
        return cls(
            tuple(_fill(root, values) for root in filled),
            tuple(_pattern(root, similar) for root in filled),
            tuple(_pattern(root, any_episode) for root in roots),
            tuple(_pattern(root, any_run) for root in roots),
            source.rstrip("/"),
        )

    def key(self, s3_key: str) -> str:
        """Return the key of an artifact in the store.

        Nothing is decoded or resolved: S3 takes ``p/../q`` and ``%2e`` literally; URL libraries do not.

        Args:
            s3_key: from the manifest: a key, or an ``s3://`` URI in this bucket.

        Raises:
            Rejected: ``FOREIGN_LOCATION``, ``NOT_AN_OBJECT_KEY``, ``KEY_ESCAPE`` or ``CROSS_RUN_REF``.
        """
        valid = f"expected a key below {' or '.join(self.folders) or 'no folder'}"
        if self.source.startswith("s3://") and s3_key.startswith(f"{self.source}/"):
            key = s3_key[len(self.source) + 1 :]
        elif _SCHEME.match(s3_key):
            message = f"the location {_shown(s3_key)} is not in {self.source}; {valid}"
            raise reject("FOREIGN_LOCATION", message, actual=_shown(s3_key))
        elif _DRIVE.match(s3_key):
            raise _local_path(s3_key, valid)
        else:
            key = s3_key
        if why := _ambiguous(key.removeprefix("/")):
            raise reject("KEY_ESCAPE", f"the key {_shown(key)} has {why}; {valid}", actual=_shown(key))
        if key.startswith("/"):
            if _matches(self.own, key[1:]):
                message = f"the key {_shown(key)} starts with a slash; {valid}"
                raise reject("KEY_ESCAPE", message, actual=_shown(key))
            raise _local_path(key, valid)
        if _matches(self.own, key):
            return key
        if _matches(self.other_run, key):
            other = "episode" if _matches(self.other_episode, key) else "run"
            message = f"the key {_shown(key)} is in the folder of another {other}; {valid}"
            raise reject("CROSS_RUN_REF", message, actual=_shown(key))
        raise reject("KEY_ESCAPE", f"the key {_shown(key)} is outside the run's folders; {valid}", actual=_shown(key))


def _fill(root: str, values: Mapping[str, str], escape: Callable[[str], str] = str) -> str:
    pieces = [escape(text) + (values[name] if name else "") for text, name, _, _ in string.Formatter().parse(root)]
    return "".join(pieces).lstrip("/")  # an empty prefix


def _names(root: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(root) if name}


def _pattern(root: str, values: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile(_fill(root, values, re.escape) + ".")


def _matches(patterns: Iterable[re.Pattern[str]], key: str) -> bool:
    return any(pattern.match(key) for pattern in patterns)


def _ambiguous(key: str) -> str | None:
    """Return what makes a key ambiguous, or None."""
    if any(part in ("", ".", "..") for part in key.split("/")):
        return "an empty part, '.' or '..'"
    if "\\" in key:
        return "a backslash"
    if _ENCODED.search(key):
        return "a percent-encoded character, which is not decoded"
    if _CONTROLS.search(key):
        return "a control character"
    return f"more than {_MAX_KEY_BYTES} bytes" if len(key.encode()) > _MAX_KEY_BYTES else None


def _local_path(s3_key: str, valid: str) -> Exception:
    message = f"{_shown(s3_key)} is a path on the producer's machine, not an object key; {valid}"
    return reject("NOT_AN_OBJECT_KEY", message, actual=_shown(s3_key))


def _shown(s3_key: str) -> str:
    # Without the query, which holds the signature of a presigned URL, and without userinfo.
    text = re.sub(r"//[^/@]*@", "//", s3_key.split("?", 1)[0])
    return repr(text if len(text) <= 200 else f"{cut(text, 200)}…")  # noqa: PLR2004
