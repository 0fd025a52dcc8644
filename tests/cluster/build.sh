#!/bin/bash
# usage: build.sh [FAMILY...]   builds programs from Go modules into $KBIN:
#   kube   Kubernetes and etcd, one binary     argo   controller, server, executor     ray   the KubeRay operator
#   tools  helm, kubeconform, S3 server, image registry                                  these four by default
#   score, skaffold, promql, template                                                     only when named
# About 14 minutes on two cores without caches. Families whose go/ folder, function below and Go version are unchanged
# are skipped.
set -euo pipefail
# shellcheck source=env.sh
. "$(dirname "$0")/env.sh"
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
W=$CLUSTER_HOME/build
mkdir -p "$KBIN" "$W"

go_build() { nice -n "$KNICE" go build -trimpath "$@"; }

# IFS splits the version at its dots.
# shellcheck disable=SC2086
kube() {
  local v=k8s.io/component-base/version n IFS=.; set -- ${KUBE_VERSION#v}
  go_build -ldflags "-s -w -X $v.gitVersion=$KUBE_VERSION -X $v.gitMajor=$1 -X $v.gitMinor=$2" -o "$KBIN/kube" .
  IFS=' '; for n in etcd kube-apiserver kube-controller-manager kube-proxy kube-scheduler kubectl kubelet; do ln -sf kube "$KBIN/$n"; done
}

# A Go module lacks two files, which are added to a vendored copy: signal_linux.go, upstream a symlink to the darwin file
# (module zips drop symlinks; argoexec does not compile without it), and the web page that argo embeds (built with npm).
argo() {
  local A=github.com/argoproj/argo-workflows/v4 V; V=$W/argo/vendor/$A
  rm -rf "$W/argo"; mkdir -p "$W/argo"; cp go.* "$W/argo/"; cd "$W/argo"
  go mod vendor -e 2>vendor.log || true   # it complains about the missing page
  [ -d "$V" ] || { tail -3 vendor.log; return 1; }
  echo '<!doctype html><title>Argo Workflows API</title>' > index.html
  cat > overlay.json <<J
{"Replace": {"$V/workflow/executor/osspecific/signal_linux.go": "$V/workflow/executor/osspecific/signal_darwin.go",
             "$V/ui/dist/app/index.html": "$W/argo/index.html"}}
J
  go_build -overlay overlay.json -ldflags "-s -w -X $A.version=$ARGO_VERSION" -o "$KBIN/" $A/cmd/workflow-controller $A/cmd/argoexec $A/cmd/argo
}

ray() { go_build -ldflags "-s -w" -o "$KBIN/" github.com/ray-project/kuberay/ray-operator; }
score() { go_build -ldflags "-s -w" -o "$KBIN/" github.com/zegl/kube-score/cmd/kube-score; }
skaffold() { go_build -ldflags "-s -w" -o "$KBIN/" github.com/GoogleContainerTools/skaffold/v2/cmd/skaffold; }
template() { go_build -ldflags "-s -w" -o "$KBIN/argo-template" .; }
promql() { go_build -ldflags "-s -w" -o "$KBIN/promql-eval" .; }
tools() {
  go_build -ldflags "-s -w" -o "$KBIN/" github.com/distribution/distribution/v3/cmd/registry github.com/versity/versitygw/cmd/versitygw \
    github.com/yannh/kubeconform/cmd/kubeconform helm.sh/helm/v3/cmd/helm
}

[ $# -gt 0 ] || set -- kube argo ray tools
for family; do
    cd "$CLUSTER_SRC/go/$family"
    stamp=$({ cat go.mod go.sum ./*.go 2>/dev/null; declare -f "$family"; go version; } | sha256sum | cut -c1-16) || true
    if [ "$(cat "$KBIN/.$family" 2>/dev/null)" = "$stamp" ]; then
        continue
    fi
    start=$SECONDS
    # A subshell, because a build changes the directory; on its own line, otherwise set -e would have no effect inside.
    ("$family")
    echo "$stamp" >"$KBIN/.$family"
    echo "built $family in $((SECONDS - start)) s"
done
