package plan

import (
	"fmt"

	"github.com/manager-project/manager/pkg/pack"
)

// version changes whenever an older program could misread a newer plan. The two programs
// are shipped together, so another version means a broken installation.
const version = 2

// MaxSize bounds an encoded plan, in bytes. It leaves room for 5,000 mounts and the
// largest argument list that the kernel takes.
const MaxSize = 32 << 20

type envelope struct {
	Version int
	Plan    *Plan
}

// Encode returns the plan's bytes for launch.Request.
func (p *Plan) Encode() ([]byte, error) {
	b, err := pack.Marshal(envelope{version, p})
	if err != nil {
		return nil, err
	}
	if len(b) > MaxSize {
		return nil, fmt.Errorf("plan has %d bytes, more than %d", len(b), MaxSize)
	}
	return b, nil
}

// Decode reads what Encode wrote.
func Decode(b []byte) (*Plan, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("plan has %d bytes, more than %d", len(b), MaxSize)
	}
	var e envelope
	if err := pack.Unmarshal(b, &e); err != nil {
		return nil, err
	}
	if e.Version != version || e.Plan == nil {
		return nil, fmt.Errorf("plan version %d, want %d", e.Version, version)
	}
	return e.Plan, nil
}
