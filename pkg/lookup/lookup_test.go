package lookup

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/manager-project/manager/pkg/errdefs"
)

const testPasswd = "root:x:0:0:root:/root:/bin/sh\n" +
	"one:x:1:10:One:/home/one:/bin/sh\n" +
	"# comment\nbroken line\n" +
	"u:x:1000:1000::/home/u\n" +
	"4294967296:x:0:0::/root:/bin/sh\n99999999999:x:0:0::/root:/bin/sh\n7:x:0:0:::\n" +
	"evil:x:2000:2000::/h\x01me:/bin/sh\n"

const testGroup = "root:x:0:\nten:x:10:\nwheel:x:20:one,u\nvideo:x:30:u, one\nagain:x:20:one\n5:x:0:one\n"

// The rows are those of CVE-2026-30892, CVE-2024-40635 and CVE-2026-46680, and what lies around them.
func TestResolve(t *testing.T) {
	for _, c := range []struct {
		user  string
		add   []string
		want  User
		class error
	}{
		{user: "", want: User{Additional: []uint32{0}, Home: "/root", Name: "root", GroupName: "root"}},
		{user: "1", want: User{UID: 1, GID: 10, Additional: []uint32{10, 20, 30, 0}, Home: "/home/one", Name: "one", GroupName: "ten"}},
		{user: "1:", want: User{UID: 1, GID: 10, Additional: []uint32{10, 20, 30, 0}, Home: "/home/one", Name: "one", GroupName: "ten"}},
		{user: "01", want: User{UID: 1, GID: 10, Additional: []uint32{10, 20, 30, 0}, Home: "/home/one", Name: "one", GroupName: "ten"}},
		{user: "1:2", want: User{UID: 1, GID: 2, Additional: []uint32{2}, Home: "/home/one", Name: "one"}},
		{user: ":2", want: User{GID: 2, Additional: []uint32{2}, Home: "/root", Name: "root"}},
		{user: "one:wheel", want: User{UID: 1, GID: 20, Additional: []uint32{20}, Home: "/home/one", Name: "one", GroupName: "wheel"}},
		{user: "one:7", want: User{UID: 1, GID: 7, Additional: []uint32{7}, Home: "/home/one", Name: "one"}},
		{user: "u", want: User{UID: 1000, GID: 1000, Additional: []uint32{1000, 20, 30}, Home: "/home/u", Name: "u"}},
		{user: "7", want: User{UID: 7, Additional: []uint32{0}, Home: "/", GroupName: "root"}},
		{user: "1:5", want: User{UID: 1, GID: 5, Additional: []uint32{5}, Home: "/home/one", Name: "one"}},
		{user: "4294967294", want: User{UID: 4294967294, Additional: []uint32{0}, Home: "/", GroupName: "root"}},
		{user: "1", add: []string{"wheel", "99", "ten"}, want: User{UID: 1, GID: 10, Additional: []uint32{10, 20, 30, 0, 99}, Home: "/home/one", Name: "one", GroupName: "ten"}},
		{user: "0x1", class: errdefs.ErrNotFound},
		{user: "+1", class: errdefs.ErrNotFound},
		{user: "-1", class: errdefs.ErrNotFound},
		{user: "1.5", class: errdefs.ErrNotFound},
		{user: " 1", class: errdefs.ErrNotFound},
		{user: "4294967295", class: errdefs.ErrInvalid},
		{user: "4294967296", class: errdefs.ErrInvalid},
		{user: "99999999999", class: errdefs.ErrInvalid},
		{user: "99999999999999999999999", class: errdefs.ErrInvalid},
		{user: "1:4294967296", class: errdefs.ErrInvalid},
		{user: "1:nosuch", class: errdefs.ErrNotFound},
		{user: "1:2:3", class: errdefs.ErrInvalid},
		{user: "a\nb", class: errdefs.ErrInvalid},
		{user: "evil", class: errdefs.ErrCorrupt},
		{user: "broken line", class: errdefs.ErrNotFound},
		{user: "1", add: []string{"nosuch"}, class: errdefs.ErrNotFound},
		{user: "1", add: []string{"4294967295"}, class: errdefs.ErrInvalid},
	} {
		t.Run(c.user+"+"+strings.Join(c.add, ","), func(t *testing.T) {
			got, err := resolve([]byte(testPasswd), []byte(testGroup), c.user, c.add)
			if !errors.Is(err, c.class) {
				t.Fatalf("error %v, want class %v", err, c.class)
			}
			if c.class == nil && !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v\nwant %+v", got, c.want)
			}
		})
	}
}

// TestHostileFiles puts things that are no passwd file in its place: each must be an
// error at once, and nothing outside the root may be read.
func TestHostileFiles(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("spy:x:4242:0::/:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		make  func(file string) error
		class error
	}{
		"missing":      {func(string) error { return nil }, errdefs.ErrNotFound},
		"link outside": {func(f string) error { return os.Symlink(filepath.Join(outside, "secret"), f) }, errdefs.ErrNotFound},
		"dots outside": {func(f string) error {
			return os.Symlink("../../../../../../../.."+filepath.Join(outside, "secret"), f)
		}, errdefs.ErrNotFound},
		"loop":      {func(f string) error { return os.Symlink("passwd", f) }, errdefs.ErrCorrupt},
		"fifo":      {func(f string) error { return unix.Mkfifo(f, 0o644) }, errdefs.ErrCorrupt},
		"directory": {func(f string) error { return os.Mkdir(f, 0o755) }, errdefs.ErrCorrupt},
		"sparse": {func(f string) error {
			if err := os.WriteFile(f, nil, 0o644); err != nil {
				return err
			}
			return os.Truncate(f, 4<<30)
		}, errdefs.ErrCorrupt},
		"long line": {func(f string) error { return os.WriteFile(f, make([]byte, maxLine+1), 0o644) }, errdefs.ErrCorrupt},
		"many": {func(f string) error {
			return os.WriteFile(f, []byte(strings.Repeat("a:x:1:1:::\n", 900_000)), 0o644)
		}, errdefs.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := c.make(filepath.Join(dir, "etc", "passwd")); err != nil {
				t.Fatal(err)
			}
			root, err := os.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			start := time.Now()
			if _, err := Resolve(root, "spy", nil); !errors.Is(err, c.class) {
				t.Errorf("error %v, want class %v", err, c.class)
			}
			if d := time.Since(start); d > 30*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// TestLinkInside follows an absolute link as the container would see it.
func TestLinkInside(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"etc", "usr"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "usr", "passwd"), []byte("in:x:5:6::/in:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/passwd", filepath.Join(dir, "etc", "passwd")); err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	u, err := Resolve(root, "in", nil)
	if err != nil || u.UID != 5 || u.GID != 6 || u.Home != "/in" {
		t.Errorf("got %+v, %v", u, err)
	}
}

func TestEntries(t *testing.T) {
	for name, c := range map[string]struct {
		old, template, want string
		user                User
		host                []HostUser
		class               error
	}{
		"usual":    {old: "root:x:0:0::/:", user: User{UID: 7, GID: 8, Home: "/w"}, want: "root:x:0:0::/:\n7:*:7:8:container user:/w:/bin/sh\n"},
		"there":    {old: "x:x:7:0::/:\n", user: User{UID: 7}, want: "x:x:7:0::/:\n"},
		"template": {template: "${USERNAME}:x:$UID:$GID:$NAME:$HOME:/bin/false", user: User{UID: 7, GID: 8}, want: "7:x:7:8:container user:/:/bin/false\n"},
		"forged":   {user: User{UID: 7, Home: "/x\nroot2:x:0:0::/:"}, class: errdefs.ErrInvalid},
		"colon":    {user: User{UID: 7, Home: "/x:y"}, class: errdefs.ErrInvalid},
		"host":     {old: "x:x:7:0::/:\n", user: User{UID: 7}, host: []HostUser{{Name: "me", UID: 1000, GID: 1001, Home: "/home/me", Shell: "/bin/zsh"}}, want: "x:x:7:0::/:\nme:*:1000:1001:me:/home/me:/bin/zsh\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, changed, err := PasswdFile([]byte(c.old), c.user, c.template, c.host)
			if !errors.Is(err, c.class) {
				t.Fatalf("error %v, want class %v", err, c.class)
			}
			if string(got) != c.want || changed != (c.want != c.old && c.class == nil) {
				t.Errorf("got %q changed %v, want %q", got, changed, c.want)
			}
		})
	}
	got, changed, err := GroupFile([]byte("root:x:0:\n"), User{UID: 7, GID: 8}, "")
	if err != nil || !changed || string(got) != "root:x:0:\n8:x:8:7\n" {
		t.Errorf("group: %q %v %v", got, changed, err)
	}
}

func FuzzResolve(f *testing.F) {
	f.Add([]byte(testPasswd), []byte(testGroup), "one:wheel")
	f.Add([]byte("a:::::"), []byte(":::"), "a")
	f.Fuzz(func(t *testing.T, passwd, group []byte, user string) {
		u, err := resolve(passwd, group, user, nil)
		if err != nil {
			return
		}
		if len(u.Additional) == 0 || u.Additional[0] != u.GID {
			t.Errorf("the primary group is not first: %+v", u)
		}
		if hasControl(u.Home) || hasControl(u.Name) {
			t.Errorf("control characters: %+v", u)
		}
		if name, _, _ := strings.Cut(user, ":"); isNumber(name) {
			if id, err := parseID(name); err != nil || id != u.UID {
				t.Errorf("%q became %d", user, u.UID)
			}
		}
	})
}
