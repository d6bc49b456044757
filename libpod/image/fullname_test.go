//go:build !lean

package image

import (
	"strings"
	"testing"

	"go.podman.io/image/v5/docker/reference"
)

// nameSeeds are names, and what looks like names.
var nameSeeds = []string{
	"", "busybox", "busybox:1", "a/b", "a/b:c", "localhost/x", "localhost:5000/x/y:z", "docker.io/alpine", "index.docker.io/alpine",
	"index.docker.io/a/b", "docker.io/library/x:latest", "example.com/x", "example.com:80/x/y@sha256:" + strings.Repeat("a", 64),
	"x@sha256:" + strings.Repeat("A", 64), "x@sha256:" + strings.Repeat("a", 63), "x@md5:" + strings.Repeat("a", 32), "x:t@sha256:" + strings.Repeat("0", 64),
	"x@sha256:" + strings.Repeat("a", 31), strings.Repeat("a", 64), strings.Repeat("a", 63), strings.Repeat("a", 255), strings.Repeat("a/", 127) + "a",
	"a//b", "/a", "a/", ":x", "x:", "@", "x@", "a:b:c", "a@b@c", "Foo", "Foo/bar", "foo/Bar", "a.b_c/x", "a_b.c/x", "a..b", "a__b", "a___b", "a-.b", "a---b", "-a", "a-",
	"a._b", "x:.t", "x:-t", "x:_t", "x:" + strings.Repeat("t", 128), "x:" + strings.Repeat("t", 129), "x:T", "a:5000/b", "a:/b", "a:5x/b", "-a.b/c", "a-.b/c",
	"[::1]:5000/x", "xn--a.com/b", "é/x", "x y", "x\n", "\x00", "x@sha256:", "a.b", "a.b/", "localhost", "x@a+b:" + strings.Repeat("a", 32), "x@9a:" + strings.Repeat("a", 32),
	"docker.io", "docker.io/", "docker.io/x/y", "x@sha-256:" + strings.Repeat("a", 64), "x@sha512:" + strings.Repeat("a", 128), "x@a-:" + strings.Repeat("a", 32),
}

// FuzzFullName holds our reading of names to the image library's.
func FuzzFullName(f *testing.F) {
	for _, s := range nameSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ours, err := parseFullName(s)
		theirs, theirErr := reference.ParseNormalizedNamed(s)
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%q: error %v, the library's %v", s, err, theirErr)
		}
		if err == nil {
			sameName(t, s, ours, theirs)
			if got, want := ours.stored().String(), withoutTagIfDigested(reference.TagNameOnly(theirs)).String(); got != want {
				t.Errorf("%q is stored as %s, by the library's rules as %s", s, got, want)
			}
		}
		plain, err := parseName(s)
		ref, theirErr := reference.Parse(s)
		if (err == nil) != (theirErr == nil) {
			t.Fatalf("%q as it is: error %v, the library's %v", s, err, theirErr)
		}
		if named, ok := ref.(reference.Named); ok && err == nil {
			sameName(t, s, plain, named)
		}
	})
}

func sameName(t *testing.T, s string, ours fullName, theirs reference.Named) {
	t.Helper()
	if ours.String() != theirs.String() || ours.repository() != theirs.Name() || ours.domain != reference.Domain(theirs) {
		t.Errorf("%q is %+v, the library's %s (domain %q)", s, ours, theirs, reference.Domain(theirs))
	}
	tagged, isTagged := theirs.(reference.Tagged)
	if isTagged != (ours.tag != "") || isTagged && tagged.Tag() != ours.tag {
		t.Errorf("%q has tag %q, the library's %v", s, ours.tag, theirs)
	}
	digested, isDigested := theirs.(reference.Digested)
	if isDigested != (ours.digest != "") || isDigested && digested.Digest() != ours.digest {
		t.Errorf("%q has digest %q, the library's %v", s, ours.digest, theirs)
	}
}
