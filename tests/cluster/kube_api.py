"""A minimal Kubernetes client: GET only, standard library only, for the kubeconfigs that certs.sh writes."""

from __future__ import annotations

import base64
import http.client
import json
import re
import ssl
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any


class KubeApi:
    def __init__(self, kubeconfig: str) -> None:
        self._text = Path(kubeconfig).read_text(encoding="utf-8")
        url = urllib.parse.urlparse(self._find(r'server: "(https://[^"]+)"'))
        self._host, self._port = url.hostname or "", url.port
        self._context = ssl.create_default_context(cadata=self._decoded("certificate-authority-data").decode())
        with tempfile.NamedTemporaryFile(suffix=".pem") as pem:  # load_cert_chain accepts only files
            pem.write(self._decoded("client-certificate-data") + self._decoded("client-key-data"))
            pem.flush()
            self._context.load_cert_chain(pem.name)

    def _find(self, pattern: str) -> str:
        found = re.search(pattern, self._text)
        if found is None:
            raise ValueError(f"the kubeconfig has no {pattern}")
        return found[1]

    def _decoded(self, key: str) -> bytes:
        return base64.b64decode(self._find(rf"{key}: ([A-Za-z0-9+/=]+)"))

    def get(self, path: str) -> dict[str, Any]:
        connection = http.client.HTTPSConnection(self._host, self._port, context=self._context, timeout=5)
        try:
            connection.request("GET", path, headers={"Accept": "application/json"})
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise RuntimeError(f"GET {path}: {response.status} {body[:300]!r}")
        parsed: dict[str, Any] = json.loads(body)
        return parsed
