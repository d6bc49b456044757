package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The rows of an ordinary user, and those that say what he pays beyond root.
const (
	userRun     = "a user's run"
	userNetwork = "a user's run on the default network"
	userExec    = "a user's exec"
	userPS      = "a user's ps"
	beyondRun   = "a user's run beyond root's"
	beyondPS    = "a user's ps beyond root's"
)

// user is an ordinary user with subordinate ids and no session. He exists in a mount namespace whose /etc knows him,
// and in which all his commands run.
type user struct {
	w    *world
	home string
	id   int
	// keeper is a process in the mount namespace, which lives until its input is closed.
	keeper *exec.Cmd
	close  func() error
}

// newUser makes the user, with a copy of the image and of our programs in his home.
func (w *world) newUser() (*user, error) {
	for _, program := range []string{"newuidmap", "nsenter", "setpriv"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, err
		}
	}
	home, err := os.MkdirTemp("", "mbu")
	if err != nil {
		return nil, err
	}
	u := &user{w: w, home: home, id: 60000 + os.Getpid()%5000}
	w.undo = append(w.undo, u.leave)
	script := "set -e\nmount --make-rprivate /\n"
	for file, line := range map[string]string{
		"passwd": fmt.Sprintf("bench:x:%d:%d::%s:/bin/sh", u.id, u.id, home), "group": fmt.Sprintf("bench:x:%d:", u.id),
		"subuid": "bench:4000000:65536", "subgid": "bench:4000000:65536",
	} {
		old, err := os.ReadFile("/etc/" + file)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(home, "etc-"+file)
		if err := os.WriteFile(path, append(old, line+"\n"...), 0o644); err != nil {
			return nil, err
		}
		script += fmt.Sprintf("mount --bind %s /etc/%s\n", path, file)
	}
	script += fmt.Sprintf("mkdir -m 700 %[1]s/run %[1]s/bin\ncp %[2]s %[1]s/image.tar\n", home, w.rootfs)
	if w.o.programs != "" {
		script += fmt.Sprintf("cp %s/manager* %s/bin/\n", w.o.programs, home)
	}
	script += fmt.Sprintf(openTUN, home)
	script += fmt.Sprintf("chown -R %d:%d %s\necho ready\nread end", u.id, u.id, home)
	u.keeper = exec.Command("unshare", "--mount", "sh", "-c", script)
	in, err := u.keeper.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := u.keeper.StdoutPipe()
	if err != nil {
		return nil, err
	}
	var complaints strings.Builder
	u.keeper.Stderr = &complaints
	if err := u.keeper.Start(); err != nil {
		return nil, err
	}
	u.close = in.Close
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		return nil, fmt.Errorf("make a user: %w: %s", err, lastLine(complaints.String()))
	}
	return u, nil
}

// openTUN lets the user have network devices, as distributions do.
const openTUN = `
mkdir -p /dev/net %[1]s/dev
mount -t tmpfs -o mode=755 dev %[1]s/dev
mknod -m 666 %[1]s/dev/tun c 10 200
[ ! -e /dev/net/tun ] || mount --bind %[1]s/dev/tun /dev/net/tun
umount -l %[1]s/dev
`

// words are what a command that is run as the user, in his environment, begins with.
func (u *user) words(env ...string) []string {
	id := strconv.Itoa(u.id)
	words := []string{
		"nsenter", "--mount", "--target", strconv.Itoa(u.keeper.Process.Pid), "setpriv", "--reuid", id, "--regid", id, "--clear-groups", "env", "-i", "-C", "/",
	}
	return append(words, u.environ(env...)...)
}

func (u *user) environ(env ...string) []string {
	return append([]string{
		"HOME=" + u.home, "USER=bench", "LOGNAME=bench", "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TMPDIR=" + u.home,
		"XDG_RUNTIME_DIR=" + filepath.Join(u.home, "run"),
	}, env...)
}

// leave ends what the user has left running, and removes his home.
func (u *user) leave() error {
	var errs []error
	if u.close != nil {
		errs = append(errs, u.close())
		_ = u.keeper.Wait() // "read" ends with 1 at the end of its input
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		left := u.processes()
		for _, pid := range left {
			_ = unix.Kill(pid, unix.SIGKILL) // the holders of namespaces, ours and podman's
		}
		if len(left) == 0 || time.Now().After(deadline) {
			break
		}
	}
	return errors.Join(append(errs, os.RemoveAll(u.home))...)
}

// processes are the user's that are no zombies.
func (u *user) processes() []int {
	var pids []int
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		var st unix.Stat_t
		text, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil || unix.Stat(filepath.Join("/proc", e.Name()), &st) != nil || int(st.Uid) != u.id && (st.Uid < 4000000 || st.Uid >= 4065536) {
			continue
		}
		if i := strings.LastIndexByte(string(text), ')'); !strings.HasPrefix(string(text[i:]), ") Z") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// peers are our program and podman as the user runs them, as far as they can be set up.
func (u *user) peers() []*peer {
	var all []*peer
	if u.w.o.programs != "" {
		all = append(all, &peer{name: "manager", prefix: []string{filepath.Join(u.home, "bin/manager")}, as: u.words()})
	}
	if program, err := exec.LookPath("podman"); err == nil {
		conf := filepath.Join(u.home, "podman.conf")
		err = os.WriteFile(conf, []byte(podmanConf), 0o644)
		if err == nil {
			dir := filepath.Join(u.home, "podman")
			all = append(all, &peer{
				name: "podman", as: u.words("CONTAINERS_CONF=" + conf),
				prefix: []string{program, "--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"), "--tmpdir", filepath.Join(dir, "tmp")},
			})
		}
	}
	return slices.DeleteFunc(all, func(p *peer) bool {
		p.engine, p.image, p.scratch = true, "localhost/bench", u.home
		_, err := u.run(p, "import", filepath.Join(u.home, "image.tar"), p.image)
		if err != nil {
			u.w.missing = append(u.w.missing, p.name+" as a user: "+err.Error())
			return true
		}
		p.cleanup = func() error {
			_, err := u.run(p, "rm", "--all", "--force", "--time", "0")
			_, migrated := u.run(p, "system", "migrate") // ends its holder
			return errors.Join(err, migrated)
		}
		u.w.undo = append(u.w.undo, p.cleanup)
		return false
	})
}

// run runs a command of the setup. Errors name the command as the user would give it.
func (u *user) run(p *peer, args ...string) (string, error) {
	out, err := u.w.run(nil, p.command(args...)...)
	return out, u.named(p, err)
}

// named puts a peer's name in the place of all that its command lines begin with.
func (u *user) named(p *peer, err error) error {
	long := strings.Join(slices.Concat(p.as, p.prefix), " ")
	if err == nil || !strings.Contains(err.Error(), long) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), long, p.name))
}

// asUser measures what an ordinary user does.
func (w *world) asUser() []*row {
	var rows []*row
	u, err := w.newUser()
	if err != nil {
		w.missing = append(w.missing, "an ordinary user: "+err.Error())
		return rows
	}
	peers := u.peers()
	add := func(work string, command func(*peer) ([]string, error)) {
		r := w.times(work, peers, command)
		for i, p := range peers {
			r.values[i].err = u.named(p, r.values[i].err)
		}
		rows = append(rows, r)
	}
	always := func(args ...string) func(*peer) ([]string, error) {
		return func(p *peer) ([]string, error) { return slices.Concat(p.prefix, args), nil }
	}
	add(userRun, func(p *peer) ([]string, error) {
		return slices.Concat(p.prefix, []string{"run", "--rm", "--network", "none", p.image, "true"}), nil
	})
	add(userNetwork, func(p *peer) ([]string, error) {
		routes, err := u.run(p, "run", "--rm", p.image, "cat", "/proc/net/route")
		if err == nil && !strings.Contains(routes, "\t00000000\t") {
			err = errors.New(p.name + "'s default network has no way out")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNotMeasured, err)
		}
		return slices.Concat(p.prefix, []string{"run", "--rm", p.image, "true"}), nil
	})
	for _, p := range peers {
		if _, err := u.run(p, "run", "-d", "--name", "live", "--network", "none", p.image, "sleep", "100000"); err != nil {
			w.missing = append(w.missing, p.name+" as a user: "+err.Error())
		}
	}
	add(userExec, always("exec", "live", "true"))
	add(userPS, always("ps"))
	for _, root := range w.peers {
		for _, p := range peers {
			if root.name == "manager" && p.name == "manager" {
				rows = append(rows, u.beyond(beyondRun, root, p, "run", "--rm", "--network", "none", p.image, "true"), u.beyond(beyondPS, root, p, "ps"))
			}
		}
	}
	return rows
}

// beyond is how much longer a command takes the user than root: the difference of the medians of as many runs as
// of the others, one of root's and one of the user's in turn, in milliseconds.
func (u *user) beyond(work string, root, mine *peer, args ...string) *row {
	fmt.Fprintln(os.Stderr, "bench:", work)
	var roots, users []float64
	var failed error
	for i := range u.w.o.runs + 3 {
		r := exec.CommandContext(u.w.ctx, root.prefix[0], root.command(args...)[1:]...)
		r.Env = append(os.Environ(), root.env...)
		m := exec.CommandContext(u.w.ctx, mine.prefix[0], args...)
		m.Env, m.Dir = u.environ(), "/"
		m.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(u.id), Gid: uint32(u.id)}}
		for cmd, times := range map[*exec.Cmd]*[]float64{r: &roots, m: &users} {
			begin := time.Now()
			if err := cmd.Run(); err != nil && failed == nil {
				failed = fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
			}
			if i >= 3 {
				*times = append(*times, float64(time.Since(begin).Microseconds())/1000)
			}
		}
	}
	return &row{work: work, unit: "ms", values: []value{{"manager", median(users) - median(roots), failed}}}
}

func median(times []float64) float64 {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)/2]
}
