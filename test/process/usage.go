package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of /proc/PID/stat's times: USER_HZ, which is 100 on every
// architecture that Linux has for Go.
const tick = time.Second / 100

// CPU is the processor time, user and system, that the process has used.
func (p *Process) CPU() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
	if err != nil {
		return 0, err
	}
	// The second field is the program's name in parentheses, which may hold spaces.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	const user, system = 11, 12
	if len(f) <= system {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields after the name", p.PID, len(f))
	}
	u, err := strconv.ParseInt(f[user], 10, 64)
	if err != nil {
		return 0, err
	}
	s, err := strconv.ParseInt(f[system], 10, 64)
	if err != nil {
		return 0, err
	}
	return time.Duration(u+s) * tick, nil
}

// Memory is the resident memory of the process in bytes, now and at its highest.
func (p *Process) Memory() (now, peak int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		to := map[string]*int64{"VmRSS": &now, "VmHWM": &peak}[name]
		if to == nil {
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("%s of process %d: %w", name, p.PID, err)
		}
		*to = kb << 10
	}
	return now, peak, nil
}
