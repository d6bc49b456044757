package userspace

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// question4 and question6 are pings from 10.0.2.100 to 198.51.100.1 and from fd00::100 to 2001:db8::1, with id 0x1234, as Linux sends them.
var (
	question4 = frame("5a94efe40cdd 02aabbccddee 0800 4500001c0001400040010000 0a000264 c6336401 08000000 12340001")
	question6 = frame("5a94efe40cdd 02aabbccddee 86dd 6000000000083a40 fd000000000000000000000000000100 20010db8000000000000000000000001 80000000 12340001")
)

func frame(text string) []byte {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return raw
}

func TestReply(t *testing.T) {
	for _, question := range [][]byte{question4, question6} {
		p, ok := parsePacket(question)
		if !ok || !p.isEcho() {
			t.Fatalf("%x: parsed %v, echo %v", question, ok, p.isEcho())
		}
		got := p.reply([]byte{0, 0, 0xff, 0xff, 0x12, 0x34, 0, 1, 'x'})
		r, ok := parsePacket(got)
		if !ok || r.from != p.to || r.to != p.from || r.protocol != p.protocol || string(r.body[8:]) != "x" {
			t.Errorf("reply %x: %+v", got, r)
		}
		if !bytes.Equal(got[:6], question[6:12]) || !bytes.Equal(got[6:12], question[:6]) {
			t.Errorf("reply %x: the addresses of the frame are not turned round", got)
		}
		// A message with its checksum sums up to nothing.
		sum := checksum(r.body)
		if p.to.Is6() {
			pseudo := append(append([]byte(nil), r.header[8:40]...), 0, 0, 0, byte(len(r.body)), 0, 0, 0, 58)
			sum = checksum(pseudo, r.body)
		} else if checksum(r.header) != 0 {
			t.Errorf("reply %x: wrong checksum of the header", got)
		}
		if sum != 0 {
			t.Errorf("reply %x: wrong checksum of the message", got)
		}
	}
}

// Where the host gives users no ping, the container hears so.
func TestEchoRefused(t *testing.T) {
	for _, question := range [][]byte{question4, question6} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		p, _ := parsePacket(question)
		(&echoes{tap: w}).refuse(p)
		buf := make([]byte, 200)
		n, err := r.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		a, ok := parsePacket(buf[:n])
		want := []byte{3, 13}
		if p.to.Is6() {
			want = []byte{1, 1}
		}
		if !ok || !bytes.Equal(a.body[:2], want) || !bytes.HasSuffix(a.body, question[ethernetHeader:]) {
			t.Errorf("%x", buf[:n])
		}
		_, _ = r.Close(), w.Close()
	}
}

func TestOutside(t *testing.T) {
	for addr, want := range map[string]bool{
		"198.51.100.1": true, "10.0.2.2": true, "127.0.0.1": false, "0.0.0.0": false, "2001:db8::1": true, "fd00::7": true,
		"::1": false, "::": false, "::ffff:127.0.0.1": false, "::ffff:198.51.100.1": false, "fe80::1": false, "ff02::fb": false,
	} {
		if got := outside(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
}

// What a container sends may be anything.
func FuzzPacket(f *testing.F) {
	f.Add(question4)
	f.Add(question6)
	f.Add(question4[:20])
	long := bytes.Clone(question6)
	binary.BigEndian.PutUint16(long[18:], 0xffff)
	f.Add(long)
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, ok := parsePacket(raw)
		if !ok || !p.isEcho() {
			return
		}
		q := p.copyHeaders()
		if r, ok := parsePacket(q.reply(bytes.Clone(p.body))); !ok || r.to != p.from {
			t.Errorf("%x", raw)
		}
	})
}
