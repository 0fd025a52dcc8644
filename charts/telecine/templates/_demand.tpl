{{/* Rejects values that the schema cannot judge, or only in the words of a regular expression. Called once. */}}
{{- define "telecine.demand" -}}
{{- $values := .Values -}}
{{- $database := .Values.database -}}
{{- if not (or $database.existingSecret $database.url) -}}
{{- fail "database is not set; expected database.existingSecret (key TELECINE_DATABASE_URL) or database.url" -}}
{{- end -}}

{{- range $name, $image := omit .Values.images "pullPolicy" "pullSecrets" -}}
{{- if eq $image.tag "latest" -}}
{{- fail (printf "images.%s.tag 'latest' is not a fixed version; expected the tag of one build, such as \"0.1.0\"; set it, or leave it empty for the chart's version" $name) -}}
{{- end -}}
{{- end -}}

{{- range $name, $keys := dict "s3" .Values.s3 "artifacts" .Values.artifacts "viewership" .Values.viewership -}}
{{- if not $keys.existingSecret -}}
{{- if and $keys.accessKeyId (not $keys.secretAccessKey) -}}
{{- fail (printf "%s.accessKeyId is set without %s.secretAccessKey; expected both, or %s.existingSecret" $name $name $name) -}}
{{- else if and $keys.secretAccessKey (not $keys.accessKeyId) -}}
{{- fail (printf "%s.secretAccessKey is set without %s.accessKeyId; expected both, or %s.existingSecret" $name $name $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.artifacts.endpointUrl .Values.artifacts.endpoint -}}
{{- fail "artifacts.endpointUrl and artifacts.endpoint are both set; expected endpointUrl, with http:// or https://; remove artifacts.endpoint, its old name" -}}
{{- end -}}
{{- if and .Values.media.screenalytics (hasKey .Values.screenalytics "enabled") -}}
{{- fail "media.screenalytics and screenalytics.enabled are both set; expected media.screenalytics; remove screenalytics.enabled, its old name" -}}
{{- end -}}

{{- with .Values.notify -}}
{{- $password := and .smtp.password (not .existingSecret) -}}
{{- if and .smtp.password (eq .smtp.security "none") -}}
{{- fail "notify.smtp.password is set with notify.smtp.security 'none', which sends it in clear text; expected security starttls or tls; set one, or remove the password" -}}
{{- end -}}
{{- if and $password (not .smtp.user) -}}
{{- fail "notify.smtp.password is set without notify.smtp.user and would be ignored; expected both; set the user, or remove the password" -}}
{{- end -}}
{{- if and .smtp.user (not .smtp.password) (not .existingSecret) -}}
{{- fail "notify.smtp.user is set without a password; expected notify.smtp.password or notify.existingSecret; set one, or remove the user" -}}
{{- end -}}
{{- if and .smtp.host (not (and .smtp.from .smtp.to)) -}}
{{- fail "notify.smtp.host is set without notify.smtp.from or notify.smtp.to; expected all three; set them, or remove the host" -}}
{{- end -}}
{{- if and (not .smtp.host) (or .smtp.from .smtp.to .smtp.user $password) -}}
{{- fail "notify.smtp is set without notify.smtp.host, so no mail would be sent; expected a host name; set it, or remove the other values" -}}
{{- end -}}
{{- end -}}

{{- include "telecine.demandForms" . -}}
{{- include "telecine.demandTrakt" . -}}
{{- include "telecine.demandConsole" . -}}
{{- if and .Values.priorityClass.create (not .Values.priorityClass.name) -}}
{{- fail "priorityClass.create is true without priorityClass.name, so nothing would be created; expected a name; set it, or set create to false" -}}
{{- end -}}
{{- range $role, $account := .Values.serviceAccounts -}}
{{- if and (not $account.create) (not $account.name) -}}
{{- fail (printf "serviceAccounts.%s.create is false without serviceAccounts.%s.name; expected the name of an existing account; set it, or set create to true" $role $role) -}}
{{- end -}}
{{- end -}}
{{- range $group := list "cpu" "gpu" -}}
{{- $ray := index $values.ray $group -}}
{{- if gt (int $ray.workers) (int $ray.maxWorkers) -}}
{{- fail (printf "ray.%s.workers %d exceeds ray.%s.maxWorkers %d; expected at most the maximum; lower the first, or raise the second" $group (int $ray.workers) $group (int $ray.maxWorkers)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.customCA.configMap .Values.customCA.secret -}}
{{- fail "customCA.configMap and customCA.secret are both set; expected one; remove the other" -}}
{{- end -}}
{{- include "telecine.demandCrons" . -}}
{{- include "telecine.demandCidrs" . -}}
{{- include "telecine.demandExtras" . -}}
{{- end -}}

{{/* Texts of a certain form: name, value, pattern, what it is not, what is expected. An empty value is judged elsewhere. */}}
{{- define "telecine.demandForms" -}}
{{- $values := .Values -}}
{{- $bucket := "[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]" -}}
{{- $forms := list -}}
{{- range $name, $value := dict "artifacts.bucket" .Values.artifacts.bucket "screenalytics.bucket" .Values.screenalytics.bucket "viewership.bucket" .Values.viewership.bucket "trakt.bucket" .Values.trakt.bucket "test.bucket" .Values.test.bucket -}}
{{- $forms = append $forms (list $name $value (printf "^%s$" $bucket) "the name of a bucket" "3 to 63 lowercase letters, digits, dots and hyphens without s3://, such as telecine-reports") -}}
{{- end -}}
{{- range $name, $value := dict "gamedata.sourceBucket" (.Values.gamedata.sourceBucket | default "game-data") "gamedata.manifestBucket" (.Values.gamedata.manifestBucket | default "game-data-manifest") "console.manifestBucket" (.Values.console.manifestBucket | default "game-data-manifest") -}}
{{- $forms = append $forms (list $name $value (printf "^(s3://)?%s(/[^,?#\\s]+)?$" $bucket) "a bucket" "a name or s3://bucket, such as game-data") -}}
{{- end -}}
{{- range $name, $value := dict "s3.endpointUrl" .Values.s3.endpointUrl "artifacts.endpointUrl" .Values.artifacts.endpointUrl "console.publicUrl" .Values.console.publicUrl -}}
{{- $forms = append $forms (list $name $value "^(https?://[^/@?#\\s]+)?$" "an origin" "http:// or https://, a host and perhaps a port, without a path or a final slash, such as https://host.example.com") -}}
{{- end -}}
{{- range $name, $value := dict "proxy.http" .Values.proxy.http "proxy.https" .Values.proxy.https -}}
{{- $forms = append $forms (list $name $value "^(https?://[^/@?#\\s]+/?)?$" "the URL of a proxy" "a scheme, a host and a port, without user and password, such as http://proxy.example.com:3128") -}}
{{- end -}}
{{- $forms = append $forms (list "viewership.prefix" .Values.viewership.prefix "^([^/,.]|\\.[^/,.]|\\.\\.[^/,])[^/,]*(/([^/,.]|\\.[^/,.]|\\.\\.[^/,])[^/,]*)*/?$" "a folder of the bucket" "a relative path without commas and . or .. as a folder, such as uploads/") -}}
{{- $aws := "^(https?://([^/]+\\.)?amazonaws\\.com(\\.cn)?(:[0-9]+)?)?$" -}}
{{- $endpoint := .Values.artifacts.endpointUrl | default .Values.artifacts.endpoint | default .Values.s3.endpointUrl -}}
{{- range $name, $pair := dict "s3.region" (list .Values.s3.region .Values.s3.endpointUrl) "artifacts.region" (list .Values.artifacts.region $endpoint) -}}
{{- if regexMatch $aws (last $pair) -}}
{{- $forms = append $forms (list $name (first $pair) "^([a-z]{2,3}(-[a-z]+)+-[0-9]+)?$" "a region of AWS" "the code of a region, such as eu-central-1 for Frankfurt") -}}
{{- end -}}
{{- end -}}
{{- range $name := list "jobs" "ray" "rayGpu" -}}
{{- $forms = append $forms (list (printf "images.%s.repository" $name) (index $values.images $name).repository "^([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*$|^$" "a repository" "registry and path without https://, tag or digest, such as registry.example.com/telecine/telecine-jobs") -}}
{{- end -}}
{{- range $role, $account := .Values.serviceAccounts -}}
{{- with index ($account.annotations | default dict) "eks.amazonaws.com/role-arn" -}}
{{- $forms = append $forms (list (printf "serviceAccounts.%s.annotations: eks.amazonaws.com/role-arn" $role) . "^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[!-~]+$" "the ARN of a role" "arn:aws:iam::ACCOUNT:role/NAME with the 12 digits of the account, such as arn:aws:iam::111122223333:role/telecine-step") -}}
{{- end -}}
{{- end -}}
{{- range $forms -}}
{{- if not (regexMatch (index . 2) (toString (index . 1))) -}}
{{- fail (printf "%s '%s' is not %s; expected %s; correct it" (index . 0) (ternary "…" (index . 1) (contains "@" (toString (index . 1)))) (index . 3) (index . 4)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Bytes of a quantity of Kubernetes, such as 2Gi. */}}
{{- define "telecine.bytes" -}}
{{- $unit := regexFind "[A-Za-z]*$" . -}}
{{- mulf (float64 (trimSuffix $unit .)) (get (dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0) $unit) -}}
{{- end -}}

{{- define "telecine.demandTrakt" -}}
{{- with .Values.trakt -}}
{{- $replay := eq .sourceSystem "replay" -}}
{{- $host := lower (regexReplaceAll "[:/].*$" (regexReplaceAll "^https?://" .baseUrl "") "") | trimSuffix "." -}}
{{- if and $replay (or (eq $host "trakt.tv") (hasSuffix ".trakt.tv" $host)) -}}
{{- fail (printf "trakt.sourceSystem is replay and trakt.baseUrl is '%s'; expected the URL of a replayer; set it, or set sourceSystem to trakt" .baseUrl) -}}
{{- end -}}
{{- if and (not $replay) (hasPrefix "http://" .baseUrl) -}}
{{- fail (printf "trakt.baseUrl '%s' would send the key in clear text; expected https, or sourceSystem replay for a replayer; set one" .baseUrl) -}}
{{- end -}}
{{- if and (not $replay) (or (eq (int .requestQuota) 0) (gt (int .requestQuota) 500)) -}}
{{- fail (printf "trakt.requestQuota %d is not a quota of the Trakt API; expected 1 to 500; set it, or sourceSystem replay for a replayer" (int .requestQuota)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "telecine.demandConsole" -}}
{{- with .Values.console -}}
{{- if and .databaseUrl .existingSecret -}}
{{- fail "console.databaseUrl and console.existingSecret are both set; expected one; remove the other" -}}
{{- end -}}
{{- if .enabled -}}
{{- if not .access -}}
{{- fail "console.access is not set; expected proxy (a proxy logs users in) or token (users log in with tokens); set it, or set console.enabled to false" -}}
{{- end -}}
{{- if not (or .existingSecret .databaseUrl) -}}
{{- fail "console.existingSecret is not set; expected a Secret with TELECINE_DATABASE_URL of the role telecine_console, or console.databaseUrl; set one" -}}
{{- end -}}
{{- if and (eq .access "proxy") (not .trustedProxies) -}}
{{- fail "console.trustedProxies is empty with console.access proxy, so no user could log in; expected the networks of the proxies that set console.userHeader; set it" -}}
{{- end -}}
{{- if and (eq .access "proxy") (eq (lower .userHeader) (lower .groupsHeader)) -}}
{{- fail (printf "console.userHeader and console.groupsHeader are both '%s'; expected two headers; set one" .userHeader) -}}
{{- end -}}
{{- if and (eq .access "token") (not (regexMatch "^(https://.+|http://(localhost|127\\.0\\.0\\.1|\\[::1\\])(:[0-9]+)?)$" .publicUrl)) -}}
{{- fail (printf "console.publicUrl '%s' does not start with https://; expected the origin behind TLS, because browsers keep the session's cookie from plain HTTP; set it, or use console.access proxy" .publicUrl) -}}
{{- end -}}
{{- $need := add 256 (mul 7 (int .maxUploadMb)) -}}
{{- with index ((.resources | default dict).limits | default dict) "ephemeral-storage" -}}
{{- if lt (include "telecine.bytes" . | float64) (mulf 1048576.0 (float64 $need)) -}}
{{- fail (printf "console.resources.limits.ephemeral-storage %s is too small for console.maxUploadMb; expected at least %dMi, which is 7 x maxUploadMb + 256Mi; raise it, or lower maxUploadMb" . $need) -}}
{{- end -}}
{{- end -}}
{{- if and .ingress.enabled (not .publicUrl) -}}
{{- fail "console.ingress.enabled is true without console.publicUrl, so the Ingress has no host; expected https://console.example.com; set it" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "telecine.demandCrons" -}}
{{- $months := "(?i:JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)" -}}
{{- $days := "(?i:SUN|MON|TUE|WED|THU|FRI|SAT)" -}}
{{- $numbers := list "[0-5]?[0-9]" "(?:[01]?[0-9]|2[0-3])" "(?:0?[1-9]|[12][0-9]|3[01])" (printf "(?:0?[1-9]|1[0-2]|%s)" $months) (printf "(?:0?[0-6]|%s)" $days) -}}
{{- $fields := list -}}
{{- range $numbers -}}
{{- $item := printf "(?:[*?]|%s(?:-%s)?)(?:/[1-9][0-9]*)?" . . -}}
{{- $fields = append $fields (printf "%s(?:,%s)*" $item $item) -}}
{{- end -}}
{{- $pattern := printf "^(?:%s|@(?:yearly|annually|monthly|weekly|daily|midnight|hourly)|@every (?:[0-9]+(?:\\.[0-9]+)?(?:s|m|h))+)$" (join " +" $fields) -}}
{{- $zones := .Files.Lines "timezones.txt" -}}
{{- range $name, $cron := .Values.crons -}}
{{- range $cron.schedules -}}
{{- $backwards := false -}}
{{- range regexFindAll "[0-9]+-[0-9]+" . -1 -}}
{{- $ends := splitList "-" . -}}
{{- if gt (atoi (trimPrefix "0" (first $ends))) (atoi (trimPrefix "0" (last $ends))) -}}{{- $backwards = true -}}{{- end -}}
{{- end -}}
{{- if or $backwards (not (regexMatch $pattern .)) -}}
{{- fail (printf "crons.%s.schedules: '%s' is not a cron schedule; expected five fields: minute 0-59, hour 0-23, day 1-31, month 1-12, weekday 0-6 (0 is Sunday), such as \"0 2 * * *\", or @daily; correct it" $name .) -}}
{{- end -}}
{{- end -}}
{{- if not (has $cron.timezone $zones) -}}
{{- fail (printf "crons.%s.timezone '%s' is not a time zone; expected a name of the IANA database, such as Etc/UTC or Europe/Berlin; correct it" $name $cron.timezone) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "telecine.demandCidrs" -}}
{{- $byte := "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])" -}}
{{- $four := printf "(?:%s\\.){3}%s/(?:3[0-2]|[12]?[0-9])" $byte $byte -}}
{{- $h := "[0-9a-fA-F]{1,4}" -}}
{{- $forms := list (printf "(?:%s:){7}%s" $h $h) (printf "(?:%s:){1,7}:" $h) (printf ":(?::%s){1,7}" $h) "::" -}}
{{- range $before := untilStep 1 7 1 -}}
{{- $forms = append $forms (printf "(?:%s:){1,%d}(?::%s){1,%d}" $h $before $h (sub 7 $before)) -}}
{{- end -}}
{{- $pattern := printf "^(?:%s|(?:%s)/(?:12[0-8]|1[01][0-9]|[1-9]?[0-9]))$" $four (join "|" $forms) -}}
{{- range $name, $egress := .Values.networkPolicies.egress -}}
{{- range $egress.cidrs -}}
{{- if not (regexMatch $pattern .) -}}
{{- fail (printf "networkPolicies.egress.%s.cidrs: '%s' is not a network; expected an IPv4 or IPv6 address with a prefix length, such as 10.0.0.0/8 or fd00::/8; correct it" $name .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.console.trustedProxies -}}
{{- if hasSuffix "/0" . -}}
{{- fail (printf "console.trustedProxies: '%s' trusts every pod; expected the networks of the proxies; correct it" .) -}}
{{- end -}}
{{- if not (regexMatch $pattern .) -}}
{{- fail (printf "console.trustedProxies: '%s' is not a network; expected an IPv4 or IPv6 address with a prefix length, such as 10.0.12.0/24 or fd00::/8; correct it" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "telecine.demandExtras" -}}
{{- $reserved := list "HOME" "TELECINE_RUN_ID" "TELECINE_WORKFLOW" "TELECINE_NAMESPACE" "TELECINE_NODE" "TELECINE_OUTPUTS_DIR" "TELECINE_REPORT_DIR" "TELECINE_STATE_DIR" "TELECINE_SECRETS_DIR" "TELECINE_SLOTS" "TELECINE_GROUP" "TELECINE_LAUNCHER_VERSIONS" "TELECINE_DATABASE_ENVIRONMENT" "TELECINE_WORKFLOW_PARAMETERS_BASE64" "TELECINE_FORM_PARAMETERS" "TELECINE_RUNS_FAILURES_BASE64" "TELECINE_RUNS_FAILURES_TOTAL" "TELECINE_VIEWERSHIP_OF_RUN" "TELECINE_GAMEDATA_STAGE" "TELECINE_GAMEDATA_PUBLISH" -}}
{{- range .Values.extraEnv -}}
{{- if or (has .name $reserved) (hasPrefix "TELECINE_RAY" .name) (hasPrefix "RAY_" .name) (hasPrefix "KUBERNETES_" .name) (hasPrefix "SMOKE_" .name) -}}
{{- fail (printf "extraEnv: %s identifies the run or is set by the chart; expected another name; remove it" .name) -}}
{{- end -}}
{{- end -}}
{{- range $what, $pairs := dict "podLabels" .Values.podLabels "podAnnotations" .Values.podAnnotations -}}
{{- range $key, $_ := $pairs -}}
{{- if regexMatch "^(telecine/|app\\.kubernetes\\.io/|helm\\.sh/|workflows\\.argoproj\\.io/|ray\\.io/|kubectl\\.kubernetes\\.io/default-container|cluster-autoscaler\\.kubernetes\\.io/safe-to-evict$)" $key -}}
{{- fail (printf "%s: %s is set by telecine, Argo or KubeRay; expected a key of your own or of another product; remove it" $what $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
