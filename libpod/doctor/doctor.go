package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// probe is one question.
type probe struct {
	name  string
	check func(context.Context, *Env) []Finding
}

// probes are all questions, in the order in which the way of a container meets them.
var probes = []probe{
	{"program", probeProgram},
	{"configuration", probeConfiguration},
	{"kernel", probeKernel},
	{"user-namespaces", probeUserNamespaces},
	{"subids", probeSubids},
	{"newuidmap", probeMappers},
	{"namespace", probeNamespace},
	{"runtime-directory", probeRuntimeDir},
	{"home", probeHome},
	{"tmp", probeTmp},
	{"filesystem", probeFilesystem},
	{"overlay", probeOverlay},
	{"disk", probeDisk},
	{"inodes", probeInodes},
	{"cgroups", probeCgroups},
	{"delegation", probeDelegation},
	{"linger", probeLinger},
	{"seccomp", probeSeccomp},
	{"selinux", probeSELinux},
	{"apparmor", probeAppArmor},
	{"limits", probeLimits},
	{"clock", probeClock},
	{"dns", probeDNS},
	{"registry", probeRegistry},
}

// Examine asks all questions, at the same time and for at most Limit. It changes nothing.
func Examine(ctx context.Context, e *Env) *Report { return examine(ctx, e, Limit) }

func examine(ctx context.Context, e *Env, limit time.Duration) *Report {
	// What is being said when the time is over is heard still.
	last, cancel := context.WithTimeout(ctx, limit+limit/20)
	defer cancel()
	ctx, cancel = context.WithTimeout(last, limit)
	defer cancel()
	answers := make([]chan []Finding, len(probes))
	for i, p := range probes {
		answers[i] = make(chan []Finding, 1)
		go func() { answers[i] <- p.check(ctx, e) }()
	}
	r := &Report{Healthy: true}
	for i, p := range probes {
		var found []Finding
		select {
		case found = <-answers[i]:
		case <-last.Done():
			select {
			case found = <-answers[i]:
			default:
				found = []Finding{poor("no answer within "+limit.String(), "whatever needs it may hang as well", "run \"manager doctor\" again when the machine is less busy")}
			}
		}
		for _, f := range found {
			f.Probe, f.Fixable = p.name, f.fix != nil
			r.Healthy = r.Healthy && f.Status != Broken
			r.Findings = append(r.Findings, f)
		}
	}
	return r
}

// Fix does those cures of a report that are safe, and says in the findings what it did. The report is then
// healthy if nothing is broken that it has not cured.
func Fix(ctx context.Context, e *Env, r *Report) error {
	var errs []error
	r.Healthy = true
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.fix != nil {
			did, err := f.fix(ctx, e)
			if err != nil {
				f.Failed = err.Error()
				errs = append(errs, fmt.Errorf("%s: %w", f.Probe, err))
			} else {
				f.Fixed = did
			}
		}
		r.Healthy = r.Healthy && (f.Status != Broken || f.Fixed != "")
	}
	return errors.Join(errs...)
}
