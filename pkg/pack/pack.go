// Package pack writes Go values as bytes for another program of the same build: fields in their
// order, without names. encoding/json first works out every type that it meets, which takes a
// process that reads one document, once, longer than all else about it (0.5 to 1 ms for a plan).
//
// Numbers are varints (signed ones in zigzag), strings and lists have their length in front, nil
// pointers, lists and maps a zero byte. Interfaces, channels, functions, floating point numbers and
// unexported fields are refused. What another build wrote is not understood: callers put a version
// in front, or name the program by its content.
package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
)

// ErrDamaged says that bytes are not what Marshal writes for the type.
var ErrDamaged = errors.New("damaged bytes")

// Marshal returns the bytes of a value. It fails for types that cannot be packed.
func Marshal(v any) ([]byte, error) {
	return appendValue(nil, reflect.ValueOf(v))
}

func appendValue(b []byte, v reflect.Value) ([]byte, error) {
	switch v.Kind() {
	case reflect.Bool:
		if v.Bool() {
			return append(b, 1), nil
		}
		return append(b, 0), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return binary.AppendVarint(b, v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return binary.AppendUvarint(b, v.Uint()), nil
	case reflect.String:
		return append(binary.AppendUvarint(b, uint64(v.Len())), v.String()...), nil
	case reflect.Pointer:
		if v.IsNil() {
			return append(b, 0), nil
		}
		return appendValue(append(b, 1), v.Elem())
	case reflect.Slice:
		return appendSlice(b, v)
	case reflect.Array:
		return appendElements(b, v)
	case reflect.Map:
		return appendMap(b, v)
	case reflect.Struct:
		return appendStruct(b, v)
	default:
		return nil, fmt.Errorf("pack: %s cannot be packed", v.Type())
	}
}

func appendSlice(b []byte, v reflect.Value) ([]byte, error) {
	if v.IsNil() {
		return append(b, 0), nil
	}
	b = binary.AppendUvarint(b, uint64(v.Len())+1)
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return append(b, v.Bytes()...), nil
	}
	return appendElements(b, v)
}

func appendElements(b []byte, v reflect.Value) (_ []byte, err error) {
	for i := range v.Len() {
		if b, err = appendValue(b, v.Index(i)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// appendMap writes a map with string keys, in their order.
func appendMap(b []byte, v reflect.Value) (_ []byte, err error) {
	if v.Type().Key().Kind() != reflect.String {
		return nil, fmt.Errorf("pack: %s cannot be packed", v.Type())
	}
	if v.IsNil() {
		return append(b, 0), nil
	}
	b = binary.AppendUvarint(b, uint64(v.Len())+1)
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	for _, k := range keys {
		if b, err = appendValue(b, k); err != nil {
			return nil, err
		}
		if b, err = appendValue(b, v.MapIndex(k)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func appendStruct(b []byte, v reflect.Value) (_ []byte, err error) {
	t := v.Type()
	for i := range v.NumField() {
		if !t.Field(i).IsExported() {
			return nil, fmt.Errorf("pack: field %s of %s is not exported", t.Field(i).Name, t)
		}
		if b, err = appendValue(b, v.Field(i)); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Unmarshal reads what Marshal wrote for the type that to points to. Errors: ErrDamaged, also when
// bytes are left over.
func Unmarshal(b []byte, to any) error {
	v := reflect.ValueOf(to)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return errors.New("pack: a pointer is wanted")
	}
	d := decoder{b}
	if !d.value(v.Elem()) || len(d.rest) > 0 {
		return fmt.Errorf("pack: %s: %w", v.Elem().Type(), ErrDamaged)
	}
	return nil
}

// decoder is what is still to be read. Its methods say whether it could be.
type decoder struct{ rest []byte }

func (d *decoder) uvarint() (uint64, bool) {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		return 0, false
	}
	d.rest = d.rest[size:]
	return n, true
}

// bytes cuts n bytes off.
func (d *decoder) bytes(n uint64) ([]byte, bool) {
	if n > uint64(len(d.rest)) {
		return nil, false
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b, true
}

// flag reads a byte that is 0 or 1.
func (d *decoder) flag() (value, ok bool) {
	b, ok := d.bytes(1)
	return ok && b[0] == 1, ok && b[0] <= 1
}

func (d *decoder) value(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Bool:
		b, ok := d.flag()
		v.SetBool(b)
		return ok
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, size := binary.Varint(d.rest)
		if size <= 0 || v.OverflowInt(n) {
			return false
		}
		d.rest = d.rest[size:]
		v.SetInt(n)
		return true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		n, ok := d.uvarint()
		if !ok || v.OverflowUint(n) {
			return false
		}
		v.SetUint(n)
		return true
	case reflect.String:
		n, ok := d.uvarint()
		if !ok {
			return false
		}
		b, ok := d.bytes(n)
		v.SetString(string(b))
		return ok
	case reflect.Pointer:
		set, ok := d.flag()
		if !set {
			v.SetZero()
			return ok
		}
		v.Set(reflect.New(v.Type().Elem()))
		return d.value(v.Elem())
	case reflect.Slice:
		return d.slice(v)
	case reflect.Array:
		return d.elements(v)
	case reflect.Map:
		return d.stringMap(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); !f.CanSet() || !d.value(f) {
				return false
			}
		}
		return true
	default:
		return false
	}
}

// length reads a length with nil told apart, bounded by the bytes that are left: an element
// takes at least one, empty structures apart, which nobody makes lists of.
func (d *decoder) length() (n int, isNil, ok bool) {
	u, ok := d.uvarint()
	if !ok || u > uint64(len(d.rest))+1 || u > math.MaxInt32 {
		return 0, false, false
	}
	return max(int(u)-1, 0), u == 0, true
}

func (d *decoder) slice(v reflect.Value) bool {
	n, isNil, ok := d.length()
	if !ok || isNil {
		v.SetZero()
		return ok
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		b, ok := d.bytes(uint64(n))
		v.SetBytes(b)
		return ok
	}
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	return d.elements(v)
}

func (d *decoder) elements(v reflect.Value) bool {
	for i := range v.Len() {
		if !d.value(v.Index(i)) {
			return false
		}
	}
	return true
}

func (d *decoder) stringMap(v reflect.Value) bool {
	n, isNil, ok := d.length()
	if !ok || isNil || v.Type().Key().Kind() != reflect.String {
		v.SetZero()
		return ok && isNil
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), n))
	for range n {
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if !d.value(key) || !d.value(elem) {
			return false
		}
		v.SetMapIndex(key, elem)
	}
	return true
}
