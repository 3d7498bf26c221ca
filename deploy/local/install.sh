#!/usr/bin/env bash
# Installs the locked Python packages into .venv with uv, which comes into a folder of its own. Indexes and certificates are those that pip is configured with.
set -euo pipefail
cd "$(dirname "$0")/../.."

"${PYTHON:=python3}" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $PYTHON is $("$PYTHON" --version 2>&1). Name another one: make PYTHON=python3.12" >&2
    exit 1
}

if [ ! -x .local/uv/bin/uv ]; then
    echo "Installing uv into .local/uv …"
    "$PYTHON" -m venv .local/uv
    .local/uv/bin/pip install --quiet --disable-pip-version-check uv
fi

# uv does not read pip's configuration: hand it over where uv has none of its own.
hand_over() {
    local target="$1" key="$2" from_environment="PIP_${3}" value
    [ -z "${!target:-}" ] || return 0
    value="${!from_environment:-$(.local/uv/bin/pip config get "global.$key" 2>/dev/null || true)}"
    [ -z "$value" ] || export "$target=$value"
}
hand_over UV_DEFAULT_INDEX index-url INDEX_URL
hand_over UV_INDEX extra-index-url EXTRA_INDEX_URL
hand_over UV_FIND_LINKS find-links FIND_LINKS
hand_over UV_INSECURE_HOST trusted-host TRUSTED_HOST
hand_over SSL_CERT_FILE cert CERT

[ -x .venv/bin/python ] || .local/uv/bin/uv venv --quiet --python "$PYTHON" .venv
echo "Installing the locked packages into .venv …"
.local/uv/bin/uv pip sync --compile-bytecode --require-hashes requirements.lock --python .venv/bin/python
