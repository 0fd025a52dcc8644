"""The test node: its addresses, scripts, store and database."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
import psycopg
from botocore.exceptions import BotoCoreError
from kubernetes import client, config
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_s3 import S3Client

__all__ = ["KIT", "ROOT", "Node", "wait_for"]

ROOT = Path(__file__).parents[2]
KIT = ROOT / "tests" / "cluster"
_T = TypeVar("_T")


def wait_for(condition: Callable[[], _T], seconds: float, what: str, every: float = 0.5) -> _T:
    """Return the condition's value once it is true; an error counts as not yet true."""
    ends = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < ends:
        try:
            last = condition()
        except (OSError, client.ApiException, HTTPError, BotoCoreError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(every)
    raise AssertionError(f"not within {seconds:.0f} s: {what}; last: {str(last)[:2000]}")


class Node:
    """The node started by `tests/cluster/up.sh`."""

    def __init__(self) -> None:
        # The kit's settings are in one shell file.
        dump = subprocess.run(
            ["bash", "-c", f"set -a; . {KIT}/env.sh; env -0"], capture_output=True, text=True, check=True
        ).stdout
        self.settings = dict(line.split("=", 1) for line in dump.split("\0") if "=" in line)
        self.ip = self.settings["NODE_IP"]
        self.name = self.settings["NODE"]
        # The host's end of the link to the node: pods can reach services that listen here.
        self.host_ip = self.settings["HOST_IP"]
        self.kubeconfig = Path(self.settings["KC"]) / "admin.conf"
        self.s3_url = f"http://{self.ip}:9000"
        self.database_url = f"postgresql://telecine:{self.settings['PG_PASSWORD']}@{self.ip}:5432"

    def script(self, name: str, *arguments: str, seconds: float = 120) -> str:
        """Run a script of the kit."""
        return self._run([str(KIT / name), *arguments], seconds)

    def kubectl(self, *arguments: str, seconds: float = 120) -> str:
        """Run kubectl on this machine as the node's administrator."""
        return self._run([f"{self.settings['KBIN']}/kubectl", *arguments], seconds)

    def helm(self, *arguments: str, seconds: float = 300) -> str:
        """Run helm on this machine as the node's administrator."""
        return self._run([f"{self.settings['KBIN']}/helm", *arguments], seconds)

    def _run(self, command: Sequence[str], seconds: float) -> str:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds,
            env=os.environ | {"KUBECONFIG": str(self.kubeconfig)},
            check=False,
        )
        assert done.returncode == 0, (
            f"{' '.join(command)}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
        )
        return done.stdout

    def tags(self, image: str) -> list[str]:
        """List an image's tags in the node's registry."""
        try:
            with urllib.request.urlopen(f"http://{self.ip}:5000/v2/{image}/tags/list", timeout=10) as response:
                return json.load(response)["tags"] or []
        except urllib.error.HTTPError as error:
            with error:
                return []

    def fresh_api(self) -> client.ApiClient:
        return config.new_client_from_config(str(self.kubeconfig))

    @cached_property
    def _api(self) -> client.ApiClient:
        return self.fresh_api()

    @cached_property
    def core(self) -> client.CoreV1Api:
        return client.CoreV1Api(self._api)

    @cached_property
    def objects(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self._api)

    @cached_property
    def s3(self) -> S3Client:
        return self.s3_as(self.settings["S3_ACCESS_KEY"], self.settings["S3_SECRET_KEY"])

    def s3_as(self, access_key: str, secret_key: str) -> S3Client:
        """Return a client of the store with other keys."""
        return boto3.client(
            "s3",
            endpoint_url=self.s3_url,
            region_name="us-east-1",
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
        )

    def upload_keys(self) -> tuple[str, str]:
        """Return the keys of the store's second user."""
        return self.settings["S3_UPLOAD_ACCESS_KEY"], self.settings["S3_UPLOAD_SECRET_KEY"]

    def make_upload_user(self, bucket: str) -> None:
        """Create the second user, who may read uploads and write raw files in a bucket, as docs/helm.md says."""
        access_key, secret_key = self.upload_keys()
        admin = (
            *(f"{self.settings['KBIN']}/versitygw", "admin", "--endpoint-url", self.s3_url),
            *("--access", self.settings["S3_ACCESS_KEY"], "--secret", self.settings["S3_SECRET_KEY"]),
        )
        if access_key not in self._run([*admin, "list-users"], 30):
            user = ("--access", access_key, "--secret", secret_key, "--role", "user")
            self._run([*admin, "create-user", *user], 30)
        page = (ROOT / "docs" / "helm.md").read_text(encoding="utf-8")
        blocks = (part.partition("\n```")[0] for part in page.split("```json\n")[1:])
        (text,) = (block for block in blocks if "BUCKET/uploads/*" in block)
        policy = json.loads(text.replace("BUCKET", bucket))
        for statement in policy["Statement"]:
            # A policy of a bucket names its users; that of a role does not.
            statement["Principal"] = {"AWS": [access_key]}
        self.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """List a bucket; [] if it does not exist."""
        try:
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            return [found["Key"] for page in pages for found in page.get("Contents", [])]
        except self.s3.exceptions.NoSuchBucket:
            return []

    def empty_bucket(self, bucket: str) -> None:
        """Create a bucket, or empty an existing one."""
        if bucket not in [found["Name"] for found in self.s3.list_buckets()["Buckets"]]:
            self.s3.create_bucket(Bucket=bucket)
        for key in self.keys(bucket):
            self.s3.delete_object(Bucket=bucket, Key=key)

    def answers(self) -> bool:
        """Check that the API server, the store and the database respond."""
        try:
            self.core.list_namespace(limit=1, _request_timeout=5)
            self.s3.list_buckets()
            self.rows("postgres", "SELECT 1")
        except (client.ApiException, HTTPError, BotoCoreError, psycopg.Error):
            return False
        return True

    def metrics(self) -> str:
        """Return the page that the workflow controller serves to Prometheus; its certificate is self-signed."""
        (pod,) = self.core.list_namespaced_pod("argo", label_selector="app=workflow-controller").items
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        url = f"https://{pod.status.pod_ip}:9090/metrics"
        with urllib.request.urlopen(url, timeout=10, context=context) as response:
            page: str = response.read().decode()
        return page

    def invent_gpus(self, count: int) -> None:
        """Give the node simulated GPUs, for scheduling only; allocatable follows within seconds."""
        self.kubectl(
            "patch", "node", self.name, "--subresource=status", "--type=json", "--patch",
            json.dumps([{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": str(count)}]),
        )  # fmt: skip
        wait_for(
            lambda: self.core.read_node(self.name).status.allocatable.get("nvidia.com/gpu") == str(count),
            60,
            "the invented GPUs are allocatable",
        )

    def take_gpus(self) -> None:
        """Remove the simulated GPUs; the kubelet keeps them until then."""
        if "nvidia.com/gpu" in self.core.read_node(self.name).status.capacity:
            self.kubectl(
                "patch", "node", self.name, "--subresource=status", "--type=json", "--patch",
                json.dumps([{"op": "remove", "path": "/status/capacity/nvidia.com~1gpu"}]),
            )  # fmt: skip
            wait_for(
                lambda: "nvidia.com/gpu" not in self.core.read_node(self.name).status.allocatable,
                60,
                "the invented GPUs are gone",
            )

    def rows(self, database: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Query PostgreSQL."""
        with psycopg.connect(f"{self.database_url}/{database}", autocommit=True, connect_timeout=10) as connection:
            cursor = connection.execute(statement, values or None)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []
