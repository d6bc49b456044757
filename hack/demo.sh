#!/usr/bin/env bash
# The life of a container, step by step, in a private store that is gone at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$PWD/bin
dir=$(mktemp -d)
export CONTAINERS_STORAGE_CONF=$dir/storage.conf
printf '[storage]\ndriver = "overlay"\ngraphroot = "%s"\nrunroot = "%s"\n' "$dir/root" "$dir/run" >"$CONTAINERS_STORAGE_CONF"

manager() { "$bin/manager" --root "$dir/root" --runroot "$dir/run" --tmpdir "$dir/tmp" "$@"; }

finish() {
	local code=$?
	manager rm --all --force --time 0 >/dev/null 2>&1 || true
	umount "$dir/root/overlay" 2>/dev/null || true
	rm -rf "$dir" || code=1
	exit $code
}
trap finish EXIT

# step TEXT COMMAND...: says what comes, shows the command, runs it.
step() {
	printf '\n# %s\n$ manager %s\n' "$1" "${*:2}"
	shift
	manager "$@"
}

# An image from this machine's busybox: nothing is downloaded.
mkdir -p "$dir/tmp" "$dir/rootfs/bin" "$dir/rootfs/tmp"
cp /bin/busybox "$dir/rootfs/bin/"
for applet in $(/bin/busybox --list); do
	[ "$applet" = busybox ] || ln -s busybox "$dir/rootfs/bin/$applet"
done
tar -C "$dir/rootfs" -cf "$dir/busybox.tar" .

step "a container from the image that comes inside the program" run --rm --network none hello
step "an image from a tar" import --change 'CMD ["sh"]' "$dir/busybox.tar" localhost/busybox:latest
step "a container in the background" run -d --name demo --network none busybox \
	sh -c 'trap "exit 0" TERM; i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.2; done'
sleep 1
step "what runs" ps
step "what it has said" logs --tail 3 demo
step "a command inside it" exec demo ps
step "its end" stop demo
step "its exit code is kept" inspect --format 'status {{.State.Status}}, exit code {{.State.ExitCode}}' demo
step "its removal" rm demo
step "nothing is left" ps --all
