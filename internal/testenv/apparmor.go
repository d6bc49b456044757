package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// appArmorText is a profile that allows a container everything but the file /etc/secret, and to write files called
// forbidden. Source: apparmor.d(5).
const appArmorText = `profile %s flags=(attach_disconnected,mediate_deleted) {
	file,
	capability,
	network,
	mount,
	umount,
	pivot_root,
	signal,
	ptrace,
	unix,
	deny /etc/secret rwklx,
	deny /**/forbidden w,
}
`

// AppArmorProfile loads a profile for the test, which needs Root and AppArmor, and returns its name. Under it
// /etc/secret cannot be read and no file called forbidden below a folder can be written.
func AppArmorProfile(t testing.TB) string {
	t.Helper()
	name, remove, err := LoadAppArmorProfile()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := remove(); err != nil {
			t.Error(err)
		}
	})
	return name
}

// LoadAppArmorProfile is AppArmorProfile for callers without a test.
func LoadAppArmorProfile() (name string, remove func() error, err error) {
	name = fmt.Sprintf("manager-test-%d", os.Getpid())
	parse := func(option string) error {
		cmd := exec.Command("apparmor_parser", option, "--skip-cache")
		cmd.Stdin = strings.NewReader(fmt.Sprintf(appArmorText, name))
		cmd.Env = append(os.Environ(), debianPath)
		return run(cmd)
	}
	return name, func() error { return parse("--remove") }, parse("--replace")
}
