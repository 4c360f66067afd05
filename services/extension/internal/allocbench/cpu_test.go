package allocbench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// cpu is processor time spent so far.
type cpu struct{ self, children time.Duration }

func (c cpu) since(before cpu) cpu { return cpu{c.self - before.self, c.children - before.children} }

// tick is the unit of /proc/*/stat on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// cpuTime reads what this process (clients, service and etcd) and its children (the databases) have spent; zero where there is no
// /proc. Unlike rates it hardly depends on what else the machine does.
func cpuTime() cpu {
	spent, parent := map[int]time.Duration{}, map[int]int{}
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		// The name, in parentheses, may hold anything; state, parent and the times follow it.
		text := string(raw)
		fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
		if len(fields) < 13 {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		parent[pid], _ = strconv.Atoi(fields[1])
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		spent[pid] = time.Duration(user+system) * tick
	}
	self := os.Getpid()
	out := cpu{self: spent[self]}
	for pid, t := range spent {
		for up := parent[pid]; up > 1; up = parent[up] {
			if up == self {
				out.children += t
				break
			}
		}
	}
	return out
}
