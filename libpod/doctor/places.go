package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// probeRuntimeDir looks at where an ordinary user's run state goes, and makes a socket there.
func probeRuntimeDir(_ context.Context, e *Env) []Finding {
	if !e.rootless() {
		return e.canBind(e.RunRoot)
	}
	session := fmt.Sprintf("/run/user/%d", e.UID)
	dir := e.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		return e.noSession(session)
	}
	const why = "containers are started with another directory, which other commands of the user do not find"
	var f Finding
	o, err := e.stat(dir)
	switch {
	case !path.IsAbs(dir):
		f = broken("XDG_RUNTIME_DIR is "+dir+", not an absolute path", why, e.useSession(session)...)
	case err != nil && dir == session && e.systemd():
		f = broken("XDG_RUNTIME_DIR is "+dir+", which is not there", why, "sudo loginctl enable-linger "+e.User)
	case err != nil:
		f = broken("XDG_RUNTIME_DIR is "+dir+", which is not there", why, "mkdir -m 0700 "+dir)
		f.fix = func(_ context.Context, e *Env) (string, error) { return "made " + dir, e.Mkdir(dir) }
	case !o.mode.IsDir():
		f = broken("XDG_RUNTIME_DIR is "+dir+", not a directory", why, e.useSession(session)...)
	case o.uid != e.UID:
		f = broken(fmt.Sprintf("XDG_RUNTIME_DIR is %s, which belongs to the user with the id %d", dir, o.uid), why+"; su keeps the caller's: use machinectl shell or a login", e.useSession(session)...)
	case o.mode&0o022 != 0:
		f = closeDir(fmt.Sprintf("XDG_RUNTIME_DIR is %s with mode %04o: others may write there", dir, o.mode.Perm()), why, dir)
	default:
		return e.canBind(dir)
	}
	return []Finding{f}
}

// useSession are the steps to the directory that systemd makes, where it does.
func (e *Env) useSession(dir string) []string {
	switch {
	case e.exists(dir):
		return []string{"export XDG_RUNTIME_DIR=" + dir}
	case e.systemd():
		return []string{"sudo loginctl enable-linger " + e.User, "export XDG_RUNTIME_DIR=" + dir}
	}
	return []string{"unset XDG_RUNTIME_DIR"}
}

// closeDir is for a directory of the user's that others may write to.
func closeDir(what, why, dir string) Finding {
	f := broken(what, why, "chmod 0700 "+dir)
	f.fix = func(_ context.Context, e *Env) (string, error) {
		return "changed the mode of " + dir + " to 0700", e.Chmod(dir, 0o700)
	}
	return f
}

// noSession is for a user without XDG_RUNTIME_DIR: after su, in cron jobs.
func (e *Env) noSession(session string) []Finding {
	const why = "containers that were started in a session are not found, and theirs are not found by sessions"
	if o, err := e.stat(session); err == nil && o.uid == e.UID {
		return e.canBind(session) // found without the variable
	}
	if o, err := e.stat(e.Fallback); err == nil && (o.uid != e.UID || o.mode&0o022 != 0 || !o.mode.IsDir()) {
		what, alone := fmt.Sprintf("%s is not a directory of this user's alone: owner %d, mode %04o", e.Fallback, o.uid, o.mode.Perm()), "no command can be run outside of a session"
		if o.mode.IsDir() && o.uid == e.UID {
			return []Finding{closeDir(what, alone, e.Fallback)}
		}
		return []Finding{broken(what, alone, "sudo rm -r "+e.Fallback)}
	}
	if e.systemd() {
		return []Finding{poor("there is no XDG_RUNTIME_DIR, since there is no session", why, "sudo loginctl enable-linger "+e.User, "export XDG_RUNTIME_DIR="+session)}
	}
	if e.exists(e.Fallback) {
		return e.canBind(e.Fallback)
	}
	return []Finding{well("%s is made when it is needed", e.Fallback)}
}

// canBind makes a socket in a directory, if it is there.
func (e *Env) canBind(dir string) []Finding {
	if dir == "" || !e.exists(dir) {
		return []Finding{well("%s is made when it is needed", dir)}
	}
	if err := e.Bind(dir); err != nil {
		return []Finding{broken(fmt.Sprintf("no socket can be made in %s: %v", dir, err), "nobody can attach to a container", "put it on a local file system: tmpfs, ext4, xfs or btrfs; free space there")}
	}
	return []Finding{well("%s works", dir)}
}

// systemd says that it runs the machine. Source: sd_booted(3).
func (e *Env) systemd() bool { return e.exists("/run/systemd/system") }

// probeHome looks at where an ordinary user's images go.
func probeHome(_ context.Context, e *Env) []Finding {
	if !e.rootless() {
		return []Finding{skipped("root's store is not there")}
	}
	const why = "there is no place for images"
	o, err := e.stat(e.Home)
	switch {
	case e.Home == "" || !path.IsAbs(e.Home):
		return []Finding{broken(fmt.Sprintf("HOME is %q, not an absolute path", e.Home), why, "export HOME=$(getent passwd "+e.User+" | cut -d: -f6)")}
	case errors.Is(err, fs.ErrPermission):
		return []Finding{broken("the home directory "+e.Home+" cannot be entered", why, "sudo chmod o+x "+e.barrier(e.Home))}
	case err != nil:
		return []Finding{broken("the home directory "+e.Home+" is not there", why, fmt.Sprintf("sudo install -d -m 0700 -o %s -g \"$(id -g %s)\" %s", e.User, e.User, e.Home))}
	case o.uid != e.UID:
		return []Finding{broken(fmt.Sprintf("the home directory %s belongs to the user with the id %d", e.Home, o.uid), why, "export HOME=$(getent passwd "+e.User+" | cut -d: -f6)")}
	}
	return []Finding{well("%s is the user's", e.Home)}
}

// barrier is the directory on the way to a path that this user may not pass.
func (e *Env) barrier(name string) string {
	for dir := path.Dir(name); dir != "/" && dir != "."; dir = path.Dir(dir) {
		if _, err := e.stat(dir); err == nil {
			return dir
		}
	}
	return path.Dir(name)
}

// probeTmp looks at the directories for temporary files.
func probeTmp(_ context.Context, e *Env) []Finding {
	var found []Finding
	for _, dir := range uniq("/tmp", e.TempDir) {
		o, err := e.stat(dir)
		shared := dir == "/tmp" || dir == "/var/tmp"
		var f Finding
		switch {
		case errors.Is(err, fs.ErrPermission):
			f = broken(dir+" cannot be entered", "nothing can be pulled or built", "sudo chmod o+x "+e.barrier(dir))
		case err != nil:
			f = broken(dir+" is not there", "nothing can be pulled or built", "sudo install -d -m 1777 "+dir)
		case !shared:
			continue
		case o.mode.Perm() == 0o777 && o.mode&fs.ModeSticky == 0:
			f = broken(dir+" has no sticky bit (mode 0777)", "any user can replace another's files there", "sudo chmod 1777 "+dir)
		case o.mode.Perm() != 0o777:
			f = broken(fmt.Sprintf("%s has mode %04o", dir, o.mode.Perm()), "ordinary users, those in containers too, have no place for temporary files", "sudo chmod 1777 "+dir)
		default:
			continue
		}
		if err == nil && !e.rootless() {
			f.fix = func(_ context.Context, e *Env) (string, error) {
				return "changed the mode of " + dir + " to 1777", e.Chmod(dir, 0o777|fs.ModeSticky)
			}
		}
		found = append(found, f)
	}
	return orWell(found, "%s", strings.Join(uniq("/tmp", e.TempDir), " and "))
}

// uniq leaves out what is empty or there twice.
func uniq(words ...string) []string {
	var all []string
	seen := map[string]bool{"": true}
	for _, w := range words {
		if !seen[w] {
			seen[w] = true
			all = append(all, w)
		}
	}
	return all
}

// probeLinger looks whether a user's containers outlive his sessions.
func probeLinger(_ context.Context, e *Env) []Finding {
	user := e.User
	if !e.rootless() {
		user = e.Sudo
	}
	switch {
	case user == "":
		return []Finding{skipped("root's containers belong to no session")}
	case !e.systemd():
		return []Finding{skipped("systemd does not run here, and nobody ends what a session leaves")}
	case e.exists("/var/lib/systemd/linger/" + user):
		return []Finding{well("user %s lingers", user)}
	}
	f := poor("user "+user+" does not linger", "the user's containers end with the last session", "loginctl enable-linger "+user)
	f.fix = func(ctx context.Context, e *Env) (string, error) {
		return "ran loginctl enable-linger " + user, e.Run(ctx, "loginctl", "enable-linger", user)
	}
	return []Finding{f}
}
