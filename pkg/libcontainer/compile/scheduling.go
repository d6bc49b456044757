package compile

import (
	"github.com/manager-project/manager/pkg/errdefs"
	"github.com/manager-project/manager/pkg/libcontainer/plan"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// schedulerPolicies by name. Source: sched(7), include/uapi/linux/sched.h.
var schedulerPolicies = map[specs.LinuxSchedulerPolicy]uint32{
	specs.SchedOther: 0, specs.SchedFIFO: 1, specs.SchedRR: 2, specs.SchedBatch: 3,
	specs.SchedISO: 4, specs.SchedIdle: 5, specs.SchedDeadline: 6,
}

var schedulerFlags = map[specs.LinuxSchedulerFlag]uint64{
	specs.SchedFlagResetOnFork: 0x01, specs.SchedFlagReclaim: 0x02, specs.SchedFlagDLOverrun: 0x04,
	specs.SchedFlagKeepPolicy: 0x08, specs.SchedFlagKeepParams: 0x10,
	specs.SchedFlagUtilClampMin: 0x20, specs.SchedFlagUtilClampMax: 0x40,
}

// ioClasses by name. Source: ioprio_set(2).
var ioClasses = map[specs.IOPriorityClass]int{specs.IOPRIO_CLASS_RT: 1, specs.IOPRIO_CLASS_BE: 2, specs.IOPRIO_CLASS_IDLE: 3}

func scheduling(s *specs.Process, p *plan.Process) error {
	if s.ExecCPUAffinity != nil {
		return errdefs.Unsupported("process.execCPUAffinity", "the embedded runtime cannot do this yet")
	}
	if io := s.IOPriority; io != nil {
		class, ok := ioClasses[io.Class]
		if !ok || io.Priority < 0 || io.Priority > 7 {
			return invalid("process.ioPriority", string(io.Class), "want a class and a priority from 0 to 7")
		}
		p.IOPriority = &plan.IOPriority{Value: class<<13 | io.Priority}
	}
	sch := s.Scheduler
	if sch == nil {
		return nil
	}
	policy, ok := schedulerPolicies[sch.Policy]
	if !ok {
		return invalid("process.scheduler.policy", string(sch.Policy), "unknown policy")
	}
	out := &plan.Scheduler{
		Policy: policy, Nice: sch.Nice, Priority: uint32(sch.Priority),
		Runtime: sch.Runtime, Deadline: sch.Deadline, Period: sch.Period,
	}
	for _, f := range sch.Flags {
		bit, ok := schedulerFlags[f]
		if !ok {
			return invalid("process.scheduler.flags", string(f), "unknown flag")
		}
		out.Flags |= bit
	}
	p.Scheduler = out
	return nil
}
