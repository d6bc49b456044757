package conf

import "fmt"

// List is an array of strings that a later file replaces or, after {append=true}, extends.
type List struct {
	// Values are the strings.
	Values []string
	// Set says that some file gave the array, be it empty.
	Set bool
	// Append is what the last {append=…} said; later files go by it too.
	Append bool
}

// UnmarshalTOML takes an array of strings in which {append=true|false} may stand.
func (l *List) UnmarshalTOML(value any) error {
	array, ok := value.([]any)
	if !ok {
		return fmt.Errorf("not an array of strings")
	}
	var values []string
	for _, item := range array {
		switch item := item.(type) {
		case string:
			values = append(values, item)
		case map[string]any:
			flag, ok := item["append"].(bool)
			if !ok || len(item) != 1 {
				return fmt.Errorf("an attribute other than append=true or false")
			}
			l.Append = flag
		default:
			return fmt.Errorf("%v is not a string", item)
		}
	}
	if l.Append {
		values = append(append([]string{}, l.Values...), values...)
	}
	l.Values, l.Set = values, true
	return nil
}
