"""dlt in a virtual environment of its own: its REST client with default retries, merged into a DuckDB file.

Installed when it is first used, if a package registry can be reached; otherwise the table says that dlt is left out.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["PROGRAM", "VERSION", "dlt_python"]

VERSION: Final = "1.31.0"
PROGRAM: Final = """
import json, logging, math, os, sys, types, urllib.request

os.environ['RUNTIME__DLTHUB_TELEMETRY'] = 'false'
import dlt, tenacity.nap
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import BasePaginator, PageNumberPaginator

url, folder, names, way = sys.argv[1:]


def advance(seconds):
    # The site's clock moves instead, as for the other clients.
    request = urllib.request.Request(f'{url}/_replayer/advance?seconds={math.ceil(seconds)}', method='POST')
    urllib.request.urlopen(request).close()


tenacity.nap.time = types.SimpleNamespace(sleep=advance)


class Pages(BasePaginator):
    '''Pages from 1 to the X-Pagination-Page-Count of the last answer.'''

    def __init__(self):
        super().__init__()
        self.page = 1

    def init_request(self, request):
        request.params = {**(request.params or {}), 'page': 1}

    def update_state(self, response, data=None):
        self._has_next_page = self.page < int(response.headers['X-Pagination-Page-Count'])
        self.page += 1

    def update_request(self, request):
        request.params['page'] = self.page


def paginator():
    return Pages() if way == 'header' else PageNumberPaginator(base_page=1, total_path=None)


headers = {'trakt-api-key': 'dlt', 'trakt-api-version': '2', 'Cache-Control': 'no-cache'}
client = RESTClient(base_url=url, headers=headers)
failed = []


def each_title(read):
    for name in json.loads(names):
        try:
            yield from read('/' + name.replace(':id:', 's/'), name)
        except Exception as error:
            sys.stderr.write(f'{name}: {error!r}'[:300] + chr(10))
            failed.append(name)


@dlt.resource(primary_key='id', write_disposition='merge')
def comments():
    def read(path, name):
        pages = client.paginate(f'{path}/comments/oldest', params={'limit': 250}, paginator=paginator())
        for page in pages:
            yield [{**item, 'title': name} for item in page]
    yield from each_title(read)


@dlt.resource(primary_key='title', write_disposition='merge')
def ratings():
    def read(path, name):
        yield {**client.get(f'{path}/ratings').json(), 'title': name}
    yield from each_title(read)


@dlt.resource(primary_key='name', write_disposition='merge')
def titles():
    def read(path, name):
        yield {**client.get(path, params={'extended': 'full'}).json(), 'name': name}
    yield from each_title(read)


pipeline = dlt.pipeline(
    'bench', destination=dlt.destinations.duckdb(f'{folder}/dlt.duckdb'), dataset_name='trakt', pipelines_dir=folder
)
pipeline.run([titles(), comments(), ratings()])
with pipeline.sql_client() as sql:
    ids = [row[0] for row in sql.execute_sql('SELECT id FROM comments')]
print(json.dumps({'ids': ids, 'failed': failed}))
"""


def dlt_python() -> str | None:
    """Return the Python of dlt's environment, which is made if it does not exist; None if it cannot be made."""
    folder = Path(tempfile.gettempdir()) / f"telecine-bench-dlt-{VERSION}"
    python, done = folder / "bin" / "python", folder / "installed"
    try:
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True, capture_output=True)
            install: list[str | Path] = [python, "-m", "pip", "install", "--quiet", f"dlt[duckdb]=={VERSION}"]
            subprocess.run(install, check=True, capture_output=True, timeout=180)
            done.touch()
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        sys.stderr.write(f"  dlt {VERSION} is left out: {said.decode(errors='replace')[-400:]}\n")
        return None
    return str(python)
