"""Compare the final rows with the expected ones, and the effects of reviewers' decisions with the decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jobs.viewership.audit.model import Check, tell

if TYPE_CHECKING:
    from jobs.viewership.audit.model import Scope
    from shared.database.session import DatabaseSession

__all__ = ["check_decisions", "check_details"]

_IDENTITY: Final = ("viewership_id", "label", "upload_id", "key_id", "scope_id", "episode_id")
_FROM_CATALOGUE: Final = (
    *("internal_series", "ref_id", "asset_title", "asset_series", "content_provider", "series_code"),
    *("season_number", "episode_number"),
)
_FROM_ROW: Final = (
    *("platform", "domain", "platform_partner_name", "platform_channel_name", "platform_territory"),
    *("platform_content_name", "platform_content_id", "platform_series", "viewership_partner", "deal_parent"),
    *("channel", "channel_id", "territory", "territory_id", "language", "hours", "minutes", "views", "sessions"),
    *("unique_viewers", "tot_completions", "register_name", "payment_amount", "currency", "date", "start_time"),
    *("end_time", "week", "day", "month", "quarter", "year", "year_month_day", "filename", "bucket", "confidence"),
)
_COLUMNS: Final = ", ".join((*_IDENTITY, *_FROM_ROW, *_FROM_CATALOGUE))


def check_details(session: DatabaseSession, scope: Scope) -> Check:
    """Compare final rows with expected ones, both ways; rows that differ only through the catalogue are stale."""
    ids = list(scope.uploads)
    covered = "TRUE" if scope.whole else "upload_id = ANY (:ids)"
    values = {} if scope.whole else {"ids": ids}
    [[final]] = session.rows(f"SELECT count(*) FROM viewership.episode_details WHERE {covered}", **values)  # noqa: S608
    check = Check("final rows", final)
    # A nested loop over rows without statistics takes hours.
    session.run("SET LOCAL enable_nestloop = off")
    session.run(
        f"""
        CREATE TEMPORARY TABLE audit_details ON COMMIT DROP AS
        SELECT true AS due, d.* FROM (
            SELECT {_COLUMNS} FROM viewership.due_details WHERE {covered}
            EXCEPT ALL SELECT {_COLUMNS} FROM viewership.episode_details WHERE {covered}
        ) d
        UNION ALL
        SELECT false, d.* FROM (
            SELECT {_COLUMNS} FROM viewership.episode_details WHERE {covered}
            EXCEPT ALL SELECT {_COLUMNS} FROM viewership.due_details WHERE {covered}
        ) d
        """,  # noqa: S608
        **values,
    )
    session.run("SET LOCAL enable_nestloop = on")
    _differing(session, check)
    _missing(session, check)
    _extra(session, check)
    tell(
        session,
        check,
        "DETAIL_TWICE",
        f"""
        SELECT min(upload_id) AS upload_id, NULL::integer AS line, 'row ' || viewership_id AS item, label,
            count(*) AS times
        FROM viewership.episode_details WHERE {covered} GROUP BY viewership_id, label HAVING count(*) > 1
        """,  # noqa: S608
        "it has {times} final rows with the label {label}; expected one",
        **values,
    )
    return check


def _differing(session: DatabaseSession, check: Check) -> None:
    names = (*_IDENTITY[2:], *_FROM_ROW, *_FROM_CATALOGUE)
    fields = ", ".join(f"('{name}', h.{name}::text, d.{name}::text)" for name in names)
    same = ", ".join(("h.episode_id", *(f"h.{name}" for name in _FROM_ROW)))
    other = same.replace("h.", "d.")
    for code, condition in (("DETAIL", "NOT stale"), ("DETAIL_STALE", "stale")):
        tell(
            session,
            check,
            code,
            f"""
            SELECT upload_id, line, item, name, stored, expected FROM (
                SELECT h.upload_id, r.line, 'row ' || h.viewership_id || ', ' || h.label AS item, f.name, f.stored,
                    f.expected,
                    ({same}) IS NOT DISTINCT FROM ({other}) AND EXISTS (
                        SELECT FROM catalog.changes c JOIN viewership.matches m ON m.key_id = h.key_id
                        WHERE c.version > m.catalogue_version AND (
                            c.kind = 'episode' AND c.entity_id = h.episode_id
                            OR c.kind = 'series' AND c.entity_id = e.series_id)
                    ) AS stale
                FROM audit_details h JOIN audit_details d USING (viewership_id, label)
                LEFT JOIN viewership.platform_viewership r ON r.id = h.viewership_id
                LEFT JOIN catalog.episodes e ON e.id = h.episode_id
                CROSS JOIN LATERAL (
                    SELECT * FROM (VALUES {fields}) AS x (name, stored, expected)
                    WHERE x.stored IS DISTINCT FROM x.expected LIMIT 1
                ) f
                WHERE NOT h.due AND d.due
            ) pairs WHERE {condition}
            """,  # noqa: S608
            "its {name} is {stored}; expected {expected}",
        )


def _missing(session: DatabaseSession, check: Check) -> None:
    # A matched upload waits for its load.
    tell(
        session,
        check,
        "DETAIL_MISSING",
        """
        SELECT d.upload_id, r.line, 'row ' || d.viewership_id || ', ' || d.label AS item, d.episode_id
        FROM audit_details d
        JOIN viewership.uploads u ON u.upload_id = d.upload_id AND u.status <> 'matched'
        JOIN viewership.platform_viewership r ON r.id = d.viewership_id
        WHERE d.due AND NOT EXISTS (SELECT FROM audit_details h
            WHERE NOT h.due AND h.viewership_id = d.viewership_id AND h.label = d.label)
        """,
        "the row matches episode {episode_id} but has no final row",
    )


def _extra(session: DatabaseSession, check: Check) -> None:
    for code, condition, message in (
        (
            "DETAIL_REPLACED",
            "u.upload_id IS NULL OR u.status NOT IN ('matched', 'loaded', 'partial')",
            "its upload is {status}; expected no final row",
        ),
        (
            "DETAIL_EXTRA",
            "u.status IN ('matched', 'loaded', 'partial')",
            "the fate of the row is {fate}; expected no final row",
        ),
    ):
        tell(
            session,
            check,
            code,
            f"""
            SELECT h.upload_id, r.line, 'row ' || h.viewership_id || ', ' || h.label AS item,
                COALESCE(u.status, 'unknown') AS status, COALESCE(concat_ws(' ', f.fate, f.code), 'unknown') AS fate
            FROM audit_details h
            LEFT JOIN viewership.uploads u USING (upload_id)
            LEFT JOIN viewership.platform_viewership r ON r.id = h.viewership_id
            LEFT JOIN viewership.row_fates f ON f.viewership_id = h.viewership_id
            WHERE NOT h.due AND ({condition}) AND NOT EXISTS (SELECT FROM audit_details d
                WHERE d.due AND d.viewership_id = h.viewership_id AND d.label = h.label)
            """,  # noqa: S608
            message,
        )


def check_decisions(session: DatabaseSession, scope: Scope) -> Check:
    """Compare each decision with the matches of its keys, and each alias of a decision with the catalogue."""
    ids = list(scope.uploads)
    check = Check("decisions")
    [[check.checked]] = session.rows("SELECT count(*) FROM viewership.decisions")
    covered = """(:whole OR k.key_id IN
        (SELECT r.key_id FROM viewership.platform_viewership r WHERE r.upload_id = ANY (:ids)))"""
    where = "NULL::bigint AS upload_id, NULL::integer AS line"
    values = {"whole": scope.whole, "ids": ids}
    tell(
        session,
        check,
        "DECISION",
        f"""
        SELECT {where}, 'decision ' || d.decision_id || ', key ' || k.key_id AS item, d.action,
            COALESCE(m.status, 'none') AS status, COALESCE(m.episode_id::text, 'none') AS episode,
            COALESCE(d.episode_id::text, 'none') AS decided
        FROM viewership.decisions d CROSS JOIN LATERAL unnest(d.keys) AS k (key_id)
        LEFT JOIN viewership.matches m USING (key_id)
        WHERE d.undone_at IS NULL AND {covered} AND (
            m.key_id IS NULL OR m.decision_id IS NULL OR m.decision_id < d.decision_id
            OR m.decision_id = d.decision_id AND (m.status, m.episode_id) IS DISTINCT FROM
                (CASE d.action WHEN 'reject' THEN 'rejected' ELSE 'matched' END, d.episode_id))
        """,  # noqa: S608
        "its match is {status} with episode {episode}; the decision is {action} with episode {decided}",
        **values,
    )
    tell(
        session,
        check,
        "DECISION",
        f"""
        SELECT {where}, 'key ' || k.key_id AS item, k.decision_id,
            CASE WHEN d.decision_id IS NULL THEN 'does not exist' WHEN d.undone_at IS NOT NULL THEN 'was undone'
                ELSE 'is about other keys' END AS state
        FROM viewership.matches k LEFT JOIN viewership.decisions d USING (decision_id)
        WHERE k.decision_id IS NOT NULL AND {covered}
            AND (d.decision_id IS NULL OR d.undone_at IS NOT NULL OR NOT k.key_id = ANY (d.keys))
        """,  # noqa: S608
        "its match comes from decision {decision_id}, which {state}",
        **values,
    )
    # An accepted episode applies to the uploads that had rows of the key at the time; an alias applies to all uploads.
    tell(
        session,
        check,
        "DECISION",
        f"""
        SELECT {where}, 'decision ' || d.decision_id || ', key ' || k.key_id AS item, d.action,
            COALESCE(k.uploads::text, 'all uploads') AS uploads
        FROM viewership.matches k JOIN viewership.decisions d USING (decision_id)
        WHERE {covered} AND ((k.uploads IS NULL) = (d.action = 'accept') OR EXISTS (
            SELECT FROM unnest(k.uploads) AS u (upload_id) WHERE NOT EXISTS (
                SELECT FROM viewership.platform_viewership r
                WHERE r.key_id = k.key_id AND r.upload_id = u.upload_id)))
        """,  # noqa: S608
        "its match applies to {uploads}; expected the uploads that had rows of the key at the time of the {action}",
        **values,
    )
    tell(
        session,
        check,
        "DECISION",
        f"""
        SELECT {where}, 'decision ' || d.decision_id || ', alias ' || a.id AS item, d.undone_by
        FROM viewership.decisions d JOIN catalog.aliases a USING (decision_id)
        WHERE d.undone_at IS NOT NULL AND a.undone_at IS NULL AND :whole
        """,  # noqa: S608
        "its alias is still active, but {undone_by} undid the decision",
        whole=scope.whole,
    )
    tell(
        session,
        check,
        "DECISION",
        f"""
        SELECT {where}, 'decision ' || d.decision_id || ', key ' || k.key_id AS item, d.episode_id
        FROM viewership.decisions d CROSS JOIN LATERAL unnest(d.keys) AS u (key_id)
        JOIN viewership.keys k USING (key_id)
        WHERE d.action = 'alias' AND d.undone_at IS NULL AND {covered}
            -- A later decision about the same review key ends the alias.
            AND NOT EXISTS (
                SELECT FROM viewership.decisions o CROSS JOIN LATERAL unnest(o.keys) AS l (key_id)
                JOIN viewership.keys y ON y.key_id = l.key_id
                WHERE o.decision_id > d.decision_id AND o.undone_at IS NULL AND y.review_digest = k.review_digest)
            AND NOT EXISTS (
                SELECT FROM catalog.aliases a JOIN viewership.keys y ON y.key_id = a.key_id
                WHERE a.undone_at IS NULL AND a.decision_id = d.decision_id AND a.episode_id = d.episode_id
                    AND y.review_digest = k.review_digest)
        """,  # noqa: S608 - our own names
        "the catalogue has no alias for it; later uploads will not match episode {episode_id}",
        **values,
    )
    return check
