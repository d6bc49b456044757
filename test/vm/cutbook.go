package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// An op is a command of the power cut's load: its verb and what it is about, as words of a line.
type op []string

func (o op) String() string { return strings.Join(o, " ") }

// touched are the things that may be in either state when the op was begun and not reported done.
func (o op) touched() []string {
	switch o[0] {
	case "create", "run", "rm":
		return []string{"container " + o[1]}
	case "rename":
		return []string{"container " + o[1], "container " + o[2]}
	case "volume", "data", "unvolume":
		return []string{"volume " + o[1]}
	case "load", "rmi":
		return []string{"image " + o[1]}
	default: // once leaves nothing
		return nil
	}
}

// A book knows what has to be there: what ops that were reported done have made. Its lines are
//
//	begin WORKER OP…   before the command starts
//	done WORKER OP…    when it has ended without an error
//	reset              everything was removed, and is to be made anew
//
// The worker is a word. A line that is no entry is passed over.
type book struct {
	// have are the things that are there, with what is known of them.
	have map[string]string
	// open are the ops that were begun and not done, by worker.
	open map[string]op
}

func newBook() *book { return &book{have: map[string]string{}, open: map[string]op{}} }

// read makes a book of its lines.
func readBook(text string) *book {
	b := newBook()
	for line := range strings.Lines(text) {
		b.enter(strings.TrimSpace(line))
	}
	return b
}

// enter takes a line.
func (b *book) enter(line string) {
	words := strings.Fields(line)
	switch {
	case line == "reset":
		*b = *newBook()
	case len(words) < 3:
	case words[0] == "begin":
		b.open[words[1]] = words[2:]
	case words[0] == "done":
		delete(b.open, words[1])
		b.do(words[2:])
	}
}

// do enters what an op does.
func (b *book) do(o op) {
	switch o[0] {
	case "create", "run":
		b.have["container "+o[1]] = o[0]
	case "rm":
		delete(b.have, "container "+o[1])
	case "rename":
		b.have["container "+o[2]] = b.have["container "+o[1]]
		delete(b.have, "container "+o[1])
	case "volume":
		b.have["volume "+o[1]] = ""
	case "data":
		b.have["volume "+o[1]] = o[2]
	case "unvolume":
		delete(b.have, "volume "+o[1])
	case "load":
		b.have["image "+o[1]] = ""
	case "rmi":
		delete(b.have, "image "+o[1])
	}
}

// uncertain are the things that an open op touches.
func (b *book) uncertain() map[string]bool {
	all := map[string]bool{}
	for _, o := range b.open {
		for _, thing := range o.touched() {
			all[thing] = true
		}
	}
	return all
}

// compare says what is wrong with the things that were found: those that are missing, those that should
// have gone, and those with another content. An open op may have had its way or not.
func (b *book) compare(found map[string]string) (wrong []string) {
	maybe := b.uncertain()
	for _, thing := range slices.Sorted(maps.Keys(b.have)) {
		got, there := found[thing]
		switch {
		case maybe[thing]:
		case !there:
			wrong = append(wrong, thing+" was reported done and is not there")
		case strings.HasPrefix(thing, "volume ") && b.have[thing] != "" && got != b.have[thing]:
			wrong = append(wrong, fmt.Sprintf("%s has %q, was reported to have %q", thing, got, b.have[thing]))
		}
	}
	for _, thing := range slices.Sorted(maps.Keys(found)) {
		if _, want := b.have[thing]; !want && !maybe[thing] {
			wrong = append(wrong, thing+" was never made, or reported gone, and is there")
		}
	}
	return wrong
}
