"""The client: requests with one key, one budget and one policy of retries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from jobs.trakt.api.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

    from jobs.trakt.api.budget import Budget
    from jobs.trakt.api.clock import Clock
    from jobs.trakt.settings.api import ApiSettings

__all__ = ["Answer", "Tally", "TraktClient"]


@dataclass(slots=True)
class Tally:
    """Counts of a client, for reports.

    Attributes:
        requests: requests sent, retries included.
        retries: of these, those that repeat another.
        bytes: of bodies, unpacked.
        waited_s: seconds waited for retries and bans, summed over requests; not those for the budget.
        budget_s: seconds waited for the budget, likewise.
        statuses: status -> answers; 0 counts requests without one.
        failures: code of :data:`jobs.trakt.errors.PAGE_CODES`, or EDGE_LIMIT -> attempts.
    """

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    waited_s: float = 0.0
    budget_s: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)


class TraktClient:
    """Requests to the API: ``async with TraktClient(settings, budget) as client: await client.get(path, query)``.

    Any number of tasks may call :meth:`get` at once; ``settings.connections`` of them are in flight. Until the API has
    answered once, one is: a dead key costs one request.

    Args:
        settings: key, base URL, retries, timeouts.
        budget: what allows each request, from :func:`jobs.trakt.api.budget.open_budget`.
        clock: for tests and replayers; by default this machine's.
        transport: for tests.

    Attributes:
        tally: counts so far.
    """

    def __init__(
        self,
        settings: ApiSettings,
        budget: Budget,
        *,
        clock: Clock | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.tally = Tally()
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        """Open the connection pool."""
        raise NotImplementedError

    async def __aexit__(self, *_: object) -> None:
        """Close the connections, and return what is unused to the budget."""
        raise NotImplementedError

    async def get(
        self, path: str, query: Mapping[str, str | int] | None = None, *, retries: int | None = None
    ) -> Answer:
        """Return the answer to a GET: 200 with a whole body, or 404 by the API itself.

        Args:
            path: from :mod:`jobs.trakt.api.resources`.
            query: parameters, such as ``{"page": 1, "limit": 250}``.
            retries: retries of this request; by default ``settings.max_retries``.

        Raises:
            PageFailed: this request failed, and its retries are used up; others may succeed.
            KeyRefused: the API does not accept the key. This and all errors below also end every other call.
            Unauthorized: 401.
            AccountLimit: 420.
            AccountLocked: 423.
            VipOnly: 426.
            EdgeBlocked: the edge has refused three times in a row.
            RateLimited: the API demands a wait of more than 15 minutes.
            ApiDown: five requests in a row failed because the API is overloaded or out of reach.
            DatabaseUnreachable: the budget's database does not answer.
        """
        raise NotImplementedError
