package container

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/manager-project/manager/cmd/manager/cli/command"
	"github.com/manager-project/manager/cmd/manager/cli/render"
	"github.com/manager-project/manager/libpod"
)

// TestStatsRow compares looks: the first counts since the start, as does one after another start.
func TestStatsRow(t *testing.T) {
	start := time.Unix(1000, 0)
	look := func(seconds int, cpu time.Duration, generation uint64) libpod.ContainerStats {
		return libpod.ContainerStats{
			ID: "0123456789abcdef", Name: "web", Generation: generation, StartedAt: start, At: start.Add(time.Duration(seconds) * time.Second),
			CPU: uint64(cpu), Memory: 1 << 20, MemoryLimit: 4 << 20, PIDs: 3, BlockRead: 1500,
			Network: map[string]libpod.InterfaceStats{"a": {RxBytes: 1000, TxBytes: 10}, "b": {RxBytes: 500}},
		}
	}
	first := newStatsRow(look(10, time.Second, 1), libpod.ContainerStats{}, false)
	if first.CPUPerc() != "10.00%" || first.AVGCPU() != "10.00%" || first.ID() != "0123456789ab" || first.PIDS() != "3" {
		t.Errorf("%+v", first)
	}
	if first.MemUsage() != "1.049MB / 4.194MB" || first.MemUsageBytes() != "1MiB / 4MiB" || first.MemPerc() != "25.00%" {
		t.Errorf("memory %s, %s, %s", first.MemUsage(), first.MemUsageBytes(), first.MemPerc())
	}
	if first.NetIO() != "1.5kB / 10B" || first.BlockIO() != "1.5kB / 0B" || first.CPUTime() != "1s" || first.Up() != "10s" {
		t.Errorf("%s, %s, %s, %s", first.NetIO(), first.BlockIO(), first.CPUTime(), first.Up())
	}
	second := newStatsRow(look(12, 2*time.Second, 1), look(10, time.Second, 1), true)
	if second.CPUPerc() != "50.00%" || second.AVGCPU() != "16.67%" || second.Duration != 2*time.Second || second.ID() != "0123456789abcdef" {
		t.Errorf("%+v", second)
	}
	if again := newStatsRow(look(20, time.Second, 2), look(12, 2*time.Second, 1), false); again.CPUPerc() != "5.00%" {
		t.Errorf("after another start %s", again.CPUPerc())
	}
	none := newStatsRow(libpod.ContainerStats{ID: "x", Name: "off"}, look(10, time.Second, 1), false).json()
	if none != (statsJSON{ID: "x", Name: "off", CPUTime: "0s", CPUPercent: "--", AvgCPU: "--", MemUsage: "-- / --", MemPercent: "--", NetIO: "-- / --", BlockIO: "-- / --", PIDs: "--"}) {
		t.Errorf("%+v", none)
	}
}

// someStats has containers that come and go.
type someStats struct {
	looks [][]string
	asked []libpod.StatsOptions
}

func (s *someStats) Select(context.Context, libpod.Selection) ([]string, error) {
	ids := s.looks[0]
	if len(s.looks) > 1 {
		s.looks = s.looks[1:]
	}
	return ids, nil
}

func (s *someStats) Stats(_ context.Context, o libpod.StatsOptions) ([]libpod.ContainerStats, error) {
	s.asked = append(s.asked, o)
	var all []libpod.ContainerStats
	for _, id := range o.IDs {
		all = append(all, libpod.ContainerStats{ID: id, Name: id, Generation: 1})
	}
	return all, nil
}

// TestStatsComeAndGo looks three times while the containers change; the columns do not become narrower.
func TestStatsComeAndGo(t *testing.T) {
	core := &someStats{looks: [][]string{{"a"}, {"a-long-name-of-one", "a"}, {}}}
	look, show := statsLook{core: core}, statsShow{}
	var texts []string
	for range 3 {
		rows, err := look.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := show.print(&b, rows); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, b.String())
	}
	if bytes.Count([]byte(texts[0]), []byte("\n")) != 2 || bytes.Count([]byte(texts[1]), []byte("\n")) != 3 {
		t.Errorf("%q", texts)
	}
	head := func(s string) int { return bytes.IndexByte([]byte(s), '\n') }
	if texts[2] != texts[1][:head(texts[1])+1] {
		t.Errorf("the columns changed: %q, then %q", texts[1], texts[2])
	}
	if !core.asked[0].Lenient {
		t.Error("one that goes meanwhile would be an error")
	}
	if _, err := (&statsLook{core: core, o: statsOptions{core: libpod.Selection{Names: []string{"a"}}}}).take(t.Context()); err != nil || core.asked[3].Lenient {
		t.Errorf("%v, %+v", err, core.asked[3])
	}
}

// TestStatsEnds prints until it is interrupted, which is no error.
func TestStatsEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	app := &command.App{Out: &cancelAtWrite{&out, cancel}}
	if err := stats(ctx, app, &someStats{looks: [][]string{{"a"}}}, statsOptions{interval: 3600}, render.Format{}); err != nil || out.Len() == 0 {
		t.Errorf("%v, %q", err, out.String())
	}
}

type cancelAtWrite struct {
	*bytes.Buffer
	cancel func()
}

func (c *cancelAtWrite) Write(p []byte) (int, error) {
	c.cancel()
	return c.Buffer.Write(p)
}
