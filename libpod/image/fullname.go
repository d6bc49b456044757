package image

import (
	"errors"
	"fmt"
	"strings"

	"github.com/opencontainers/go-digest"
)

// fullName is an image's name with everything that the user left out filled in. The image
// library has a type for it, made of regular expressions that cost every command a millisecond
// at start; a test holds this one to the library's answers.
// Source: the grammar of github.com/distribution/reference.
type fullName struct {
	// domain is "host[:port]"; path is what follows its slash.
	domain, path string
	// tag and digest are "" when there is none.
	tag    string
	digest digest.Digest
}

// The most bytes of a name without tag and digest, and of a tag.
const (
	maxNameBytes = 255
	maxTagBytes  = 128
)

// What a name without a registry stands for, and the tag that is meant without one.
const (
	hubDomain  = "docker.io"
	hubOldName = "index.docker.io"
	hubLibrary = "library/"
	defaultTag = "latest"
)

var (
	errNameFormat = errors.New("invalid reference format")
	errNameCase   = errors.New("invalid reference format: repository name must be lowercase")
	errNameEmpty  = errors.New("repository name must have at least one component")
	errNameLong   = fmt.Errorf("repository name must not be more than %d characters", maxNameBytes)
)

// parseFullName completes and checks a name: "busybox" is docker.io/library/busybox. It adds
// no tag.
func parseFullName(s string) (fullName, error) {
	if len(s) == idLength && isHex(s) {
		return fullName{}, fmt.Errorf("invalid repository name (%s), cannot specify 64-byte hexadecimal strings", s)
	}
	domain, rest := splitRegistry(s)
	if repo, _, _ := strings.Cut(rest, ":"); strings.ToLower(repo) != repo {
		return fullName{}, errNameCase
	}
	return parseName(domain + "/" + rest)
}

// splitRegistry cuts the registry off a name, or adds the one that is meant.
func splitRegistry(s string) (domain, rest string) {
	first, after, ok := strings.Cut(s, "/")
	switch {
	case !ok:
		return hubDomain, hubLibrary + s
	case first == hubOldName:
		domain, rest = hubDomain, after
	case isRegistry(first):
		domain, rest = first, after
	default:
		domain, rest = hubDomain, s
	}
	if domain == hubDomain && !strings.Contains(rest, "/") {
		rest = hubLibrary + rest
	}
	return domain, rest
}

// parseName checks a name as it is written. The first part is taken for a registry whenever
// it can be one.
func parseName(s string) (fullName, error) {
	var n fullName
	name, d, digested := strings.Cut(s, "@")
	slash := strings.IndexByte(name, '/')
	if colon := strings.IndexByte(name[slash+1:], ':'); colon >= 0 {
		name, n.tag = name[:slash+1+colon], name[slash+2+colon:]
		if !isTag(n.tag) {
			return fullName{}, errNameFormat
		}
	}
	n.path = name
	if first, after, ok := strings.Cut(name, "/"); ok && isDomain(first) {
		n.domain, n.path = first, after
	}
	switch {
	case s == "":
		return fullName{}, errNameEmpty
	case !isRepository(n.path), digested && !isDigest(d):
		return fullName{}, errNameFormat
	case len(name) > maxNameBytes:
		return fullName{}, errNameLong
	}
	if digested {
		var err error
		if n.digest, err = digest.Parse(d); err != nil {
			return fullName{}, err
		}
	}
	return n, nil
}

// repository is the name without tag and digest.
func (n fullName) repository() string {
	if n.domain == "" {
		return n.path
	}
	return n.domain + "/" + n.path
}

// String is the name as the store keeps it.
func (n fullName) String() string {
	s := n.repository()
	if n.tag != "" {
		s += ":" + n.tag
	}
	if n.digest != "" {
		s += "@" + n.digest.String()
	}
	return s
}

// stored is the name under which an image is kept: the latest, without tag and digest; and a
// digest says more than a tag, so of both the digest alone stays.
func (n fullName) stored() fullName {
	switch {
	case n.digest != "":
		n.tag = ""
	case n.tag == "":
		n.tag = defaultTag
	}
	return n
}

// isDomain says that s is host[:port].
func isDomain(s string) bool {
	host, port, ok := strings.Cut(s, ":")
	if ok && (port == "" || strings.Trim(port, "0123456789") != "") {
		return false
	}
	for part := range strings.SplitSeq(host, ".") {
		if part == "" || part[0] == '-' || part[len(part)-1] == '-' || !all(part, isLetterOrDigit, "-") {
			return false
		}
	}
	return true
}

// isRepository says that s is one or more components with slashes between them.
func isRepository(s string) bool {
	for part := range strings.SplitSeq(s, "/") {
		if !isComponent(part) {
			return false
		}
	}
	return true
}

// isComponent says that s is made of lower-case letters and digits, with a dot, one or two
// underscores, or any number of dashes between two of them.
func isComponent(s string) bool {
	if s == "" || !isLowerOrDigit(s[0]) || !isLowerOrDigit(s[len(s)-1]) {
		return false
	}
	for i := 0; i < len(s); {
		if isLowerOrDigit(s[i]) {
			i++
			continue
		}
		end := i
		for !isLowerOrDigit(s[end]) {
			end++
		}
		switch sep := s[i:end]; {
		case sep == ".", sep == "_", sep == "__", strings.Trim(sep, "-") == "":
		default:
			return false
		}
		i = end
	}
	return true
}

// isTag says that s is a word with dots and dashes behind its first byte.
func isTag(s string) bool {
	return s != "" && len(s) <= maxTagBytes && s[0] != '.' && s[0] != '-' && all(s, isLetterOrDigit, "_.-")
}

// isDigest says that s is algorithm:hex, before it is asked which algorithms there are.
func isDigest(s string) bool {
	algorithm, hex, ok := strings.Cut(s, ":")
	if !ok || len(hex) < 32 || strings.Trim(hex, "0123456789abcdefABCDEF") != "" {
		return false
	}
	start := true // of a part, which begins with a letter
	for i := range len(algorithm) {
		switch c := algorithm[i]; {
		case strings.IndexByte("-_+.", c) >= 0 && !start:
			start = true
		case !isLetterOrDigit(c), start && c <= '9':
			return false
		default:
			start = false
		}
	}
	return !start
}

func isLowerOrDigit(c byte) bool  { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
func isLetterOrDigit(c byte) bool { return isLowerOrDigit(c) || 'A' <= c && c <= 'Z' }

// all says that every byte is of a kind or one of others.
func all(s string, kind func(byte) bool, others string) bool {
	for i := range len(s) {
		if !kind(s[i]) && strings.IndexByte(others, s[i]) < 0 {
			return false
		}
	}
	return true
}
