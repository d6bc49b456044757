package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/manager-project/manager/internal/testenv"
)

// What root does to a user's home before the tests of storage.
const (
	// homeOnOverlay puts it on a file system that the kernel lays no overlay on.
	homeOnOverlay = `
mount -t tmpfs t $home
mkdir $home/lower $home/upper $home/work
mount -t overlay -o lowerdir=$home/lower,upperdir=$home/upper,workdir=$home/work o $home
`
	// fuseForAll lets every user open /dev/fuse, as distributions do.
	fuseForAll = `
mkdir /run/manager-test-fuse.$$
mount -t tmpfs -o mode=755 t /run/manager-test-fuse.$$
mknod -m 666 /run/manager-test-fuse.$$/fuse c 10 229
mount --bind /run/manager-test-fuse.$$/fuse /dev/fuse
umount -l /run/manager-test-fuse.$$
rmdir /run/manager-test-fuse.$$
`
	// noFuseOverlay makes the program one that cannot be started.
	noFuseOverlay = `
[ ! -e /usr/bin/fuse-overlayfs ] || mount --bind /etc/passwd /usr/bin/fuse-overlayfs
`
	// homeNoExec is a home from which no program can be started.
	homeNoExec = "mount -t tmpfs -o noexec t $home\n"
	// leave takes away what a store has mounted, so that the home can be removed.
	leave = `
manager unshare umount -l "$HOME/.local/share/containers/storage/overlay" 2>/dev/null || true
manager system migrate
`
)

// rootMount runs what prints how the container's root is mounted.
const rootMount = "manager run --rm --network none busybox sh -c 'echo root $(grep \" / \" /proc/mounts | cut -d \" \" -f 3); rm /bin/true; echo new >/etc/passwd'\n"

// loadBusybox puts the image into the user's store.
func loadBusybox(t *testing.T) string {
	t.Helper()
	archive, err := testenv.BuildImage("busybox")
	if err != nil {
		t.Fatal(err)
	}
	return "manager load --quiet --input " + archive + "\n"
}

func needFuse(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("fuse-overlayfs"); err != nil {
		t.Skip("fuse-overlayfs is not installed")
	}
}

// wants fails for each text that is not in the output.
func wants(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, want := range texts {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// The kernel's overlay serves a user, and nothing has to be said for that.
func TestUserStorageNative(t *testing.T) {
	out := asShell(t, userRange, loadBusybox(t)+rootMount+"manager info --format 'driver {{.Store.GraphDriverName}}'\n"+leave)
	wants(t, out, "root overlay\n", "driver overlay\n")
}

// Where the file system or the kernel refuses an overlay, fuse-overlayfs makes it.
func TestUserStorageFuse(t *testing.T) {
	needFuse(t)
	refused := fmt.Sprintf(`
d=/tmp/manager-run-%d/containers/overlay; mkdir -m 700 -p "$(dirname "$(dirname $d)")"; mkdir -p $d
echo "kernel does not support overlay fs: as the library noted" >$d/overlay-false
`, userID)
	for name, c := range map[string]struct{ prepare, before string }{
		"file system": {homeOnOverlay, ""},
		"kernel":      {"", refused},
	} {
		t.Run(name, func(t *testing.T) {
			out := asShellIn(t, c.prepare+fuseForAll, userRange, c.before+loadBusybox(t)+rootMount+`
manager run -d --name c --network none busybox sleep 1000 >/dev/null
manager exec c sh -c 'echo in >/file'
manager stop --time 0 c >/dev/null
manager start c >/dev/null
echo again $(manager exec c cat /file)
manager rm --force --time 0 c >/dev/null
echo left $(ps -u "$(id -u)" -o stat=,comm= | grep -v ^Z | grep -c fuse-overlayfs)
`+leave)
			wants(t, out, "root fuse.fuse-overlayfs\n", "again in\n", "left 0\n")
		})
	}
}

// Where there is no way to an overlay, that is an error with the next step, and never silently vfs, which is
// taken when it is named.
func TestUserStorageNeverSilentlyVFS(t *testing.T) {
	out := asShellIn(t, homeOnOverlay+noFuseOverlay, userRange, loadBusybox(t)[:0]+`
manager images 2>&1 || echo code $?
ls -d "$HOME/.local/share/containers/storage/vfs" 2>/dev/null || echo no vfs
manager --storage-driver vfs run --rm --network none hello
manager --storage-driver vfs info --format 'driver {{.Store.GraphDriverName}}'
`+leave)
	wants(t, out, "it lies on overlay, where the kernel lays no overlay, and there is no fuse-overlayfs; install fuse-overlayfs",
		"code 125\n", "no vfs\n", "Hello from a container", "driver vfs\n")
}

// The device that fuse-overlayfs needs is named when it cannot be opened.
func TestUserStorageFuseDevice(t *testing.T) {
	needFuse(t)
	closed := strings.Replace(fuseForAll, "666", "600", 1)
	out := asShellIn(t, homeOnOverlay+closed, userRange, loadBusybox(t)+"manager run --rm --network none busybox true 2>&1 || echo code $?\n"+leave)
	wants(t, out, "fuse-overlayfs: open /dev/fuse: permission denied", "chmod 666 /dev/fuse", "code 125\n")
}

// A home without programs is noticed: before an image is stored, what will not work is said with the setting.
func TestUserStorageNoExec(t *testing.T) {
	out := asShellIn(t, homeNoExec, userRange, `
manager --storage-driver vfs run --rm --network none hello 2>&1 || echo code $?
manager run --rm --network none hello 2>&1
`+leave)
	wants(t, out, "mounted noexec, where the vfs driver's containers could start no program; set graphroot in ~/.config/containers/storage.conf",
		"code 125\n", "so programs in volumes cannot be started; volume_path in containers.conf", "Hello from a container")
	if warned, stored := strings.Index(out, "programs in volumes"), strings.Index(out, "Copying"); warned > stored {
		t.Errorf("the warning comes after the image:\n%s", out)
	}
}

// rootsStore makes $home/shared, a store of root's with busybox, which others may read if the mode lets them.
func rootsStore(t *testing.T, mode string) string {
	t.Helper()
	return fmt.Sprintf(`
export PATH=%s:$PATH
HOME=/root manager --root $home/shared --runroot $home/shared-run %s
umount -l $home/shared/overlay
chmod -R %s $home/shared
mkdir -p $home/.config/containers
printf '[storage]\n[storage.options]\nadditionalimagestores = ["%%s/shared"]\n' $home >$home/.config/containers/storage.conf
chown -R %d $home/.config
`, testenv.Programs(t), strings.TrimPrefix(loadBusybox(t), "manager "), mode, userID)
}

// A user's containers run from images in a store of root's, can write in their directories, and leave that store
// as it is.
func TestUserAdditionalStore(t *testing.T) {
	out := asShellIn(t, rootsStore(t, "go+rX"), userRange, `
picture() { find "$HOME/shared" -ls | grep -v manager/ | sort | md5sum; }
before=$(picture)
manager images --format 'listed {{.Repository}} {{.ReadOnly}}'
manager run --rm --network none -v v:/data/deep busybox sh -c 'echo own >/etc/own && mkdir /usr/new && touch /data/deep/x && rm /bin/true && echo owner $(stat -c %u:%g /etc) $(stat -c %a /tmp) $(cat /etc/own)'
manager run -d --name c --network none busybox sleep 1000 >/dev/null
manager rmi --force busybox 2>&1 || echo code $?
manager rmi --all && manager image prune --all --force && echo nothing to do
manager rm --force --time 0 c >/dev/null
manager tag busybox other
manager images --format 'tagged {{.Repository}} {{.ReadOnly}}'
manager rmi busybox
manager rmi other
manager images --format 'last {{.Repository}} {{.ReadOnly}}'
[ "$before" = "$(picture)" ] && echo unchanged
`+leave)
	wants(t, out, "listed localhost/busybox true\n", "owner 0:0 1777 own\n", "it lies in the read-only store ", "code 125\n", "nothing to do\n",
		"tagged localhost/busybox false\n", "tagged localhost/other false\n", "last localhost/busybox true\n", "unchanged\n")
	if strings.Count(out, "tagged localhost") != 2 || strings.Count(out, "last localhost") != 1 {
		t.Errorf("images twice:\n%s", out)
	}
}

// An additional store that may not be read is named, with what its owner has to do.
func TestUserAdditionalStoreClosed(t *testing.T) {
	out := asShellIn(t, rootsStore(t, "go-rwx"), userRange, "manager images 2>&1 || echo code $?\n"+leave)
	wants(t, out, "/shared: this additional, read-only store cannot be read; let its owner run \"chmod -R go+rX ", "code 125\n")
}
