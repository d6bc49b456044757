package archtest

import (
	"fmt"
	"slices"
	"strings"
)

// ruleFor returns the rule with the longest folder that the package lies in, or nil.
func ruleFor(folder string, rules []rule) *rule {
	var best *rule
	for i := range rules {
		r := &rules[i]
		if below(folder, r.from) && (best == nil || len(r.from) > len(best.from)) {
			best = r
		}
	}
	return best
}

// checkImports returns one line for each import that breaks the rules.
func checkImports(all map[string]*pkg, rules []rule) []string {
	var wrong []string
	for _, p := range all {
		if !p.ours() {
			continue
		}
		folder := p.folder()
		r := ruleFor(folder, rules)
		if r == nil {
			wrong = append(wrong, folder+": no rule of the import law covers this folder")
			continue
		}
		wrong = append(wrong, r.direct(folder, p.Imports)...)
		if r.deps {
			wrong = append(wrong, r.indirect(folder, p)...)
		}
	}
	slices.Sort(wrong)
	return wrong
}

// direct holds the package's own imports against the rule.
func (r *rule) direct(folder string, imports []string) []string {
	var wrong []string
	for _, path := range imports {
		if own, ok := strings.CutPrefix(path, module); ok {
			if why := r.refuses(folder, own); why != "" {
				wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", folder, own, why))
			}
			continue
		}
		if hasPrefix(path, r.never) {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: never below %s", folder, path, r.from))
		}
		if r.only != nil && foreign(path) && !hasPrefix(path, r.only) {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: below %s only %v", folder, path, r.from, r.only))
		}
	}
	return wrong
}

// refuses says why the package may not import another of ours, or "".
func (r *rule) refuses(folder, own string) string {
	if !below(own, r.from) && !slices.ContainsFunc(r.ours, func(pattern string) bool {
		dir, deep := strings.CutSuffix(pattern, "/...")
		return own == dir || deep && below(own, dir)
	}) {
		return fmt.Sprintf("below %s only %v", r.from, r.ours)
	}
	if strings.HasPrefix(folder, service) && below(own, service) {
		mine, other := serviceOf(folder), serviceOf(own)
		if other == "" {
			return "a service does not import libpod itself"
		}
		if mine != other && !slices.Contains(shared, service+other) {
			return "a service knows another only through an interface that it declares"
		}
	}
	return ""
}

// serviceOf is the first folder below libpod, or "" for libpod itself.
func serviceOf(folder string) string {
	rest, ok := strings.CutPrefix(folder, service)
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// indirect holds everything that the package pulls in against the rule.
func (r *rule) indirect(folder string, p *pkg) []string {
	var wrong []string
	for _, path := range p.Deps {
		if hasPrefix(path, r.never) && !slices.Contains(p.Imports, path) {
			wrong = append(wrong, fmt.Sprintf("%s pulls in %s: never below %s", folder, path, r.from))
		}
	}
	return wrong
}
