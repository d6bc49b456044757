package volume

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

// Options are those of the local driver, as the words of volume create --opt.
type Options struct {
	// Type and Device name a filesystem to mount when the volume is used; both empty is a plain
	// directory. Type "none" or "bind" with o=bind binds a directory.
	Type, Device string
	// MountOptions go with the mount.
	MountOptions []string
	// UID and GID own the data; nil is the store's owner.
	UID, GID *int
	// NoCopy turns copy-up off.
	NoCopy bool
	// Label is the SELinux label of a file system that Mount makes or mounts, unless the options name one; "" is none.
	Label string
}

// Mounted reports whether using the volume means mounting something.
func (o Options) Mounted() bool { return o.Device != "" || o.Type != "" }

// ParseOptions reads KEY=VALUE pairs as the store keeps them: type, device, o, copy and
// nocopy. Within o, uid= and gid= of a plain volume own its directory. Errors are of class
// invalid or unsupported.
func ParseOptions(pairs map[string]string) (Options, error) {
	var o Options
	bad := func(key, value, cause string) (Options, error) {
		return Options{}, errdefs.Invalid("--opt", key+"="+value, "%s", cause).WithHint("write type=, device= or o=")
	}
	for key, value := range pairs {
		switch strings.ToLower(key) {
		case "type":
			o.Type = value
		case "device":
			o.Device = value
		case "o", "nocopy", "copy":
		case "size", "inodes":
			return Options{}, errdefs.Unsupported("--opt", "%s needs disk quotas, which this version does not set", key).
				WithHint("use type=tmpfs with o=size=…")
		default:
			return bad(key, value, "unknown option")
		}
	}
	_, o.NoCopy = pairs["nocopy"]
	if words := pairs["o"]; words != "" {
		for _, word := range strings.Split(words, ",") {
			if err := o.word(word); err != nil {
				return Options{}, err
			}
		}
	}
	switch {
	case o.Device != "" && o.Type == "" && slices.Contains(o.MountOptions, "bind"), o.Device != "" && o.Type == "" && slices.Contains(o.MountOptions, "rbind"):
		o.Type = "none"
	case o.Device != "" && o.Type == "":
		return bad("device", o.Device, "needs type=, or o=bind")
	case o.Type != "" && o.Type != "tmpfs" && o.Device == "":
		return bad("type", o.Type, "needs device=")
	case !o.Mounted() && len(o.MountOptions) > 0:
		return bad("o", pairs["o"], "mount options need type= and device=")
	}
	if o.bind() && !filepath.IsAbs(o.Device) {
		return bad("device", o.Device, "not an absolute path")
	}
	return o, nil
}

// word takes one of o's words.
func (o *Options) word(word string) error {
	key, value, _ := strings.Cut(word, "=")
	switch {
	case key == "":
		return errdefs.Invalid("--opt", "o="+word, "an empty option").WithHint("write o=WORD[,WORD…]")
	case key == "uid" || key == "gid":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return errdefs.Invalid("--opt", "o="+word, "not a number").WithHint("write uid=1000")
		}
		id := int(n)
		if key == "uid" {
			o.UID = &id
		} else {
			o.GID = &id
		}
		if o.Type != "" && !o.bind() {
			o.MountOptions = append(o.MountOptions, word)
		}
	case (key == "size" || key == "inodes") && o.Type == "":
		return errdefs.Unsupported("--opt", "%s needs disk quotas, which this version does not set", key).
			WithHint("use type=tmpfs with o=size=…")
	case word == "nocopy":
		o.NoCopy = true
	case word == "copy" || word == "noquota":
	default:
		o.MountOptions = append(o.MountOptions, word)
	}
	return nil
}

func (o Options) bind() bool {
	return o.Type == "bind" || o.Type == "none" || slices.Contains(o.MountOptions, "bind") || slices.Contains(o.MountOptions, "rbind")
}

// mountFlags are the words that mount(2) takes as bits.
var mountFlags = map[string]uintptr{
	"ro": unix.MS_RDONLY, "nosuid": unix.MS_NOSUID, "nodev": unix.MS_NODEV, "noexec": unix.MS_NOEXEC,
	"noatime": unix.MS_NOATIME, "nodiratime": unix.MS_NODIRATIME, "relatime": unix.MS_RELATIME,
	"strictatime": unix.MS_STRICTATIME, "sync": unix.MS_SYNCHRONOUS, "dirsync": unix.MS_DIRSYNC,
	"bind": unix.MS_BIND, "rbind": unix.MS_BIND | unix.MS_REC,
	"rw": 0, "suid": 0, "dev": 0, "exec": 0, "atime": 0, "defaults": 0,
}

// Mount mounts a volume's filesystem on its data directory. tmpfs and binds are mounted
// here; others (nfs, cifs, …) by mount(8), which knows their helpers. Unmount undoes it.
func Mount(data string, o Options) error {
	if !o.Mounted() {
		return nil
	}
	if !o.bind() && o.Label != "" && !slices.ContainsFunc(o.MountOptions, isContext) {
		o.MountOptions = append(slices.Clone(o.MountOptions), "context=\""+o.Label+"\"")
	}
	if o.Type != "tmpfs" && !o.bind() {
		args := []string{"-t", o.Type}
		if len(o.MountOptions) > 0 {
			args = append(args, "-o", strings.Join(o.MountOptions, ","))
		}
		out, err := exec.Command("mount", append(args, "--", o.Device, data)...).CombinedOutput()
		if err != nil {
			return errdefs.New(errdefs.ErrUnavailable, "volume device", o.Device, "%s", strings.Join(strings.Fields(string(out)+" "+err.Error()), " "))
		}
		return nil
	}
	var flags uintptr
	var rest []string
	for _, word := range o.MountOptions {
		if bit, ok := mountFlags[word]; ok {
			flags |= bit
		} else {
			rest = append(rest, word)
		}
	}
	if !o.bind() {
		return mountErr("tmpfs", data, unix.Mount("tmpfs", data, "tmpfs", flags, strings.Join(rest, ",")))
	}
	if len(rest) > 0 {
		return errdefs.Invalid("--opt", "o="+strings.Join(rest, ","), "not options of a bind mount")
	}
	flags |= unix.MS_BIND
	if err := unix.Mount(o.Device, data, "", flags&(unix.MS_BIND|unix.MS_REC), ""); err != nil {
		return mountErr(o.Device, data, err)
	}
	if flags&^(unix.MS_BIND|unix.MS_REC) == 0 {
		return nil
	}
	// A bind mount takes its flags only at a remount.
	if err := unix.Mount("", data, "", flags&^unix.MS_REC|unix.MS_REMOUNT, ""); err != nil {
		_ = unix.Unmount(data, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		return mountErr(o.Device, data, err)
	}
	return nil
}

// isContext says whether a mount option is about SELinux. Source: mount(8), "context".
func isContext(word string) bool {
	key, _, _ := strings.Cut(word, "=")
	return strings.HasSuffix(key, "context")
}

// Unmount takes a volume's filesystem away; it waits for no user of it. Not being mounted
// is no error.
func Unmount(data string) error {
	err := unix.Unmount(data, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
	if err == unix.EINVAL || err == unix.ENOENT {
		return nil
	}
	return mountErr("", data, err)
}

func mountErr(source, data string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("mount %s on %s: %w", source, data, err)
}
