"""usage: make_bucket.py NAME: create a bucket, without packages: the request is signed here."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
import sys
import urllib.error
import urllib.request

REGION = "us-east-1"
SIGNED = "host;x-amz-content-sha256;x-amz-date"
NOTHING = hashlib.sha256(b"").hexdigest()


# AWS Signature 4.
def signature(secret: str, day: str, text: str) -> str:
    key = f"AWS4{secret}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def request(bucket: str, host: str, access: str, secret: str) -> urllib.request.Request:
    now = dt.datetime.now(dt.UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    call = f"PUT\n/{bucket}\n\nhost:{host}\nx-amz-content-sha256:{NOTHING}\nx-amz-date:{stamp}\n\n{SIGNED}\n{NOTHING}"
    scope = f"{day}/{REGION}/s3/aws4_request"
    signed = signature(secret, day, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(call.encode()).hexdigest()}")
    headers = {
        "Authorization": f"AWS4-HMAC-SHA256 Credential={access}/{scope}, SignedHeaders={SIGNED}, Signature={signed}",
        "x-amz-date": stamp,
        "x-amz-content-sha256": NOTHING,
    }
    return urllib.request.Request(f"http://{host}/{bucket}", method="PUT", headers=headers)


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    host = f"{os.environ.get('NODE_IP', '10.88.0.1')}:9000"
    access, secret = os.environ.get("S3_ACCESS_KEY", "telecine"), os.environ.get("S3_SECRET_KEY", "telecine-secret")
    try:
        urllib.request.urlopen(request(sys.argv[1], host, access, secret), timeout=10).close()
    except urllib.error.HTTPError as error:
        if error.code != 409:  # the bucket exists already
            sys.exit(f"{error.code}: {error.read().decode()}")


if __name__ == "__main__":
    main()
