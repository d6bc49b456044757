package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/sys/unix"
)

// machine is a machine that tests break: an Env whose files are in memory.
type machine struct {
	*Env
	files fstest.MapFS
	// spaces are the file systems by path; trial, pings and resolvers what trying would bring.
	spaces    map[string]Space
	xattrs    map[string]string
	trial     Trial
	pings     map[string]Ping
	resolvers map[string]error
	hard      map[int]uint64
	dirErr    map[string]error
	bindErr   error
	outdated  bool
	programs  error
	names     []string
	// barred is a directory that the caller may not enter.
	barred string
	// did is what fixes did.
	did []string
}

// barred are files of which some are behind a directory that may not be entered.
type barred struct {
	fstest.MapFS
	dir *string
}

func (b barred) denies(op, name string) error {
	if *b.dir != "" && strings.HasPrefix(name, inFS(*b.dir)+"/") {
		return &fs.PathError{Op: op, Path: name, Err: syscall.EACCES}
	}
	return nil
}

func (b barred) Open(name string) (fs.File, error) {
	if err := b.denies("open", name); err != nil {
		return nil, err
	}
	return b.MapFS.Open(name)
}

func (b barred) Stat(name string) (fs.FileInfo, error) {
	if err := b.denies("stat", name); err != nil {
		return nil, err
	}
	return b.MapFS.Stat(name)
}

func (b barred) ReadFile(name string) ([]byte, error) {
	if err := b.denies("read", name); err != nil {
		return nil, err
	}
	return b.MapFS.ReadFile(name)
}

// noon is the machine's clock.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// healthy is a machine on which all is well: for root when uid is 0, else for alice, in a session of systemd.
func healthy(uid int) *machine {
	m := &machine{
		files: fstest.MapFS{}, xattrs: map[string]string{}, pings: map[string]Ping{}, resolvers: map[string]error{},
		hard: map[int]uint64{unix.RLIMIT_NOFILE: 1 << 19, unix.RLIMIT_NPROC: 1 << 15}, dirErr: map[string]error{},
		spaces: map[string]Space{}, names: []string{"registry.example"},
	}
	for name, text := range map[string]string{
		"/etc/passwd": "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n",
		"/etc/subuid": "alice:100000:65536\nbob:165536:65536\n", "/etc/subgid": "alice:100000:65536\nbob:165536:65536\n",
		"/etc/resolv.conf":                           "# by hand\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n",
		"/proc/stat":                                 "cpu 1 2 3\nbtime 1772000000\n",
		"/proc/sys/kernel/seccomp/actions_avail":     "kill_process kill_thread trap errno user_notif trace log allow\n",
		"/proc/sys/user/max_user_namespaces":         "63000\n",
		"/proc/sys/user/max_net_namespaces":          "63000\n",
		"/proc/sys/kernel/unprivileged_userns_clone": "1\n",
		"/proc/sys/fs/inotify/max_user_instances":    "128\n",
		"/proc/sys/kernel/pid_max":                   "4194304\n",
		"/proc/self/ns/user":                         "",
		"/sys/fs/cgroup/cgroup.controllers":          "cpuset cpu io memory hugetlb pids rdma misc\n",
		"/run/systemd/system/x":                      "",
		"/run/systemd/resolve/resolv.conf":           "",
		"/var/lib/systemd/linger/alice":              "",
		"/run/containers/storage/x":                  "",
		"/var/tmp/x":                                 "",
		"/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers": "cpu memory pids\n",
	} {
		m.write(name, text)
	}
	for _, name := range []string{"/usr/bin/newuidmap", "/usr/bin/newgidmap"} {
		m.files[inFS(name)] = &fstest.MapFile{Mode: 0o755 | fs.ModeSetuid, Sys: &syscall.Stat_t{}}
	}
	m.program("apt-get")
	m.dir("/tmp", 0, 0o777|fs.ModeSticky)
	m.dir("/var/tmp", 0, 0o777|fs.ModeSticky)
	m.dir("/home/alice", 1000, 0o700)
	m.dir("/run/user/1000", 1000, 0o700)
	m.Env = &Env{
		Files: barred{m.files, &m.barred}, Getenv: func(string) string { return "" }, UID: uid, User: "root", Home: "/root",
		GraphRoot: "/var/lib/containers/storage", RunRoot: "/run/containers/storage", TempDir: "/var/tmp", Kernel: "6.1.0-18-amd64",
		Space: func(path string) (Space, error) {
			if s, ok := m.spaces[path]; ok {
				return s, nil
			}
			return Space{Free: 50 << 30, Size: 100 << 30, FreeInodes: 1 << 20, Inodes: 1 << 21}, nil
		},
		Xattr:     func(path, name string) string { return m.xattrs[path+" "+name] },
		HardLimit: func(resource int) (uint64, error) { return m.hard[resource], nil },
		Bind:      func(string) error { return m.bindErr }, MakeDir: func(dir string) error { return m.dirErr[dir] },
		Namespace: func(context.Context) Trial { return m.trial }, Holder: func() bool { return m.outdated },
		Programs: func() error { return m.programs }, Registries: func() ([]string, error) { return m.names, nil },
		Resolve: func(_ context.Context, server, _ string) error { return m.resolvers[server] },
		Ping: func(_ context.Context, name string) Ping {
			if p, ok := m.pings[name]; ok {
				return p
			}
			return Ping{Date: noon}
		},
		Now: func() time.Time { return noon }, Built: noon.Add(-time.Hour),
		Run:   func(_ context.Context, argv ...string) error { m.did = append(m.did, argv...); return nil },
		Mkdir: func(path string) error { m.did = append(m.did, "mkdir", path); return nil },
		Chmod: func(path string, mode fs.FileMode) error {
			m.did = append(m.did, "chmod", mode.String(), path)
			return nil
		},
	}
	if uid != 0 {
		m.User, m.Home, m.RuntimeDir, m.Fallback = "alice", "/home/alice", "/run/user/1000", "/tmp/manager-run-1000"
		m.GraphRoot, m.RunRoot = "/home/alice/.local/share/containers/storage", "/run/user/1000/containers"
		m.env("XDG_RUNTIME_DIR", "/run/user/1000")
	}
	return m
}

func (m *machine) write(name, text string) {
	m.files[inFS(name)] = &fstest.MapFile{Data: []byte(text), Mode: 0o644, Sys: &syscall.Stat_t{}}
}

func (m *machine) dir(name string, uid uint32, mode fs.FileMode) {
	m.files[inFS(name)] = &fstest.MapFile{Mode: mode | fs.ModeDir, Sys: &syscall.Stat_t{Uid: uid}}
}

func (m *machine) program(name string) {
	m.files["usr/bin/"+name] = &fstest.MapFile{Mode: 0o755, Sys: &syscall.Stat_t{}}
}

func (m *machine) remove(names ...string) {
	for _, name := range names {
		delete(m.files, inFS(name))
	}
}

func (m *machine) env(name, value string) {
	before := m.Getenv
	m.Getenv = func(key string) string {
		if key == name {
			return value
		}
		return before(key)
	}
}

func (m *machine) sysctl(name, value string) { m.write("/proc/sys/"+name, value+"\n") }

// setting adds a configuration file that is really read.
func (m *machine) setting(t *testing.T, name, text string, read func(path string) error) {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m.Settings = append(m.Settings, Setting{Name: name, Check: func() error {
		if err := read(path); err != nil {
			return errors.New(cut(err.Error(), path))
		}
		return nil
	}})
}
