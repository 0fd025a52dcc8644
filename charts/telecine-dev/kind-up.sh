#!/usr/bin/env bash
# Create the kind cluster "telecine" and install the tested versions of Argo Workflows and KubeRay. Idempotent.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

ARGO_VERSION=4.0.7
KUBERAY_VERSION=1.6.1
# Digests of what is downloaded. A new version needs new ones: sha256sum of the file, compared with a second source.
# Argo's install.yaml is reproducible: `make dist/manifests/install.yaml VERSION=v...` in its repository.
ARGO_SHA256=${ARGO_SHA256-4e7112cd10dbb5a03c33653cda7509bdb8e876dcc64cf050c4c387aa07bf8524}
# `digest` of kuberay-operator in the index.yaml of its Helm repository. Empty: not checked, with a warning.
KUBERAY_SHA256=${KUBERAY_SHA256-}

for tool in docker kind kubectl helm curl; do
    command -v "$tool" >/dev/null || { echo "$tool is not installed; docs/kind.md lists the version and where to get it"; exit 78; }
done

downloads=$(mktemp -d)
trap 'rm -rf "$downloads"' EXIT
verify() { # FILE SHA256 VARIABLE
    local found
    found=$(sha256sum "$1" | cut -d ' ' -f 1)
    if [ -z "$2" ]; then
        echo "warning: ${1##*/} is not verified; its sha256 is $found. If you trust it, set $3=$found" >&2
    elif [ "$found" != "$2" ]; then
        echo "${1##*/} has sha256 $found; expected $2. Do not install it; if you changed the version, set $3" >&2
        exit 65
    fi
}

docker info >/dev/null 2>&1 || { echo "Docker does not respond; start it, or add your user to the group docker"; exit 78; }

kind get clusters 2>/dev/null | grep -qx telecine || kind create cluster --config kind.yaml --wait 120s
kubectl() { command kubectl --context kind-telecine "$@"; }

echo "==> Argo Workflows $ARGO_VERSION"
curl --fail --silent --show-error --location --output "$downloads/install.yaml" \
    "https://github.com/argoproj/argo-workflows/releases/download/v$ARGO_VERSION/install.yaml"
verify "$downloads/install.yaml" "$ARGO_SHA256" ARGO_SHA256
kubectl create namespace argo --dry-run=client -o yaml | kubectl apply -f - >/dev/null
# Server-side: the CRDs exceed the size limit of the annotation that client-side apply writes.
kubectl apply -n argo --server-side --force-conflicts -f "$downloads/install.yaml" >/dev/null
# No login and no TLS: the cluster is reachable from this machine only.
kubectl patch -n argo deployment argo-server --type json -p '[
    {"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["server", "--auth-mode=server", "--secure=false"]},
    {"op": "replace", "path": "/spec/template/spec/containers/0/readinessProbe/httpGet/scheme", "value": "HTTP"}]' >/dev/null

echo "==> KubeRay $KUBERAY_VERSION"
helm pull kuberay-operator --version "$KUBERAY_VERSION" --repo https://ray-project.github.io/kuberay-helm/ \
    --destination "$downloads"
verify "$downloads/kuberay-operator-$KUBERAY_VERSION.tgz" "$KUBERAY_SHA256" KUBERAY_SHA256
helm upgrade --install kuberay-operator "$downloads/kuberay-operator-$KUBERAY_VERSION.tgz" \
    --kube-context kind-telecine --namespace kuberay-operator --create-namespace --wait >/dev/null

echo "==> two simulated GPUs"
for node in $(kubectl get nodes -l telecine/gpu=true -o name); do
    kubectl patch "$node" --subresource=status --type=json \
        -p '[{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": "2"}]' >/dev/null
done

kubectl rollout status -n argo deployment/workflow-controller deployment/argo-server --timeout=180s
echo "ready: skaffold run, then kubectl -n argo port-forward svc/argo-server 2746:2746 and http://localhost:2746"
