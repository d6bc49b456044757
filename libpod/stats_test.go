package libpod

import (
	"math"
	"reflect"
	"testing"

	"github.com/manager-project/manager/pkg/cgroups"
)

func TestParseInterfaces(t *testing.T) {
	const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:   99       1    0    0    0     0          0         0       99       1    0    0    0     0       0          0
  eth0: 1000      10    1    2    0     0          0         0     2000      20    3    4    0     0       0          0
 eth1.7:18446744073709551615 1 0 0 0 0 0 0 5 6 7 8 0 0 0 0
 broken: 1 2
 words: a b c d e f g h i j k l
`
	want := map[string]InterfaceStats{
		"eth0":   {RxBytes: 1000, RxPackets: 10, RxErrors: 1, RxDropped: 2, TxBytes: 2000, TxPackets: 20, TxErrors: 3, TxDropped: 4},
		"eth1.7": {RxBytes: math.MaxUint64, RxPackets: 1, TxBytes: 5, TxPackets: 6, TxErrors: 7, TxDropped: 8},
		"words":  {},
	}
	if got := parseInterfaces(text); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func TestBlockBytes(t *testing.T) {
	read, written := blockBytes([]cgroups.BlkioEntry{
		{Major: 8, Op: "Read", Value: 5}, {Major: 8, Op: "Write", Value: 7}, {Major: 9, Op: "read", Value: 1}, {Major: 8, Op: "Total", Value: 12},
	})
	if read != 6 || written != 7 {
		t.Errorf("%d, %d", read, written)
	}
}

func TestMemoryLimit(t *testing.T) {
	host := memoryLimit(math.MaxUint64)
	if host == math.MaxUint64 || memoryLimit(0) != host || memoryLimit(4096) != 4096 {
		t.Errorf("the host has %d, without a controller %d, with a limit %d", host, memoryLimit(0), memoryLimit(4096))
	}
}
