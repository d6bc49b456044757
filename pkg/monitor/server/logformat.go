package server

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/manager-project/manager/pkg/monitor"
)

// stamp is RFC 3339 with all nine digits, so that records of one file have one width.
const stamp = "2006-01-02T15:04:05.000000000Z07:00"

func streamName(k monitor.Kind) string {
	if k == monitor.KindStderr {
		return "stderr"
	}
	return "stdout"
}

// k8sFormat writes "time stream tag text", tag F for a line's end and P before it. Bytes are kept
// exactly. Source: Kubernetes, CRI log format.
type k8sFormat struct{}

func (k8sFormat) record(out []byte, k monitor.Kind, now time.Time, head, tail []byte, full bool) []byte {
	out = now.AppendFormat(out, stamp)
	out = append(out, ' ')
	out = append(out, streamName(k)...)
	if full {
		out = append(out, " F "...)
	} else {
		out = append(out, " P "...)
	}
	out = append(out, head...)
	out = append(out, tail...)
	return append(out, '\n')
}

func (k8sFormat) cut(text []byte) int { return len(text) }

// stampRoom holds what a record has besides its text: time, stream, tags.
const stampRoom = 256

func (k8sFormat) room() int { return stampRoom }

// k8sHeader is what stands before a record's text, in bytes: time, stream and tag. The time is UTC.
const k8sHeader = len("2006-01-02T15:04:05.000000000Z stdout F ")

func (k8sFormat) output(records []byte) int {
	sum := 0
	for line := range bytes.Lines(records) {
		if len(line) <= k8sHeader {
			continue
		}
		sum += len(line) - k8sHeader
		if line[len(line)-1] == '\n' && line[k8sHeader-2] == 'P' {
			sum-- // the record's own end, not one of the output
		}
	}
	return sum
}

// jsonFormat writes Docker's objects: a "log" with its newline is a line's end. JSON has no
// way to keep bytes that are not UTF-8: each becomes U+FFFD, as Docker has it.
type jsonFormat struct {
	// attrs is the member "attrs" of each record, with a comma behind it: tag and labels. Or nothing.
	attrs []byte
}

func newJSONFormat(c *monitor.LogConfig) jsonFormat {
	var f jsonFormat
	add := func(name, value string) {
		if f.attrs == nil {
			f.attrs = append(f.attrs, `"attrs":{`...)
		} else {
			f.attrs = append(f.attrs, ',')
		}
		f.attrs = appendEscaped(append(f.attrs, '"'), []byte(name))
		f.attrs = appendEscaped(append(f.attrs, `":"`...), []byte(value))
		f.attrs = append(f.attrs, '"')
	}
	if c.Tag != "" {
		add("tag", c.Tag)
	}
	for _, label := range c.Labels {
		name, value, _ := strings.Cut(label, "=")
		add(name, value)
	}
	if f.attrs != nil {
		f.attrs = append(f.attrs, '}', ',')
	}
	return f
}

func (f jsonFormat) room() int { return stampRoom + len(f.attrs) }

func (f jsonFormat) record(out []byte, k monitor.Kind, now time.Time, head, tail []byte, full bool) []byte {
	out = append(out, logMember...)
	// A character may begin in head and end in tail.
	for len(head) > 0 && len(tail) > 0 && !utf8.FullRune(head[lastRune(head):]) {
		n := lastRune(head)
		out = appendEscaped(out, head[:n])
		joined := append(append([]byte(nil), head[n:]...), tail[:min(len(tail), utf8.UTFMax)]...)
		_, w := utf8.DecodeRune(joined)
		out = appendEscaped(out, joined[:w])
		// An invalid beginning is one byte of head; else the character ends in tail.
		if w > len(head)-n {
			head, tail = nil, tail[w-(len(head)-n):]
		} else {
			head = head[n+w:]
		}
	}
	out = appendEscaped(out, head)
	out = appendEscaped(out, tail)
	if full {
		out = append(out, `\n`...)
	}
	out = append(out, `","stream":"`...)
	out = append(out, streamName(k)...)
	out = append(out, `",`...)
	out = append(out, f.attrs...)
	out = append(out, `"time":"`...)
	out = now.AppendFormat(out, stamp)
	return append(out, '"', '}', '\n')
}

// logMember begins each record.
const logMember = `{"log":"`

func (jsonFormat) output(records []byte) int {
	sum := 0
	for line := range bytes.Lines(records) {
		text, _ := bytes.CutPrefix(line, []byte(logMember))
		if len(text) == len(line) {
			continue // cut before its text
		}
		for i := 0; i < len(text) && text[i] != '"'; i++ {
			if text[i] == '\\' {
				i++
				if i < len(text) && text[i] == 'u' {
					i += 4
				}
			}
			if i < len(text) {
				sum++
			}
		}
	}
	return sum
}

func (jsonFormat) cut(text []byte) int {
	if n := lastRune(text); len(text) > 0 && !utf8.FullRune(text[n:]) {
		return n
	}
	return len(text)
}

// lastRune is where the last character of text begins, or what may become one.
func lastRune(text []byte) int {
	for n := len(text) - 1; n >= 0 && n >= len(text)-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return max(len(text)-1, 0)
}

const hexDigits = "0123456789abcdef"

func appendEscaped(out, text []byte) []byte {
	for len(text) > 0 {
		c := text[0]
		if c < utf8.RuneSelf {
			out = appendASCII(out, c)
			text = text[1:]
			continue
		}
		r, w := utf8.DecodeRune(text)
		if r == utf8.RuneError && w == 1 {
			out = append(out, `\ufffd`...)
		} else {
			out = append(out, text[:w]...)
		}
		text = text[w:]
	}
	return out
}

func appendASCII(out []byte, c byte) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(out, '\\', c)
	case c == '\n':
		return append(out, '\\', 'n')
	case c == '\r':
		return append(out, '\\', 'r')
	case c == '\t':
		return append(out, '\\', 't')
	case c < 0x20:
		return append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(out, c)
}
