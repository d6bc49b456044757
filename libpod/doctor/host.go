package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/rootless"
)

// Options are what only the caller knows of this machine.
type Options struct {
	// Getenv asks the environment as the user gave it.
	Getenv func(string) string
	// GraphRoot, RunRoot, TempDir, Driver, Settings, Profile, SeccompProfile, Programs and Built are as in Env.
	GraphRoot, RunRoot, TempDir, Driver, Profile, SeccompProfile string
	Settings                                                     []Setting
	Programs                                                     func() error
	Built                                                        time.Time
	// Self is the program that is called to fix what one of its commands fixes.
	Self string
}

// Host is this machine, as the calling user sees it outside of his namespaces.
func Host(o Options) *Env {
	e := &Env{
		Files: os.DirFS("/"), Getenv: o.Getenv, UID: os.Geteuid(), Home: os.Getenv("HOME"),
		GraphRoot: o.GraphRoot, RunRoot: o.RunRoot, TempDir: o.TempDir, Driver: o.Driver,
		Kernel: release(), Settings: append(o.Settings, transferSettings()...), Space: space, Xattr: xattr, HardLimit: hardLimit,
		Bind: bind, MakeDir: makeDir, Holder: rootless.Outdated, Programs: o.Programs,
		Profile: o.Profile, SeccompProfile: o.SeccompProfile, Registries: registries, Resolve: resolve, Ping: ping,
		Now: time.Now, Built: o.Built, Mkdir: func(path string) error { return os.MkdirAll(path, 0o700) }, Chmod: os.Chmod,
	}
	e.User = strconv.Itoa(e.UID)
	if u, err := user.LookupId(e.User); err == nil {
		e.User = u.Username
	}
	if name := os.Getenv("SUDO_USER"); e.UID == 0 && name != "root" {
		e.Sudo = name
	}
	if e.UID != 0 {
		e.RuntimeDir, e.Fallback = rootless.FindRuntimeDir()
	}
	e.Namespace = func(ctx context.Context) Trial { return try(ctx, e.rootless(), e.GraphRoot) }
	e.Run = func(ctx context.Context, argv ...string) error {
		if argv[0] == "manager" {
			argv[0] = o.Self
		}
		out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
		if text := strings.TrimSpace(string(out)); err != nil && text != "" {
			err = fmt.Errorf("%s: %w: %s", argv[0], err, text)
		}
		return err
	}
	return e
}

func release() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// kinds are the file systems that need a word, by the number that statfs(2) tells.
var kinds = map[int64]string{
	0x6969: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb3", 0x01021997: "9p", 0x4d44: "vfat", 0x2011bab0: "exfat",
	0x5346544e: "ntfs", 0x7366746e: "ntfs", 0x65735546: "fuse", 0x5346414f: "afs", 0x00c36400: "ceph", 0x0bd00bd0: "lustre", 0x47504653: "gpfs",
}

func space(path string) (Space, error) {
	var st unix.Statfs_t
	path = nearest(path)
	for {
		err := unix.Statfs(path, &st)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return Space{}, &os.PathError{Op: "statfs", Path: path, Err: err}
		}
		return Space{
			Free: st.Bavail * uint64(st.Bsize), Size: st.Blocks * uint64(st.Bsize), FreeInodes: st.Ffree, Inodes: st.Files,
			Kind: kinds[int64(st.Type)&0xffffffff], NoExec: st.Flags&unix.ST_NOEXEC != 0, NoSetuid: st.Flags&unix.ST_NOSUID != 0, ReadOnly: st.Flags&unix.ST_RDONLY != 0,
		}, nil
	}
}

// nearest is a path, or the directory above it that is there for this user.
func nearest(path string) string {
	for path != "/" && path != "." {
		if _, err := os.Lstat(path); err == nil {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}

func xattr(path, name string) string {
	buf := make([]byte, 4096)
	n, err := unix.Lgetxattr(path, name, buf)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

func hardLimit(resource int) (uint64, error) {
	var l unix.Rlimit
	err := unix.Prlimit(0, resource, nil, &l)
	return l.Max, err
}

// trialName is the name of what is made for a moment.
func trialName() string { return fmt.Sprintf("manager-doctor-%d", os.Getpid()) }

func makeDir(dir string) error {
	path := filepath.Join(dir, trialName())
	if err := os.Mkdir(path, 0o700); err != nil {
		return strip(err)
	}
	return os.Remove(path)
}

func bind(dir string) error {
	parent, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return strip(err)
	}
	defer func() { _ = parent.Close() }()
	// A socket's address is short; the directory's name may be long.
	path := fmt.Sprintf("/proc/self/fd/%d/%s", parent.Fd(), trialName())
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		return err
	}
	return os.Remove(path)
}

// wait is how long a server may take to answer.
const wait = time.Second

// resolve asks one server. "No such name" is an answer.
func resolve(ctx context.Context, server, host string) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	r := net.Resolver{PreferGo: true, StrictErrors: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, net.JoinHostPort(server, "53"))
	}}
	_, err := r.LookupNetIP(ctx, "ip4", host+".")
	var dns *net.DNSError
	if errors.As(err, &dns) {
		if dns.IsNotFound {
			return nil
		}
		if dns.IsTimeout {
			return errors.New("no answer within a second")
		}
		return errors.New(dns.Err)
	}
	return err
}
