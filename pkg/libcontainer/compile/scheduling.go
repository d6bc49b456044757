package compile

import (
	"strconv"

	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// schedulerPolicies by name. Source: sched(7), include/uapi/linux/sched.h.
var schedulerPolicies = map[specs.LinuxSchedulerPolicy]uint32{
	specs.SchedOther: schedOther, specs.SchedFIFO: schedFIFO, specs.SchedRR: schedRR, specs.SchedBatch: schedBatch,
	specs.SchedISO: 4, specs.SchedIdle: 5, specs.SchedDeadline: schedDeadline,
}

const (
	schedOther    = 0
	schedFIFO     = 1
	schedRR       = 2
	schedBatch    = 3
	schedDeadline = 6
)

var schedulerFlags = map[specs.LinuxSchedulerFlag]uint64{
	specs.SchedFlagResetOnFork: 0x01, specs.SchedFlagReclaim: 0x02, specs.SchedFlagDLOverrun: 0x04,
	specs.SchedFlagKeepPolicy: 0x08, specs.SchedFlagKeepParams: 0x10,
	specs.SchedFlagUtilClampMin: 0x20, specs.SchedFlagUtilClampMax: 0x40,
}

// ioClasses by name. Source: ioprio_set(2).
var ioClasses = map[specs.IOPriorityClass]int{specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3}

func scheduling(s *specs.Process, p *plan.Process) error {
	if io := s.IOPriority; io != nil {
		class, ok := ioClasses[io.Class]
		if !ok {
			return invalid("process.ioPriority.class", string(io.Class), "unknown class")
		}
		if io.Priority < 0 || io.Priority > 7 {
			return invalid("process.ioPriority.priority", strconv.Itoa(io.Priority), "want 0 to 7")
		}
		p.IOPriority = &plan.IOPriority{Value: class<<13 | io.Priority}
	}
	return scheduler(s.Scheduler, p)
}

func scheduler(sch *specs.Scheduler, p *plan.Process) error {
	if sch == nil {
		return nil
	}
	const field = "process.scheduler"
	policy, ok := schedulerPolicies[sch.Policy]
	if !ok {
		return invalid(field+".policy", string(sch.Policy), "unknown policy")
	}
	realtime := policy == schedFIFO || policy == schedRR
	switch {
	case sch.Nice < -20 || sch.Nice > 19:
		return invalid(field+".nice", strconv.Itoa(int(sch.Nice)), "want -20 to 19")
	case sch.Priority != 0 && !realtime:
		return invalid(field+".priority", strconv.Itoa(int(sch.Priority)), "is for SCHED_FIFO and SCHED_RR")
	case realtime && (sch.Priority < 1 || sch.Priority > 99):
		return invalid(field+".priority", strconv.Itoa(int(sch.Priority)), "want 1 to 99")
	case policy != schedDeadline && sch.Runtime|sch.Deadline|sch.Period != 0:
		return invalid(field+".runtime", strconv.FormatUint(sch.Runtime, 10), "runtime, deadline and period are for SCHED_DEADLINE")
	case policy == schedDeadline && (sch.Runtime == 0 || sch.Runtime > sch.Deadline || sch.Period != 0 && sch.Deadline > sch.Period):
		return invalid(field+".deadline", strconv.FormatUint(sch.Deadline, 10), "want 0 < runtime <= deadline <= period")
	}
	out := &plan.Scheduler{
		Policy: policy, Nice: sch.Nice, Priority: uint32(sch.Priority),
		Runtime: sch.Runtime, Deadline: sch.Deadline, Period: sch.Period,
	}
	for i, f := range sch.Flags {
		bit, ok := schedulerFlags[f]
		if !ok {
			return invalid(field+".flags["+itoa(i)+"]", string(f), "unknown flag")
		}
		out.Flags |= bit
	}
	p.Scheduler = out
	return nil
}

// affinity reads the processors of an exec: those while it enters the cgroup, and those of the program.
func affinity(a *specs.CPUAffinity) (initial, final []uint64, err error) {
	if a == nil {
		return nil, nil, nil
	}
	if initial, err = cpuMask("process.execCPUAffinity.initial", a.Initial); err == nil {
		final, err = cpuMask("process.execCPUAffinity.final", a.Final)
	}
	return initial, final, err
}

func cpuMask(field, text string) ([]uint64, error) {
	list, err := numberList(text)
	if err != nil {
		return nil, invalid(field, text, "%v", err)
	}
	return bits(list), nil
}

// bits makes a mask of numbers, in words of 64.
func bits(list []int) []uint64 {
	var out []uint64
	for _, n := range list {
		for len(out) <= n/64 {
			out = append(out, 0)
		}
		out[n/64] |= 1 << (n % 64)
	}
	return out
}
