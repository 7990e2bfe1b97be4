/* SPDX-License-Identifier: MIT */
/*
 * A wall clock that a test moves under a running program. Preloaded (LD_PRELOAD), it answers in place of the
 * C library; what it adds stands in the file that LB_FAKECLOCK names, which the test changes meanwhile
 * (fakeclock.py). In: three little-endian int64:
 *
 *   wall    ns that are added to the wall clock
 *   slept   ns that are added to boot time and to the wall clock: the machine was suspended for so long
 *   synced  1: the kernel calls the clock synchronised, 0: it does not
 *
 * Faked: clock_gettime() of CLOCK_REALTIME, CLOCK_REALTIME_COARSE and CLOCK_BOOTTIME, gettimeofday(), time(),
 * timespec_get(), and adjtimex() and its kin, which refuse to set anything. All else is real: other clocks,
 * timers, timeouts, times of files. A deadline on CLOCK_REALTIME (pthread_cond_timedwait) is taken by the
 * kernel for what the true clock says.
 *
 * The truth is asked by system call, so that this needs nothing of the library that it stands before. Without
 * LB_FAKECLOCK all is real; a file that cannot be used ends the program, for it would test nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file is read as it lies in memory"
#endif

#define NS_PER_S 1000000000ll

struct fake {
    int64_t wall_ns, slept_ns, is_synced;
};

static const struct fake *fake; /* NULL: all is real, also in constructors that run before ours */

static void give_up(const char *path)
{
    static const char text[] = ": no file of a fake clock (LB_FAKECLOCK)\n";

    if (write(STDERR_FILENO, path, strlen(path)) >= 0 && write(STDERR_FILENO, text, sizeof text - 1) >= 0)
        _exit(127);
    _exit(126);
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("LB_FAKECLOCK");
    struct stat st;
    void *map;
    int fd;

    if (!path)
        return;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size < (off_t)sizeof *fake)
        give_up(path);
    map = mmap(NULL, sizeof *fake, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (map == MAP_FAILED)
        give_up(path);
    fake = map;
}

/* Whole int64s are stored and loaded: a value is the old one or the new one. */
static int64_t added_ns(clockid_t id)
{
    int64_t slept_ns;

    if (!fake || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE && id != CLOCK_BOOTTIME))
        return 0;
    slept_ns = __atomic_load_n(&fake->slept_ns, __ATOMIC_RELAXED);
    return id == CLOCK_BOOTTIME ? slept_ns : slept_ns + __atomic_load_n(&fake->wall_ns, __ATOMIC_RELAXED);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int64_t added = added_ns(id), ns;

    if (syscall(SYS_clock_gettime, id, ts) != 0)
        return -1;
    if (added == 0)
        return 0;
    ns = (int64_t)ts->tv_sec * NS_PER_S + ts->tv_nsec + added;
    ts->tv_sec = (time_t)(ns / NS_PER_S - (ns % NS_PER_S < 0));
    ts->tv_nsec = (long)((ns % NS_PER_S + NS_PER_S) % NS_PER_S);
    return 0;
}

int timespec_get(struct timespec *ts, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, ts) == 0 ? base : 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
    struct timespec ts;

    (void)zone; /* as the C library: there is none */
    if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
        return -1;
    tv->tv_sec = ts.tv_sec;
    tv->tv_usec = ts.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *ret_now)
{
    struct timespec ts = { 0 };

    clock_gettime(CLOCK_REALTIME_COARSE, &ts); /* what the kernel's own time() shows */
    if (ret_now)
        *ret_now = ts.tv_sec;
    return ts.tv_sec;
}

int clock_adjtime(clockid_t id, struct timex *timex)
{
    int state;

    if (timex->modes != 0) { /* not the test's, and never this machine's */
        errno = EPERM;
        return -1;
    }
    state = (int)syscall(SYS_clock_adjtime, id, timex);
    if (!fake || id != CLOCK_REALTIME)
        return state;
    if (state < 0) /* where it is not allowed, what matters is still played */
        memset(timex, 0, sizeof *timex);
    gettimeofday(&timex->time, NULL);
    timex->status &= ~(STA_UNSYNC | STA_CLOCKERR | STA_NANO);
    if (__atomic_load_n(&fake->is_synced, __ATOMIC_RELAXED))
        return TIME_OK;
    timex->status |= STA_UNSYNC;
    return TIME_ERROR;
}

int adjtimex(struct timex *timex)
{
    return clock_adjtime(CLOCK_REALTIME, timex);
}

int ntp_adjtime(struct timex *timex)
{
    return clock_adjtime(CLOCK_REALTIME, timex);
}
