package logs

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"
)

var errRecord = errors.New("not a log record")

// parseK8s reads "time stream tags text". Tags are separated by colons; P is partial, F full.
// Source: Kubernetes, CRI log format.
func parseK8s(record []byte) (Line, error) {
	stamp, rest, ok1 := bytes.Cut(record, []byte{' '})
	stream, rest, ok2 := bytes.Cut(rest, []byte{' '})
	tags, text, ok3 := bytes.Cut(rest, []byte{' '})
	if !ok3 {
		tags = rest // an empty line's blank may be missing
	}
	if !ok1 || !ok2 || len(tags) == 0 {
		return Line{}, errRecord
	}
	tag, _, _ := bytes.Cut(tags, []byte{':'})
	l := Line{Text: text, Partial: string(tag) == "P"}
	if !l.Partial && string(tag) != "F" {
		return Line{}, errRecord
	}
	var err error
	if l.Time, err = time.Parse(time.RFC3339Nano, string(stamp)); err != nil {
		return Line{}, errRecord
	}
	l.Stream, err = streamOf(string(stream))
	return l, err
}

// parseJSON reads Docker's object. Its text carries the newline of a full line.
func parseJSON(record []byte) (Line, error) {
	var o struct {
		Log    *string   `json:"log"`
		Stream string    `json:"stream"`
		Time   time.Time `json:"time"`
	}
	if err := json.Unmarshal(record, &o); err != nil || o.Log == nil {
		return Line{}, errRecord
	}
	text, full := bytes.CutSuffix([]byte(*o.Log), []byte{'\n'})
	stream, err := streamOf(o.Stream)
	return Line{Time: o.Time, Stream: stream, Partial: !full, Text: text}, err
}

func streamOf(s string) (string, error) {
	switch s {
	case "stdout":
		return "stdout", nil
	case "stderr":
		return "stderr", nil
	}
	return "", errRecord
}
