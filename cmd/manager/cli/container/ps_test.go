package container

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/manager-project/manager/libpod"
	"github.com/manager-project/manager/libpod/define"
)

var psNow = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func psEntries() []libpod.ListEntry {
	return []libpod.ListEntry{
		{
			ID: strings.Repeat("a", 64), Names: []string{"web"}, Image: "docker.io/library/nginx:latest", Command: []string{"nginx", "-g", "daemon off; and more"},
			Created: psNow.Add(-3 * time.Minute), StartedAt: psNow.Add(-2 * time.Minute), Status: define.StatusRunning, PID: 12,
			Labels: map[string]string{"b": "2", "a": "1"}, Exposed: map[uint16][]string{443: {"tcp"}, 80: {"tcp"}},
			Size: &libpod.ContainerSize{RootFs: 4_270_000, RW: 4},
		},
		{
			ID: strings.Repeat("b", 64), Names: []string{"job"}, Image: "busybox", Command: []string{"true"}, Created: psNow.Add(-time.Hour),
			Status: define.StatusExited, Exited: true, ExitCode: 3, ExitedAt: psNow.Add(-10 * time.Second),
		},
	}
}

func printed(t *testing.T, o psOptions) string {
	t.Helper()
	v, err := newPsView(o)
	if err != nil {
		t.Fatal(err)
	}
	app, out, _ := newApp()
	if err := printPs(app, psEntries(), o, v.format, psNow); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPsText(t *testing.T) {
	for _, c := range []struct {
		o    psOptions
		want string
	}{
		{psOptions{}, "" +
			"CONTAINER ID  IMAGE                           COMMAND               CREATED            STATUS                     PORTS            NAMES\n" +
			"aaaaaaaaaaaa  docker.io/library/nginx:latest  nginx -g daemon o...  3 minutes ago      Up 2 minutes               80/tcp, 443/tcp  web\n" +
			"bbbbbbbbbbbb  busybox                         true                  About an hour ago  Exited (3) 10 seconds ago                   job\n"},
		{psOptions{quiet: true}, "aaaaaaaaaaaa\nbbbbbbbbbbbb\n"},
		{psOptions{quiet: true, noTrunc: true}, strings.Repeat("a", 64) + "\n" + strings.Repeat("b", 64) + "\n"},
		{psOptions{format: "{{.Names}} {{.State}} {{.ExitCode}}"}, "web running 0\njob exited 3\n"},
		{psOptions{format: `{{.ID}}\t{{.Labels}} {{.Label "a"}}`}, "aaaaaaaaaaaa\ta=1,b=2 1\nbbbbbbbbbbbb\t \n"},
		{psOptions{format: "table {{.ID}} {{.RunningFor}}"}, "CONTAINER ID  CREATED\naaaaaaaaaaaa  3 minutes ago\nbbbbbbbbbbbb  About an hour ago\n"},
		{psOptions{format: "table {{.Names}}\t{{.Status}}", noHeading: true}, "web         Up 2 minutes\njob         Exited (3) 10 seconds ago\n"},
		{psOptions{format: "{{upper .Names}} {{.Size}}"}, "WEB 4B (virtual 4.27MB)\nJOB \n"},
		{psOptions{format: "{{range .}}{{.Names}};{{end}}"}, "web;job;"},
	} {
		if got := printed(t, c.o); got != c.want {
			t.Errorf("%+v:\n%s\nwant:\n%s", c.o, got, c.want)
		}
	}
}

func TestPsStatusWords(t *testing.T) {
	for status, want := range map[define.Status]string{
		define.StatusCreated: "Created", define.StatusPaused: "Paused", define.StatusStopping: "Stopping", define.StatusRemoving: "Removing",
	} {
		if got := (psRow{e: libpod.ListEntry{Status: status}}).Status(); got != want {
			t.Errorf("%s: %q", status, got)
		}
	}
	row := psRow{e: libpod.ListEntry{Status: define.StatusRunning, Unmonitored: true, StartedAt: psNow}, now: psNow}
	if got := row.Status(); got != "Up Less than a second (unmonitored)" {
		t.Errorf("%q", got)
	}
}

// TestPsJSON holds the types of the fields, empty lists included.
func TestPsJSON(t *testing.T) {
	var rows []map[string]any
	if err := json.Unmarshal([]byte(printed(t, psOptions{format: "json"})), &rows); err != nil {
		t.Fatal(err)
	}
	r := rows[1]
	for name, want := range map[string]any{"Ports": nil, "ExposedPorts": nil, "Size": nil, "State": "exited", "ExitCode": 3.0, "Exited": true} {
		if got, there := r[name]; !there || got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, name := range []string{"Mounts", "Names", "Networks", "Command"} {
		if _, ok := r[name].([]any); !ok {
			t.Errorf("%s is %v", name, r[name])
		}
	}
	if _, ok := r["Namespaces"].(map[string]any); !ok {
		t.Errorf("Namespaces is %v", r["Namespaces"])
	}
}

// TestPsNamespaces holds the columns of --ns to the names that the core uses.
func TestPsNamespaces(t *testing.T) {
	row := psRow{e: libpod.ListEntry{ID: strings.Repeat("a", 64), Names: []string{"web"}, PID: 7, Namespaces: map[string]string{
		"Cgroup": "1", "Ipc": "2", "Mnt": "3", "Net": "4", "Pidns": "5", "User": "6", "Uts": "7",
	}}}
	table := psTable([]psRow{row}, psOptions{core: libpod.ListOptions{Namespace: true}})
	if got := strings.Join(table[1], " "); got != "aaaaaaaaaaaa web 7 1 2 3 4 5 6 7" {
		t.Errorf("%v\n%s", table[0], got)
	}
}

func TestPsOrder(t *testing.T) {
	for key, want := range map[string]string{"": "job", "created": "job", "names": "job", "id": "web", "status": "job", "size": "job"} {
		less, err := order(key)
		if err != nil {
			t.Fatal(err)
		}
		e := psEntries()
		sortEntries(e, less)
		if e[0].Names[0] != want {
			t.Errorf("--sort %q: %s first", key, e[0].Names[0])
		}
	}
}
