package spec

import (
	"encoding/json"
	"errors"
	"path"
	"reflect"
	"strings"
	"testing"

	"github.com/manager-project/manager/pkg/errdefs"
)

// parseCase is a word and what it means as JSON, or the class of its error.
type parseCase struct {
	word  string
	want  string
	class error
}

func runParse[T any](t *testing.T, parse func(string) (T, error), cases []parseCase) {
	t.Helper()
	for _, c := range cases {
		got, err := parse(c.word)
		if !errors.Is(err, c.class) || (c.class != nil && errdefs.Hint(err) == "" && !errors.Is(err, errdefs.ErrUnsupported)) {
			t.Errorf("%q: error %v (hint %q), want class %v", c.word, err, errdefs.Hint(err), c.class)
			continue
		}
		if c.class != nil {
			continue
		}
		if b := mustJSON(t, got); string(b) != c.want {
			t.Errorf("%q: got  %s\nwant %s", c.word, b, c.want)
		}
	}
}

const (
	volDefaults = `"options":["rbind","rw","rprivate","nosuid","nodev"]`
)

func TestParseVolume(t *testing.T) {
	bad := errdefs.ErrInvalid
	runParse(t, ParseVolume, []parseCase{
		{word: "/d", want: `{"kind":"volume","destination":"/d",` + volDefaults + `}`},
		{word: "n:/d/../e/", want: `{"kind":"volume","source":"n","destination":"/e",` + volDefaults + `}`},
		{word: "/s:/d", want: `{"kind":"bind","source":"/s","destination":"/d","options":["rbind","rw","rprivate"]}`},
		{word: "./s:/d:ro", want: `{"kind":"bind","source":"./s","destination":"/d","options":["rbind","ro","rprivate"]}`},
		{word: `/a\:b:/d\:e`, want: `{"kind":"bind","source":"/a:b","destination":"/d:e","options":["rbind","rw","rprivate"]}`},
		{word: "/s:/d:rshared,nodev,noexec,nosuid,bind", want: `{"kind":"bind","source":"/s","destination":"/d","options":["bind","rw","rshared","nosuid","nodev","noexec"]}`},
		{word: "n:/d:exec,suid,dev,nocopy,U,Z", want: `{"kind":"volume","source":"n","destination":"/d","options":["rbind","rw","rprivate","suid","dev","exec"],"no_copy":true,"relabel":"Z","chown":true}`},
		{word: "n:/d:copy,z", want: `{"kind":"volume","source":"n","destination":"/d",` + volDefaults + `,"relabel":"z"}`},
		{word: "/s:/d:O", want: `{"kind":"bind","source":"/s","destination":"/d","options":["rbind","rw","rprivate"],"overlay":true}`},
		{word: "/s:/d:O,upperdir=/u,workdir=/w", want: `{"kind":"bind","source":"/s","destination":"/d","options":["rbind","rw","rprivate"],"overlay":true,"overlay_upper":"/u","overlay_work":"/w"}`},
		{word: "n:/d:subpath=a/b", want: `{"kind":"volume","source":"n","destination":"/d","subpath":"a/b",` + volDefaults + `}`},
		{word: "/s:/d:", want: `{"kind":"bind","source":"/s","destination":"/d","options":["rbind","rw","rprivate"]}`},
		{word: "", class: bad},
		{word: "/", class: bad},
		{word: "/s:/", class: bad},
		{word: "/s:/x/..", class: bad},
		{word: "d", class: bad},
		{word: "/s:d", class: bad},
		{word: ":/d", class: bad},
		{word: "/s:", class: bad},
		{word: "a/b:/d", class: bad},
		{word: "~/x:/d", class: bad},
		{word: "-n:/d", class: bad},
		{word: "/s:/d:ro:x", class: bad},
		{word: "/s:/d:ro,rw", class: bad},
		{word: "/s:/d:z,Z", class: bad},
		{word: "/s:/d:shared,slave", class: bad},
		{word: "/s:/d:bogus", class: bad},
		{word: "/s:/d:ro,ro", class: bad},
		{word: "/s:/d:exec,noexec", class: bad},
		{word: "/s:/d:O,ro", class: bad},
		{word: "/s:/d:O,upperdir=/u", class: bad},
		{word: "/s:/d:upperdir=/u,workdir=/w", class: bad},
		{word: "/s:/d:copy", class: bad},
		{word: "n:/d:copy,nocopy", class: bad},
		{word: "n:/d:subpath=../x", class: bad},
		{word: "/s:/d\n/x", class: bad},
		{word: "/s:/d:idmap", want: `{"kind":"bind","source":"/s","destination":"/d","options":["rbind","rw","rprivate"],"as_container":true}`},
		{word: "/s:/d:idmap=uids=@0-1-1;gids=@0-1-1", want: `{"kind":"bind","source":"/s","destination":"/d","options":["rbind","rw","rprivate"],` +
			`"uid_mappings":[{"containerID":0,"hostID":1,"size":1}],"gid_mappings":[{"containerID":0,"hostID":1,"size":1}],"relative":true}`},
		{word: "/s:/d:idmap,idmap=uids=0-1-1;gids=0-1-1", class: bad},
		{word: "/s:/d:idmap,U", class: bad},
		{word: "/s:/d:idmap=uids=0-1-1", class: bad},
		{word: "/s:/d:idmap=uids=0-1-1;gids=0-1", class: bad},
		{word: "/s:/d:idmap=uids=0-1-1;gids=@0-1-1", class: bad},
		{word: "/s:/d:idmap=uids=0-1-0;gids=0-1-1", class: bad},
		{word: "/s:/d:idmap=uids=0-4294967295-2;gids=0-1-1", class: bad},
		{word: "/s:/d:idmap=uids=0-1-1;uids=0-1-1", class: bad},
		{word: "/s:/d:idmap=uids=0-1-1;gids=0-1-1,U", class: bad},
		{word: "/s:/d:idmap=uids=0-1-1;gids=0-1-1,O", class: bad},
		{word: "/s:/d:idmap=uids=0-1000-1#5-6-2;gids=0-9-1", want: `{"kind":"bind","source":"/s","destination":"/d","options":["rbind","rw","rprivate"],` +
			`"uid_mappings":[{"containerID":0,"hostID":1000,"size":1},{"containerID":5,"hostID":6,"size":2}],"gid_mappings":[{"containerID":0,"hostID":9,"size":1}]}`},
	})
}

func TestParseMount(t *testing.T) {
	bad, no := errdefs.ErrInvalid, errdefs.ErrUnsupported
	runParse(t, ParseMount, []parseCase{
		{word: "type=bind,src=/s,dst=/d", want: `{"kind":"bind","source":"/s","destination":"/d","options":["rbind","rw","rprivate"]}`},
		{word: "type=bind,source=./s,target=/d,ro,bind-propagation=rslave,bind-nonrecursive", want: `{"kind":"bind","source":"./s","destination":"/d","options":["bind","ro","rslave"]}`},
		{word: "type=bind,src=/s,destination=/d,readonly=false,relabel=shared,chown=true", want: `{"kind":"bind","source":"/s","destination":"/d","options":["rbind","rw","rprivate"],"relabel":"z","chown":true}`},
		{word: "dst=/d,type=bind,src=/s,U,relabel=private,noexec,consistency=cached", want: `{"kind":"bind","source":"/s","destination":"/d","options":["rbind","rw","rprivate","noexec"],"relabel":"Z","chown":true}`},
		{word: `type=bind,"src=/a,b",dst=/d`, want: `{"kind":"bind","source":"/a,b","destination":"/d","options":["rbind","rw","rprivate"]}`},
		{word: "src=n,dst=/d", want: `{"kind":"volume","source":"n","destination":"/d",` + volDefaults + `}`},
		{word: "type=volume,dst=/d", want: `{"kind":"volume","destination":"/d",` + volDefaults + `}`},
		{word: "type=volume,src=n,dst=/d,volume-opt=type=tmpfs,volume-opt=o=size=1m,volume-nocopy,volume-subpath=/a/", want: `{"kind":"volume","source":"n","destination":"/d","subpath":"a",` + volDefaults + `,"no_copy":true,"volume_options":{"o":"size=1m","type":"tmpfs"}}`},
		{word: "type=tmpfs,dst=/d", want: `{"kind":"tmpfs","destination":"/d","options":["rw","rprivate","nosuid","nodev"],"copy_up":true}`},
		{word: "type=tmpfs,dst=/d,tmpfs-size=5m,tmpfs-mode=700,notmpcopyup,ro", want: `{"kind":"tmpfs","destination":"/d","options":["ro","rprivate","nosuid","nodev","size=5m","mode=700"]}`},
		{word: "type=ramfs,dst=/d,mode=0755", want: `{"kind":"ramfs","destination":"/d","options":["rw","rprivate","nosuid","nodev","mode=0755"]}`},
		{word: "type=image,src=alpine,dst=/d,subpath=etc", want: `{"kind":"image","source":"alpine","destination":"/d","subpath":"etc","options":["ro","rprivate","nosuid","nodev"]}`},
		{word: "type=image,src=alpine,dst=/d,rw=true", want: `{"kind":"image","source":"alpine","destination":"/d","options":["rw","rprivate","nosuid","nodev"],"read_write":true}`},
		{word: "type=devpts,dst=/d,uid=1,gid=5,mode=0620,max=9", want: `{"kind":"devpts","destination":"/d","options":["rw","rprivate","nosuid","noexec","uid=1","gid=5","mode=0620","max=9","newinstance"]}`},
		{word: "", class: bad},
		{word: "type=bind,dst=/d", class: bad},
		{word: "type=bind,src=/s", class: bad},
		{word: "type=bind,src=/s,dst=d", class: bad},
		{word: "type=bind,src=/s,dst=/", class: bad},
		{word: "type=what,dst=/d", class: bad},
		{word: "type=bind,src=/s,src=/t,dst=/d", class: bad},
		{word: "type=bind,src=/s,dst=/d,ro=maybe", class: bad},
		{word: "type=bind,src=/s,dst=/d,ro,rw", class: bad},
		{word: "type=bind,src=/s,dst=/d,bind-propagation=rw", class: bad},
		{word: "type=bind,src=/s,dst=/d,bind-propagation=ro", class: bad},
		{word: "type=bind,src=/s,dst=/d,relabel=x", class: bad},
		{word: "type=bind,src=/s,dst=/d,tmpfs-size=1", class: bad},
		{word: "type=tmpfs,src=/s,dst=/d", class: bad},
		{word: "type=tmpfs,dst=/d,tmpfs-size=x", class: bad},
		{word: "type=tmpfs,dst=/d,tmpfs-mode=9", class: bad},
		{word: "type=volume,src=a/b,dst=/d", class: bad},
		{word: "type=volume,src=n,dst=/d,volume-opt=x", class: bad},
		{word: "type=volume,src=n,dst=/d,subpath=../x", class: bad},
		{word: "type=image,dst=/d", class: bad},
		{word: "type=devpts,dst=/d,mode=9", class: bad},
		{word: `type="bind`, class: bad},
		{word: "type=bind,src=/s,dst=/d,idmap,O", class: bad},
		{word: "type=volume,src=n,dst=/d,idmap=uids=0-1-2;gids=0-1-2", want: `{"kind":"volume","source":"n","destination":"/d",` + volDefaults +
			`,"uid_mappings":[{"containerID":0,"hostID":1,"size":2}],"gid_mappings":[{"containerID":0,"hostID":1,"size":2}]}`},
		{word: "type=bind,src=/s,dst=/d,idmap=uids=0-1-2;gids=0-1-2,chown", class: bad},
		{word: "type=glob,src=/s*,dst=/d", class: no},
		{word: "type=volume,dst=/d,volume-driver=nfs", class: no},
		{word: "type=bind,src=/s,dst=/d,no-dereference", class: no},
	})
}

func TestParseTmpfs(t *testing.T) {
	bad := errdefs.ErrInvalid
	runParse(t, ParseTmpfs, []parseCase{
		{word: "/d", want: `{"kind":"tmpfs","destination":"/d","options":["rw","rprivate","nosuid","nodev"],"copy_up":true}`},
		{word: "/d:ro,noexec,size=50%,mode=1777,uid=5,U,notmpcopyup", want: `{"kind":"tmpfs","destination":"/d","options":["ro","rprivate","nosuid","nodev","noexec","size=50%","mode=1777","uid=5"],"chown":true}`},
		{word: "/d:exec,size=64m", want: `{"kind":"tmpfs","destination":"/d","options":["rw","rprivate","nosuid","nodev","exec","size=64m"],"copy_up":true}`},
		{word: "d", class: bad},
		{word: "/", class: bad},
		{word: "/d:size=big", class: bad},
		{word: "/d:bind", class: bad},
		{word: "/d:mode=8", class: bad},
		{word: "/d:x=y", class: bad},
		{word: "/d:ro:rw", class: bad},
		{word: "/d:size=1mm", class: bad},
	})
}

func TestParseWords(t *testing.T) {
	bad := errdefs.ErrInvalid
	runParse(t, ParseUlimit, []parseCase{
		{word: "nofile=1024:2048", want: `{"type":"RLIMIT_NOFILE","soft":1024,"hard":2048}`},
		{word: "RLIMIT_CORE=-1", want: `{"type":"RLIMIT_CORE","soft":18446744073709551615,"hard":18446744073709551615}`},
		{word: "NPROC=5:unlimited", want: `{"type":"RLIMIT_NPROC","soft":5,"hard":18446744073709551615}`},
		{word: "nofile", class: bad},
		{word: "bogus=1", class: bad},
		{word: "nofile=2:1", class: bad},
		{word: "nofile=", class: bad},
		{word: "nofile=-2", class: bad},
		{word: "nofile=-1:5", class: bad},
		{word: "nofile=1:2:3", class: bad},
	})
	runParse(t, func(w string) (int, error) { s, err := ParseSignal("--signal", w); return int(s), err }, []parseCase{
		{word: "9", want: "9"},
		{word: "kill", want: "9"},
		{word: "SIGTERM", want: "15"},
		{word: "sigHup", want: "1"},
		{word: "RTMIN", want: "34"},
		{word: "SIGRTMIN+3", want: "37"},
		{word: "RTMAX-1", want: "63"},
		{word: "64", want: "64"},
		{word: "0", class: bad},
		{word: "65", class: bad},
		{word: "-9", class: bad},
		{word: "", class: bad},
		{word: "SIGSIGKILL", class: bad},
		{word: "RTMIN+40", class: bad},
		{word: "RTMIN-1", class: bad},
		{word: "RTMAX+1", class: bad},
		{word: "RTMIN3", class: bad},
		{word: "FOO", class: bad},
	})
	runParse(t, ParseDevice, []parseCase{
		{word: "/dev/a", want: `{"host":"/dev/a","container":"/dev/a","permissions":"rwm"}`},
		{word: "/dev/a:/dev/b:mr", want: `{"host":"/dev/a","container":"/dev/b","permissions":"mr"}`},
		{word: "/dev/a:/dev/b:x", class: bad},
		{word: "/dev/a:rr", class: bad},
		{word: "a:b", class: bad},
		{word: "", class: bad},
		{word: "/:/x", class: bad},
	})
	runParse(t, ParseDeviceRule, []parseCase{
		{word: "a *:* rwm", want: `{"allow":true,"type":"a","access":"rwm"}`},
		{word: "c 10:200 r", want: `{"allow":true,"type":"c","major":10,"minor":200,"access":"r"}`},
		{word: "c 10 r", class: bad},
		{word: "c 10:-1 r", class: bad},
		{word: "c 1:2 q", class: bad},
		{word: "c 1:99999999999 r", class: bad},
	})
	runParse(t, func(w string) (int64, error) { return ParseBytes("--memory", w) }, []parseCase{
		{word: "1", want: "1"},
		{word: "1k", want: "1024"},
		{word: "1.5g", want: "1610612736"},
		{word: "512MiB", want: "536870912"},
		{word: "2b", want: "2"},
		{word: "", class: bad},
		{word: "x", class: bad},
		{word: "-1", class: bad},
		{word: "1q", class: bad},
	})
	runParse(t, ParsePlatform, []parseCase{
		{word: "linux/arm64/v8", want: `{"OS":"linux","Arch":"arm64","Variant":"v8"}`},
		{word: "arm64", want: `{"OS":"linux","Arch":"arm64","Variant":""}`},
		{word: "linux/../x", class: bad},
		{word: "a/b/c/d", class: bad},
		{word: "", class: bad},
	})
}

func TestParseEnvFile(t *testing.T) {
	got, err := ParseEnvFile([]byte("\ufeffA=1\r\n  B= x \n#c\n\nC\nD*\nE=\"q\"\n"))
	if want := []string{"A=1", "B= x ", "C", "D*", `E="q"`}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, text := range []string{"=x", "a b=c", "\xff=1", "A=\x00", "A=" + strings.Repeat("x", maxFileLine)} {
		if _, err := ParseEnvFile([]byte(text)); err == nil {
			t.Errorf("%.20q is accepted", text)
		}
	}
}

// checkMount are the promises about every parsed mount.
func checkMount(t *testing.T, word string, m Mount, err error) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, errdefs.ErrInvalid) && !errors.Is(err, errdefs.ErrUnsupported) {
			t.Errorf("%q: class of %v", word, err)
		}
		return
	}
	if !path.IsAbs(m.Destination) || m.Destination == "/" || path.Clean(m.Destination) != m.Destination || hasControl(m.Destination) {
		t.Errorf("%q: destination %q", word, m.Destination)
	}
	if hasControl(m.Source) || strings.Contains("/"+m.Subpath+"/", "/../") {
		t.Errorf("%q: source %q subpath %q", word, m.Source, m.Subpath)
	}
	if m.Kind == MountVolume && m.Source != "" && !validName(m.Source) {
		t.Errorf("%q: name %q", word, m.Source)
	}
	if _, err := json.Marshal(m); err != nil {
		t.Error(err)
	}
}

func FuzzParseVolume(f *testing.F) {
	for _, s := range []string{"/d", "n:/d:ro,Z", `/a\:b:/d`, "/s:/d:O,upperdir=/u,workdir=/w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { m, err := ParseVolume(s); checkMount(t, s, m, err) })
}

func FuzzParseMount(f *testing.F) {
	for _, s := range []string{"type=bind,src=/s,dst=/d,ro", "type=tmpfs,dst=/d,tmpfs-size=5m", `"src=a,b",dst=/d`, "type=image,src=i,dst=/d,rw"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { m, err := ParseMount(s); checkMount(t, s, m, err) })
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"nofile=1:2", "SIGRTMIN+3", "/dev/a:/dev/b:r", "c 1:* rwm", "a;b:1.2.3.4", "80-90/udp", "net.x=1", "0-3,5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if l, err := ParseUlimit(s); err == nil && l.Soft > l.Hard {
			t.Errorf("%q: %+v", s, l)
		}
		if n, err := ParseSignal("--signal", s); err == nil && (n < 1 || n > sigRTMax) {
			t.Errorf("%q: signal %d", s, n)
		}
		if d, err := ParseDevice(s); err == nil && (!path.IsAbs(d.Host) || !path.IsAbs(d.Container) || !validDeviceMode(d.Permissions)) {
			t.Errorf("%q: %+v", s, d)
		}
		if line, err := ParseAddHost(s); err == nil && (hasControl(line) || strings.Contains(line, "#")) {
			t.Errorf("%q: %q", s, line)
		}
		if k, _, err := parseSysctl(s); err == nil && (k == "" || strings.Contains(k, "..")) {
			t.Errorf("%q: %q", s, k)
		}
		_, _ = ParseDeviceRule(s)
		_, _ = ParseExpose(s)
		_ = checkCpuset("--cpuset-cpus", s)
	})
}

func FuzzEnvFile(f *testing.F) {
	f.Add([]byte("A=1\nB\n# c\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := ParseEnvFile(data)
		if err != nil {
			return
		}
		for _, e := range entries {
			if k, _, _ := cutEnv(e); k == "" || strings.ContainsAny(e, "\n\x00") {
				t.Errorf("entry %q", e)
			}
		}
	})
}

func TestParseRestart(t *testing.T) {
	for word, want := range map[string]Restart{
		"": {}, "no": {}, "never": {}, "always": {Policy: "always"}, "unless-stopped": {Policy: "unless-stopped"},
		"on-failure": {Policy: "on-failure"}, "on-failure:0": {Policy: "on-failure"}, "on-failure:5": {Policy: "on-failure", Max: 5},
	} {
		if got, err := ParseRestart(word); got != want || err != nil {
			t.Errorf("%q: %+v, %v", word, got, err)
		}
	}
}
