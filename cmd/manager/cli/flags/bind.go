package flags

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/spf13/pflag"
)

// Bind registers the flags in fs. A value's present content is its default. A pointer to
// a pointer stays nil unless the option is given.
//
// To may be *bool, *string, *[]string, *int, *int64, *uint, *uint64, *[]uint, *float64,
// **bool, **string, **int, **int64, **uint, or nil for an unsupported option.
func Bind(fs *pflag.FlagSet, table []Flag) {
	for i := range table {
		f := &table[i]
		bindOne(fs, f)
		flag := fs.Lookup(f.Name)
		if f.Default != "" {
			flag.DefValue = f.Default
		}
		if f.NoOptDefault != "" {
			flag.NoOptDefVal = f.NoOptDefault
		}
		flag.Hidden = f.Hidden
	}
	bindAliases(fs, table)
}

func bindAliases(fs *pflag.FlagSet, table []Flag) {
	names := map[string]string{}
	for i := range table {
		for _, alias := range table[i].Aliases {
			names[alias] = table[i].Name
		}
	}
	if len(names) == 0 {
		return
	}
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if full, ok := names[name]; ok {
			name = full
		}
		return pflag.NormalizedName(name)
	})
}

func bindOne(fs *pflag.FlagSet, f *Flag) {
	switch to := f.To.(type) {
	case *bool:
		fs.BoolVarP(to, f.Name, f.Short, *to, f.Usage)
	case *string:
		fs.StringVarP(to, f.Name, f.Short, *to, f.Usage)
	case *[]string:
		if f.Split {
			fs.StringSliceVarP(to, f.Name, f.Short, *to, f.Usage)
			flag := fs.Lookup(f.Name)
			flag.Value = oneLine{flag.Value}
		} else {
			fs.StringArrayVarP(to, f.Name, f.Short, *to, f.Usage)
		}
	case *int:
		fs.IntVarP(to, f.Name, f.Short, *to, f.Usage)
	case *int64:
		fs.Int64VarP(to, f.Name, f.Short, *to, f.Usage)
	case *uint:
		fs.UintVarP(to, f.Name, f.Short, *to, f.Usage)
	case *uint64:
		fs.Uint64VarP(to, f.Name, f.Short, *to, f.Usage)
	case *[]uint:
		fs.UintSliceVarP(to, f.Name, f.Short, *to, f.Usage)
	case *float64:
		fs.Float64VarP(to, f.Name, f.Short, *to, f.Usage)
	case *time.Duration:
		fs.DurationVarP(to, f.Name, f.Short, *to, f.Usage)
	default:
		fs.VarP(optionalValue(f), f.Name, f.Short, f.Usage)
		if f.TypeName() == "bool" {
			fs.Lookup(f.Name).NoOptDefVal = "true"
		}
	}
}

func optionalValue(f *Flag) pflag.Value {
	switch to := f.To.(type) {
	case **bool:
		return &optional[bool]{to, "bool", strconv.ParseBool}
	case **string:
		return &optional[string]{to, "string", func(s string) (string, error) { return s, nil }}
	case **int:
		return &optional[int]{to, "int", strconv.Atoi}
	case **int64:
		return &optional[int64]{to, "int", func(s string) (int64, error) { return strconv.ParseInt(s, 0, 64) }}
	case **uint:
		return &optional[uint]{to, "uint", parseUint}
	case nil:
		return &refused{kind: f.Type}
	}
	panic(fmt.Sprintf("flag %s: no binding for %T", f.Name, f.To))
}

func parseUint(s string) (uint, error) {
	n, err := strconv.ParseUint(s, 0, strconv.IntSize)
	return uint(n), err
}

// oneLine refuses line breaks in a list: the parser of such values would stop at the first.
type oneLine struct{ pflag.Value }

func (o oneLine) Set(s string) error {
	if strings.ContainsAny(s, "\r\n") {
		return errors.New("it has a line break")
	}
	return o.Value.Set(s)
}

// optional sets a pointer only when the option is given.
type optional[T any] struct {
	to    **T
	kind  string
	parse func(string) (T, error)
}

func (o *optional[T]) String() string { return "" }
func (o *optional[T]) Type() string   { return o.kind }
func (o *optional[T]) Set(s string) error {
	v, err := o.parse(s)
	if err == nil {
		*o.to = &v
	}
	return err
}

// refused takes any value of an option that Check will refuse.
type refused struct {
	kind   string
	values []string
}

func (r *refused) String() string     { return "" }
func (r *refused) Type() string       { return r.kind }
func (r *refused) Set(s string) error { r.values = append(r.values, s); return nil }

// Check returns an errdefs.ErrUnsupported for the first option on the command line that
// cannot be honoured.
func Check(fs *pflag.FlagSet, table []Flag) error {
	for i := range table {
		f := &table[i]
		if f.Unsupported == "" {
			continue
		}
		flag := fs.Lookup(f.Name)
		if !flag.Changed || asksNothing(flag.Value, f) {
			continue
		}
		return errdefs.Unsupported("--"+f.Name, "%s", f.Unsupported)
	}
	return nil
}

func asksNothing(v pflag.Value, f *Flag) bool {
	r, ok := v.(*refused)
	if !ok {
		return slices.Contains(f.Accept, v.String())
	}
	for _, s := range r.values {
		off := r.kind == "bool" && s == "false" && len(f.Accept) == 0
		if !off && !slices.Contains(f.Accept, s) {
			return false
		}
	}
	return true
}

// Changed returns the names of the options that were given.
func Changed(fs *pflag.FlagSet) map[string]bool {
	given := map[string]bool{}
	fs.Visit(func(f *pflag.Flag) { given[f.Name] = true })
	return given
}
