#!/usr/bin/env bash
# Says whether a Go toolchain that can build this module is here; if there is none at all,
# takes the package manager's when that is new enough.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
want=$(awk '$1 == "go" {print $2; exit}' go.mod)

# at_least HAVE WANT: version comparison.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n1)" = "$2" ]; }

if ! command -v go >/dev/null; then
	offered=
	if command -v apt-cache >/dev/null; then
		offered=$(apt-cache policy golang-go 2>/dev/null | sed -n 's/^ *Candidate: *[0-9]*:\([0-9.]*\).*/\1/p')
	fi
	if [ -z "$offered" ] || ! at_least "$offered" "${want%.*}" || [ "$(id -u)" != 0 ]; then
		echo "Go $want or newer is needed to build manager, and there is no go command: see https://go.dev/doc/install" >&2
		exit 1
	fi
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q golang-go </dev/null >&2
fi
have=$(go env GOVERSION 2>/dev/null) || {
	echo "Go $want or newer is needed to build manager; this toolchain cannot fetch it: $(go version 2>&1 | head -n1)" >&2
	exit 1
}
at_least "${have#go}" "$want" || {
	echo "Go $want or newer is needed to build manager; here is ${have#go}: see https://go.dev/doc/install" >&2
	exit 1
}
