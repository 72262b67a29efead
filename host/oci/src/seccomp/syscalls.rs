//! System calls by name, as profiles name them. Numbers come from `libc` for the architecture this is built for.

use nix::libc;

/// The number of a system call; `None` when this architecture does not have it.
pub(super) fn number(name: &str) -> Option<i64> {
    all().find(|(known, _)| *known == name).map(|(_, number)| number)
}

/// Every known system call of this architecture.
pub(super) fn all() -> impl Iterator<Item = (&'static str, i64)> {
    COMMON.iter().chain(LEGACY).chain(RECENT).chain(MOVED).map(|(name, number)| (*name, *number))
}

#[rustfmt::skip]
const COMMON: &[(&str, i64)] = &[
    ("accept", libc::SYS_accept as i64), ("accept4", libc::SYS_accept4 as i64), ("acct", libc::SYS_acct as i64),
    ("add_key", libc::SYS_add_key as i64), ("adjtimex", libc::SYS_adjtimex as i64), ("bind", libc::SYS_bind as i64),
    ("bpf", libc::SYS_bpf as i64), ("brk", libc::SYS_brk as i64), ("capget", libc::SYS_capget as i64),
    ("capset", libc::SYS_capset as i64), ("chdir", libc::SYS_chdir as i64), ("chroot", libc::SYS_chroot as i64),
    ("clock_adjtime", libc::SYS_clock_adjtime as i64), ("clock_getres", libc::SYS_clock_getres as i64),
    ("clock_gettime", libc::SYS_clock_gettime as i64), ("clock_nanosleep", libc::SYS_clock_nanosleep as i64),
    ("clock_settime", libc::SYS_clock_settime as i64), ("clone", libc::SYS_clone as i64), ("clone3", libc::SYS_clone3 as i64),
    ("close", libc::SYS_close as i64), ("close_range", libc::SYS_close_range as i64), ("connect", libc::SYS_connect as i64),
    ("copy_file_range", libc::SYS_copy_file_range as i64), ("delete_module", libc::SYS_delete_module as i64),
    ("dup", libc::SYS_dup as i64), ("dup3", libc::SYS_dup3 as i64), ("epoll_create1", libc::SYS_epoll_create1 as i64),
    ("epoll_ctl", libc::SYS_epoll_ctl as i64), ("epoll_pwait", libc::SYS_epoll_pwait as i64),
    ("epoll_pwait2", libc::SYS_epoll_pwait2 as i64), ("eventfd2", libc::SYS_eventfd2 as i64), ("execve", libc::SYS_execve as i64),
    ("execveat", libc::SYS_execveat as i64), ("exit", libc::SYS_exit as i64), ("exit_group", libc::SYS_exit_group as i64),
    ("faccessat", libc::SYS_faccessat as i64), ("faccessat2", libc::SYS_faccessat2 as i64), ("fallocate", libc::SYS_fallocate as i64),
    ("fanotify_init", libc::SYS_fanotify_init as i64), ("fanotify_mark", libc::SYS_fanotify_mark as i64),
    ("fchdir", libc::SYS_fchdir as i64), ("fchmod", libc::SYS_fchmod as i64), ("fchmodat", libc::SYS_fchmodat as i64),
    ("fchown", libc::SYS_fchown as i64), ("fchownat", libc::SYS_fchownat as i64), ("fcntl", libc::SYS_fcntl as i64),
    ("fdatasync", libc::SYS_fdatasync as i64), ("fgetxattr", libc::SYS_fgetxattr as i64),
    ("finit_module", libc::SYS_finit_module as i64), ("flistxattr", libc::SYS_flistxattr as i64), ("flock", libc::SYS_flock as i64),
    ("fremovexattr", libc::SYS_fremovexattr as i64), ("fsconfig", libc::SYS_fsconfig as i64), ("fsetxattr", libc::SYS_fsetxattr as i64),
    ("fsmount", libc::SYS_fsmount as i64), ("fsopen", libc::SYS_fsopen as i64), ("fspick", libc::SYS_fspick as i64),
    ("fstat", libc::SYS_fstat as i64), ("fstatfs", libc::SYS_fstatfs as i64), ("fsync", libc::SYS_fsync as i64),
    ("ftruncate", libc::SYS_ftruncate as i64), ("futex", libc::SYS_futex as i64), ("get_mempolicy", libc::SYS_get_mempolicy as i64),
    ("get_robust_list", libc::SYS_get_robust_list as i64), ("getcpu", libc::SYS_getcpu as i64), ("getcwd", libc::SYS_getcwd as i64),
    ("getdents64", libc::SYS_getdents64 as i64), ("getegid", libc::SYS_getegid as i64), ("geteuid", libc::SYS_geteuid as i64),
    ("getgid", libc::SYS_getgid as i64), ("getgroups", libc::SYS_getgroups as i64), ("getitimer", libc::SYS_getitimer as i64),
    ("getpeername", libc::SYS_getpeername as i64), ("getpgid", libc::SYS_getpgid as i64), ("getpid", libc::SYS_getpid as i64),
    ("getppid", libc::SYS_getppid as i64), ("getpriority", libc::SYS_getpriority as i64), ("getrandom", libc::SYS_getrandom as i64),
    ("getresgid", libc::SYS_getresgid as i64), ("getresuid", libc::SYS_getresuid as i64), ("getrusage", libc::SYS_getrusage as i64),
    ("getsid", libc::SYS_getsid as i64), ("getsockname", libc::SYS_getsockname as i64), ("getsockopt", libc::SYS_getsockopt as i64),
    ("gettid", libc::SYS_gettid as i64), ("gettimeofday", libc::SYS_gettimeofday as i64), ("getuid", libc::SYS_getuid as i64),
    ("getxattr", libc::SYS_getxattr as i64), ("init_module", libc::SYS_init_module as i64),
    ("inotify_add_watch", libc::SYS_inotify_add_watch as i64), ("inotify_init1", libc::SYS_inotify_init1 as i64),
    ("inotify_rm_watch", libc::SYS_inotify_rm_watch as i64), ("io_cancel", libc::SYS_io_cancel as i64),
    ("io_destroy", libc::SYS_io_destroy as i64), ("io_getevents", libc::SYS_io_getevents as i64),
    ("io_setup", libc::SYS_io_setup as i64), ("io_submit", libc::SYS_io_submit as i64),
    ("io_uring_enter", libc::SYS_io_uring_enter as i64), ("io_uring_register", libc::SYS_io_uring_register as i64),
    ("io_uring_setup", libc::SYS_io_uring_setup as i64), ("ioctl", libc::SYS_ioctl as i64), ("ioprio_get", libc::SYS_ioprio_get as i64),
    ("ioprio_set", libc::SYS_ioprio_set as i64), ("kcmp", libc::SYS_kcmp as i64), ("kexec_load", libc::SYS_kexec_load as i64),
    ("keyctl", libc::SYS_keyctl as i64), ("kill", libc::SYS_kill as i64), ("landlock_add_rule", libc::SYS_landlock_add_rule as i64),
    ("landlock_create_ruleset", libc::SYS_landlock_create_ruleset as i64),
    ("landlock_restrict_self", libc::SYS_landlock_restrict_self as i64), ("lgetxattr", libc::SYS_lgetxattr as i64),
    ("linkat", libc::SYS_linkat as i64), ("listen", libc::SYS_listen as i64), ("listxattr", libc::SYS_listxattr as i64),
    ("llistxattr", libc::SYS_llistxattr as i64), ("lookup_dcookie", libc::SYS_lookup_dcookie as i64),
    ("lremovexattr", libc::SYS_lremovexattr as i64), ("lseek", libc::SYS_lseek as i64), ("lsetxattr", libc::SYS_lsetxattr as i64),
    ("madvise", libc::SYS_madvise as i64), ("mbind", libc::SYS_mbind as i64), ("membarrier", libc::SYS_membarrier as i64),
    ("memfd_create", libc::SYS_memfd_create as i64), ("migrate_pages", libc::SYS_migrate_pages as i64),
    ("mincore", libc::SYS_mincore as i64), ("mkdirat", libc::SYS_mkdirat as i64), ("mknodat", libc::SYS_mknodat as i64),
    ("mlock", libc::SYS_mlock as i64), ("mlock2", libc::SYS_mlock2 as i64), ("mlockall", libc::SYS_mlockall as i64),
    ("mmap", libc::SYS_mmap as i64), ("mount", libc::SYS_mount as i64), ("mount_setattr", libc::SYS_mount_setattr as i64),
    ("move_mount", libc::SYS_move_mount as i64), ("move_pages", libc::SYS_move_pages as i64), ("mprotect", libc::SYS_mprotect as i64),
    ("mq_getsetattr", libc::SYS_mq_getsetattr as i64), ("mq_notify", libc::SYS_mq_notify as i64), ("mq_open", libc::SYS_mq_open as i64),
    ("mq_timedreceive", libc::SYS_mq_timedreceive as i64), ("mq_timedsend", libc::SYS_mq_timedsend as i64),
    ("mq_unlink", libc::SYS_mq_unlink as i64), ("mremap", libc::SYS_mremap as i64), ("msgctl", libc::SYS_msgctl as i64),
    ("msgget", libc::SYS_msgget as i64), ("msgrcv", libc::SYS_msgrcv as i64), ("msgsnd", libc::SYS_msgsnd as i64),
    ("msync", libc::SYS_msync as i64), ("munlock", libc::SYS_munlock as i64), ("munlockall", libc::SYS_munlockall as i64),
    ("munmap", libc::SYS_munmap as i64), ("name_to_handle_at", libc::SYS_name_to_handle_at as i64),
    ("nanosleep", libc::SYS_nanosleep as i64), ("newfstatat", libc::SYS_newfstatat as i64), ("nfsservctl", libc::SYS_nfsservctl as i64),
    ("open_by_handle_at", libc::SYS_open_by_handle_at as i64), ("open_tree", libc::SYS_open_tree as i64),
    ("openat", libc::SYS_openat as i64), ("openat2", libc::SYS_openat2 as i64), ("perf_event_open", libc::SYS_perf_event_open as i64),
    ("personality", libc::SYS_personality as i64), ("pidfd_getfd", libc::SYS_pidfd_getfd as i64),
    ("pidfd_open", libc::SYS_pidfd_open as i64), ("pidfd_send_signal", libc::SYS_pidfd_send_signal as i64),
    ("pipe2", libc::SYS_pipe2 as i64), ("pivot_root", libc::SYS_pivot_root as i64), ("pkey_alloc", libc::SYS_pkey_alloc as i64),
    ("pkey_free", libc::SYS_pkey_free as i64), ("pkey_mprotect", libc::SYS_pkey_mprotect as i64), ("ppoll", libc::SYS_ppoll as i64),
    ("prctl", libc::SYS_prctl as i64), ("pread64", libc::SYS_pread64 as i64), ("preadv", libc::SYS_preadv as i64),
    ("preadv2", libc::SYS_preadv2 as i64), ("prlimit64", libc::SYS_prlimit64 as i64),
    ("process_madvise", libc::SYS_process_madvise as i64), ("process_vm_readv", libc::SYS_process_vm_readv as i64),
    ("process_vm_writev", libc::SYS_process_vm_writev as i64), ("pselect6", libc::SYS_pselect6 as i64),
    ("ptrace", libc::SYS_ptrace as i64), ("pwrite64", libc::SYS_pwrite64 as i64), ("pwritev", libc::SYS_pwritev as i64),
    ("pwritev2", libc::SYS_pwritev2 as i64), ("quotactl", libc::SYS_quotactl as i64), ("read", libc::SYS_read as i64),
    ("readahead", libc::SYS_readahead as i64), ("readlinkat", libc::SYS_readlinkat as i64), ("readv", libc::SYS_readv as i64),
    ("reboot", libc::SYS_reboot as i64), ("recvfrom", libc::SYS_recvfrom as i64), ("recvmmsg", libc::SYS_recvmmsg as i64),
    ("recvmsg", libc::SYS_recvmsg as i64), ("remap_file_pages", libc::SYS_remap_file_pages as i64),
    ("removexattr", libc::SYS_removexattr as i64), ("renameat2", libc::SYS_renameat2 as i64),
    ("request_key", libc::SYS_request_key as i64), ("restart_syscall", libc::SYS_restart_syscall as i64),
    ("rseq", libc::SYS_rseq as i64), ("rt_sigaction", libc::SYS_rt_sigaction as i64), ("rt_sigpending", libc::SYS_rt_sigpending as i64),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask as i64), ("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo as i64),
    ("rt_sigreturn", libc::SYS_rt_sigreturn as i64), ("rt_sigsuspend", libc::SYS_rt_sigsuspend as i64),
    ("rt_sigtimedwait", libc::SYS_rt_sigtimedwait as i64), ("rt_tgsigqueueinfo", libc::SYS_rt_tgsigqueueinfo as i64),
    ("sched_get_priority_max", libc::SYS_sched_get_priority_max as i64),
    ("sched_get_priority_min", libc::SYS_sched_get_priority_min as i64), ("sched_getaffinity", libc::SYS_sched_getaffinity as i64),
    ("sched_getattr", libc::SYS_sched_getattr as i64), ("sched_getparam", libc::SYS_sched_getparam as i64),
    ("sched_getscheduler", libc::SYS_sched_getscheduler as i64), ("sched_rr_get_interval", libc::SYS_sched_rr_get_interval as i64),
    ("sched_setaffinity", libc::SYS_sched_setaffinity as i64), ("sched_setattr", libc::SYS_sched_setattr as i64),
    ("sched_setparam", libc::SYS_sched_setparam as i64), ("sched_setscheduler", libc::SYS_sched_setscheduler as i64),
    ("sched_yield", libc::SYS_sched_yield as i64), ("seccomp", libc::SYS_seccomp as i64), ("semctl", libc::SYS_semctl as i64),
    ("semget", libc::SYS_semget as i64), ("semop", libc::SYS_semop as i64), ("semtimedop", libc::SYS_semtimedop as i64),
    ("sendmmsg", libc::SYS_sendmmsg as i64), ("sendmsg", libc::SYS_sendmsg as i64), ("sendto", libc::SYS_sendto as i64),
    ("set_mempolicy", libc::SYS_set_mempolicy as i64), ("set_robust_list", libc::SYS_set_robust_list as i64),
    ("set_tid_address", libc::SYS_set_tid_address as i64), ("setdomainname", libc::SYS_setdomainname as i64),
    ("setfsgid", libc::SYS_setfsgid as i64), ("setfsuid", libc::SYS_setfsuid as i64), ("setgid", libc::SYS_setgid as i64),
    ("setgroups", libc::SYS_setgroups as i64), ("sethostname", libc::SYS_sethostname as i64), ("setitimer", libc::SYS_setitimer as i64),
    ("setns", libc::SYS_setns as i64), ("setpgid", libc::SYS_setpgid as i64), ("setpriority", libc::SYS_setpriority as i64),
    ("setregid", libc::SYS_setregid as i64), ("setresgid", libc::SYS_setresgid as i64), ("setresuid", libc::SYS_setresuid as i64),
    ("setreuid", libc::SYS_setreuid as i64), ("setsid", libc::SYS_setsid as i64), ("setsockopt", libc::SYS_setsockopt as i64),
    ("settimeofday", libc::SYS_settimeofday as i64), ("setuid", libc::SYS_setuid as i64), ("setxattr", libc::SYS_setxattr as i64),
    ("shmat", libc::SYS_shmat as i64), ("shmctl", libc::SYS_shmctl as i64), ("shmdt", libc::SYS_shmdt as i64),
    ("shmget", libc::SYS_shmget as i64), ("shutdown", libc::SYS_shutdown as i64), ("sigaltstack", libc::SYS_sigaltstack as i64),
    ("signalfd4", libc::SYS_signalfd4 as i64), ("socket", libc::SYS_socket as i64), ("socketpair", libc::SYS_socketpair as i64),
    ("splice", libc::SYS_splice as i64), ("statfs", libc::SYS_statfs as i64), ("statx", libc::SYS_statx as i64),
    ("swapoff", libc::SYS_swapoff as i64), ("swapon", libc::SYS_swapon as i64), ("symlinkat", libc::SYS_symlinkat as i64),
    ("sync", libc::SYS_sync as i64), ("syncfs", libc::SYS_syncfs as i64), ("sysinfo", libc::SYS_sysinfo as i64),
    ("syslog", libc::SYS_syslog as i64), ("tee", libc::SYS_tee as i64), ("tgkill", libc::SYS_tgkill as i64),
    ("timer_create", libc::SYS_timer_create as i64), ("timer_delete", libc::SYS_timer_delete as i64),
    ("timer_getoverrun", libc::SYS_timer_getoverrun as i64), ("timer_gettime", libc::SYS_timer_gettime as i64),
    ("timer_settime", libc::SYS_timer_settime as i64), ("timerfd_create", libc::SYS_timerfd_create as i64),
    ("timerfd_gettime", libc::SYS_timerfd_gettime as i64), ("timerfd_settime", libc::SYS_timerfd_settime as i64),
    ("times", libc::SYS_times as i64), ("tkill", libc::SYS_tkill as i64), ("truncate", libc::SYS_truncate as i64),
    ("umask", libc::SYS_umask as i64), ("umount2", libc::SYS_umount2 as i64), ("uname", libc::SYS_uname as i64),
    ("unlinkat", libc::SYS_unlinkat as i64), ("unshare", libc::SYS_unshare as i64), ("userfaultfd", libc::SYS_userfaultfd as i64),
    ("utimensat", libc::SYS_utimensat as i64), ("vhangup", libc::SYS_vhangup as i64), ("vmsplice", libc::SYS_vmsplice as i64),
    ("wait4", libc::SYS_wait4 as i64), ("waitid", libc::SYS_waitid as i64), ("write", libc::SYS_write as i64),
    ("writev", libc::SYS_writev as i64),
];

/// What only x86-64 has, from before the generic table.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const LEGACY: &[(&str, i64)] = &[
    ("_sysctl", libc::SYS__sysctl as i64), ("access", libc::SYS_access as i64), ("afs_syscall", libc::SYS_afs_syscall as i64),
    ("alarm", libc::SYS_alarm as i64), ("arch_prctl", libc::SYS_arch_prctl as i64), ("chmod", libc::SYS_chmod as i64),
    ("chown", libc::SYS_chown as i64), ("creat", libc::SYS_creat as i64),     ("dup2", libc::SYS_dup2 as i64), ("epoll_create", libc::SYS_epoll_create as i64), ("epoll_ctl_old", libc::SYS_epoll_ctl_old as i64),
    ("epoll_wait", libc::SYS_epoll_wait as i64), ("epoll_wait_old", libc::SYS_epoll_wait_old as i64),
    ("eventfd", libc::SYS_eventfd as i64), ("fork", libc::SYS_fork as i64), ("futimesat", libc::SYS_futimesat as i64),
    ("get_thread_area", libc::SYS_get_thread_area as i64),
    ("getdents", libc::SYS_getdents as i64), ("getpgrp", libc::SYS_getpgrp as i64), ("getpmsg", libc::SYS_getpmsg as i64),
    ("inotify_init", libc::SYS_inotify_init as i64), ("ioperm", libc::SYS_ioperm as i64), ("iopl", libc::SYS_iopl as i64),
    ("lchown", libc::SYS_lchown as i64), ("link", libc::SYS_link as i64), ("lstat", libc::SYS_lstat as i64),
    ("mkdir", libc::SYS_mkdir as i64), ("mknod", libc::SYS_mknod as i64), ("modify_ldt", libc::SYS_modify_ldt as i64),
    ("open", libc::SYS_open as i64), ("pause", libc::SYS_pause as i64), ("pipe", libc::SYS_pipe as i64),
    ("poll", libc::SYS_poll as i64), ("putpmsg", libc::SYS_putpmsg as i64),     ("readlink", libc::SYS_readlink as i64), ("rename", libc::SYS_rename as i64), ("renameat", libc::SYS_renameat as i64),
    ("rmdir", libc::SYS_rmdir as i64), ("security", libc::SYS_security as i64), ("select", libc::SYS_select as i64),
    ("set_thread_area", libc::SYS_set_thread_area as i64), ("signalfd", libc::SYS_signalfd as i64), ("stat", libc::SYS_stat as i64),
    ("symlink", libc::SYS_symlink as i64), ("sysfs", libc::SYS_sysfs as i64), ("time", libc::SYS_time as i64),
    ("tuxcall", libc::SYS_tuxcall as i64), ("unlink", libc::SYS_unlink as i64), ("uselib", libc::SYS_uselib as i64),
    ("ustat", libc::SYS_ustat as i64), ("utime", libc::SYS_utime as i64), ("utimes", libc::SYS_utimes as i64),
    ("vfork", libc::SYS_vfork as i64), ("vserver", libc::SYS_vserver as i64),
];
#[cfg(not(target_arch = "x86_64"))]
const LEGACY: &[(&str, i64)] = &[];

/// Numbers above 423 are the same on all architectures.
#[rustfmt::skip]
const RECENT: &[(&str, i64)] = &[
    ("quotactl_fd", 443), ("memfd_secret", 447), ("process_mrelease", 448), ("futex_waitv", 449), ("set_mempolicy_home_node", 450),
    ("cachestat", 451), ("fchmodat2", 452), ("map_shadow_stack", 453), ("futex_wake", 454), ("futex_wait", 455),
    ("futex_requeue", 456), ("statmount", 457), ("listmount", 458), ("lsm_get_self_attr", 459), ("lsm_set_self_attr", 460),
    ("lsm_list_modules", 461), ("mseal", 462),
];

/// Older ones that `libc` does not name on every architecture.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const MOVED: &[(&str, i64)] = &[
    ("sendfile", 40), ("getrlimit", 97), ("setrlimit", 160), ("fadvise64", 221), ("sync_file_range", 277), ("kexec_file_load", 320),
    ("io_pgetevents", 333),
];
#[cfg(not(target_arch = "x86_64"))]
#[rustfmt::skip]
const MOVED: &[(&str, i64)] = &[
    ("sendfile", 71), ("sync_file_range", 84), ("getrlimit", 163), ("setrlimit", 164), ("fadvise64", 223), ("io_pgetevents", 292),
    ("kexec_file_load", 294),
];
