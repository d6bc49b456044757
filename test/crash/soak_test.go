package crash

import (
	"os"
	"time"
)

// soak is how long the random tests go on, $MANAGER_SOAK ("10m"); 0 leaves them short.
func soak() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("MANAGER_SOAK"))
	return d
}
