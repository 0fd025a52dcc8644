{{/* Labels of an object that the chart makes. Call with (list $ "component"). */}}
{{- define "telecine.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: telecine
app.kubernetes.io/part-of: telecine
app.kubernetes.io/component: {{ index . 1 }}
{{ include "telecine.release" $root }}
{{- end -}}

{{/* Labels that say which release an object belongs to. */}}
{{- define "telecine.release" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Reference of an image: (list $ "jobs" | "ray" | "rayGpu"). */}}
{{- define "telecine.image" -}}
{{- $root := index . 0 -}}
{{- $images := $root.Values.images -}}
{{- $image := index $images (index . 1) -}}
{{- $repository := $image.repository -}}
{{- $tag := $image.tag | default $root.Chart.AppVersion -}}
{{- if eq (index . 1) "rayGpu" -}}
{{- $repository = $repository | default $images.ray.repository -}}
{{- $tag = $image.tag | default (printf "%s-gpu" ($images.ray.tag | default $root.Chart.AppVersion)) -}}
{{- end -}}
{{- if $image.digest -}}
{{ $repository }}:{{ $tag }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{/* Name of a service account: (list $ "step" | "launcher" | "ray" | "migration" | "test"). */}}
{{- define "telecine.account" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $account := index $root.Values.serviceAccounts $role -}}
{{- $account.name | default (printf "telecine-%s" $role) -}}
{{- end -}}

{{/* Name of a secret: (list $ "database" | "s3" | "notify" | "artifacts" | "screenalytics"); an existing one goes before the chart's. */}}
{{- define "telecine.secret" -}}
{{- $root := index . 0 -}}
{{- (index $root.Values (index . 1)).existingSecret | default (printf "telecine-%s" (index . 1)) -}}
{{- end -}}

{{- define "telecine.pullSecrets" -}}
{{- with .Values.images.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What every pod of ours runs under: one uid for all containers, because Argo writes input artifacts with mode 0600. */}}
{{- define "telecine.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "telecine.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Says what is missing; called once, from environment.yaml. */}}
{{- define "telecine.demand" -}}
{{- $database := .Values.database -}}
{{- if not (or $database.existingSecret $database.url) -}}
{{- fail "telecine needs a database: set database.existingSecret (key TELECINE_DATABASE_URL) or database.url" -}}
{{- end -}}
{{- if and .Values.s3.accessKeyId (not .Values.s3.secretAccessKey) (not .Values.s3.existingSecret) -}}
{{- fail "s3.accessKeyId is set, s3.secretAccessKey is not: set both, or s3.existingSecret" -}}
{{- end -}}
{{- end -}}

{{/* Not empty where the chart makes the artifact store's secret: keys of its own, else those of S3. */}}
{{- define "telecine.artifactKeys" -}}
{{- if not .Values.artifacts.existingSecret -}}
{{- if .Values.artifacts.accessKeyId -}}own
{{- else if and .Values.s3.accessKeyId (not .Values.s3.existingSecret) -}}s3
{{- end -}}
{{- end -}}
{{- end -}}
