#!/bin/sh
# Writes the hash-locked requirement files from pyproject.toml. Run by `make lock`, inside an environment that has pip-tools.
# torch is left out of every file: its wheel depends on the index (CPU or CUDA), so it has a pin of its own in torch.txt.
# PIP_FIND_LINKS must hold a CPU build of torch, or the CUDA packages of the plain index would be locked with it.
set -eu
cd "$(dirname "$0")/.."
compile() {
    pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --unsafe-package torch --unsafe-package pip \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@" pyproject.toml
}
clean() {  # torch is pinned in torch.txt; drop its lines here
    python3 - "$1" <<'PY'
import pathlib, re, sys
path = pathlib.Path(sys.argv[1])
text = path.read_text()
text = re.sub(r"(?m)^torch==.*(?:\\\n    --hash=.*)*\n", "", text)
text = re.sub(r"(?m)^#.*\n", "", text)
text = re.sub(r"(?m)^telecine @.*\n", "", text)  # an extra that names another extra locks the project itself
text = re.sub(r"\n\n(?: +--hash=\S+(?: \\)?\n?)+", "\n", text)  # the hashes of a commented-out torch
path.write_text("# Locked by requirements/lock.sh; install with --require-hashes --no-deps. torch: see torch.txt.\n" + text.lstrip("\n"))
PY
}
compile --extra dev -o requirements/dev.txt
# jobs and ray are what the two images hold.
for name in "gamedata:gamedata,local" "manifest:manifest" "jobs:manifest,cluster" "ray:gamedata,dashboard"; do
    file=requirements/${name%%:*}.txt
    compile --extra "${name#*:}" -c requirements/dev.txt -o "$file"
    clean "$file"
done
clean requirements/dev.txt
{
    echo "# What builds the project's wheel inside an image; a pin of dev.txt."
    sed -n '/^setuptools==/,/[^\\]$/p' requirements/dev.txt
} >requirements/build.txt
