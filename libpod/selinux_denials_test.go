package libpod

import (
	"testing"
	"time"
)

func TestParseDenial(t *testing.T) {
	const label = "system_u:system_r:container_t:s0:c1,c2"
	const rest = ` scontext=system_u:system_r:container_t:s0:c1,c2 tcontext=system_u:object_r:tmp_t:s0 tclass=`
	for line, want := range map[string]string{
		`audit: type=1400 audit(1795670010.064:104): avc:  denied  { search } for  pid=5 comm="cat" name="plain" dev="vda" ino=2` + rest + "dir permissive=0\n":   `SELinux did not let "cat" search a directory "plain" with the label system_u:object_r:tmp_t:s0`,
		`type=AVC msg=audit(1795670010.064:104): avc:  denied  { read execute } for  pid=5 comm="a b" path="/x y/z" dev="vda" ino=2` + rest + "file permissive=0": `SELinux did not let "a b" read and execute a file "/x y/z" with the label system_u:object_r:tmp_t:s0`,
		`audit(1795670010.064:104): avc:  denied  { dac_override } for  pid=5 comm="sh" capability=1 ` + rest + "capability":                                      `SELinux did not let "sh" use the capability dac_override`,
		`audit(1795670010.064:104): avc:  denied  { search } for  pid=5 comm="cat"` + rest + "dir permissive=1":                                                   "",
		`audit(1795670010.064:104): avc:  granted  { search } for  pid=5 comm="cat"` + rest + "dir permissive=0":                                                  "",
		`audit(x:104): avc:  denied  { search } for  pid=5 comm="cat"` + rest + "dir permissive=0":                                                                "",
		`audit(1795670010.064:104): avc:  denied  { search } for  pid=5 comm="cat" scontext=` + label + "4 tcontext=a tclass=dir":                                 "",
		`audit(1795670010.064:104): avc:  denied`: "",
		"": "",
	} {
		at, got, ok := parseDenial(line, label)
		if got != want || ok != (want != "") {
			t.Errorf("%s: %q, %v", line, got, ok)
		}
		if ok && !at.Equal(time.UnixMilli(1795670010064)) {
			t.Errorf("%s: at %v", line, at)
		}
	}
}
