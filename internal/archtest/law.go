// Package archtest holds the house rules that a compiler does not check: who may import
// whom, which calls are not made where, and a report of sizes and doc comments.
//
// The rules are data in this file; tree.go reads the sources, and the tests compare the
// two. Only files that are not tests are held to the import law.
package archtest

// module is our module's path with a slash behind it.
const module = "github.com/manager-project/manager/"

// A rule says what the packages below one folder may import.
type rule struct {
	// from is a folder; the longest that fits a package decides. "" is the whole tree.
	from string
	// ours are the folders of our module that may be imported besides the package's own.
	// A name that ends in "/..." takes in what is below it. Nil forbids all.
	ours []string
	// never are prefixes of foreign import paths that must not be imported.
	never []string
	// only, if set, are the prefixes of foreign import paths that may be imported besides the
	// standard library.
	only []string
	// deps extends never to everything imported indirectly.
	deps bool
}

// The names of heavy things.
var (
	cli      = []string{"github.com/spf13/cobra", "github.com/spf13/pflag"}
	stores   = []string{"go.podman.io/", "github.com/containers/storage", "github.com/containers/image"}
	database = []string{"modernc.org/", "github.com/mattn/go-sqlite3"}
	// transfers is what the lean program leaves to the full one.
	transfers = []string{
		"go.podman.io/image/", "github.com/distribution/", "github.com/docker/distribution", "google.golang.org/",
		"github.com/ProtonMail/", "github.com/sigstore/", "github.com/vbauerster/", "net/http", "html/template",
	}
	// weighty have package inits or text that the small program must not carry.
	weighty = []string{
		"github.com/opencontainers/cgroups", "github.com/opencontainers/selinux",
		"github.com/opencontainers/runtime-spec", "github.com/coreos/", "github.com/godbus/",
		"github.com/cilium/", "github.com/sirupsen/", "github.com/vishvananda/", "google.golang.org/",
		"net/http", "text/template", "html/template",
	}
)

// law is style section 2, "Import law", package by package.
var law = []rule{
	{from: "cmd/manager", ours: []string{"cmd/manager/...", "libpod/...", "pkg/...", "internal/version", "internal/embedded"}},
	{
		from:  "cmd/manager-runtime",
		ours:  []string{"cmd/manager-runtime/...", "pkg/...", "internal/version", "internal/embedded"},
		never: join(cli, stores, database), deps: true,
	},
	{
		from:  "cmd/manager-monitor",
		ours:  []string{"cmd/manager-monitor/...", "pkg/...", "internal/version"},
		only:  []string{"golang.org/x/sys/"},
		never: join(cli, stores, database, weighty), deps: true,
	},
	// A program for the inside of a container: its server needs package net, but not HTTP's weight.
	{from: "cmd/hello", ours: []string{}, only: []string{}, never: []string{"net/http"}, deps: true},
	{from: "libpod", ours: []string{"libpod/...", "pkg/...", "internal/version", "internal/embedded", "internal/fault"}, never: cli, deps: true},
	{from: "libpod/define", ours: []string{}, never: cli, deps: true},
	{from: "pkg", ours: []string{"pkg/...", "internal/fault"}, never: cli, deps: true},
	{from: "pkg/errdefs", ours: []string{}, only: []string{}},
	{from: "pkg/sys", ours: []string{"pkg/sys/...", "pkg/errdefs"}, only: []string{"golang.org/x/sys/"}},
	{from: "pkg/libcontainer", ours: []string{"pkg/...", "internal/fault"}, never: join(cli, stores, database), deps: true},
	{from: "pkg/libcontainer/initproc", ours: []string{"pkg/...", "internal/fault"}, never: join(cli, stores, database, weighty), deps: true},
	{from: "pkg/libcontainer/launch", ours: []string{"pkg/...", "internal/fault"}, never: join(cli, stores, database, weighty), deps: true},
	{from: "pkg/monitor", ours: []string{"pkg/...", "internal/fault"}, never: join(cli, stores, database, weighty), deps: true},
	{from: "pkg/cgroups", ours: []string{"pkg/..."}, never: join(cli, stores, database), deps: true},
	{from: "internal/gendocs", ours: []string{"cmd/manager/cli"}},
	{from: "internal", ours: []string{"internal/...", "pkg/..."}},
	{from: "internal/embedded", ours: []string{"internal/version", "pkg/..."}, never: join(cli, stores, database), deps: true},
	{from: "internal/version", ours: []string{}, only: []string{}},
	{from: "test", ours: []string{"test/...", "internal/...", "pkg/...", "libpod/..."}},
}

// service is the folder whose children may not import each other: a service of libpod
// knows another only through an interface that it declares itself, and libpod wires them.
const service = "libpod/"

// shared are the children of libpod that every service may import.
var shared = []string{"libpod/define"}

// A ban is a call that is not made in some folders.
type ban struct {
	// in are the folders; "" is the whole tree.
	in []string
	// except are files or folders in which the call is made for a reason.
	except []string
	// path and name are the package and the function; an empty name bans the import.
	path, name string
	// why says what to do instead.
	why string
}

var bans = []ban{
	{
		// An init whose parent has gone has nobody to return an error to, and a command that does not
		// end soon after a signal never comes to return one.
		in:     []string{"pkg", "libpod", "cmd/manager/"},
		except: []string{"cmd/manager/main.go", "cmd/manager/cli/interrupt.go", "pkg/libcontainer/initproc/parent.go"},
		path:   "os", name: "Exit", why: "return an error; only main decides the exit code",
	},
	{
		in: []string{"pkg", "libpod", "cmd/manager/"}, except: []string{"cmd/manager/main.go"},
		path: "log", name: "", why: "return errors and warnings as data, or use logrus",
	},
	{
		in:   []string{"pkg/libcontainer", "pkg/fsroot", "pkg/monitor", "libpod"},
		path: "os", name: "Create", why: "it follows links and truncates: use atomicfile, or OpenFile with O_EXCL or O_NOFOLLOW",
	},
	{
		in:   []string{"pkg", "libpod", "cmd"},
		path: "github.com/cyphar/filepath-securejoin", name: "",
		why: "a joined string is stale before it is used: resolve to a descriptor with pathrs-lite (pkg/fsroot)",
	},
	{in: []string{""}, path: "io/ioutil", name: "", why: "use io and os"},
	{
		in: []string{"libpod", "pkg"}, path: "fmt", name: "Println", why: "the core returns data; the command line prints",
	},
	{
		in: []string{"libpod", "pkg"}, path: "fmt", name: "Printf", why: "the core returns data; the command line prints",
	},
}

// unwanted are folder names that say nothing.
var unwanted = []string{"util", "utils", "common", "helpers", "helper", "types", "misc"}

// join makes one list of several.
func join(lists ...[]string) []string {
	var all []string
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}
