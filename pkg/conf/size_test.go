package conf

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]string{
		"1000": "", `"1m"`: "", `"2048"`: "", `0`: "", `-1`: "below 0", `"-1"`: "size", `"much"`: "not a size", `true`: "not a size", `1.5`: "not a size",
	} {
		path := filepath.Join(t.TempDir(), "containers.conf")
		if err := os.WriteFile(path, []byte("[engine]\nevents_logfile_max_size = "+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Load(Source{Getenv: func(key string) string {
			if key == "CONTAINERS_CONF" {
				return path
			}
			return ""
		}})
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want == "" && text == `"1m"` && *f.Engine.EventsLogMaxSize != 1<<20:
			t.Errorf("%s is %d", text, *f.Engine.EventsLogMaxSize)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v", text, err)
		}
	}
}
