#!/usr/bin/env bash
# fuzz.sh TIME: runs every fuzz target of the tree for TIME, one after the other.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${1:-20s}
tags="containers_image_openpgp exclude_graphdriver_btrfs"
count=0
while IFS=: read -r file line; do
	name=$(sed -E 's/^func (Fuzz[A-Za-z0-9_]*).*/\1/' <<<"$line")
	echo "fuzz: $name in $(dirname "$file") for $time"
	go test -tags "$tags" -run '^$' -fuzz "^$name\$" -fuzztime "$time" "./$(dirname "$file")" </dev/null
	count=$((count + 1))
done < <(git grep -E '^func Fuzz[A-Za-z0-9_]*\(' -- '*_test.go' || true)
echo "fuzz: $count targets"
