#!/usr/bin/env bash
# Makes sure that the embedded helper programs exist, so that cmd/manager compiles: vet,
# lint and the unit tests need them present, not fresh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ -d internal/genembed ] || exit 0
compgen -G 'internal/embedded/assets/manager-*' >/dev/null || go run ./internal/genembed
