#!/bin/sh
# Write the hash-locked requirement files from pyproject.toml. Run by `make lock`, in an environment with pip-tools.
# No file contains torch: its wheel depends on the index (CPU or CUDA), so it is pinned in torch.txt,
# which is edited by hand: `pip download --no-deps` and sha256sum, or the index's own page, have the hashes.
# PIP_FIND_LINKS must contain a CPU build of torch; otherwise the CUDA packages of PyPI's build would be locked too.
set -eu
cd "$(dirname "$0")/.."
lock() {
    pip-compile --quiet --strip-extras --generate-hashes --allow-unsafe --unsafe-package torch --unsafe-package pip \
        --no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host "$@"
}
compile() {
    lock "$@" pyproject.toml
}
clean() {  # drop torch's lines: it is pinned in torch.txt
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
# jobs and ray are the contents of the two images.
for name in "gamedata:gamedata,local" "viewership:viewership,local" "trakt:trakt,local" "manifest:manifest" \
    "console:console,local" \
    "jobs:manifest,viewership,trakt,cluster,console" "ray:gamedata,dashboard"; do
    file=requirements/${name%%:*}.txt
    compile --extra "${name#*:}" -c requirements/dev.txt -o "$file"
    clean "$file"
done
clean requirements/dev.txt
# dbt's environment contains nothing of ours, and its pins differ from those of dev.txt.
python3 - <<'PY' | lock -o requirements/dbt.txt -
import pathlib, tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
print("\n".join(project["optional-dependencies"]["dbt"]))
PY
clean requirements/dbt.txt
python3 requirements/cuda.py
{
    echo "# Builds the project's wheel inside an image; the same pin as in dev.txt."
    sed -n '/^setuptools==/,/[^\\]$/p' requirements/dev.txt
} >requirements/build.txt
