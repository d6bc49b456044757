package command

// Seconds turns a --time option into the core's timeout: nil when it was not given, and
// about 68 years for a negative value, which asks to wait for ever.
func Seconds(option *int) *uint {
	if option == nil {
		return nil
	}
	n := uint(1<<31 - 1)
	if *option >= 0 {
		n = uint(*option)
	}
	return &n
}
