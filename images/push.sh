#!/bin/sh
# usage: push.sh REGISTRY TAG [cpu|gpu ...]
# Build telecine-jobs and the given targets of telecine-ray (default: cpu), push them to REGISTRY, such as
# registry.example.com/team, and write the chart's values for them, with digests, to build/images.yaml.
# BUILDER is docker (default) or podman, logged in to the registry. BUILD_ARGS are further arguments of the build, such
# as --build-arg BASE=...
set -eu
[ $# -ge 2 ] || { echo "usage: push.sh REGISTRY TAG [cpu|gpu ...]" >&2; exit 2; }
registry=${1%/} tag=$2
shift 2
builder=${BUILDER:-docker}
case $registry in
    *://* | *[!a-zA-Z0-9./:_-]* | "")
        echo "'$registry' is not a registry; expected HOST or HOST/PATH without https://, such as registry.example.com/team" >&2
        exit 2 ;;
esac
command -v "$builder" >/dev/null || { echo "'$builder' not found; expected docker or podman; install it, or set BUILDER=podman" >&2; exit 78; }
revision=$(git rev-parse HEAD)
[ -z "$(git status --porcelain 2>/dev/null)" ] || echo "warning: the working tree has changes; the images will name revision $revision" >&2

# Docker stores the digest that the registry answered with. Podman's own digest may differ from the registry's, because
# it compresses layers again.
push() { # NAME:TAG -> its digest on standard output
    if [ "$(basename "$builder")" = podman ]; then
        "$builder" push --quiet --digestfile build/digest "$registry/$1" >&2 && cat build/digest && rm build/digest
    else
        "$builder" push "$registry/$1" >&2 && "$builder" image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$registry/$1" \
            | sed -n "s#^\(docker.io/\)\{0,1\}${registry#docker.io/}/${1%%:*}@##p"
    fi
}

one() { # KEY NAME TAG DOCKERFILE [ARGUMENTS]
    key=$1 repository=$2 version=$3 dockerfile=$4
    shift 4
    echo "==> $registry/$repository:$version" >&2
    # shellcheck disable=SC2086
    "$builder" build -f "$dockerfile" -t "$registry/$repository:$version" --build-arg VERSION="$tag" \
        --build-arg REVISION="$revision" ${BUILD_ARGS:-} "$@" . >&2
    digest=$(push "$repository:$version")
    case $digest in
        sha256:*) ;;
        *) echo "$registry/$repository:$version has no digest; expected sha256:... after a push; see the output above" >&2; exit 70 ;;
    esac
    printf '  %s: {repository: "%s", tag: "%s", digest: "%s"}\n' "$key" "$registry/$repository" "$version" "$digest" >>build/images.yaml.new
}

mkdir -p build
echo "images:" >build/images.yaml.new
one jobs telecine-jobs "$tag" images/jobs/Dockerfile
for target in "${@:-cpu}"; do
    case $target in
        cpu) one ray telecine-ray "$tag" images/ray/Dockerfile --target cpu ;;
        gpu) one rayGpu telecine-ray "$tag-gpu" images/ray/Dockerfile --target gpu ;;
        *) echo "'$target' is not a target; expected cpu or gpu" >&2; exit 2 ;;
    esac
done
mv build/images.yaml.new build/images.yaml
echo "==> values with their digests, for helm -f build/images.yaml:" >&2
cat build/images.yaml
