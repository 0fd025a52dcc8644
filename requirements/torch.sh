#!/bin/sh
# Installs the pinned torch by the cheapest way there is: a wheel under PIP_FIND_LINKS, PyTorch's CPU index, the plain index.
# The first two bring the CPU build (0.2 GB); the plain index's Linux build brings 3 GB of CUDA packages.
set -eu
pin=$(cat "$(dirname "$0")/torch.txt")
have=$("${PIP%pip}python" -c 'import importlib.metadata as m; print("torch==" + m.version("torch").split("+")[0])' 2>/dev/null || true)
if [ "$have" = "$pin" ]; then
    echo "$pin is installed"
    exit 0
fi
for folder in ${PIP_FIND_LINKS:-}; do
    if ls "$folder"/torch-"${pin#torch==}"*.whl >/dev/null 2>&1; then
        echo "$pin from a wheel under PIP_FIND_LINKS"
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
    echo "$pin from the index that TORCH_INDEX names"
    exec "$PIP" install --disable-pip-version-check --no-deps --index-url "$TORCH_INDEX" "$pin"
fi
echo "$pin from the plain index: the index that TORCH_INDEX names did not answer within 5 s, and no wheel lies under PIP_FIND_LINKS."
echo "On Linux this brings about 3 GB of CUDA packages. To avoid them, name a folder with a CPU wheel: PIP_FIND_LINKS=/folder make ..."
exec "$PIP" install --disable-pip-version-check "$pin"
