// Package flags holds the command line's options as data.
//
// One table per command lists its options: name, shorthand, group, the word that stands
// for the value, a sentence, the default as it is shown, how its values are completed,
// and where the value goes. The table alone makes the parser (Bind), the grouped help,
// the manual and reference pages, and the completions, so they cannot disagree.
//
// An option whose To is nil is known but cannot be honoured: it says why in Unsupported,
// and Check turns its use into an error before anything is done.
package flags

import (
	"strconv"
	"time"
)

// Completion says how values of an option or argument are completed.
type Completion string

// The kinds of completion.
const (
	CompleteNone       Completion = ""
	CompleteFiles      Completion = "files"
	CompleteDirs       Completion = "directories"
	CompleteContainers Completion = "containers"
	CompleteRunning    Completion = "running containers"
	CompleteImages     Completion = "images"
	CompleteVolumes    Completion = "volumes"
	CompleteSignals    Completion = "signals"
)

// Flag is one option.
type Flag struct {
	// Name is the long name without dashes; Short one letter, or "".
	Name  string
	Short string
	// Group is the heading in help; "" is "Options".
	Group string
	// Type is the kind of value where To does not tell it (To nil), in the words of TypeName.
	Type string
	// Value stands for the value in help; "" is the type's name.
	Value string
	// Usage is one sentence without a final stop.
	Usage string
	// Default is shown as the default; "" shows the value that To holds at Bind.
	Default string
	// To is a pointer to where the value goes: see Bind for the types.
	To any
	// Split cuts each value at commas (for *[]string).
	Split bool
	// Complete and Choices say how values are completed.
	Complete Completion
	Choices  []string
	// Unsupported says why the option cannot be honoured; Accept lists values that ask for nothing
	// and so are fine.
	Unsupported string
	Accept      []string
	// Aliases are other long names, accepted and not shown.
	Aliases []string
	// NoOptDefault is the value of the option given without one, or "".
	NoOptDefault string
	// Hidden keeps the option out of help and pages.
	Hidden bool
}

// TypeName is the kind of value in one word: bool, string, strings (cut at commas),
// stringArray, int, uint, uints, float, duration.
func (f *Flag) TypeName() string {
	switch f.To.(type) {
	case *bool, **bool:
		return "bool"
	case *string, **string:
		return "string"
	case *[]string:
		if f.Split {
			return "strings"
		}
		return "stringArray"
	case *int, *int64, **int, **int64:
		return "int"
	case *uint, *uint64, **uint:
		return "uint"
	case *[]uint:
		return "uints"
	case *float64:
		return "float"
	case *time.Duration:
		return "duration"
	}
	return f.Type
}

// ValueName is what stands for the value in help, "" for a switch.
func (f *Flag) ValueName() string {
	if f.Value != "" {
		return f.Value
	}
	if t := f.TypeName(); t != "bool" {
		return t
	}
	return ""
}

// ShownDefault is the default as help shows it: text in quotes, "" for a zero value. It
// must be read before the command line is parsed or not at all for an option that was
// given.
func (f *Flag) ShownDefault() string {
	if f.Default != "" {
		if _, text := f.To.(*string); text || f.Type == "string" || isOptionalText(f.To) {
			return strconv.Quote(f.Default)
		}
		return f.Default
	}
	switch to := f.To.(type) {
	case *bool:
		if *to {
			return "true"
		}
	case *string:
		if *to != "" {
			return strconv.Quote(*to)
		}
	case *int:
		return nonZero(int64(*to))
	case *int64:
		return nonZero(*to)
	case *uint:
		return nonZero(int64(*to))
	case *time.Duration:
		if *to != 0 {
			return to.String()
		}
	}
	return ""
}

func isOptionalText(to any) bool {
	_, ok := to.(**string)
	return ok
}

func nonZero(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
