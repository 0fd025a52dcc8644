#!/bin/sh
# Install the pinned torch from the smallest source available: a wheel in PIP_FIND_LINKS, PyTorch's CPU index, PyPI.
# The first two are CPU builds (0.2 GB); PyPI's Linux build pulls in 3 GB of CUDA packages.
set -eu
pin=$(cat "$(dirname "$0")/torch.txt")
have=$("${PIP%pip}python" -c 'import importlib.metadata as m; print("torch==" + m.version("torch").split("+")[0])' 2>/dev/null || true)
if [ "$have" = "$pin" ]; then
    echo "$pin is installed"
    exit 0
fi
for folder in ${PIP_FIND_LINKS:-}; do
    if ls "$folder"/torch-"${pin#torch==}"*.whl >/dev/null 2>&1; then
        echo "installing $pin from a wheel in PIP_FIND_LINKS"
        exec "$PIP" install --disable-pip-version-check --no-deps --no-index --find-links "$folder" "$pin"
    fi
done
if [ -n "${TORCH_INDEX:-}" ] && "${PIP%pip}python" - "$TORCH_INDEX" <<'PY'
import sys, urllib.request
try:
    urllib.request.urlopen(sys.argv[1].rstrip("/") + "/torch/", timeout=5).close()
except (OSError, ValueError):
    sys.exit(1)
PY
then
    echo "installing $pin from TORCH_INDEX"
    exec "$PIP" install --disable-pip-version-check --no-deps --index-url "$TORCH_INDEX" "$pin"
fi
echo "installing $pin from the default index: TORCH_INDEX did not respond within 5 s, and PIP_FIND_LINKS has no wheel."
echo "On Linux this downloads about 3 GB of CUDA packages. To avoid it, provide a CPU wheel: PIP_FIND_LINKS=/folder make ..."
exec "$PIP" install --disable-pip-version-check "$pin"
