"""One node, one installation and overlapping runs, shared by all tests in file order."""

from __future__ import annotations

import functools
import io
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow.parquet as pq
import pytest

from tests.e2e.arrivals import Arrivals, arrive
from tests.e2e.evidence import collect
from tests.e2e.installation import Installation, build_images
from tests.e2e.node import ROOT, Node
from tests.e2e.places import put_tars
from tests.e2e.site import Site, replaying, watch
from tests.e2e.site import values as values_of_trakt
from tests.e2e.traffic import Traffic
from tests.e2e.uploads import catalogue, put_report
from tests.fakes.sinks import mail_sink, webhook_sink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.argo import Run
    from tests.fakes.sinks import MailSink, WebhookSink

ORDER = (
    "test_opening",
    "test_templates",
    "test_access",
    # Waits while the long runs proceed.
    "test_screenalytics",
    "test_gamedata",
    "test_media",
    "test_upgrade",
    "test_failures",
    "test_compute",
    "test_outside_text",
    "test_gpu",
    "test_release",
    "test_strict",
    # Late: it measures seconds, on a node that does little else.
    "test_viewership",
    "test_trakt",
    # Shows the runs of the tests before it.
    "test_console",
    "test_console_uploads",
    "test_metrics",
    "test_alerts",
    # Last: it looks at the connections of all runs.
    "test_network",
)
FOLDER = Path(os.environ.get("E2E_LOGS", ROOT / "build" / "e2e"))


@pytest.fixture(scope="session")
def node() -> Node:
    return Node()


class Sinks:
    """A webhook and a mail server that pods can reach."""

    def __init__(self, hook: WebhookSink, post: MailSink) -> None:
        self.hook = hook
        self.post = post

    def of(self, uid: str) -> tuple[list[dict[str, object]], list[str]]:
        """Return the notifications about a run: documents, and mails as text."""
        told = [document for document in self.hook.got if document["run_id"] == uid]
        mails = [mail.get_content() for mail in self.post.got]
        return told, [mail for mail in mails if uid in mail]


@pytest.fixture(scope="session")
def sinks(node: Node) -> Iterator[Sinks]:
    with ExitStack() as stack:
        yield Sinks(
            stack.enter_context(webhook_sink(node.host_ip)),
            stack.enter_context(mail_sink(node.host_ip)),
        )


@pytest.fixture(scope="session")
def traffic(node: Node) -> Iterator[Traffic]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = Traffic(node, FOLDER / "traffic.log")
    try:
        yield made
    finally:
        made.close()
        (FOLDER / "connections.txt").write_text("\n".join(sorted(made.connections)))


@pytest.fixture(scope="session")
def installation(node: Node, sinks: Sinks, traffic: Traffic) -> Iterator[Installation]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = Installation(
        node,
        build_images(node),
        FOLDER,
        {
            "notify": {
                "webhookUrl": sinks.hook.url,
                "link": "http://argo.example.org/workflows/{namespace}/{workflow}",
                "smtp": {
                    "host": node.host_ip,
                    "port": sinks.post.port,
                    "security": "none",
                    "from": "telecine@example.org",
                    "to": ["media@example.org"],
                },
            },
            # Every minute: a test waits for it.
            "crons": {"telecine-sweep": {"schedules": ["* * * * *"]}},
            "limits": {"viewership": 3},
            **values_of_trakt(node),
        },
    )
    made.clean()
    made.install()
    made.first_page = (time.time(), node.metrics())
    try:
        yield made
    finally:
        collect(node, FOLDER)


@dataclass
class Opening:
    """Workflows submitted first: a run of 40 TARs, the same run again, `media`, and runs delivered by the producer."""

    installation: Installation
    kinds: dict[str, str]
    work: dict[str, object]
    form_of_media: dict[str, object]
    main: Run
    again: Run
    media: Run
    arrivals: Arrivals
    rayjob: str = ""
    deleted_step: Any = None
    deleted_launcher: Any = None
    deleted_worker: str = ""

    TARS: ClassVar[int] = 40
    MEDIA: ClassVar[int] = 30

    def parts(self) -> int:
        """Return the number of committed parts."""
        return len(self.installation.node.keys("game-data-manifest", "first/_stats/"))

    def etags(self) -> dict[str, str]:
        """Return the ETag of every .pt file."""
        pages = self.installation.node.s3.get_paginator("list_objects_v2").paginate(
            Bucket="game-data-manifest", Prefix="first/"
        )
        return {each["Key"]: each["ETag"] for page in pages for each in page["Contents"] if each["Key"].endswith(".pt")}

    def workers(self) -> set[str]:
        """Return the workers named in the item rows, as host:pid."""
        workers: set[str] = set()
        for key in self.installation.node.keys("game-data-manifest", "first/_stats/"):
            body = self.installation.node.s3.get_object(Bucket="game-data-manifest", Key=key)["Body"].read()
            workers.update(pq.read_table(io.BytesIO(body), columns=["worker"])["worker"].to_pylist())
        return workers


@pytest.fixture(scope="session")
def opening(installation: Installation) -> Opening:
    kinds = dict.fromkeys((f"first/{number:02}.tar" for number in range(Opening.TARS)), "gameplay")
    kinds |= {"first/07.tar": "cut-off", "first/20.tar": "no-metadata", "first/33.tar": "truncated"}
    put_tars(installation.node, kinds, seconds=300)
    put_tars(
        installation.node,
        dict.fromkeys((f"media/{number}.tar" for number in range(Opening.MEDIA)), "gameplay"),
        seconds=300,
    )
    form: dict[str, object] = {
        "prefix": "first/",
        "manifest-bucket": "s3://game-data-manifest/first",
        "compute": "cpu",
        # About 0.7 CPU s per TAR, so that pods can be deleted mid-run. Small pictures: 300 per TAR are kept.
        "sampling": "exact",
        "strides": "1:300",
        "max-height": 36,
        "batch-mb": 1,
    }
    work = {name: form[name] for name in ("sampling", "strides", "max-height", "batch-mb")}
    main = installation.argo.submit("gamedata", form)
    again = installation.argo.submit("gamedata", form)
    catalogue(installation)
    put_report(installation, "freevee-2025-07.csv")
    form_of_media: dict[str, object] = {
        "gamedata-prefix": "media/",
        "gamedata-manifest-bucket": "s3://game-data-manifest/media",
        "gamedata-compute": "local",
        **{f"gamedata-{name}": value for name, value in work.items()},
        "screenalytics-prefix": "umbrella",
        "viewership-arrival": "poll",
        "viewership-prefix": "uploads/umbrella/",
    }
    umbrella = installation.argo.submit("media", form_of_media)
    return Opening(installation, kinds, work, form_of_media, main, again, umbrella, arrive(installation))


@dataclass
class Closing:
    """Workflows submitted once several runs may execute concurrently.

    Attributes:
        bad_media: a run of which two branches fail: the parameters of one, and the key of the other.
        site: the site that refuses the key, until `leave_site` is called: other tests need its port.
    """

    in_flight: Run
    in_flight_phase: str
    bad: Run
    misspelt: Run
    bad_media: Run
    pending: Run
    terminated: Run
    site: Site
    leave_site: Callable[[], None]
    mixed_keys: list[str]
    _make_mixed: Callable[[], Run]

    @functools.cached_property
    def mixed(self) -> Run:
        return self._make_mixed()


@pytest.fixture(scope="session")
def closing(installation: Installation, opening: Opening) -> Iterator[Closing]:
    submit = installation.argo.submit
    node = installation.node
    opening.again.ended()
    in_flight = submit(
        "gamedata",
        {
            "prefix": "media/",
            "manifest-bucket": "s3://game-data-manifest/flight",
            "compute": "local",
            **opening.work,
        },
    )
    in_flight.running_pod("plan")
    installation.set({"limits": {"gamedata": 5, "media": 2}})
    installation.install()
    in_flight_phase = in_flight.phase()
    keys = [f"mixed/{number:02}.tar" for number in range(24)]
    put_tars(node, dict.fromkeys(keys, "gameplay"), seconds=300)

    def over(folder: str, **values: object) -> dict[str, object]:
        form = {"prefix": "mixed/", "manifest-bucket": f"s3://game-data-manifest/{folder}"}
        return form | {name.replace("_", "-"): value for name, value in values.items()}

    def mixed() -> Run:
        node.invent_gpus(2)
        return submit("gamedata", over("mixed", compute="mixed", sampling="exact", batch_mb=1, cpu_workers=1))

    bad_media = {
        "gamedata-strides": "every-second",
        # As in the first run of media: nothing is new there.
        "screenalytics-arrival": "poll",
        "screenalytics-prefix": "umbrella",
        "viewership-arrival": "poll",
        "viewership-prefix": "uploads/nothing-here/",
        "trakt-enabled": "true",
    }
    # A name that is not resolved yet is asked for first: the only request with a key that is refused.
    watch(installation, [{"kind": "movie", "trakt": 1}])
    with ExitStack() as stack:
        site = stack.enter_context(replaying(node, "dead-key"))
        yield Closing(
            in_flight=in_flight,
            in_flight_phase=in_flight_phase,
            bad=submit("gamedata", {"strides": "every-second"}),
            misspelt=submit("gamedata", {"prefx": "mixed/"}),
            bad_media=submit("media", bad_media),
            pending=submit("gamedata", over("pending", compute="gpu")),
            # Without a GPU it cannot end by itself before its test terminates it.
            terminated=submit("gamedata", over("terminated", compute="gpu")),
            site=site,
            leave_site=stack.close,
            mixed_keys=keys,
            _make_mixed=mixed,
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files in this order: the Workflows overlap, and the tests follow their progress."""
    items.sort(key=lambda item: ORDER.index(item.path.stem) if item.path.stem in ORDER else len(ORDER))
