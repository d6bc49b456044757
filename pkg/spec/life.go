package spec

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/manager-project/manager/pkg/errdefs"
)

// life settles stop, removal and the files that announce the container.
func (d *decider) life() error {
	l, req := &d.cfg.Life, &d.req.Life
	l.Remove, l.RemoveImage, l.Timeout = req.Remove || req.RemoveImage, req.RemoveImage, req.Timeout
	l.StopTimeout = d.def.StopTimeout
	if req.StopTimeout != nil {
		l.StopTimeout = *req.StopTimeout
	}
	if err := d.stopSignal(); err != nil {
		return err
	}
	if err := d.restart(); err != nil {
		return err
	}
	switch req.Pull {
	case "", "always", "missing", "never", "newer":
	default:
		return errdefs.Invalid("--pull", req.Pull, "unknown policy").WithHint("write always, missing, never or newer")
	}
	for _, stream := range req.Attach {
		switch strings.ToLower(stream) {
		case "stdin", "stdout", "stderr":
		default:
			return errdefs.Invalid("--attach", stream, "no such stream").WithHint("write stdin, stdout or stderr")
		}
	}
	if req.Detach && len(req.Attach) > 0 {
		return errdefs.Invalid("--attach", strings.Join(req.Attach, ","), "--detach says the opposite").WithHint("leave --attach or --detach out")
	}
	for _, name := range req.Requires {
		if _, err := d.peer("--requires", name); err != nil {
			return err
		}
	}
	if req.CIDFile != "" {
		l.CIDFile = d.abs(req.CIDFile)
	}
	if req.PIDFile != "" {
		l.PIDFile = d.abs(req.PIDFile)
	}
	return d.annotations()
}

// ParseRestart reads POLICY[:N]; "" and the words for none give the zero value. Errors are of class invalid.
func ParseRestart(word string) (Restart, error) {
	policy, max, counted := strings.Cut(word, ":")
	r := Restart{Policy: policy}
	switch policy {
	case "", "no", "never":
		r = Restart{}
	case "always", "unless-stopped", "on-failure":
	default:
		return Restart{}, errdefs.Invalid("--restart", word, "unknown policy").WithHint("write no, always, unless-stopped or on-failure[:N]")
	}
	if !counted {
		return r, nil
	}
	if policy != "on-failure" {
		return Restart{}, errdefs.Invalid("--restart", word, "only on-failure takes a number of restarts").WithHint("leave the number out, or write on-failure:N")
	}
	n, err := strconv.ParseUint(max, 10, 31)
	if err != nil {
		return Restart{}, errdefs.Invalid("--restart", word, "%q is not a number of restarts", max).WithHint("write on-failure:3, or on-failure for no limit")
	}
	r.Max = uint(n)
	return r, nil
}

func (d *decider) restart() error {
	var err error
	if d.cfg.Life.Restart, err = ParseRestart(d.req.Life.Restart); err != nil {
		return err
	}
	if d.cfg.Life.Restart.Policy != "" && d.cfg.Life.Remove {
		return errdefs.Invalid("--restart", d.req.Life.Restart, "--rm would remove the container before it is restarted").WithHint("leave --restart or --rm out")
	}
	return nil
}

// stopSignal prefers the user's; a bad one of the image's is left out with a warning.
func (d *decider) stopSignal() error {
	d.cfg.Life.StopSignal = int(syscall.SIGTERM)
	if d.cfg.Process.Systemd {
		d.cfg.Life.StopSignal = systemdStopSignal
	}
	if word := d.req.Life.StopSignal; word != "" {
		s, err := ParseSignal("--stop-signal", word)
		if err != nil {
			return err
		}
		d.cfg.Life.StopSignal = int(s)
		return nil
	}
	if d.img.StopSignal == "" {
		return nil
	}
	s, err := ParseSignal("--stop-signal", d.img.StopSignal)
	if err != nil {
		d.warnf(fmt.Sprintf("the image's stop signal %q is unknown; SIGTERM is used", d.img.StopSignal))
		//lint:ignore nilerr the image only wishes: a warning, no failure
		return nil
	}
	d.cfg.Life.StopSignal = int(s)
	return nil
}

// Platform is an operating system, architecture and variant in the words of the image-spec.
type Platform struct{ OS, Arch, Variant string }

// ParsePlatform reads OS/ARCH[/VARIANT]; a single word without a slash is an
// architecture, unless it is "linux". Errors are of class invalid.
func ParsePlatform(word string) (Platform, error) {
	parts := strings.Split(word, "/")
	for _, p := range parts {
		if len(parts) > 3 || !validName(p) {
			return Platform{}, errdefs.Invalid("--platform", word, "not a platform").WithHint("write OS/ARCH[/VARIANT], as linux/arm64")
		}
	}
	switch {
	case len(parts) == 1 && parts[0] == "linux":
		return Platform{OS: "linux"}, nil
	case len(parts) == 1:
		return Platform{OS: "linux", Arch: parts[0]}, nil
	case len(parts) == 2:
		return Platform{OS: parts[0], Arch: parts[1]}, nil
	}
	return Platform{OS: parts[0], Arch: parts[1], Variant: parts[2]}, nil
}

// platform checks that one way only was used to choose it; the image's resolver acts on it.
func (d *decider) platform() error {
	req := &d.req.Life
	if req.Platform == "" {
		return nil
	}
	if req.Arch != "" || req.OS != "" {
		return errdefs.Invalid("--platform", req.Platform, "--arch and --os say the same").WithHint("leave --platform or the others out")
	}
	_, err := ParsePlatform(req.Platform)
	return err
}
