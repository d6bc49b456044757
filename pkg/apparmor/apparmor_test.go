package apparmor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKernel(t *testing.T) {
	k := Kernel{Root: t.TempDir()}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(k.Root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if k.Enabled() || k.Lacks("any") {
		t.Error("a kernel without AppArmor has it, or lacks a profile")
	}
	write("module/apparmor/parameters/enabled", "N\n")
	if k.Enabled() {
		t.Error("enabled")
	}
	write("module/apparmor/parameters/enabled", "Y\n")
	write("kernel/security/apparmor/profiles", "mine (enforce)\na b (c) (complain)\nmine//child (enforce)\n")
	if !k.Enabled() {
		t.Error("not enabled")
	}
	for name, lacks := range map[string]bool{
		"mine": false, "a b (c)": false, "mine//child": false, "min": true, "mine (enforce)": true, "a b": true, "": true,
		Unconfined: false, ":ns:other": false, "mine//&other": false,
	} {
		if got := k.Lacks(name); got != lacks {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// TestDefault wants the default profile to be found by its name, and only by the whole of it.
func TestDefault(t *testing.T) {
	name, text := Default()
	if again, _ := Default(); again != name || !strings.HasPrefix(text, "profile "+name+" ") || strings.Contains(text, "NAME") {
		t.Errorf("%s, %s:\n%s", name, again, text)
	}
	k := Kernel{Root: t.TempDir()}
	if k.Loaded(name) {
		t.Error("loaded into a kernel without AppArmor")
	}
	for _, dir := range []string{name + ".7", "mine.child.12"} {
		if err := os.MkdirAll(filepath.Join(k.Root, "kernel/security/apparmor/policy/profiles", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for profile, loaded := range map[string]bool{name: true, name[:len(name)-1]: false, "mine": false, "": false} {
		if got := k.Loaded(profile); got != loaded {
			t.Errorf("%q: %v", profile, got)
		}
	}
}
