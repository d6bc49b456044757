// Package specjson reads and writes the OCI runtime specification's configuration as
// encoding/json does, in a fraction of the time when it is done once in a process: encoding/json
// first works out all types that it might meet, those of other platforms among them.
package specjson

import (
	"encoding/json"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Unmarshal is json.Unmarshal into an empty Spec, errors and their offsets included.
func Unmarshal(b []byte, spec *specs.Spec) error { return unmarshal(b, spec, (*reader).spec) }

// UnmarshalProcess is json.Unmarshal into an empty Process.
func UnmarshalProcess(b []byte, p *specs.Process) error { return unmarshal(b, p, (*reader).process) }

func unmarshal[T any](b []byte, v *T, quickly func(*reader, *T)) error {
	r := reader{text: string(b)}
	quickly(&r, v)
	r.space()
	if !r.odd && r.at == len(r.text) {
		return nil
	}
	var none T
	*v = none
	return json.Unmarshal(b, v)
}
