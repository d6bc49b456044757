package doctor

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Env is where probes take their facts from. Host makes one of this machine.
type Env struct {
	// Files is the host's root directory.
	Files fs.FS
	// Getenv asks the environment.
	Getenv func(string) string
	// UID is the caller's, 0 for root; User his name and Home his directory.
	UID        int
	User, Home string
	// Sudo is the ordinary user for whom root works under sudo, or "": what he needs from root is looked at too.
	Sudo string
	// GraphRoot, RunRoot and TempDir are the store's directories and the one for large temporary files.
	GraphRoot, RunRoot, TempDir string
	// RuntimeDir is where an ordinary user's run state goes; "" when there is no such place yet. Fallback is the
	// one that is made without a session.
	RuntimeDir, Fallback string
	// Driver is the configured storage driver, "" for the usual choice.
	Driver string
	// Kernel is the release that uname(2) tells.
	Kernel string
	// Settings read the configuration files: by name, each with what is wrong with it.
	Settings []Setting
	// Space measures the file system of a path, or of the nearest directory above it that exists.
	Space func(path string) (Space, error)
	// Xattr reads an extended attribute without following links; "" when there is none.
	Xattr func(path, name string) string
	// HardLimit is a resource's hard limit; see getrlimit(2).
	HardLimit func(resource int) (uint64, error)
	// Bind makes a socket in a directory and takes it away.
	Bind func(dir string) error
	// MakeDir makes a directory in another, a cgroup for example, and takes it away.
	MakeDir func(dir string) error
	// Namespace makes the namespaces that a container's image is mounted in, and tries to mount one there.
	Namespace func(context.Context) Trial
	// Holder compares the user's namespaces that there are with what /etc/subuid says now.
	Holder func() (outdated bool)
	// Programs finds installed programs of ours that cannot be used.
	Programs func() error
	// Profile is the AppArmor profile that containers.conf names, SeccompProfile the file; "" for the built-in ones.
	Profile, SeccompProfile string
	// Registries are the registries whose names short names are completed with, and those with credentials; none
	// stands for the usual one.
	Registries func() ([]string, error)
	// Resolve asks one server for a host's address. An answer that there is none is an answer.
	Resolve func(ctx context.Context, server, host string) error
	// Ping asks a registry whether it is one, with the credentials that there are.
	Ping func(ctx context.Context, registry string) Ping
	// Now is the clock; Built is when this program was made, or zero.
	Now   func() time.Time
	Built time.Time
	// Run runs a program, for fixes; Mkdir makes a directory that is the user's alone.
	Run   func(ctx context.Context, argv ...string) error
	Mkdir func(path string) error
	Chmod func(path string, mode fs.FileMode) error

	namespace once[Trial]
	pings     once[[]Ping]
}

// Setting is a configuration file, or several that are read as one.
type Setting struct {
	// Name is what users call it: "containers.conf".
	Name string
	// Check reads it as the commands do.
	Check func() error
}

// Space is the room on a file system.
type Space struct {
	// Free and Size are in bytes, what ordinary users may fill; FreeInodes and Inodes in files. A file system
	// without a fixed number of inodes has 0 of them.
	Free, Size         uint64
	FreeInodes, Inodes uint64
	// Kind is the file system's, as in mount(8), or "" for one that needs no word.
	Kind string
	// NoExec, NoSetuid and ReadOnly are options of its mount.
	NoExec, NoSetuid, ReadOnly bool
}

// Trial is how the namespaces came out. A step that was not reached has no error.
type Trial struct {
	// Clone is why there is no namespace, Map why no ids could be mapped.
	Clone, Map error
	// Overlay is why no overlay can be mounted on the store's file system, Chown why no file there can be
	// given to another id, Place why nothing can be written there.
	Overlay, Chown, Place error
	// Other is what went wrong with trying itself.
	Other error
}

// Ping is a registry's answer.
type Ping struct {
	Registry string
	// Err is why it cannot be used; Refused says that it refused the credentials.
	Err     error
	Refused bool
	// usual says that nobody has configured it.
	usual bool
	// Certificate is what Err has against its certificate.
	Certificate Distrust
	// Date is its clock; zero when it did not say.
	Date time.Time
}

// Distrust is what is wrong with a certificate.
type Distrust string

// The reasons. NoDistrust is the zero value.
const (
	NoDistrust       Distrust = ""
	UnknownAuthority Distrust = "unknown authority"
	NotValidNow      Distrust = "not valid now"
	OtherHost        Distrust = "other host"
)

// once remembers what several probes ask for.
type once[T any] struct {
	once  sync.Once
	value T
}

func (o *once[T]) get(f func() T) T {
	o.once.Do(func() { o.value = f() })
	return o.value
}

// trial tries the namespaces, once.
func (e *Env) trial(ctx context.Context) Trial {
	return e.namespace.get(func() Trial { return e.Namespace(ctx) })
}

// answers asks all registries at the same time, once.
func (e *Env) answers(ctx context.Context) []Ping {
	return e.pings.get(func() []Ping {
		names, err := e.Registries()
		if err != nil {
			return nil // the probe of the configuration says so
		}
		usual := len(names) == 0
		if usual {
			names = []string{usualRegistry}
		}
		all := make([]Ping, len(names))
		var wait sync.WaitGroup
		for i, name := range names {
			wait.Go(func() {
				all[i] = e.Ping(ctx, name)
				all[i].Registry, all[i].usual = name, usual
			})
		}
		wait.Wait()
		return all
	})
}

// rootless says that the caller is an ordinary user.
func (e *Env) rootless() bool { return e.UID != 0 }

// read is a small file's text without blanks around it; "" when it cannot be read.
func (e *Env) read(name string) string {
	raw, err := fs.ReadFile(e.Files, inFS(name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(raw))
}

// exists says that there is such a file, readable or not.
func (e *Env) exists(name string) bool {
	_, err := e.stat(name)
	return err == nil || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR)
}

// owner is what stat(2) tells of a file.
type owner struct {
	uid  int
	mode fs.FileMode
}

func (e *Env) stat(name string) (owner, error) {
	info, err := fs.Stat(e.Files, inFS(name))
	if err != nil {
		return owner{}, err
	}
	o := owner{mode: info.Mode()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		o.uid = int(st.Uid)
	}
	return o, nil
}

// lines are the lines of a file without comments; none when it cannot be read.
func (e *Env) lines(name string) []string {
	f, err := e.Files.Open(inFS(name))
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	var all []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if line := strings.TrimSpace(s.Text()); line != "" && line[0] != '#' {
			all = append(all, line)
		}
	}
	return all
}

// program is the path of a program in the places where helpers are looked for, or "".
func (e *Env) program(name string) string {
	for _, dir := range []string{"/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/sbin", "/run/wrappers/bin"} {
		if o, err := e.stat(path.Join(dir, name)); err == nil && o.mode.IsRegular() && o.mode&0o111 != 0 {
			return path.Join(dir, name)
		}
	}
	return ""
}

// inFS is an absolute path as package fs wants it.
func inFS(name string) string {
	if name = strings.TrimPrefix(path.Clean("/"+name), "/"); name == "" {
		return "."
	}
	return name
}
