package netdev

import (
	"os"
	"reflect"
	"testing"
)

func TestParseCounters(t *testing.T) {
	got := parseCounters(`Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0
eth0:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
`)
	want := []Counters{
		{Name: "lo", RxBytes: 100, RxPackets: 1, TxBytes: 100, TxPackets: 1},
		{Name: "eth0", RxBytes: 1<<64 - 1, RxPackets: 2, RxErrors: 3, RxDropped: 4, TxBytes: 9, TxPackets: 10, TxErrors: 11, TxDropped: 12},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if list, err := CountersOf(os.Getpid()); list != nil || err != nil {
		t.Errorf("of the own namespace: %v, %v", list, err)
	}
}
