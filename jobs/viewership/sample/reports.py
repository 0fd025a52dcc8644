"""The reports of platforms as they arrive: banners, Indian grouping, durations, UTF-16, columns per date."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from jobs.viewership.sample.draft import PERIOD, Draft, Truth
from jobs.viewership.sample.episodes import CHANNEL

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobs.viewership.sample.episodes import SampleEpisode

__all__ = ["PLATFORMS", "ROKU_DAYS", "ROKU_METRICS", "ROKU_NAMES", "Built", "grouped", "roku_rows"]

Built = tuple[bytes, Truth]


def grouped(number: Decimal | int) -> str:
    """Return a number with Indian grouping: 1,34,896.

    >>> grouped(134896), grouped(12), grouped(Decimal("1234567.5"))
    ('1,34,896', '12', '12,34,567.5')
    """
    whole, mark, rest = f"{number:f}".partition(".") if isinstance(number, Decimal) else (str(number), "", "")
    head, tail = whole[:-3], whole[-3:]
    pairs = []
    while head:
        pairs.append(head[-2:])
        head = head[:-2]
    return ",".join([*reversed(pairs), tail]) + mark + rest


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _dashed(episode: SampleEpisode) -> str:
    return f"{episode.series.name} - Season - {episode.season} - Episode - {episode.number}"


def _philo(draft: Draft) -> Built:
    """Write days as 31-07-2025; one row in eight has no title."""
    draft.other(
        "watched_at_est", "network", "show_title", "season_number", "episode_number", "episode_title", "minutes_watched"
    )
    for number, episode in enumerate(draft.catalogue):
        day = f"{draft.day(number % 31):%d-%m-%Y}"
        title = "" if (number + 1) % 8 == 0 else episode.title
        minutes = draft.count()
        numbers = (episode.season, episode.number)
        draft.row(day, CHANNEL, episode.series.name, *numbers, title, minutes, ref=episode, minutes=minutes)
    return draft.text().encode(), draft.truth(format="philo-1")


_WURL: Final = (
    *("date", "partner", "channel", "series", "season", "episode", "title", "duration", "tot_hov", "tot_sessions"),
    *("mov_per_session", "unique_viewers", "tot_completions", "completions_95", "cc_render_rate %", "impressions"),
    *("channel_adpool_impressions", "channel_adpool_revenue $"),
)


def _wurl(draft: Draft, partners: tuple[str, ...] = ("Plex-US-web", "Plex-CA-tv", "Vizio-US-tv")) -> Built:
    draft.other(*_WURL)
    for number, episode in enumerate(draft.catalogue):
        hours, sessions, earned = draft.hours(), draft.count(), draft.money()
        named = (CHANNEL, episode.series.name, episode.season, f"{episode.number:02d}", episode.title)
        metrics = (2640, hours, sessions, round(hours * 60 / sessions, 2), sessions // 2, sessions // 3, sessions // 4)
        ads = (f"{draft.chance.randrange(0, 10000) / 100}%", sessions * 3, sessions * 2, earned)
        cells = (draft.day(number % 31), partners[number % len(partners)], *named, *metrics, *ads)
        draft.row(*cells, ref=episode, hours=hours, channel_adpool_revenue=earned)
    name = "wurl-1" if partners[0].startswith("Plex") else "wurl-samsung-tv-plus-1"
    return draft.text().encode(), draft.truth(format=name)


def _samsung(draft: Draft) -> Built:
    return _wurl(draft, ("Samsung", "Samsung-mobile", "Samsung-web", "Samsung-hub"))


def _pluto(draft: Draft) -> Built:
    """Write four banner lines, an empty first column, two names per row and amounts as `` $ 712.04 ``."""
    width = 10
    for banner in ("", "LANTERN - CONTENT PARTNER REPORT", "Period: July 2025", ""):
        draft.other("", banner, *[""] * (width - 2))
    draft.other(
        "", "#", "Series Name", "Episode Name", "Clip Name", "Season", "Episode", "TVMs", "Sessions", " Net Revenue "
    )
    for number, episode in enumerate(draft.catalogue):
        minutes, sessions = draft.count(), draft.count()
        earned = Decimal(0) if (number + 1) % 9 == 0 else draft.money()
        clip = f"{episode.series.name}: {episode.title} (S{episode.season}E{episode.number})"
        names = (number + 1, episode.series.name, episode.title, clip, episode.season, episode.number)
        money = f" $ {earned:,.2f} " if earned else " $ -   "
        cells = (*names, f"{minutes:,}", f"{sessions:,}", money)
        draft.row("", *cells, ref=episode, minutes=minutes, revenue=earned)
    return draft.text().encode(), draft.truth(format="pluto-1", period=PERIOD, header_line=5)


def _video_title(episode: SampleEpisode, number: int) -> str:
    """Return the title of a video: the first of two parts without its number, some with a typing error."""
    title = episode.title.removesuffix(", Part 1")
    if number % 8 == 3 and title == episode.title:  # noqa: PLR2004 - one in eight
        longest = max(title.split(), key=len)
        title = title.replace(longest, f"{longest[:2]}{longest[3]}{longest[2]}{longest[4:]}")
    return f"{title} | {episode.series.name} | Full Episode"


def _youtube(draft: Draft) -> Built:
    draft.other(
        *("video_id", "title", "url", "published_date", "duration_seconds", "is_short", "views", "hours_watched"),
        *("minutes_watched", "avg_view_duration_seconds"),
    )
    for number, episode in enumerate(draft.catalogue):
        video = f"v{number:03d}{episode.series.code}_x"
        hours, views = draft.hours(500), draft.count()
        title = _video_title(episode, number)
        seconds = 55 if number % 10 == 0 else 2640
        about = (video, title, f"https://video.example/{video}", "2024-02-03", seconds, str(number % 10 == 0).lower())
        draft.row(*about, views, hours, hours * 60, round(hours * 3600 / views, 1), ref=episode, hours=hours)
    return draft.text().encode(), draft.truth(format="youtube-1", period=PERIOD)


def _youtube_revenue(draft: Draft) -> Built:
    draft.other("date", "video_id", "title", "revenue", "impressions")
    for number, episode in enumerate(draft.catalogue):
        earned = draft.money(50)
        video = f"v{number:03d}{episode.series.code}_x"
        title = f"{episode.series.name}: {episode.title}"
        draft.row(draft.day(number % 31), video, title, earned, draft.count(), ref=episode, revenue=earned)
    return draft.text().encode(), draft.truth(format="youtube-revenue-1")


ROKU_NAMES: Final = ("Movie/Series Title", "Content Title", "Season", "Episode", "Content Type", "Provider Source Id")
ROKU_METRICS: Final = ("Stream Starts", "Play-Through Rate", "All Play-Through Rate", "Streaming Hours Sum")
ROKU_DAYS: Final = 92


def roku_rows(draft: Draft, first: int) -> list[tuple[tuple[object, ...], list[tuple[int, Decimal] | None]]]:
    """Return names and, for each day, starts and hours; every other pair is empty, and some rows have no title."""
    rows: list[tuple[tuple[object, ...], list[tuple[int, Decimal] | None]]] = []
    for number, episode in enumerate(draft.catalogue):
        title = None if (number + 1) % 12 == 0 else episode.title
        names = (episode.series.name, title, episode.season, episode.number, "episode", f"ps-{number:05d}")
        pairs: list[tuple[int, Decimal] | None] = []
        for day in range(ROKU_DAYS):
            pair = (draft.count(300_000), draft.hours()) if (number + day) % 2 == 0 else None
            pairs.append(pair)
            if pair:
                draft.units += 1
                draft.add(views=pair[0], hours=pair[1])
        draft.refs[str(first + number)] = episode.ref_id
        rows.append((names, pairs))
    return rows


def _roku_text(draft: Draft) -> Built:
    """Write two header rows as text, dates as 31-07-2025, and numbers with Indian grouping."""
    days = [f"{draft.day(day):%d-%m-%Y}" for day in range(ROKU_DAYS)]
    draft.other("Date Dim", *[""] * (len(ROKU_NAMES) - 1), *(day for day in days for _ in ROKU_METRICS))
    draft.other(*ROKU_NAMES, *ROKU_METRICS * ROKU_DAYS)
    for names, pairs in roku_rows(draft, 3):
        cells = [
            text
            for pair in pairs
            for text in ((grouped(pair[0]), "0.41", "0.62", grouped(pair[1])) if pair else ("", "", "", ""))
        ]
        draft.other(*("" if name is None else name for name in names), *cells)
    return draft.text().encode(), draft.truth(format="roku-1", header_line=2)


def _tubi(draft: Draft) -> Built:
    draft.other(
        "CONTENT TYPE", "PROGRAM NAME", "CONTENT NAME", "SEASON", "PARTNER ID", "IMPRESSIONS", "EARNINGS", "eCPM"
    )
    for episode in draft.catalogue:
        earned, shown = draft.money(), draft.count()
        name = f"S{episode.season:02d}:E{episode.number:02d} - {episode.title}"
        about = ("TV Series", episode.series.name, name, episode.season, episode.ref_id)
        draft.row(*about, shown, f"${earned:,.2f}", round(earned * 1000 / shown, 2), ref=episode, revenue=earned)
    return draft.text().encode(), draft.truth(format="tubi-1", period=PERIOD)


def _xumo(draft: Draft) -> Built:
    """Write hours as 1174:47:24 and again in a column without a name, and a last row of totals without a title."""
    draft.other("channel", "title", "total_time", "", "share", "revenue")
    total = earned_total = Decimal(0)
    for episode in draft.catalogue:
        seconds, earned = draft.count(5_000_000), draft.money(90)
        # Ten digits, as hours are stored.
        hours = (Decimal(seconds) / 3600).quantize(Decimal(1).scaleb(-10))
        total, earned_total = total + hours, earned_total + earned
        cells = (CHANNEL, _dashed(episode), _clock(seconds), f"{hours:,.2f}", "0.4%", f"${earned:,.2f}")
        draft.row(*cells, ref=episode, hours=hours, revenue=earned)
    draft.row("", "", "", f"{total:,.2f}", "100%", f"${earned_total:,.2f}", fate="filtered")
    return draft.text().encode(), draft.truth(format="xumo-1", period=PERIOD)


def _freevee(draft: Draft) -> Built:
    """Write a byte-order mark, quotes around every cell, and ids such as amzn1.dv.gti.…."""
    draft.other(
        *("Date", "Title Id", "Channel Name", "Territory", "Series Title", "Season Number", "Episode Number", "Title"),
        *("Minutes Streamed", "Unique Streams"),
    )
    for number, episode in enumerate(draft.catalogue):
        minutes = draft.hours(90_000)
        about = (draft.day(number % 31), f"amzn1.dv.gti.{number:08x}-{episode.series.code.lower()}", CHANNEL, "US")
        names = (episode.series.name, episode.season, episode.number, episode.title)
        draft.row(*about, *names, minutes, draft.count(), ref=episode, minutes=minutes)
    return draft.text(quoted=True).encode("utf-8-sig"), draft.truth(format="freevee-content-1")


def _freevee_linear(draft: Draft) -> Built:
    draft.other("Date", "Channel Id", "Channel Name", "Territory", "Minutes Streamed", "Unique Streams")
    for number in range(31):
        minutes = draft.hours(900_000)
        cells = (draft.day(number), "x1.4bb0", CHANNEL, "US", minutes, draft.count())
        draft.row(*cells, fate="topline", minutes=minutes)
    return draft.text(quoted=True).encode("utf-8-sig"), draft.truth(format="freevee-linear-1")


def _amagi(draft: Draft) -> Built:
    """Write channels as Lantern_US_PLEX, and content ids that contain ours."""
    draft.other("Date", "Channel Name", "Content ID", "Content Title", "Total Hours Viewed", "Total Sessions")
    for number, episode in enumerate(draft.catalogue):
        hours = draft.hours()
        feed = f"{CHANNEL}_{('US_PLEX', 'MX_LG')[number % 2]}"
        title = episode.spanish if number % 2 else episode.title
        asset = f"LANTERN_{episode.ref_id}_HD"
        draft.row(draft.day(number % 31), feed, asset, title, hours, draft.count(), ref=episode, hours=hours)
    return draft.text().encode(), draft.truth(format="amagi-1")


def _owned(draft: Draft) -> Built:
    """Write UTF-16 with tabs, named .csv, with dates as 10/1/25 and refunds as $-0.20."""
    draft.other("Payment Date", "Channel", "Program", "Description", "Payment Amount")
    for number, episode in enumerate(draft.catalogue):
        earned = draft.money(20) * (-1 if (number + 1) % 11 == 0 else 1)
        day = draft.day(number % 31)
        about = (f"{day.month}/{day.day}/{day:%y}", CHANNEL, episode.series.name, episode.title)
        draft.row(*about, f"${earned:.2f}", ref=episode, revenue=earned)
    return draft.text("\t").encode("utf-16"), draft.truth(format="owned-payments-1", encoding="utf-16-le")


def _canonical(draft: Draft) -> Built:
    """Write one row whose hours are not a number, and one about an episode that the catalogue lacks."""
    draft.other(
        "Date", "Channel", "Territory", "Series", "Season", "Episode", "Title", "Content ID", "Hours", "Revenue"
    )
    # Twice, so that one bad row is below the limit of one percent.
    for number, episode in enumerate((*draft.catalogue, *draft.catalogue)):
        hours, earned = draft.hours(), draft.money()
        place = (draft.day(number % 31), CHANNEL, "US")
        about = (episode.series.name, episode.season, episode.number, episode.title, episode.ref_id)
        draft.row(*place, *about, hours, earned, ref=episode, hours=hours, revenue=earned)
    hours, earned = draft.hours(), draft.money()
    draft.row(
        draft.day(1),
        CHANNEL,
        "US",
        "Harbour Lights",
        9,
        9,
        "The Lost Pilot",
        "",
        hours,
        earned,
        hours=hours,
        revenue=earned,
    )
    draft.row(
        draft.day(2), CHANNEL, "US", "Harbour Lights", 1, 1, "", "", "12h?", earned, fate="rejected", revenue=earned
    )
    return draft.text().encode(), draft.truth(format="canonical-1")


PLATFORMS: Final[dict[str, tuple[str, str, Callable[[Draft], Built]]]] = {
    "philo": ("philo-2025-07.csv", "Philo: days first, rows without a title", _philo),
    "wurl": ("wurl-2025-07.csv", "WURL: partner, territory and device in one name", _wurl),
    "samsung-tv-plus": ("samsung-tv-plus-2025-07.csv", "Samsung TV Plus through WURL", _samsung),
    "pluto": ("pluto-2025-07.csv", "Pluto TV: banners, an empty column, two names", _pluto),
    "youtube": ("youtube-2025-07.csv", "YouTube: views and hours by video", _youtube),
    "youtube-revenue": ("youtube-revenue-2025-07.csv", "YouTube: revenue by day and video", _youtube_revenue),
    "roku-text": ("roku-2025-q3.csv", "Roku: 374 columns, two header rows, Indian grouping", _roku_text),
    "tubi": ("tubi-2025-07.csv", "Tubi: our ids, earnings by month", _tubi),
    "xumo": ("xumo-2025-07.csv", "Xumo: durations, a column without a name, totals", _xumo),
    "freevee": ("freevee-2025-07.csv", "Freevee: a byte-order mark, quotes, minutes", _freevee),
    "freevee-linear": ("freevee-linear-2025-07.csv", "Freevee: totals of a channel by day", _freevee_linear),
    "amagi": ("amagi-2025-07.csv", "Amagi: our ids inside others, Spanish titles", _amagi),
    "owned-payments": ("owned-payments-2025-07.csv", "Payments: UTF-16 with tabs, refunds", _owned),
    "canonical": ("canonical-2025-07.csv", "Canonical: one bad row, one unknown episode", _canonical),
}
"""Kind -> file, description and writer."""
