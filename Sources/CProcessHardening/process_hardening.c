/* prctl is variadic and RLIMIT_CORE a macro over an enumeration: Swift imports neither. */

#include "CProcessHardening.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

int contact_vault_forbid_dumps(void) {
    /*
     * Both: the limit is what a core file asks, and a handler in core_pattern (systemd-coredump) does not ask it; such a
     * handler asks whether the process is dumpable. The same flag gives the files of /proc/PID to root, so that memory and
     * environment are closed to others of the same user, to debuggers too.
     */
    const struct rlimit none = {0, 0};
    /*
     * The language's runtime catches what crashes a program and has another one read its memory for a backtrace. That one may
     * not, and the crashed process would wait for it for ever, with its keys and its locks, in the place of its successor.
     */
    const int fatal[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGQUIT, SIGSEGV, SIGTRAP};
    for (unsigned i = 0; i < sizeof fatal / sizeof fatal[0]; i++) {
        if (signal(fatal[i], SIG_DFL) == SIG_ERR) return errno;
    }
    if (prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L) != 0) return errno;
    if (setrlimit(RLIMIT_CORE, &none) != 0) return errno;
    return 0;
}
