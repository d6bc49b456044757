#!/usr/bin/env bash
# deps.sh GROUP...: installs what a make target needs and this machine lacks.
#
# Each need is "test apt-package dnf-package"; the test is a command's name, or a path.
# When everything is there nothing is started. Elsewhere than on apt and dnf, and
# without root or sudo, the missing packages are named and the script fails.
set -euo pipefail

needs() {
	case $1 in
	make) echo 'make make make' ;;
	build) printf '%s\n' 'make make make' 'git git git' ;;
	test) printf '%s\n' \
		'/bin/busybox busybox-static busybox' \
		'debootstrap debootstrap debootstrap' \
		'skopeo skopeo skopeo' \
		'buildah buildah buildah' \
		'docker-registry docker-registry docker-distribution' \
		'htpasswd apache2-utils httpd-tools' \
		'setfattr attr attr' \
		'setcap libcap2-bin libcap' \
		'strace strace strace' \
		'jq jq jq' \
		'newuidmap uidmap shadow-utils' \
		'fuse-overlayfs fuse-overlayfs fuse-overlayfs' \
		'ip iproute2 iproute' \
		'nft nftables nftables' \
		'pasta passt passt' \
		'slirp4netns slirp4netns slirp4netns' \
		'podman podman podman' \
		'crun crun crun' \
		'runc runc runc' \
		'conmon conmon conmon' \
		'dockerd docker.io moby-engine' \
		'containerd containerd containerd' \
		'/usr/lib/podman/netavark|/usr/libexec/podman/netavark netavark netavark' \
		'ps procps procps-ng' \
		'/usr/share/zoneinfo/Europe/Berlin tzdata tzdata' ;;
	vm) printf '%s\n' \
		'qemu-system-x86_64 qemu-system-x86 qemu-system-x86' \
		'debootstrap debootstrap debootstrap' \
		'mkfs.ext4 e2fsprogs e2fsprogs' \
		'/bin/busybox busybox-static busybox' ;;
	bench) printf '%s\n' \
		'/bin/busybox busybox-static busybox' \
		'podman podman podman' \
		'crun crun crun' \
		'runc runc runc' \
		'conmon conmon conmon' \
		'dockerd docker.io moby-engine' \
		'containerd containerd containerd' \
		'hyperfine hyperfine hyperfine' \
		'bwrap bubblewrap bubblewrap' \
		'newuidmap uidmap shadow-utils' \
		'slirp4netns slirp4netns slirp4netns' \
		'/usr/lib/podman/netavark|/usr/libexec/podman/netavark netavark netavark' \
		'/usr/lib/podman/aardvark-dns|/usr/libexec/podman/aardvark-dns aardvark-dns aardvark-dns' ;;
	*)
		echo "deps.sh: no group $1 (make build test vm bench)" >&2
		exit 2
		;;
	esac
}

# have TEST: whether the command or one of the paths is there.
have() {
	local one IFS='|'
	for one in $1; do
		case $one in
		/*) [ -e "$one" ] && return ;;
		*) PATH=$PATH:/usr/sbin:/sbin command -v "$one" >/dev/null && return ;;
		esac
	done
	return 1
}

apt_names=() dnf_names=()
for group in "$@"; do
	needs "$group" >/dev/null
	while read -r test apt dnf; do
		have "$test" && continue
		apt_names+=("$apt")
		dnf_names+=("$dnf")
	done < <(needs "$group")
done
[ ${#apt_names[@]} -eq 0 ] && exit 0

fail() {
	echo "deps.sh: $1; please install: ${apt_names[*]}" >&2
	exit 1
}

as_root=()
if [ "$(id -u)" != 0 ]; then
	sudo -n true 2>/dev/null || fail "not root, and sudo asks for a password"
	as_root=(sudo -n)
fi

# Installing a package must not start its service: no registry, Docker or web server of
# the host is wanted, only the programs.
policy=/usr/sbin/policy-rc.d
with_services_off() {
	local made=
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
		"${as_root[@]}" chmod 755 $policy
		made=1
	fi
	local code=0
	"$@" || code=$?
	[ -z $made ] || "${as_root[@]}" rm -f $policy
	return $code
}

apt_install() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -q --no-install-recommends "${apt_names[@]}" </dev/null
}

if command -v apt-get >/dev/null; then
	echo "deps.sh: installing ${apt_names[*]}" >&2
	with_services_off apt_install >/dev/null 2>&1 && exit 0
	"${as_root[@]}" apt-get update -q >&2 || echo "deps.sh: apt-get update failed, trying with what is known" >&2
	with_services_off apt_install >&2 || fail "apt-get could not install everything"
elif command -v dnf >/dev/null; then
	echo "deps.sh: installing ${dnf_names[*]}" >&2
	"${as_root[@]}" dnf install -y -q "${dnf_names[@]}" </dev/null >&2 || fail "dnf could not install everything"
else
	fail "neither apt nor dnf is here"
fi
