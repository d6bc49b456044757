package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// forbidden finds the settings that forbid user namespaces to ordinary users.
func (e *Env) forbidden() *Finding {
	const why = "no container can be run without root"
	persist := func(setting string) []string {
		return []string{"sudo sysctl -w " + setting, "echo " + setting + " | sudo tee /etc/sysctl.d/99-containers.conf"}
	}
	var f Finding
	switch {
	case !e.exists("/proc/self/ns/user"):
		f = broken("the kernel has no user namespaces", why, "boot a kernel with CONFIG_USER_NS=y")
	case e.read("/proc/sys/user/max_user_namespaces") == "0":
		f = broken("user.max_user_namespaces is 0", why, persist("user.max_user_namespaces=15000")...)
	case e.read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		f = broken("kernel.unprivileged_userns_clone is 0", why, persist("kernel.unprivileged_userns_clone=1")...)
	default:
		return nil
	}
	return &f
}

// probeUserNamespaces looks at what forbids user namespaces; whether they work is tried by probeNamespace.
func probeUserNamespaces(ctx context.Context, e *Env) []Finding {
	if !e.rootless() {
		return []Finding{skipped("root needs none")}
	}
	if f := e.forbidden(); f != nil {
		return []Finding{*f}
	}
	const restrict = "kernel.apparmor_restrict_unprivileged_userns"
	if e.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
		if t := e.trial(ctx); denied(t.Clone) || denied(t.Map) {
			return []Finding{broken("AppArmor denies user namespaces to programs without a profile ("+restrict+" is 1)",
				"no container can be run without root",
				"sudo sysctl -w "+restrict+"=0", "echo "+restrict+"=0 | sudo tee /etc/sysctl.d/99-containers.conf")}
		}
	}
	return []Finding{well("allowed to ordinary users")}
}

func denied(err error) bool { return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) }

// subids are the lines of a file of subordinate ids, and who is meant.
type subids struct {
	file   string
	ranges []subidRange
	// wrong are lines that are none.
	wrong []string
}

type subidRange struct {
	user        string
	first, size uint64
}

func (r subidRange) String() string {
	return fmt.Sprintf("%s:%d:%d", r.user, r.first, r.size)
}

// subids reads /etc/subuid or /etc/subgid. Source: subuid(5).
func (e *Env) subids(file string) subids {
	s := subids{file: file}
	names := map[string]string{}
	for _, line := range e.lines("/etc/passwd") {
		if f := strings.Split(line, ":"); len(f) > 2 {
			names[f[2]] = f[0]
		}
	}
	for _, line := range e.lines(file) {
		f := strings.Split(line, ":")
		if len(f) == 3 {
			first, err1 := strconv.ParseUint(f[1], 10, 32)
			size, err2 := strconv.ParseUint(f[2], 10, 32)
			if f[0] != "" && err1 == nil && err2 == nil && size > 0 && first+size <= 1<<32-1 {
				s.ranges = append(s.ranges, subidRange{user: cmp.Or(names[f[0]], f[0]), first: first, size: size})
				continue
			}
		}
		s.wrong = append(s.wrong, line)
	}
	return s
}

// of is how many ids a user has.
func (s *subids) of(user string) (sum uint64) {
	for _, r := range s.ranges {
		if r.user == user {
			sum += r.size
		}
	}
	return sum
}

// overlap finds two users with the same id.
func (s *subids) overlap() (a, b subidRange, found bool) {
	sorted := slices.SortedFunc(slices.Values(s.ranges), func(a, b subidRange) int { return cmp.Compare(a.first, b.first) })
	for i := 1; i < len(sorted); i++ {
		for _, before := range sorted[:i] {
			if before.user != sorted[i].user && before.first+before.size > sorted[i].first {
				return before, sorted[i], true
			}
		}
	}
	return a, b, false
}

// subidsWanted is how many ids images expect: those of a machine's ordinary users and nobody.
const subidsWanted = 65536

// freeRange is the first range that nobody has, in both files.
func freeRange(files ...subids) string {
	first := uint64(100000)
	for again := true; again; {
		again = false
		for _, s := range files {
			for _, r := range s.ranges {
				if r.first < first+subidsWanted && first < r.first+r.size {
					first, again = r.first+r.size, true
				}
			}
		}
	}
	return fmt.Sprintf("%d-%d", first, first+subidsWanted-1)
}

// probeSubids looks at the ranges of subordinate ids: the user's own, and everybody's for overlaps.
func probeSubids(_ context.Context, e *Env) []Finding {
	uids, gids := e.subids("/etc/subuid"), e.subids("/etc/subgid")
	var found []Finding
	for _, s := range []subids{uids, gids} {
		for _, line := range s.wrong {
			found = append(found, poor(fmt.Sprintf("%s: %q is not NAME:FIRST:COUNT", s.file, line), "the line is passed over", "sudoedit "+s.file))
		}
		if a, b, ok := s.overlap(); ok {
			found = append(found, broken(fmt.Sprintf("%s: %s and %s overlap", s.file, a, b), "their containers can read and kill each other's",
				fmt.Sprintf("sudo usermod --del-sub%ss %d-%d --add-sub%ss %s %s", s.kind(), b.first, b.first+b.size-1, s.kind(), freeRange(uids, gids), b.user),
				"as "+b.user+": manager system migrate"))
		}
	}
	user := e.User
	if !e.rootless() {
		user = e.Sudo
	}
	if user == "" {
		return orWell(found, "root needs none")
	}
	if f := missingRanges(e, user, &uids, &gids); f != nil {
		found = append(found, *f)
	} else if e.rootless() && e.Holder() {
		f := poor("the user's namespaces were made with other ranges than /etc/subuid and /etc/subgid have now", "containers have the ids of before", "manager system migrate")
		f.fix = func(ctx context.Context, e *Env) (string, error) {
			return "made the user's namespaces go; the next command makes them anew", e.Run(ctx, "manager", "system", "migrate")
		}
		found = append(found, f)
	}
	return orWell(found, "user %s has %d user ids and %d group ids", user, uids.of(user), gids.of(user))
}

// kind is the word of usermod's options.
func (s *subids) kind() string { return strings.TrimPrefix(path.Base(s.file), "sub") }

func missingRanges(e *Env, user string, uids, gids *subids) *Finding {
	var (
		add []string
		f   Finding
	)
	have := min(uids.of(user), gids.of(user))
	for _, s := range []*subids{uids, gids} {
		if s.of(user) < subidsWanted {
			add = append(add, "--add-sub"+s.kind()+"s", freeRange(*uids, *gids))
		}
	}
	argv := append(append([]string{"usermod"}, add...), user)
	cure := []string{"sudo " + strings.Join(argv, " "), "manager system migrate"}
	switch {
	case len(add) == 0:
		return nil
	case have == 0:
		f = broken("user "+user+" has no subordinate ids in "+lacking(user, uids, gids), "images with files of any other user than root cannot be used", cure...)
	default:
		f = poor(fmt.Sprintf("user %s has %d subordinate ids; images expect %d", user, have, subidsWanted), "an image with a file of a higher id cannot be used", cure...)
	}
	if !e.rootless() {
		f.fix = func(ctx context.Context, e *Env) (string, error) {
			return "ran " + strings.Join(argv, " "), e.Run(ctx, argv...)
		}
	}
	return &f
}

func lacking(user string, files ...*subids) string {
	var names []string
	for _, s := range files {
		if s.of(user) == 0 {
			names = append(names, s.file)
		}
	}
	return strings.Join(names, " and ")
}

// probeMappers looks at the two programs that map ranges.
func probeMappers(_ context.Context, e *Env) []Finding {
	if !e.rootless() {
		return []Finding{skipped("root needs none")}
	}
	var found []Finding
	const why = "subordinate ids cannot be mapped"
	for _, name := range []string{"newuidmap", "newgidmap"} {
		file := e.program(name)
		if file == "" {
			found = append(found, broken(name+" is not installed", why, e.install("uidmap", "shadow-utils")))
			continue
		}
		o, err := e.stat(file)
		setuid := err == nil && o.mode&fs.ModeSetuid != 0 && o.uid == 0
		if !setuid && e.Xattr(file, "security.capability") == "" {
			found = append(found, broken(fmt.Sprintf("%s is neither set-user-id root nor has it its file capability", file), why, "sudo chown root:root "+file, "sudo chmod u+s "+file))
		} else if s, err := e.Space(file); err == nil && s.NoSetuid {
			found = append(found, broken(file+" is on a file system that is mounted nosuid", why, "sudo mount -o remount,suid \"$(findmnt -no TARGET -T "+file+")\""))
		}
	}
	return orWell(found, "newuidmap and newgidmap are installed")
}

// install is the command that installs a package, by its names in Debian's and in Fedora's world.
func (e *Env) install(debian, fedora string) string {
	switch {
	case e.program("apt-get") != "":
		return "sudo apt-get install " + debian
	case e.program("dnf") != "":
		return "sudo dnf install " + fedora
	case e.program("zypper") != "":
		return "sudo zypper install " + fedora
	case e.program("pacman") != "":
		return "sudo pacman -S " + fedora
	case e.program("apk") != "":
		return "sudo apk add " + fedora
	}
	return "install the package " + debian + " (Debian, Ubuntu) or " + fedora + " (Fedora)"
}

// probeNamespace makes the namespaces and maps ids there.
func probeNamespace(ctx context.Context, e *Env) []Finding {
	if e.rootless() && e.forbidden() != nil {
		return []Finding{skipped("there are no user namespaces")}
	}
	t := e.trial(ctx)
	kind := "mount namespace"
	if e.rootless() {
		kind = "user namespace"
	}
	switch {
	case t.Other != nil:
		return []Finding{poor("it could not be tried: "+t.Other.Error(), "what else is found may be less than there is", "run \"manager doctor\" again")}
	case t.Clone != nil && errors.Is(t.Clone, syscall.ENOSPC):
		return []Finding{broken("no more "+kind+"s can be made: "+t.Clone.Error(), "no container can be run", "sudo sysctl -w user.max_user_namespaces=15000 user.max_mnt_namespaces=15000")}
	case t.Clone != nil && !e.rootless():
		return []Finding{broken("a "+kind+" cannot be made: "+t.Clone.Error(), "no container can be run", "give this root the capability SYS_ADMIN: run the surrounding container with --privileged")}
	case t.Clone != nil:
		if denied(t.Clone) && e.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
			return []Finding{skipped("AppArmor denies it")}
		}
		return []Finding{broken("a "+kind+" cannot be made: "+t.Clone.Error(), "no container can be run", "let the surrounding container, or the security module, allow clone(CLONE_NEWUSER)")}
	case t.Map != nil:
		return e.mapFailed(t.Map)
	}
	return []Finding{well("a %s was made, and ids mapped", kind)}
}

// mapFailed explains it, unless another probe does.
func (e *Env) mapFailed(err error) []Finding {
	ctx := context.Background()
	for _, p := range []func(context.Context, *Env) []Finding{probeMappers, probeSubids} {
		for _, f := range p(ctx, e) {
			if f.Status == Broken {
				return []Finding{skipped("see above: %s", f.What)}
			}
		}
	}
	if denied(err) && e.read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
		return []Finding{skipped("AppArmor denies it")}
	}
	return []Finding{broken("ids cannot be mapped: "+err.Error(), "images with files of any other user than root cannot be used",
		"give this user ranges that are all his in /etc/subuid and /etc/subgid, and let the surrounding container have the capabilities SETUID and SETGID")}
}
