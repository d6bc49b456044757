package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// CgroupPrefix begins the names of the cgroup parents of tests; after it comes $MANAGER_TEST_RUN.
const CgroupPrefix = "manager-test-"

// CgroupVariable names a cgroup, "/NAME", below which the caller may make others: that of a user to whom it was
// delegated. Cgroup parents of tests are then below it.
const CgroupVariable = "MANAGER_TEST_CGROUP"

// RunVariable names one run of all tests in the environment, so that what it leaves is known by it.
const RunVariable = "MANAGER_TEST_RUN"

// commandTimeout bounds one command of a test; it ends a hang, not a slow machine.
const commandTimeout = 3 * time.Minute

// Manager is the built program with directories, configuration and a cgroup parent of its
// own. It is safe for concurrent use once no more images are added.
type Manager struct {
	// Program is the absolute path of the command line.
	Program string
	// Dir is the private folder that holds everything below.
	Dir string
	// Root, RunRoot and TmpDir are what --root, --runroot and --tmpdir name.
	Root, RunRoot, TmpDir string
	// CgroupParent is the cgroup, "/NAME", that run and create get with --cgroup-parent. Empty
	// leaves the option out.
	CgroupParent string
	// Env is the whole environment of its commands, as "NAME=value".
	Env []string

	stores  []string // additional image stores
	session string   // the user's own runtime directory, in place of a private one
}

// Result is how a command ended.
type Result struct {
	// Stdout and Stderr are all it printed.
	Stdout, Stderr string
	// Code is its exit code; -1 if it was killed.
	Code int
}

// NewManager makes a private manager. At the end of the test it removes all containers and
// pods, checks that nothing is left behind (see Residue), and removes the folder.
func NewManager(t testing.TB) *Manager {
	t.Helper()
	m, err := OpenManager(Programs(t))
	if err != nil {
		t.Fatalf("manager: %v", err)
	}
	t.Cleanup(func() {
		for _, line := range m.Close() {
			t.Error(line)
		}
	})
	return m
}

// OpenManager makes a private manager of the programs in a folder, for callers without a
// test. They call Close.
func OpenManager(programs string) (*Manager, error) {
	// A short name: the paths of sockets are limited to 107 bytes. Source: unix(7).
	dir, err := os.MkdirTemp("", "mgr")
	if err != nil {
		return nil, err
	}
	m := &Manager{
		Program: filepath.Join(programs, "manager"), Dir: dir,
		Root: filepath.Join(dir, "root"), RunRoot: filepath.Join(dir, "run"), TmpDir: filepath.Join(dir, "tmp"),
		CgroupParent: os.Getenv(CgroupVariable) + "/" + CgroupPrefix + os.Getenv(RunVariable) + filepath.Base(dir),
	}
	m.Env = []string{
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TERM=dumb",
		"HOME=" + filepath.Join(dir, "home"), "TMPDIR=" + m.TmpDir,
		"XDG_RUNTIME_DIR=" + filepath.Join(dir, "xdg"), "XDG_CONFIG_HOME=" + filepath.Join(dir, "home/.config"),
		"XDG_DATA_HOME=" + filepath.Join(dir, "home/.local/share"), "XDG_CACHE_HOME=" + filepath.Join(dir, "home/.cache"),
		"CONTAINERS_CONF=" + filepath.Join(dir, "containers.conf"),
		"CONTAINERS_REGISTRIES_CONF=" + filepath.Join(dir, "registries.conf"),
		"CONTAINERS_STORAGE_CONF=" + filepath.Join(dir, "storage.conf"),
		"REGISTRY_AUTH_FILE=" + filepath.Join(dir, "auth.json"),
	}
	if m.session = userSession(); m.session != "" {
		m.CgroupParent = ""
		m.Env = append(m.Env, "XDG_RUNTIME_DIR="+m.session)
	}
	if err := m.prepare(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return m, nil
}

// userSession is the runtime directory of an ordinary user who has a service manager; "" for all others.
func userSession() string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if os.Geteuid() == 0 || dir == "" || absent(filepath.Join(dir, "systemd/private")) != "" {
		return ""
	}
	return dir
}

// prepare writes the private folders and configuration.
func (m *Manager) prepare() error {
	for _, dir := range []string{m.TmpDir, filepath.Join(m.Dir, "home"), filepath.Join(m.Dir, "xdg")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
	}
	policy := filepath.Join(m.Dir, "home/.config/containers")
	if err := os.MkdirAll(policy, 0o700); err != nil {
		return err
	}
	cgroups := "cgroupfs"
	if m.session != "" {
		cgroups = "systemd"
	}
	for path, text := range map[string]string{
		filepath.Join(policy, "policy.json"):       `{"default": [{"type": "insecureAcceptAnything"}]}`,
		filepath.Join(m.Dir, "containers.conf"):    fmt.Sprintf("[engine]\ncgroup_manager = %q\nevents_logger = \"file\"\n", cgroups),
		filepath.Join(m.Dir, "registries.conf"):    "unqualified-search-registries = []\nshort-name-mode = \"disabled\"\n",
		filepath.Join(m.Dir, "home/.bash_history"): "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return m.writeStorageConf()
}

// writeStorageConf writes storage.conf with the additional image stores.
func (m *Manager) writeStorageConf() error {
	text := fmt.Sprintf("[storage]\ndriver = \"overlay\"\ngraphroot = %q\nrunroot = %q\n[storage.options]\nadditionalimagestores = [", m.Root, m.RunRoot)
	for _, store := range m.stores {
		text += fmt.Sprintf("%q, ", store)
	}
	return os.WriteFile(filepath.Join(m.Dir, "storage.conf"), []byte(text+"]\n"), 0o600)
}

// Args returns the arguments of a command with the options that make it private.
func (m *Manager) Args(args ...string) []string {
	all := []string{"--root", m.Root, "--runroot", m.RunRoot, "--tmpdir", m.TmpDir}
	verb := slices.IndexFunc(args, func(a string) bool { return a == "run" || a == "create" })
	if m.CgroupParent == "" || verb < 0 || verb > 1 || verb == 1 && args[0] != "container" {
		return append(all, args...)
	}
	all = append(all, args[:verb+1]...)
	return append(append(all, "--cgroup-parent", m.CgroupParent), args[verb+1:]...)
}

// Command returns a command of the manager that is yet to be started.
func (m *Manager) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, m.Program, m.Args(args...)...)
	cmd.Env, cmd.Dir = m.Env, m.Dir
	return cmd
}

// Run runs a command to its end. A command that cannot be started has code -1 and the
// reason in Stderr.
func (m *Manager) Run(args ...string) Result {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	cmd := m.Command(ctx, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	r := Result{Stdout: stdout.String(), Stderr: stderr.String()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		r.Code, r.Stderr = -1, r.Stderr+err.Error()
	}
	return r
}

// MustRun runs a command that has to succeed and returns its output without the last
// newline.
func (m *Manager) MustRun(t testing.TB, args ...string) string {
	t.Helper()
	r := m.Run(args...)
	if r.Code != 0 {
		t.Fatalf("manager %s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Stdout, r.Stderr)
	}
	return strings.TrimSuffix(r.Stdout, "\n")
}

// Image makes a fixture available as localhost/NAME, see AddImage.
func (m *Manager) Image(t testing.TB, name string) {
	t.Helper()
	failOrSkip(t, m.AddImage(name))
}

// AddImage makes a fixture available as localhost/NAME. Busybox is loaded into the private
// store; the larger ones come from a read-only store in the cache, which all tests share.
func (m *Manager) AddImage(name string) error {
	archive, err := BuildImage(name)
	if err != nil {
		return err
	}
	if name == "busybox" || os.Geteuid() != 0 { // in the cache's store, root's files would be nobody's for a user
		return m.load(archive)
	}
	store, err := cached(strings.TrimSuffix(filepath.Base(archive), ".tar")+".store", func(path string) error {
		loader, err := OpenManager(filepath.Dir(m.Program))
		if err != nil {
			return err
		}
		loader.Root = path
		err = loader.load(archive)
		loader.settle()
		return errors.Join(err, os.RemoveAll(loader.Dir))
	})
	if err != nil || slices.Contains(m.stores, store) {
		return err
	}
	m.stores = append(m.stores, store)
	return m.writeStorageConf()
}

// load loads an archive into the private store.
func (m *Manager) load(archive string) error {
	if r := m.Run("load", "--quiet", "--input", archive); r.Code != 0 {
		return fmt.Errorf("load %s: exit code %d: %s", archive, r.Code, strings.TrimSpace(r.Stderr))
	}
	return nil
}

// Marks are the marks of everything that this manager makes.
func (m *Manager) Marks() Marks {
	marks := Marks{Dirs: []string{m.Dir}}
	if m.CgroupParent != "" {
		marks.Cgroups = []string{strings.TrimPrefix(m.CgroupParent, "/")}
	}
	return marks
}

// Close removes all pods and containers, looks for what is left behind, takes that away by
// force, and removes the folder. It returns a line for each thing that went wrong.
func (m *Manager) Close() []string {
	var wrong []string
	if list, err := os.ReadDir(m.Root); err == nil && len(list) > 0 { // a disk of a test's own is gone by now
		if r := m.Run("rm", "--all", "--force", "--time", "0"); r.Code != 0 {
			wrong = append(wrong, "rm --all --force: "+strings.TrimSpace(r.Stderr))
		}
	}
	left, err := m.Residue()
	if err != nil {
		wrong = append(wrong, "residue: "+err.Error())
	}
	for _, thing := range left {
		wrong = append(wrong, "left behind: "+thing)
		m.force(thing)
	}
	if os.Geteuid() != 0 {
		// Files of subordinate ids are removed where they are the user's, and then their namespace's holder goes.
		// The storage driver has mounted its own folder there.
		const remove = `umount -l "$1/overlay" 2>/dev/null; rm -rf "$@"`
		last := [][]string{{"unshare", "sh", "-c", remove, "sh", m.Root, m.RunRoot, m.TmpDir}, {"system", "migrate"}}
		if m.session != "" {
			last = last[:1] // others use the namespaces too
		}
		for _, args := range last {
			if r := m.Run(args...); r.Code != 0 {
				wrong = append(wrong, strings.Join(args, " ")+": "+strings.TrimSpace(r.Stderr))
			}
		}
	}
	if err := os.RemoveAll(m.Dir); err != nil {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

// Residue returns what of this manager's is on the machine besides its files, after waiting
// up to five seconds for it to go. Call it when no container is left.
func (m *Manager) Residue() ([]string, error) {
	m.settle()
	left, err := Remains(m.Marks())
	m.settle() // what was still in the cgroup parent is gone by now
	return left, err
}

// settle takes away what is meant to stay between commands: the store driver's mount of its
// folder on itself, and the cgroup parent, which is the caller's.
func (m *Manager) settle() {
	for _, dir := range []string{filepath.Join(m.Root, "overlay"), m.Root, m.RunRoot} {
		for unix.Unmount(dir, 0) == nil {
			continue
		}
	}
	if m.CgroupParent == "" {
		return
	}
	if parents, err := filepath.Glob("/sys/fs/cgroup/*" + m.CgroupParent); err == nil {
		for _, dir := range append(parents, "/sys/fs/cgroup"+m.CgroupParent) {
			unix.Rmdir(dir) // one that is not empty stays and is reported
		}
	}
}

// force takes away one thing that a picture named.
func (m *Manager) force(thing string) {
	words := strings.Fields(thing)
	switch words[0] {
	case "process":
		var pid int
		if _, err := fmt.Sscan(words[1], &pid); err == nil && pid > 1 {
			unix.Kill(pid, unix.SIGKILL)
		}
	case "mount", "namespace":
		unix.Unmount(words[1], unix.MNT_DETACH)
	case "cgroup":
		unix.Rmdir(words[1])
	}
}
