package specjson

import (
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"
)

//go:generate go test -run TestGenerated -update

// reader reads a document as people and engines write it: each field once, by its name as the specification spells it, and of its type.
// It gives up at anything else, which encoding/json is asked about then. Strings are parts of the document.
type reader struct {
	text string
	at   int
	// first says that nothing of the innermost object or list has been read.
	first bool
	// odd says that it gave up.
	odd bool
}

func (r *reader) giveUp() { r.odd, r.at = true, len(r.text) }

func (r *reader) space() {
	for r.at < len(r.text) {
		switch r.text[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

// is passes over that byte, if it is the next after space.
func (r *reader) is(c byte) bool {
	r.space()
	if r.at == len(r.text) || r.text[r.at] != c {
		return false
	}
	r.at++
	return true
}

func (r *reader) want(c byte) {
	if !r.is(c) {
		r.giveUp()
	}
}

// literal passes over that word, if it is next.
func (r *reader) literal(word string) bool {
	r.space()
	if !strings.HasPrefix(r.text[r.at:], word) {
		return false
	}
	r.at += len(word)
	return true
}

// null passes over what leaves a field as it is.
func (r *reader) null() bool { return r.literal("null") }

// open begins an object or a list; more says whether there is another field or element, and ends it.
func (r *reader) open(c byte) {
	r.want(c)
	r.first = true
}

func (r *reader) more(end byte) bool {
	if r.odd {
		return false
	}
	first := r.first
	r.first = false
	if r.is(end) {
		return false
	}
	if !first {
		r.want(',')
	}
	return !r.odd
}

// key is the name of the next field.
func (r *reader) key() string {
	name, plain := r.quoted()
	r.want(':')
	if !plain {
		r.giveUp()
	}
	return name
}

// quoted is what stands between quotation marks, and whether it stands for itself.
func (r *reader) quoted() (inside string, plain bool) {
	r.want('"')
	begin := r.at
	plain = true
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; {
		case c == '"':
			r.at++
			return r.text[begin : r.at-1], plain
		case c == '\\':
			r.at++
			plain = false
		case c < ' ':
			r.giveUp()
			return "", false
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	r.giveUp()
	return "", false
}

func (r *reader) string() string {
	if r.null() {
		return ""
	}
	return r.words()
}

// words is what quotation marks and what is between them stand for.
func (r *reader) words() (s string) {
	r.space()
	begin := r.at
	s, plain := r.quoted()
	if !plain && !r.odd && json.Unmarshal([]byte(r.text[begin:r.at]), &s) != nil {
		r.giveUp()
	}
	return s
}

func (r *reader) bool() bool {
	if r.literal("true") {
		return true
	}
	if !r.literal("false") && !r.null() {
		r.giveUp()
	}
	return false
}

// digits are those of a number without sign, which is no larger than most.
func (r *reader) digits(most uint64) (n uint64) {
	begin := r.at
	for ; r.at < len(r.text) && r.text[r.at] >= '0' && r.text[r.at] <= '9'; r.at++ {
		digit := uint64(r.text[r.at] - '0')
		if n > (most-digit)/10 {
			r.giveUp()
			return 0
		}
		n = n*10 + digit
	}
	if r.at == begin || r.at > begin+1 && r.text[begin] == '0' {
		r.giveUp()
	}
	if r.at < len(r.text) && strings.IndexByte(".eE", r.text[r.at]) >= 0 {
		r.giveUp()
	}
	return n
}

func (r *reader) unsigned(most uint64) uint64 {
	if r.null() {
		return 0
	}
	r.space()
	return r.digits(most)
}

func (r *reader) signed(most int64) int64 {
	if r.null() {
		return 0
	}
	if r.is('-') {
		return -int64(r.digits(uint64(most)+1)-1) - 1
	}
	r.space()
	return int64(r.digits(uint64(most)))
}

func (r *reader) int() int       { return int(r.signed(math.MaxInt)) }
func (r *reader) int32() int32   { return int32(r.signed(math.MaxInt32)) }
func (r *reader) int64() int64   { return r.signed(math.MaxInt64) }
func (r *reader) uint() uint     { return uint(r.unsigned(math.MaxUint)) }
func (r *reader) uint16() uint16 { return uint16(r.unsigned(math.MaxUint16)) }
func (r *reader) uint32() uint32 { return uint32(r.unsigned(math.MaxUint32)) }
func (r *reader) uint64() uint64 { return r.unsigned(math.MaxUint64) }

// once gives up at a field that was there before: encoding/json reads it into what the first one has left.
func (r *reader) once(seen *uint64, field int) {
	if *seen&(1<<field) != 0 {
		r.giveUp()
	}
	*seen |= 1 << field
}

// pointerTo, listOf and tableOf read values of one type, each by that function.

func pointerTo[T any](r *reader, read func(*reader) T) *T {
	if r.null() {
		return nil
	}
	v := read(r)
	return &v
}

func listOf[T any](r *reader, read func(*reader) T) []T {
	if r.null() {
		return nil
	}
	all := []T{}
	for r.open('['); r.more(']'); {
		all = append(all, read(r))
	}
	return all
}

func tableOf[T any](r *reader, read func(*reader) T) map[string]T {
	if r.null() {
		return nil
	}
	all := map[string]T{}
	for r.open('{'); r.more('}'); {
		key := r.words()
		r.want(':')
		if _, twice := all[key]; twice {
			r.giveUp()
		}
		all[key] = read(r)
	}
	return all
}
