#!/usr/bin/env bash
# Runs the linters that tools/go.mod pins over the whole tree; the first finding of each is
# enough to fail, but all of them are shown.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The tools built on go/analysis take build tags only from the environment.
GOFLAGS="$(go env GOFLAGS) -tags=containers_image_openpgp,exclude_graphdriver_btrfs"
export GOFLAGS
root=$PWD
code=0

# tool NAME: the path of a tool, built once and kept in Go's cache.
tool() { (cd tools && go tool -n "$1"); }

# report NAME COMMAND...: runs a linter and remembers a failure.
report() {
	local name=$1 && shift
	"$@" || { echo "lint: $name found something" >&2; code=1; }
}

unformatted=$(git ls-files -z --cached --others --exclude-standard '*.go' |
	xargs -0 -r "$(tool gofumpt)" -l) || code=1
if [ -n "$unformatted" ]; then
	echo "lint: not formatted as gofumpt does:" $unformatted >&2
	code=1
fi
cd "$root"
report staticcheck "$(tool staticcheck)" ./...
report errorlint "$(tool go-errorlint)" ./...
report exhaustive "$(tool exhaustive)" -d -typeignore '^(syscall|reflect|go/.*)\.' ./...
report nilerr "$(tool nilerr)" ./...
report revive "$(tool revive)" -config tools/revive.toml -set_exit_status ./...
exit $code
