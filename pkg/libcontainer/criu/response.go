package criu

import "math"

// response is criu_resp.
type response struct {
	kind    Kind
	success bool
	// script and pid are a notification's.
	script string
	pid    int
	// restored is the pid of a restored root.
	restored int
	// major, minor and sublevel are a version.
	major, minor, sublevel int
	errno                  int
	text                   string
}

// decode reads a response. What is not in use is skipped.
func decode(b []byte) (*response, error) {
	r := &response{}
	err := fields(b, func(field int, n uint64, b []byte) error {
		switch field {
		case 1:
			r.kind = Kind(small(n))
		case 2:
			r.success = n != 0
		case 4:
			return r.nested(b, map[int]*int{1: &r.restored}, nil)
		case 5:
			return r.nested(b, map[int]*int{2: &r.pid}, &r.script)
		case 7:
			r.errno = small(n)
		case 9:
			r.text = string(b)
		case 10:
			return r.nested(b, map[int]*int{1: &r.major, 2: &r.minor, 4: &r.sublevel}, nil)
		}
		return nil
	})
	return r, err
}

// nested reads a message of numbers and at most one text, in field 1.
func (r *response) nested(b []byte, numbers map[int]*int, text *string) error {
	return fields(b, func(field int, n uint64, b []byte) error {
		if to := numbers[field]; to != nil {
			*to = small(n)
		} else if field == 1 && text != nil {
			*text = string(b)
		}
		return nil
	})
}

// small is an int32; what is not one is 0, which no pid and no version is.
func small(n uint64) int {
	if i := int64(n); i >= math.MinInt32 && i <= math.MaxInt32 {
		return int(i)
	}
	return 0
}
