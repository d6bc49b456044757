package image

import "errors"

// ErrElsewhere is returned by transfers in a program that was built without them: see the
// package comment. Nothing was changed.
var ErrElsewhere = errors.New("image transfers are in another program")
