package localdb

import "syscall"

func sysProcAttr(c child) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: c.onDeath}
	if c.user != nil {
		attr.Credential = &syscall.Credential{Uid: c.user.uid, Gid: c.user.gid}
	}
	return attr
}
