package spec

import (
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/manager-project/manager/pkg/errdefs"
)

// RlimitInfinity is the kernel's RLIM_INFINITY.
const RlimitInfinity = math.MaxUint64

// rlimitNames are the kernel's limits by the word of --ulimit. Source: getrlimit(2).
var rlimitNames = map[string]string{
	"as": "RLIMIT_AS", "core": "RLIMIT_CORE", "cpu": "RLIMIT_CPU", "data": "RLIMIT_DATA",
	"fsize": "RLIMIT_FSIZE", "locks": "RLIMIT_LOCKS", "memlock": "RLIMIT_MEMLOCK",
	"msgqueue": "RLIMIT_MSGQUEUE", "nice": "RLIMIT_NICE", "nofile": "RLIMIT_NOFILE",
	"nproc": "RLIMIT_NPROC", "rss": "RLIMIT_RSS", "rtprio": "RLIMIT_RTPRIO",
	"rttime": "RLIMIT_RTTIME", "sigpending": "RLIMIT_SIGPENDING", "stack": "RLIMIT_STACK",
}

// ParseUlimit reads NAME=SOFT[:HARD]; -1 is no limit. Errors are of class invalid.
func ParseUlimit(word string) (Limit, error) {
	bad := func(cause string) (Limit, error) {
		return Limit{}, errdefs.Invalid("--ulimit", word, "%s", cause).WithHint("write NAME=SOFT[:HARD], as nofile=1024:2048, or host")
	}
	name, value, ok := strings.Cut(word, "=")
	if !ok {
		return bad("no '='")
	}
	kind, known := rlimitNames[strings.ToLower(strings.TrimPrefix(strings.ToUpper(name), "RLIMIT_"))]
	if !known {
		return bad("unknown limit")
	}
	soft, hard, two := strings.Cut(value, ":")
	if !two {
		hard = soft
	}
	s, ok1 := rlimitValue(soft)
	h, ok2 := rlimitValue(hard)
	switch {
	case !ok1 || !ok2:
		return bad("not a number")
	case s > h:
		return bad("the soft limit is above the hard one")
	}
	return Limit{Type: kind, Soft: s, Hard: h}, nil
}

func rlimitValue(s string) (uint64, bool) {
	if s == "-1" || s == "unlimited" {
		return RlimitInfinity, true
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

// ulimits settles the process's limits. What the user asks for is given or refused; the
// administrator's and the built-in ones are lowered to what the host can give.
func (d *decider) ulimits() error {
	limits := map[string]Limit{}
	// The same ceilings as the peers: fs.nr_open's and pid_max's largest values.
	for _, l := range []Limit{{"RLIMIT_NOFILE", 1 << 20, 1 << 20}, {"RLIMIT_NPROC", 1 << 22, 1 << 22}} {
		limits[l.Type] = d.lower(l)
	}
	for _, word := range d.def.Ulimits {
		l, err := ParseUlimit(word)
		if err != nil {
			return err
		}
		limits[l.Type] = d.lower(l)
	}
	asked, all, err := d.askedUlimits()
	if err != nil {
		return err
	}
	if all {
		limits = map[string]Limit{}
	}
	for _, l := range asked {
		limits[l.Type] = l
	}
	d.cfg.Process.Rlimits = sortedLimits(limits)
	return nil
}

// askedUlimits are the limits of --ulimit; all says that they are those of the host, in place of any others.
func (d *decider) askedUlimits() (limits []Limit, all bool, err error) {
	asked := map[string]bool{}
	for _, word := range d.req.Limits.Ulimit {
		if word == "host" {
			if len(d.req.Limits.Ulimit) > 1 {
				return nil, false, errdefs.Invalid("--ulimit", word, "host stands alone").WithHint("leave the other limits out")
			}
			return d.hostLimits(), true, nil
		}
		l, err := ParseUlimit(word)
		if err != nil {
			return nil, false, err
		}
		if asked[l.Type] {
			return nil, false, errdefs.Invalid("--ulimit", word, "given twice").WithHint("give every limit once")
		}
		asked[l.Type] = true
		if hard := d.hardLimit(l.Type); l.Hard > hard && !d.host.CanRaiseRlimits {
			return nil, false, errdefs.Invalid("--ulimit", word, "above this host's hard limit of %d", hard).WithHint("ask for at most %d", hard)
		}
		limits = append(limits, l)
	}
	return limits, false, nil
}

func sortedLimits(limits map[string]Limit) []Limit {
	var list []Limit
	for _, l := range limits {
		list = append(list, l)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Type < list[j].Type })
	return list
}

func (d *decider) hardLimit(kind string) uint64 {
	if l, ok := d.host.Rlimits[kind]; ok {
		return l.Hard
	}
	return RlimitInfinity
}

// lower cuts a limit to the host's hard one. The caller may be without CAP_SYS_RESOURCE at
// a later start, so this is done whether or not it could raise it now.
func (d *decider) lower(l Limit) Limit {
	hard := d.hardLimit(l.Type)
	l.Hard = min(l.Hard, hard)
	l.Soft = min(l.Soft, l.Hard)
	return l
}

func (d *decider) hostLimits() []Limit {
	var out []Limit
	for kind, l := range d.host.Rlimits {
		out = append(out, Limit{Type: kind, Soft: l.Soft, Hard: l.Hard})
	}
	return out
}
