"""Create the buckets given as arguments; existing ones are left alone."""

from __future__ import annotations

import sys

import boto3
from botocore.config import Config

# The store may still be starting: 10 attempts with exponential backoff take about a minute.
s3 = boto3.client(
    "s3", config=Config(retries={"mode": "standard", "total_max_attempts": 10}, s3={"addressing_style": "path"})
)
there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
for name in sys.argv[1:]:
    if name not in there:
        s3.create_bucket(Bucket=name)
    sys.stdout.write(f"{name}: {'already exists' if name in there else 'created'}\n")
