package monitor

import (
	"encoding/binary"
	"errors"
	"syscall"
)

// Kind is the first byte of a packet: what the rest means.
//
// A connection is a Unix socket of type SOCK_SEQPACKET, so packets have borders of
// their own and need no length. The owner's connection is one end of a socket pair, made
// by Spawn; other clients connect to attach.sock, and may send only the client kinds.
type Kind byte

// Kinds that only the owner sends.
const (
	// KindSetup is the first packet: the three lengths of Setup. KindBlob packets and
	// KindFiles packets (descriptors as SCM_RIGHTS) follow until the lengths are met.
	KindSetup Kind = 1 + iota
	KindBlob
	KindFiles
	// KindStart releases the init; the answer is KindStarted or KindFailure.
	KindStart
	// KindAbort kills an init that was not released and ends the monitor.
	KindAbort
	// KindDone says that the owner has cleaned up; without it the monitor calls CleanupCommand.
	KindDone
)

// Kinds that every client sends.
const (
	// KindAttach carries AttachFlags (one byte); the answer is KindAttached.
	KindAttach Kind = 32 + iota
	// KindDetach ends the streams; the connection stays.
	KindDetach
	// KindWait asks for KindExit when the init has ended.
	KindWait
	// KindStdin carries bytes of standard input, KindStdinEOF its end.
	KindStdin
	KindStdinEOF
	// KindResize carries a Size, KindSignal a signal number (one byte) for the init.
	KindResize
	KindSignal
	// KindCheck asks for a healthcheck at once; the answer is KindChecked.
	KindCheck
	// KindUpdate says that the run directory has an Update; the answer is KindUpdated.
	KindUpdate
)

// Kinds that the monitor sends.
const (
	// KindReady and KindStarted carry a Live as JSON.
	KindReady Kind = 64 + iota
	KindStarted
	// KindFailure carries a launch.Failure as JSON, KindError a sentence.
	KindFailure
	KindError
	// KindAttached says that from here on the output goes to this client too. One byte: 1 with a
	// terminal, else 0.
	KindAttached
	// KindStdout and KindStderr carry output.
	KindStdout
	KindStderr
	// KindExit carries an ExitRecord as JSON, after the last output.
	KindExit
	// KindDropped says that the client read too slowly and gets no more output.
	KindDropped
	// KindChecked carries a CheckReport as JSON.
	KindChecked
	// KindUpdated carries why the update was refused, or nothing.
	KindUpdated
)

// The bounds of what a connection may carry.
const (
	// MaxPayload is the most bytes after the kind in one packet.
	MaxPayload = 32 << 10
	// MaxPacket is a whole packet.
	MaxPacket = MaxPayload + 1
	// MaxHeader bounds the JSON part of a setup, MaxPlan the encoded plan, in bytes.
	MaxHeader = 4 << 20
	MaxPlan   = 64 << 20
	// MaxFiles bounds the descriptors of a setup; MaxFilesPerPacket is below the kernel's
	// SCM_MAX_FD of 253.
	MaxFiles          = 16384
	MaxFilesPerPacket = 250
)

// AttachFlags say what an attached client wants.
type AttachFlags byte

// The flags of KindAttach.
const (
	// AttachStdin says that the client will send standard input.
	AttachStdin AttachFlags = 1 << iota
	AttachStdout
	AttachStderr
	// AttachLossless makes the container wait for this client as it would for the reader of a
	// pipe, instead of dropping the client when it falls behind. Only the owner may ask for it.
	AttachLossless
)

// Size is a terminal's size in cells.
type Size struct{ Rows, Columns uint16 }

// SetupLengths announces the parts of a setup.
type SetupLengths struct{ Header, Plan, Files uint32 }

// Message is one decoded packet of a client.
type Message struct {
	Kind Kind
	// Data is the payload of KindStdin and KindBlob. It aliases the packet.
	Data   []byte
	Attach AttachFlags
	Size   Size
	Signal syscall.Signal
	Setup  SetupLengths
}

var (
	errPacket  = errors.New("malformed packet")
	errTooLong = errors.New("packet too long")
)

// Decode reads one packet that a client or the owner sent. It accepts no trailing bytes and
// never keeps or allocates: what a stranger sends costs nothing but the packet itself.
func Decode(packet []byte) (Message, error) {
	if len(packet) == 0 {
		return Message{}, errPacket
	}
	if len(packet) > MaxPacket {
		return Message{}, errTooLong
	}
	m := Message{Kind: Kind(packet[0])}
	p := packet[1:]
	want := 0
	switch m.Kind {
	case KindStdin, KindBlob:
		m.Data = p
		want = len(p)
	case KindSetup:
		want = 12
	case KindResize:
		want = 4
	case KindAttach, KindSignal:
		want = 1
	case KindFiles, KindStart, KindAbort, KindDone, KindDetach, KindWait, KindStdinEOF, KindCheck, KindUpdate:
	default:
		return Message{}, errPacket
	}
	if len(p) != want {
		return Message{}, errPacket
	}
	return m, m.decodeFixed(p)
}

func (m *Message) decodeFixed(p []byte) error {
	le := binary.LittleEndian
	switch m.Kind {
	case KindSetup:
		m.Setup = SetupLengths{le.Uint32(p), le.Uint32(p[4:]), le.Uint32(p[8:])}
		if m.Setup.Header > MaxHeader || m.Setup.Plan > MaxPlan || m.Setup.Files > MaxFiles {
			return errTooLong
		}
	case KindResize:
		m.Size = Size{le.Uint16(p), le.Uint16(p[2:])}
	case KindAttach:
		m.Attach = AttachFlags(p[0])
		if m.Attach >= AttachLossless<<1 {
			return errPacket
		}
	case KindSignal:
		m.Signal = syscall.Signal(p[0])
		if m.Signal < 1 || m.Signal > 64 {
			return errPacket
		}
	default: // the others have no fixed part
	}
	return nil
}

// Encode is the payload of a resize.
func (s Size) Encode() []byte {
	p := binary.LittleEndian.AppendUint16(nil, s.Rows)
	return binary.LittleEndian.AppendUint16(p, s.Columns)
}

// Encode is the payload of a setup packet.
func (s SetupLengths) Encode() []byte {
	p := binary.LittleEndian.AppendUint32(nil, s.Header)
	p = binary.LittleEndian.AppendUint32(p, s.Plan)
	return binary.LittleEndian.AppendUint32(p, s.Files)
}
