package engines

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// probe is where a container finds the test's own static program, when it is mounted there.
const probe = "/probe"

// TestMain runs the tests, or inside a container what its argument says.
func TestMain(m *testing.M) {
	if os.Args[0] != probe {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "fixed-addresses": // a call that the engines' profiles allow only in parts
		const addrNoRandomize = 0x0040000 // personality(2)
		if _, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, addrNoRandomize, 0, 0); errno != 0 {
			fmt.Println(errno.Error())
			return
		}
		fmt.Println("allowed")
	case "notify": // sd_notify(3), and then stays
		socket, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
		if err == nil {
			_, err = socket.Write([]byte("READY=1"))
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		time.Sleep(time.Hour)
	}
}
