{{/* Variables of every pod, as a JSON list: extraEnv, the proxy, the CA bundle. */}}
{{- define "telecine.extraEnv" -}}
{{- $env := .Values.extraEnv -}}
{{- $proxy := .Values.proxy -}}
{{- if or $proxy.http $proxy.https -}}
{{- /* Pods of a run find each other under names in .svc; the API server has only an address. */ -}}
{{- $direct := concat (list "localhost" "127.0.0.1" "::1" ".svc" ".cluster.local" "$(KUBERNETES_SERVICE_HOST)") $proxy.noProxy -}}
{{- range $name, $value := dict "HTTP_PROXY" $proxy.http "HTTPS_PROXY" $proxy.https "NO_PROXY" (join "," $direct) -}}
{{- if $value -}}
{{- /* Programs differ in which spelling they read. */ -}}
{{- range list $name (lower $name) -}}{{- $env = append $env (dict "name" . "value" $value) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if include "telecine.caSource" . -}}
{{- /* botocore, requests, Python's ssl (webhook, mail), libpq. */ -}}
{{- range list "AWS_CA_BUNDLE" "REQUESTS_CA_BUNDLE" "SSL_CERT_FILE" "PGSSLROOTCERT" -}}
{{- $env = append $env (dict "name" . "value" "/etc/telecine/ca/ca.crt") -}}
{{- end -}}
{{- end -}}
{{- toJson $env -}}
{{- end -}}

{{/* Source of the volume with the CA bundle, as JSON; empty without one. */}}
{{- define "telecine.caSource" -}}
{{- $ca := .Values.customCA -}}
{{- $items := list (dict "key" $ca.key "path" "ca.crt") -}}
{{- if $ca.configMap -}}
{{- toJson (dict "configMap" (dict "name" $ca.configMap "items" $items)) -}}
{{- else if $ca.secret -}}
{{- toJson (dict "secret" (dict "secretName" $ca.secret "items" $items)) -}}
{{- end -}}
{{- end -}}

{{/* Name and mount of that volume. */}}
{{- define "telecine.caVolume" -}}
{{- with include "telecine.caSource" . -}}
{{- toJson (merge (dict "name" "custom-ca") (fromJson .)) -}}
{{- end -}}
{{- end -}}
{{- define "telecine.caMount" -}}
{{- if include "telecine.caSource" . -}}
{{- toJson (dict "name" "custom-ca" "mountPath" "/etc/telecine/ca" "readOnly" true) -}}
{{- end -}}
{{- end -}}

{{/* Placement of the chart's own pods: node selector, tolerations, affinity, spread. */}}
{{- define "telecine.placement" -}}
{{- $placed := dict -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" -}}
{{- with index $.Values.steps $key -}}{{- $_ := set $placed $key . -}}{{- end -}}
{{- end -}}
{{- with $placed -}}{{- toYaml . -}}{{- end -}}
{{- end -}}

{{/* 1 if runs of media include Screenalytics. The old name screenalytics.enabled is read until 0.3.0. */}}
{{- define "telecine.mediaScreenalytics" -}}
{{- if hasKey .Values.screenalytics "enabled" -}}
{{- .Values.screenalytics.enabled -}}
{{- else -}}
{{- .Values.media.screenalytics -}}
{{- end -}}
{{- end -}}
