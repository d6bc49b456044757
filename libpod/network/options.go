package network

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/manager-project/manager/pkg/spec"
)

// CheckOptions refuses now what the driver would refuse at the start: that it is not installed, and words behind
// --network DRIVER: that it does not know. A driver that was only found has no options and may have gone by then.
func CheckOptions(ctx context.Context, n *spec.Net) error {
	if n.Driver != spec.NetPasta && n.Driver != spec.NetSlirp4netns || n.DriverFound {
		return nil
	}
	program, err := find(n.Driver)
	if err != nil {
		return err
	}
	if n.Driver == spec.NetSlirp4netns {
		return checkSlirp(n.DriverOptions)
	}
	return checkPasta(ctx, program, n.DriverOptions)
}

// checkSlirp looks for the interfaces that are named; the other values are judged when they are read.
func checkSlirp(options []string) error {
	for _, word := range options {
		name, value := cutOption(word)
		if !strings.HasPrefix(name, "outbound_addr") {
			continue
		}
		if _, err := netip.ParseAddr(value); err == nil {
			continue
		}
		if _, err := net.InterfaceByName(value); err != nil {
			return badOption(spec.NetSlirp4netns, word, "%q is neither an address nor an interface of this host", value).
				WithHint("\"ip address\" shows what there is")
		}
	}
	return nil
}

// pastaOwn are the options by which manager leads pasta, or with which it would not become the container's driver.
// Source: passt(1).
var pastaOwn = []struct{ short, long string }{
	{"", "netns"},
	{"", "netns-only"},
	{"", "userns"},
	{"P", "pid"},
	{"f", "foreground"},
	{"h", "help"},
	{"", "version"},
	{"s", "socket"},
	{"F", "fd"},
	{"1", "one-off"},
}

// pastaFlags are the short options without a value, which may stand together in a word.
const pastaFlags = "dqfeh461"

// pastaOwned is the option of manager's own that a word gives, or "". A long option may be cut short.
func pastaOwned(word string) string {
	if name, ok := strings.CutPrefix(word, "--"); ok {
		name, _ = cutOption(name)
		for _, o := range pastaOwn {
			if name != "" && strings.HasPrefix(o.long, name) {
				return "--" + o.long
			}
		}
		return ""
	}
	for _, letter := range strings.TrimPrefix(word, "-") {
		for _, o := range pastaOwn {
			if o.short == string(letter) {
				return "-" + o.short
			}
		}
		if !strings.ContainsRune(pastaFlags, letter) {
			break // what follows is its value
		}
	}
	return ""
}

// pastaLater are the options whose values pasta judges only after it has read all words, if ever.
var pastaLater = []struct {
	short, long, want string
	fits              func(string) bool
}{
	{"-m", "--mtu", "a number of 0 to 65535", func(v string) bool { _, err := strconv.ParseUint(v, 10, 16); return err == nil }},
	{"-M", "--mac-addr", "a MAC address", isMAC},
	{"", "--ns-mac-addr", "a MAC address", isMAC},
	{"-t", "--tcp-ports", wantPorts, isPorts},
	{"-u", "--udp-ports", wantPorts, isPorts},
	{"-T", "--tcp-ns", wantPorts, isPorts},
	{"-U", "--udp-ns", wantPorts, isPorts},
}

const wantPorts = "none, auto, or a port or range like 22, 22:23, 22-80:32-90, 192.0.2.1/22 or ~25"

var portSpec = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(none|auto|all|([^/]+/)?~?\d+(-\d+)?(:\d+(-\d+)?)?)$`)
})

func isPorts(v string) bool { return portSpec().MatchString(v) }

func isMAC(v string) bool {
	mac, err := net.ParseMAC(v)
	return err == nil && len(mac) == 6
}

// pastaTime bounds how long pasta may take to read its words.
const pastaTime = 30 * time.Second

// checkPasta lets the installed pasta read the words, since each version has others: it ends at --version, or at the first
// that it does not know, before it does anything. If the last word lacks its value, --version becomes that and the word
// after it is refused. The namespace that is not there keeps it from ever starting a program.
func checkPasta(ctx context.Context, program string, options []string) error {
	options = pastaWords(options)
	for i, word := range options {
		option := strings.HasPrefix(word, "-") && word != "-"
		if own := pastaOwned(word); option && own != "" {
			return badOption(spec.NetPasta, word, "%s is for manager itself to set", own).WithHint("leave it out")
		}
		if word == "--" || !option && (i == 0 || !strings.HasPrefix(options[i-1], "-") || strings.Contains(options[i-1], "=")) {
			return badOption(spec.NetPasta, word, "it is neither an option nor the value of one").
				WithHint("options of pasta begin with \"-\": \"man pasta\" lists them; lists of ports are given as -t,22,-t,25")
		}
	}
	for _, o := range pastaLater {
		for _, v := range pastaValues(options, o.short, o.long) {
			if !o.fits(v) {
				return badOption(spec.NetPasta, strings.TrimPrefix(o.long, "--")+" "+v, "not %s", o.want).WithHint("\"man pasta\" says more")
			}
		}
	}
	if len(options) == 0 {
		return nil
	}
	const missing = "--no-value"
	args := append([]string{"--netns=/proc/self/nowhere"}, options...)
	ctx, cancel := context.WithTimeout(ctx, pastaTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(args, "--version", missing)...)
	cmd.Dir, cmd.Env = "/", append(cmd.Environ(), "POSIXLY_CORRECT=1") // words that are no options are not passed over
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err == nil || ctx.Err() != nil || !errors.As(err, &exit) {
		return err
	}
	said := lastSaid(string(out))
	switch {
	case strings.Contains(said, missing) || strings.Contains(said, "--version"):
		said = "the last option has no value"
	case strings.Contains(said, "command given"):
		said = "a word is neither an option nor the value of one"
	}
	return badOption(spec.NetPasta, strings.Join(options, ","), "%s", said).
		WithHint("\"man pasta\" lists the options of the version that is installed")
}

// pastaWords are the options as pasta gets them: --map-gw is Podman's word for leaving one out.
func pastaWords(options []string) []string {
	return slices.DeleteFunc(slices.Clone(options), func(o string) bool { return o == "--map-gw" })
}
