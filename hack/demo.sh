#!/usr/bin/env bash
# The life of a container, step by step, with the image that is carried in the program and in
# a private store that is gone at the end. Nothing is downloaded and nothing stays.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$PWD/bin
if [ "$(id -u)" != 0 ]; then
	echo "demo: this version runs containers as root only; try: sudo make demo" >&2
	exit 1
fi
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
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' dim='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR-}" ] && [ "${TERM-dumb}" != dumb ]; then
	bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
fi

say() { printf '\n%s# %s%s\n' "$dim" "$1" "$plain"; }

# words ARG...: the arguments as one would type them.
words() {
	local word line=
	for word; do
		case $word in
		*[!A-Za-z0-9_./:=@%+,-]* | '') word="'$word'" ;;
		esac
		line+=" $word"
	done
	printf '%s' "$line"
}

# show COMMAND...: shows the command and runs it.
show() {
	printf '%s$ manager%s%s\n' "$bold" "$(words "$@")" "$plain"
	manager "$@"
}

# step TEXT COMMAND...: says what comes, shows the command, runs it.
step() {
	say "$1"
	show "${@:2}"
}

# answers PORT: whether somebody listens there.
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# fetch PORT: the page that a server gives.
fetch() (
	exec 3<>"/dev/tcp/127.0.0.1/$1"
	printf 'GET / HTTP/1.0\r\n\r\n' >&3
	sed '1,/^\r*$/d' <&3
)

port=8080
while answers $port; do port=$((port + 1)); done

printf 'The life of a container. Everything below happens now, in %s.\n' "$dir"
step "run a program in a container; the image is carried in manager itself" run --rm --network none hello
step "run a web server in the background" run -d --name web --network host hello serve $port
for _ in {1..100}; do answers $port && break || sleep 0.05; done
say "ask it for http://127.0.0.1:$port/"
fetch $port
step "see what runs" ps
step "read what it has written" logs web
step "run another command inside it" exec web ls /
step "stop it: it hears SIGTERM and says good-bye" stop web
step "its last words and its exit code are kept" logs --tail 1 web
show inspect --format '{{.State.Status}}, exit code {{.State.ExitCode}}' web
step "remove it" rm web
step "nothing is left" ps --all
printf '\nThe private store goes now. To keep one of your own: bin/manager run hello\n'
