"""Upload one file: keep its bytes, read it, and store its rows, or record why it cannot be stored."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from jobs.viewership.errors import NeedsChoice, Refused, bad_arrival, refuse
from jobs.viewership.model import Fate, exact_sum
from jobs.viewership.phases.keeping import fetched, keep
from jobs.viewership.phases.log import log
from jobs.viewership.phases.reading import interpret
from jobs.viewership.phases.result import PhaseResult
from jobs.viewership.phases.store import facts, set_aside_rows, store
from jobs.viewership.settings.uploads import step_of
from jobs.viewership.tables.fates import analyze
from jobs.viewership.tables.locks import limit_waits, phase_transaction
from jobs.viewership.tables.rows import write_set_aside
from jobs.viewership.tables.uploads import ACTIVE, NewUpload, claim, hold, refuse_gone, update
from shared.database.session import retry_session
from shared.failure import Failure
from shared.settings.next_command import next_command
from shared.storage import open_store
from shared.text import clean_text, cut, one_line

if TYPE_CHECKING:
    from jobs.viewership.phases.keeping import Kept
    from jobs.viewership.phases.reading import Interpretation
    from jobs.viewership.phases.store import Stored
    from jobs.viewership.settings.uploads import UploadSettings
    from jobs.viewership.tables.uploads import Upload
    from shared.database.session import DatabaseSession

__all__ = ["Taken", "take"]

_RETRY_S: Final = 30.0
_MESSAGE_CHARS: Final = 2000
_FAILURES: Final = 50
_ANSWERS: Final = 20
_ANSWER_CHARS: Final = 500
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Taken:
    """The outcome of one file.

    Attributes:
        upload_id: its upload, or the one with the same bytes.
        filename: its name.
        outcome: ``stored``, ``linked`` (the same bytes are stored), ``copy``, ``overlap``, ``skipped``,
            ``needs_choice`` or ``refused``.
        size_bytes: its size.
        code: code of an outcome other than stored, linked and skipped.
        message: what was found, what is expected and what to do.
        result: counts and sums, if the file was read.
        failures: rejected rows, or the file itself.
        rejected: number of rejected rows.
        flags: flags that answer the question of ``needs_choice``.
    """

    upload_id: int
    filename: str
    outcome: str
    size_bytes: int
    code: str | None = None
    message: str = ""
    result: PhaseResult | None = None
    failures: tuple[Failure, ...] = ()
    rejected: int = 0
    flags: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        """Return whether the upload waits for an answer."""
        return self.outcome in ("needs_choice", "copy", "overlap")

    @property
    def failed(self) -> bool:
        """Return whether the message is that of the first failure."""
        return self.waits or self.outcome == "refused"


def take(settings: UploadSettings, place: str, run_id: str, *, sha256: str | None = None) -> Taken:
    """Store the rows of one file. The same bytes again are linked; a bad file is recorded without raising.

    Args:
        settings: how files are read and stored.
        place: a path or URI.
        run_id: the run.
        sha256: digest that the bytes must have, if it was announced.

    Raises:
        BadArrival: ``SHA256_MISMATCH``: the bytes differ.
        UsageError: the file does not exist, or a flag does not fit it.
        TransientError: the store or the database cannot be reached; the same command can be run again.
        IntegrityError: what was stored does not add up; nothing was stored.
    """
    began = time.monotonic()
    command = next_command(f"viewership {step_of(settings)}", model=type(settings), settings=settings)
    with fetched(place, settings, bucket=settings.bucket, command=command, name=settings.filename) as kept:
        if sha256 not in (None, kept.sha256):
            raise bad_arrival(
                "SHA256_MISMATCH",
                f"'{one_line(place)}' has SHA-256 {kept.sha256}; expected {sha256} as announced by the event; "
                "upload the file again, or send an event with the right digest",
            )
        bucket = open_store(settings.bucket, settings, create=True)
        new = NewUpload(kept.sha256, keep(kept, bucket), kept.filename, kept.size_bytes, _choices(settings))
        claimed = retry_session(settings, lambda session: claim(session, new, run_id), _RETRY_S, waiting="the upload")
        upload = claimed.upload
        if upload.status in ACTIVE:
            if new.choices in ({}, upload.choices) or settings.on_overlap != "replace":
                return _linked(upload, kept, new.choices)
            again = replace(new, rereads=upload.upload_id)
            first = upload.upload_id

            def reread(session: DatabaseSession) -> Upload:
                # If it was retracted or replaced meanwhile, the bytes are new again.
                limit_waits(session)
                there = hold(session, first).status in ACTIVE
                return claim(session, again if there else new, run_id).upload

            upload = retry_session(settings, reread, _RETRY_S, waiting="the upload")
            if upload.status in ACTIVE:
                return _linked(upload, kept, new.choices)
        try:
            read = interpret(kept.path, settings)
            read.units.reconcile()
            _check_rejected(read, settings.max_rejected)
        except NeedsChoice as error:
            return _unread(settings, upload.upload_id, kept, "needs_choice", error, run_id=run_id, began=began)
        except Refused as error:
            rejects = error.data.pop("read", None)
            return _unread(
                settings, upload.upload_id, kept, "refused", error, run_id=run_id, began=began, rejects=rejects
            )
    domain = settings.domain or read.format.domain
    with phase_transaction(settings) as session:
        stored = store(session, upload.upload_id, read, domain=domain, on_overlap=settings.on_overlap, run_id=run_id)
        if stored.outcome != "linked":
            update(session, upload.upload_id, choices=_choices(settings))
            log(
                session,
                "upload",
                "success" if stored.outcome in ("stored", "skipped") else stored.outcome,
                run_id=run_id,
                seconds=time.monotonic() - began,
                upload_id=upload.upload_id,
                platform=read.platform,
                rows=stored.written,
                message=stored.message or None,
            )
    if stored.outcome == "linked":
        return _linked(upload, kept, new.choices)
    analyze(settings, stored.written)
    return _taken(upload.upload_id, kept, read, stored, seconds=time.monotonic() - began)


def _choices(settings: UploadSettings) -> dict[str, object]:
    """Return the flags that decided how the file was read, to read the same bytes again."""
    names = (
        *("format", "platform", "map", "period", "date_order", "decimal_mark", "clock", "sheet", "encoding"),
        *("delimiter", "header_line", "round_money", "domain"),
    )
    values = {name: getattr(settings, name) for name in names}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if value}


def _check_rejected(read: Interpretation, most: float) -> None:
    share = read.units.rejected_share()
    if share <= most:
        return
    rejected = read.units.frame.filter(read.units.frame["fate"] == str(Fate.REJECTED))
    reason = rejected["reason"][0]
    raise refuse(
        "TOO_MANY_REJECTED",
        f"{rejected.height:,} of {read.units.file.rows:,} rows are rejected ({share:.2%}), first {cut(reason, 300)}; "
        f"expected at most {most:.2%}; correct the file or the choices, or raise --max-rejected",
        read=read,
        rejected=rejected.height,
    )


def _linked(upload: Upload, kept: Kept, choices: dict[str, object]) -> Taken:
    name = f" as '{upload.filename}'" if upload.filename != kept.filename else ""
    message = f"the same bytes are upload {upload.upload_id}{name}; 0 rows stored"
    if choices not in ({}, upload.choices):
        message += "; it was read with other choices; pass --on-overlap replace to read it again with these"
    return Taken(upload.upload_id, kept.filename, "linked", kept.size_bytes, message=message)


def _unread(
    settings: UploadSettings,
    upload_id: int,
    kept: Kept,
    outcome: str,
    error: NeedsChoice | Refused,
    *,
    run_id: str,
    began: float,
    rejects: Interpretation | None = None,
) -> Taken:
    """Record a file of which nothing is stored."""
    message = clean_text(error.message, _MESSAGE_CHARS)
    with phase_transaction(settings) as session:
        now = hold(session, upload_id)
        if now.status in ACTIVE:  # another process has read it with other flags
            return _linked(now, kept, _choices(settings))
        refuse_gone(now)
        if rejects is not None:
            write_set_aside(session, upload_id, set_aside_rows(facts(rejects)))
        update(
            session,
            upload_id,
            status=outcome,
            code=error.code,
            message=message,
            choices=_choices(settings),
            answers=_answers(error),
            pipeline_run_id=run_id,
        )
        seconds = time.monotonic() - began
        log(session, "upload", outcome, run_id=run_id, seconds=seconds, upload_id=upload_id, message=message)
    own = Failure(kept.filename, error.code, error.message, input_hash=kept.sha256, data={"upload_id": upload_id})
    failures = (own, *(_failures(kept, rejects) if rejects is not None else ()))
    flags = tuple(str(flag) for flag in error.data.get("flags", ()))
    return Taken(
        upload_id,
        kept.filename,
        outcome,
        kept.size_bytes,
        error.code,
        error.message,
        failures=failures,
        rejected=int(error.data.get("rejected", 0)),
        flags=flags,
    )


def _answers(error: NeedsChoice | Refused) -> list[list[str | None]]:
    """Return the answers to a question; a value that cannot be shown as it is, such as a secret, becomes None.

    Args:
        error: why a file is not stored.
    """
    if not isinstance(error, NeedsChoice):
        return []
    return [
        [None if word is None or clean_text(word, _ANSWER_CHARS) != word else word for word in answer]
        for answer in error.answers[:_ANSWERS]
    ]


def _failures(kept: Kept, read: Interpretation) -> list[Failure]:
    """Return the first rejected rows; the table has all of them."""
    frame = read.units.frame
    rejected = frame.filter(frame["fate"] == str(Fate.REJECTED)).head(_FAILURES)
    return [
        Failure(
            f"{kept.filename}:{line}",
            code,
            reason,
            input_hash=kept.sha256,
            data={"line": line, "column": column, "raw": cut(raw or "", 200)},
        )
        for line, column, code, reason, raw in rejected.select("line", "column", "code", "reason", "raw").iter_rows()
    ]


def _taken(upload_id: int, kept: Kept, read: Interpretation, stored: Stored, *, seconds: float) -> Taken:
    file, totals = read.units.file, read.units.totals()
    rejected = totals[Fate.REJECTED].rows if Fate.REJECTED in totals else 0
    actual = stored.written + stored.set_aside if stored.outcome == "stored" else file.rows
    result = PhaseResult(
        upload_id=upload_id,
        filename=kept.filename,
        platform=read.platform,
        expected=(file.rows, file.hours, file.revenue),
        actual=(
            actual,
            exact_sum(sums.hours for sums in totals.values()),
            exact_sum(sums.revenue for sums in totals.values()),
        ),
        seconds=seconds,
        status="read" if stored.outcome == "stored" else stored.outcome,
        counts={
            "units": file.rows,
            "rows": stored.written,
            "rejected": rejected,
            "filtered": totals[Fate.FILTERED].rows if Fate.FILTERED in totals else 0,
            "topline": totals[Fate.TOPLINE].rows if Fate.TOPLINE in totals else 0,
            "unparsable": file.unparsable,
        },
        notes=tuple(note.message for note in read.notes),
        detail={"format": read.format.full_name},
    )
    failures = _failures(kept, read)
    if stored.code is not None and stored.outcome != "skipped":
        failures = [Failure(kept.filename, stored.code, stored.message, input_hash=kept.sha256), *failures]
    return Taken(
        upload_id,
        kept.filename,
        stored.outcome,
        kept.size_bytes,
        stored.code,
        stored.message,
        result,
        tuple(failures),
        rejected,
    )
