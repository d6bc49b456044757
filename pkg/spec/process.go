package spec

import (
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/manager-project/manager/pkg/errdefs"
)

// rootfs settles where the root filesystem comes from.
func (d *decider) rootfs() error {
	r := &d.cfg.Rootfs
	r.ReadOnly = d.req.Mounts.ReadOnly || (d.def.ReadOnly && !d.req.Given("read-only"))
	r.ReadOnlyTmpfs = r.ReadOnly && d.req.Mounts.ReadOnlyTmpfs
	if !d.req.Mounts.Rootfs {
		return nil
	}
	dir := d.req.Image
	if rest, option, ok := cutLast(dir, ":"); ok {
		switch option {
		case "O":
			dir, r.Overlay = rest, true
		}
	}
	if rest, option, ok := cutLast(dir, ":idmap"); ok && (option == "" || option[0] == '=') {
		m := Mount{}
		if err := m.idmap(strings.TrimPrefix(option, "=")); err != nil {
			return errdefs.Invalid("--rootfs", d.req.Image, "%w", err).WithHint("write DIRECTORY:idmap, or DIRECTORY:idmap=uids=FROM-TO-COUNT;gids=FROM-TO-COUNT")
		}
		dir, r.IDMap = rest, &m.IDMap
	}
	if dir == "" {
		return errdefs.Invalid("--rootfs", d.req.Image, "no directory given").WithHint("write --rootfs DIRECTORY[:O] COMMAND")
	}
	r.Path = d.abs(dir)
	return nil
}

// process settles the first process but for its command and environment.
func (d *decider) process() error {
	p, req := &d.cfg.Process, &d.req.Process
	p.Terminal, p.Stdin = req.TTY, req.Interactive
	p.StdinOnce = req.Interactive && !d.req.Life.Detach
	p.Passwd, p.PasswdEntry, p.GroupEntry = req.Passwd, req.PasswdEntry, req.GroupEntry
	p.Init = req.Init || (d.def.Init && !d.req.Given("init"))
	for _, step := range []func() error{d.workdir, d.user, d.initPath, d.descriptors, d.umask, d.timezone, d.personality, d.entries} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (d *decider) workdir() error {
	if w := d.req.Process.Workdir; w != "" {
		if !path.IsAbs(w) || hasControl(w) {
			return errdefs.Invalid("--workdir", w, "not an absolute path").WithHint("write a path that begins with /")
		}
		d.cfg.Process.Workdir = path.Clean(w)
		return nil
	}
	if hasControl(d.img.WorkingDir) {
		return errdefs.New(errdefs.ErrInvalid, "image", d.imageWord(), "its working directory has control characters").
			WithHint("give another with --workdir")
	}
	d.cfg.Process.Workdir = path.Clean("/" + d.img.WorkingDir)
	return nil
}

// keepGroups is the word of --group-add that leaves the process the caller's supplementary groups.
const keepGroups = "keep-groups"

func (d *decider) user() error {
	p := &d.cfg.Process
	p.User = d.req.Process.User
	if p.User == "" {
		p.User = d.img.User
	}
	if hasControl(p.User) {
		return errdefs.Invalid("--user", p.User, "control characters in the name").WithHint("write USER[:GROUP] or UID[:GID]")
	}
	for _, g := range d.req.Process.GroupAdd {
		if g == keepGroups {
			if len(d.req.Process.GroupAdd) > 1 {
				return errdefs.Invalid("--group-add", g, "it keeps the caller's groups and goes with no other").WithHint("give --group-add once")
			}
			p.KeepGroups = true
			continue
		}
		if g == "" || hasControl(g) || strings.Contains(g, ":") {
			return errdefs.Invalid("--group-add", g, "not a group").WithHint("write a group's name or number")
		}
	}
	if !p.KeepGroups {
		p.GroupAdd = d.req.Process.GroupAdd
	}
	for _, name := range d.req.Process.HostUser {
		if d.host.FindHostUser != nil {
			if err := d.host.FindHostUser(name); err != nil {
				return errdefs.Invalid("--hostuser", name, "%w", err).WithHint("write the name of a user of this host")
			}
		}
		p.HostUsers = append(p.HostUsers, name)
	}
	return nil
}

func (d *decider) initPath() error {
	p := &d.cfg.Process
	given := d.req.Process.InitPath
	if given != "" && !path.IsAbs(given) {
		return errdefs.Invalid("--init-path", given, "not an absolute path").WithHint("write a path that begins with /")
	}
	if !p.Init {
		return nil
	}
	if p.InitPath = given; given == "" {
		p.InitPath = d.def.InitPath
	}
	if p.InitPath != "" && d.host.PathExists != nil && !d.host.PathExists(p.InitPath) {
		return errdefs.New(errdefs.ErrNotFound, "", p.InitPath, "no such file or directory").WithOp("--init-path").
			WithHint("name a program of this host, or leave it out for the built-in one")
	}
	return nil
}

func (d *decider) descriptors() error {
	req := &d.req.Process
	// The kernel's ceiling for one process is 2^20 by default; so many cannot be meant.
	const most = 1 << 16
	if req.PreserveFDs > most {
		return errdefs.Invalid("--preserve-fds", strconv.FormatUint(uint64(req.PreserveFDs), 10), "more than %d descriptors", most)
	}
	seen := map[uint]bool{}
	add := func(fd uint) {
		if !seen[fd] {
			seen[fd] = true
			d.cfg.Process.PreserveFDs = append(d.cfg.Process.PreserveFDs, fd)
		}
	}
	for fd := uint(3); fd < 3+req.PreserveFDs; fd++ {
		add(fd)
	}
	for _, fd := range req.PreserveFD {
		if fd < 3 {
			return errdefs.Invalid("--preserve-fd", strconv.FormatUint(uint64(fd), 10), "standard descriptors are always passed").
				WithHint("write descriptors from 3 up")
		}
		add(fd)
	}
	return nil
}

// ParseUmask reads an octal umask of at most four digits; it fails on anything else.
func ParseUmask(s string) (uint32, error) {
	v, err := strconv.ParseUint(s, 8, 32)
	if err != nil || len(s) > 4 || v > 0o777 {
		return 0, errdefs.Invalid("--umask", s, "not an octal mask").WithHint("write up to four octal digits, as 0022")
	}
	return uint32(v), nil
}

func (d *decider) umask() error {
	mask := d.req.Process.Umask
	if mask == "" {
		mask = d.def.Umask
	}
	if mask == "" {
		return nil
	}
	if _, err := ParseUmask(mask); err != nil {
		return err
	}
	d.cfg.Process.Umask = mask
	return nil
}

func (d *decider) timezone() error {
	tz := d.req.Process.TZ
	if tz == "" {
		tz = d.def.TZ
	}
	if tz == "" || tz == "local" {
		d.cfg.Process.Timezone = tz
		return nil
	}
	clean := path.Clean(tz)
	if path.IsAbs(tz) || clean != tz || strings.HasPrefix(clean, "..") || hasControl(tz) ||
		(d.host.ZoneExists != nil && !d.host.ZoneExists(tz)) {
		return errdefs.Invalid("--tz", tz, "unknown time zone").WithHint("write local or a zone such as Europe/Berlin")
	}
	d.cfg.Process.Timezone = tz
	return nil
}

func (d *decider) personality() error {
	switch p := strings.ToUpper(d.req.Process.Personality); p {
	case "", "LINUX", "LINUX32":
		d.cfg.Process.Personality = p
	default:
		return errdefs.Invalid("--personality", d.req.Process.Personality, "unknown personality").WithHint("write LINUX or LINUX32")
	}
	adj := d.req.Process.OOMScoreAdj
	if adj == nil {
		adj = d.def.OOMScoreAdj
	}
	if adj != nil && (*adj < -1000 || *adj > 1000) {
		return errdefs.Invalid("--oom-score-adj", strconv.Itoa(*adj), "out of range").WithHint("write a number from -1000 to 1000")
	}
	// Source: kernel, fs/proc/base.c, __set_oom_adj: lowering wants CAP_SYS_RESOURCE.
	if least := min(d.host.OOMScoreAdj, 0); adj != nil && *adj < least && !d.host.CanRaiseRlimits {
		if d.req.Process.OOMScoreAdj == nil {
			adj = &least
		} else {
			return errdefs.New(errdefs.ErrPermission, "", strconv.Itoa(*adj), "lower than this command's own (%d), which needs CAP_SYS_RESOURCE", d.host.OOMScoreAdj).
				WithOp("--oom-score-adj").WithHint("give a higher one")
		}
	}
	d.cfg.Process.OOMScoreAdj = adj
	return nil
}

// entries checks the templates of the passwd and group lines.
func (d *decider) entries() error {
	for option, entry := range map[string]string{"--passwd-entry": d.req.Process.PasswdEntry, "--group-entry": d.req.Process.GroupEntry} {
		if hasControl(strings.ReplaceAll(entry, `\n`, "")) {
			return errdefs.Invalid(option, entry, "control characters in the line").WithHint("write one line, with $USERNAME, $UID, $GID, $NAME or $HOME")
		}
	}
	return nil
}

// abs makes a host path absolute against the caller's directory and clean.
func (d *decider) abs(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(d.host.Cwd, p)
}

// hasControl reports control characters, which could forge lines in generated files.
func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
