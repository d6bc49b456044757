// Notify sends its arguments, one line each, to $NOTIFY_SOCKET.
package main

import (
	"net"
	"os"
	"strings"
)

func main() {
	conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
	if err == nil {
		_, err = conn.Write([]byte(strings.Join(os.Args[1:], "\n")))
	}
	if err != nil {
		println(err.Error())
		os.Exit(1)
	}
}
