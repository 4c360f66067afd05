//go:build !linux

package localdb

import "syscall"

// sysProcAttr cannot tie the child's life to ours here: only Stop ends it.
func sysProcAttr(c child) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if c.user != nil {
		attr.Credential = &syscall.Credential{Uid: c.user.uid, Gid: c.user.gid}
	}
	return attr
}
