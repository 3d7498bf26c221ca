#!/usr/bin/env bash
# Signs one call with openssl and sends it with curl; the rule is in SIGNATURE.md.
#   export BASE_URL=https://… AUDIENCE=applications APP_KEY=… SECRET=…
#   ./curl.sh GET '/v1/items?on=2025-09-01'
#   ./curl.sh POST /v1/applications filing.json
#   IF_MATCH='"3"' ./curl.sh POST /v1/applications/…:withdraw reason.json
# IDEMPOTENCY_KEY is a new one unless it is set; set it to repeat a call.
# Other users of this machine can see the secret among the arguments while openssl runs: use client.py where there are any.
set -euo pipefail

# Arguments of both functions: method, raw path, raw query, file with the body.
canonical_text() {
  local method query body_sha256
  method=$(tr '[:lower:]' '[:upper:]' <<<"$1")
  query=$(tr '&' '\n' <<<"$3" | sed '/^$/d' | LC_ALL=C sort | paste -sd '&' -)
  body_sha256=$(openssl dgst -sha256 -r <"$4" | cut -d ' ' -f 1)
  printf '%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s' "$AUDIENCE" "$method" "$2" "$query" "$body_sha256" "${IF_MATCH:-}" "$TIMESTAMP" "${IDEMPOTENCY_KEY:-}"
}

signature() {
  canonical_text "$@" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d ' ' -f 1
}

main() {
  local method=$1 target=$2 body_file=${3:-/dev/null} raw_path raw_query=
  raw_path=${target%%\?*}
  if [[ $target == *\?* ]]; then raw_query=${target#*\?}; fi
  TIMESTAMP=$(date +%s)
  local headers=(--header "X-App-Key: $APP_KEY" --header "X-Timestamp: $TIMESTAMP")
  if [[ $method != GET ]]; then
    IDEMPOTENCY_KEY=${IDEMPOTENCY_KEY:-$(openssl rand -hex 16)}
    headers+=(--header "Idempotency-Key: $IDEMPOTENCY_KEY" --header "Content-Type: application/json" --data-binary "@$body_file")
  else
    IDEMPOTENCY_KEY=
  fi
  if [[ -n ${IF_MATCH:-} ]]; then headers+=(--header "If-Match: $IF_MATCH"); fi
  headers+=(--header "X-Signature: $(signature "$method" "$raw_path" "$raw_query" "$body_file")")
  curl --silent --show-error --fail-with-body --globoff --path-as-is --request "$method" "${headers[@]}" "$BASE_URL$target"
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
