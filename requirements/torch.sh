#!/bin/sh
# Install the pinned torch from the smallest source available: a wheel in PIP_FIND_LINKS, PyTorch's CPU index, PyPI.
# The first two are CPU builds (0.2 GB); PyPI's Linux build pulls in 3 GB of CUDA packages, locked in cuda.txt.
# Every wheel must have a hash of torch.txt. TORCH_UNVERIFIED=1 accepts another build of the same version, for example of
# a CUDA index or of your own; nothing then verifies what is installed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
pin=$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' "$here/torch.txt")
have=$("${PIP%pip}python" -c 'import importlib.metadata as m; print("torch==" + m.version("torch").split("+")[0])' 2>/dev/null || true)
if [ "$have" = "$pin" ]; then
    echo "$pin is installed"
    exit 0
fi
install() { # [pip's arguments]
    if [ "${TORCH_UNVERIFIED:-}" = 1 ]; then
        echo "TORCH_UNVERIFIED=1: the hash of $pin is not checked"
        exec "$PIP" install --disable-pip-version-check --no-deps "$@" "$pin"
    fi
    "$PIP" install --disable-pip-version-check --no-deps --require-hashes "$@" -r "$here/torch.txt" && exit 0
    echo "$pin not installed; if its hash is not in requirements/torch.txt, check where the wheel comes from. To accept it: TORCH_UNVERIFIED=1" >&2
    exit 1
}
for folder in ${PIP_FIND_LINKS:-}; do
    if ls "$folder"/torch-"${pin#torch==}"*.whl >/dev/null 2>&1; then
        echo "installing $pin from a wheel in PIP_FIND_LINKS"
        install --no-index --find-links "$folder"
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
    install --index-url "$TORCH_INDEX"
fi
echo "installing $pin from the default index: TORCH_INDEX did not respond within 5 s, and PIP_FIND_LINKS has no wheel."
echo "On Linux this downloads about 3 GB of CUDA packages. To avoid it, provide a CPU wheel: PIP_FIND_LINKS=/folder make ..."
if [ "$(uname -s)" = Linux ] && [ -e "$here/cuda.txt" ]; then
    "$PIP" install --disable-pip-version-check --no-deps --require-hashes -r "$here/cuda.txt"
fi
install
