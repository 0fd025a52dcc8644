{{/* Labels of the chart's own objects: (list $ "component"). */}}
{{- define "telecine.labels" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: telecine
app.kubernetes.io/part-of: telecine
app.kubernetes.io/component: {{ index . 1 }}
{{ include "telecine.release" $root }}
{{- end -}}

{{/* Labels of the release. */}}
{{- define "telecine.release" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Image reference: (list $ "jobs" | "ray" | "rayGpu"). */}}
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

{{/* Service account name: (list $ "step" | "upload" | "trakt" | "launcher" | "ray" | "migration" | "test" | "console"). */}}
{{- define "telecine.account" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
{{- $account := index $root.Values.serviceAccounts $role -}}
{{- $account.name | default (printf "telecine-%s" $role) -}}
{{- end -}}

{{/* Secret name: (list $ KEY), KEY being a key of the values with an existingSecret, which takes precedence. */}}
{{- define "telecine.secret" -}}
{{- $root := index . 0 -}}
{{- (index $root.Values (index . 1)).existingSecret | default (printf "telecine-%s" (index . 1)) -}}
{{- end -}}

{{/* Name of the Secret with the keys for uploads of viewership; without keys of their own, the one of s3. */}}
{{- define "telecine.viewershipSecret" -}}
{{- $own := .Values.viewership -}}
{{- $key := "s3" -}}
{{- if or $own.existingSecret $own.accessKeyId -}}{{- $key = "viewership" -}}{{- end -}}
{{- include "telecine.secret" (list . $key) -}}
{{- end -}}

{{/* Buckets that doctor writes to. Those of viewership and trakt are among them if they are used and have no keys or role
     of their own: doctor has the keys of s3 and the role of the launcher. */}}
{{- define "telecine.doctorBuckets" -}}
{{- $poll := index .Values.crons "viewership-poll" -}}
{{- $own := or .Values.viewership.existingSecret .Values.viewership.accessKeyId .Values.serviceAccounts.upload.annotations -}}
s3://{{ .Values.artifacts.bucket }}
{{- if and (or .Values.media.viewership (and $poll.enabled (not $poll.suspend))) (not $own) -}}
,s3://{{ .Values.viewership.bucket }}
{{- end -}}
{{- $daily := index .Values.crons "trakt-daily" -}}
{{- if and (or .Values.media.trakt (and $daily.enabled (not $daily.suspend))) (not .Values.serviceAccounts.trakt.annotations) -}}
,s3://{{ .Values.trakt.bucket }}
{{- end -}}
{{- end -}}

{{/* Name of the Secret with the token of the Ray clusters. */}}
{{- define "telecine.raySecret" -}}
{{- .Values.ray.auth.existingSecret | default "telecine-ray-auth" -}}
{{- end -}}

{{/* Secrets as files, as in the steps: a list of names, where a trailing ? is optional. TELECINE_SECRETS_DIR: the mount. */}}
{{- define "telecine.secretsVolume" -}}
name: secrets
projected:
  defaultMode: 0440
  sources:
    {{- range . }}
    - secret:
        name: {{ trimSuffix "?" . }}
        {{- if hasSuffix "?" . }}
        optional: true
        {{- end }}
    {{- end }}
{{- end -}}

{{- define "telecine.secretsMount" -}}
name: secrets
mountPath: /run/secrets/telecine
readOnly: true
{{- end -}}

{{- define "telecine.pullSecrets" -}}
{{- with .Values.images.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Security context of all our pods: one uid for all containers, because Argo writes input artifacts with mode 0600. */}}
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

{{/* Non-empty if the chart creates the Secret of the artifact store: own (its own keys) or s3 (those of s3). */}}
{{- define "telecine.artifactKeys" -}}
{{- if not .Values.artifacts.existingSecret -}}
{{- if .Values.artifacts.accessKeyId -}}own
{{- else if and .Values.s3.accessKeyId (not .Values.s3.existingSecret) -}}s3
{{- end -}}
{{- end -}}
{{- end -}}
