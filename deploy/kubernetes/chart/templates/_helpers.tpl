{{/* The name of an object: the release and a suffix. Call with (list . "gateway"). */}}
{{- define "key-value.name" -}}
{{- printf "%s-%s" (index . 0).Release.Name (index . 1) }}
{{- end }}

{{/* The labels by which pods are selected. Call with (list . "gateway"). */}}
{{- define "key-value.selector" -}}
app.kubernetes.io/name: key-value
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* The names of Secrets. */}}
{{- define "key-value.apiKeysSecret" -}}
{{- .Values.apiKeys.secret | default (include "key-value.name" (list . "api-keys")) }}
{{- end }}
{{- define "key-value.serviceTokenSecret" -}}
{{- .Values.serviceToken.secret | default (include "key-value.name" (list . "service-token")) }}
{{- end }}
{{- define "key-value.gatewayTLSSecret" -}}
{{- .Values.tls.gatewaySecret | default (include "key-value.name" (list . "gateway-tls")) }}
{{- end }}
{{- define "key-value.kvserviceTLSSecret" -}}
{{- .Values.tls.kvserviceSecret | default (include "key-value.name" (list . "kvservice-tls")) }}
{{- end }}

{{/* Ports of the containers. */}}
{{- define "key-value.gatewayPort" -}} 8888 {{- end }}
{{- define "key-value.kvservicePort" -}} 50051 {{- end }}
{{- define "key-value.adminPort" -}} 9464 {{- end }}

{{/* "true" if entries are in the memory of the kvservice. */}}
{{- define "key-value.inMemory" -}}
{{- if eq .Values.store.url "memory" }}true{{ end }}
{{- end }}

{{/* "true" if the kvservice has a volume for them. */}}
{{- define "key-value.persistent" -}}
{{- if and (include "key-value.inMemory" .) .Values.kvservice.persistence.enabled }}true{{ end }}
{{- end }}

{{/* The bytes of a size such as 512Mi or 1Gi. */}}
{{- define "key-value.bytes" -}}
{{- if hasSuffix "Gi" . }}{{ mul (trimSuffix "Gi" . | int64) 1073741824 }}
{{- else }}{{ mul (trimSuffix "Mi" . | int64) 1048576 }}{{ end }}
{{- end }}

{{/* The flags of the drain, and the grace period that covers them and the time that the process needs to exit. Call with the
values of a component. */}}
{{- define "key-value.drainArgs" -}}
- --drain-delay={{ .drainDelaySeconds }}s
- --drain={{ .drainSeconds }}s
{{- end }}
{{- define "key-value.gracePeriod" -}}
{{- add .drainDelaySeconds .drainSeconds 5 }}
{{- end }}

{{/* The memory limit of the container, from which the process derives its own limits. */}}
{{- define "key-value.memoryLimit" -}}
- name: KV_MEMORY_LIMIT
  valueFrom:
    resourceFieldRef:
      resource: limits.memory
{{- end }}

{{/* What the Pod Security Standard "restricted" demands of pods, and of containers. */}}
{{- define "key-value.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}
{{- define "key-value.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* Startup and liveness ask whether the process works, on the admin address, which answers until the process exits. */}}
{{- define "key-value.livenessProbes" -}}
startupProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end }}

{{/* Spreads pods over nodes and zones. Call with (list . "gateway"). */}}
{{- define "key-value.spread" -}}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ $key }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{- include "key-value.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}

{{/* Where pods may run. Call with the values of a component. */}}
{{- define "key-value.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
