package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// option is one option of a command. Its entry in a command's table is all there is of it: parsing and help
// both come from there.
type option struct {
	name, short string
	// to points to where the value goes: *bool, *string, *int, *int64, **int64 and **uint64 (nil: not
	// given), *time.Duration, *[]string (may be repeated).
	to any
	// value is what help calls the value; "" for a *bool.
	value string
	usage string
	// hidden leaves it out of help.
	hidden bool
}

// parser takes options from a command line. --name value, --name=value, -n value, -n=value and -name are
// the same; short options without value may be written together, as in -dt. "--" ends the options.
type parser struct {
	flags []option
	// inOrder ends the options at the first argument.
	inOrder bool
	// help is set when --help or -h was among them.
	help bool
	// wrong is the word that could not be parsed.
	wrong []string
}

// parse returns the arguments that are no options.
func (p *parser) parse(words []string) (args []string, err error) {
	for len(words) > 0 {
		w := words[0]
		switch {
		case w == "--":
			return append(args, words[1:]...), nil
		case len(w) < 2 || w[0] != '-':
			if p.inOrder {
				return append(args, words...), nil
			}
			args, words = append(args, w), words[1:]
			continue
		case w == "--help" || w == "-h" || w == "-help":
			p.help = true
			words = words[1:]
			continue
		}
		used, err := p.option(w, words[1:])
		if err != nil {
			p.wrong = []string{w}
			// --help is asked for also behind a wrong option.
			for _, later := range words {
				p.help = p.help || later == "--help"
			}
			return args, err
		}
		words = words[used:]
	}
	return args, nil
}

// option takes one option and says how many words it was.
func (p *parser) option(word string, next []string) (used int, err error) {
	bare, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(word, "-"), "-"), "=")
	f := p.find(bare)
	if f == nil && !strings.HasPrefix(word, "--") && !given {
		return 1, p.cluster(bare)
	}
	if f == nil {
		return 0, unknown(word, p.flags)
	}
	if _, isBool := f.to.(*bool); isBool && !given {
		value, given = "true", true
	}
	used = 1
	if !given {
		if len(next) == 0 {
			return 0, fmt.Errorf("flag needs an argument: %s", word)
		}
		value, used = next[0], 2
	}
	if err := set(f.to, value); err != nil {
		return 0, fmt.Errorf("invalid value %q for flag --%s: %w", value, f.name, err)
	}
	return used, nil
}

// cluster takes short options that are written together.
func (p *parser) cluster(letters string) error {
	for _, l := range letters {
		f := p.find(string(l))
		if f == nil {
			return unknown("-"+letters, p.flags)
		}
		b, ok := f.to.(*bool)
		if !ok {
			return unknown("-"+letters, p.flags)
		}
		*b = true
	}
	return nil
}

func (p *parser) find(word string) *option {
	for i := range p.flags {
		if f := &p.flags[i]; word != "" && (f.name == word || f.short == word) {
			return f
		}
	}
	return nil
}

// unknown names an option that is not there, and the nearest that is.
func unknown(word string, flags []option) error {
	bare, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	best, least := "", 3
	for _, f := range flags {
		if d := distance(bare, f.name); d < least && !f.hidden {
			best, least = f.name, d
		}
	}
	if best != "" {
		return fmt.Errorf("flag provided but not defined: %s; did you mean --%s?", word, best)
	}
	return fmt.Errorf("flag provided but not defined: %s", word)
}

// distance is how many letters have to be changed, added or taken away.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// set parses a value. Numbers are whole and decimal; nothing is guessed.
func set(to any, value string) error {
	switch to := to.(type) {
	case *bool:
		v, err := strconv.ParseBool(value)
		*to = v
		return reason(err)
	case *string:
		*to = value
	case *[]string:
		*to = append(*to, value)
	case *int:
		v, err := strconv.Atoi(value)
		*to = v
		return reason(err)
	case *int64:
		v, err := strconv.ParseInt(value, 10, 64)
		*to = v
		return reason(err)
	case **int64:
		v, err := strconv.ParseInt(value, 10, 64)
		*to = &v
		return reason(err)
	case **uint64:
		v, err := strconv.ParseUint(value, 10, 64)
		*to = &v
		return reason(err)
	case *time.Duration:
		v, err := time.ParseDuration(value)
		*to = v
		return err
	default:
		return fmt.Errorf("option of type %T", to)
	}
	return nil
}

// reason is a parse error without the function's name.
func reason(err error) error {
	var e *strconv.NumError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
