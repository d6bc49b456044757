package spec

import "testing"

// TestGenerate makes the OCI spec of a request through Decide and compares it whole.
func TestGenerate(t *testing.T) {
	for name, change := range generateCases {
		t.Run(name, func(t *testing.T) {
			req, img, host, facts := testRequest(), testImage(), testHost(), testFacts()
			change(req, img, host, facts)
			cfg, _, err := Decide(req, img, Builtin(), host)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := Generate(cfg, facts)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "generate/"+name, spec)
		})
	}
}

var generateCases = map[string]func(*Request, *ImageConfig, *Host, *Facts){
	"plain": func(*Request, *ImageConfig, *Host, *Facts) {},
	"wide": func(r *Request, _ *ImageConfig, _ *Host, f *Facts) {
		r.Process.Env = []string{"A=b"}
		r.Process.User, r.Process.Workdir = "1000:1000", "/work"
		r.Mounts.Volume = []string{"./src:/src:ro", "data:/data"}
		r.Mounts.Mount = []string{"type=tmpfs,dst=/scratch,tmpfs-size=64m"}
		r.Limits.Memory, r.Limits.CPUs = "64m", 1.5
		f.User = UserFacts{UID: 1000, GID: 1000, Additional: []uint32{1000}, Home: "/home/x"}
		f.MountSources = map[string]string{"/data": "/volumes/data/_data"}
	},
}
