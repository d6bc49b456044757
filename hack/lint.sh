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

# report NAME COMMAND...: runs a linter and says which found something.
report() {
	local name=$1 && shift
	"$@" || { echo "lint: $name found something" >&2; return 1; }
}

unformatted=$(git ls-files -z --cached --others --exclude-standard '*.go' |
	xargs -0 -r "$(tool gofumpt)" -l) || code=1
if [ -n "$unformatted" ]; then
	echo "lint: not formatted as gofumpt does:" $unformatted >&2
	code=1
fi
cd "$root"
# Two at a time: each reads the whole tree anew, with a processor and some memory of its own.
out=$(mktemp)
trap 'rm -f "$out"' EXIT
{
	fine=0
	report errorlint "$(tool go-errorlint)" ./... || fine=1
	report exhaustive "$(tool exhaustive)" -d -typeignore '^(syscall|reflect|go/.*)\.' ./... || fine=1
	report nilerr "$(tool nilerr)" ./... || fine=1
	exit $fine
} >"$out" 2>&1 &
report staticcheck "$(tool staticcheck)" ./... || code=1
report revive "$(tool revive)" -config tools/revive.toml -set_exit_status ./... || code=1
wait $! || code=1
cat "$out" >&2
exit $code
