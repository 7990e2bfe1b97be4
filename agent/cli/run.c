/* SPDX-License-Identifier: MIT */
/*
 * logboom run. In: a command. Out: its output, as two streams, in the agent's
 * hands; its exit code as ours. Always true: the command starts at once, agent
 * or not, and its end is ours, after a bounded time for the last lines.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "agent/cli/child.h"
#include "agent/cli/cli.h"
#include "agent/cli/intake_client.h"
#include "agent/cli/stream_options.h"
#include "common/clock.h"

#define STREAMS  2
#define WAIT_NS  (10 * LB_NS_PER_S) /* for the agent to take the last lines, once the command has ended */
#define GRACE_NS (1 * LB_NS_PER_S)  /* the same, where the command's own children keep the pipe open */

static const char help[] =
    "usage: logboom run [OPTION]... -- COMMAND [ARG...]\n\n"
    "Starts the command and gives what it prints to the agent. Exits as the command did:\n"
    "128+N for signal N, 127 not found, 126 not executable.\n\n"
    "  -s SERVICE    name of the service (default: the systemd unit, else the program)\n"
    "  -T KEY=VALUE  a tag on each line; may be repeated\n";

struct run {
    pid_t child;
    int signal_fd;
    bool has_ended;  /* the command */
    bool must_stop;  /* a signal came after that */
    int code;        /* the command's, once it has ended */
    uint64_t end_ns; /* when it did */
    int read_fds[STREAMS];
    struct lb_intake *streams[STREAMS];
};

/* -1 go on with argv[optind] | an exit code */
static int read_options(struct lb_stream_options *given, int argc, char **argv)
{
    static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
    int option, code;

    while ((option = getopt_long(argc, argv, "+hs:T:", options, NULL)) != -1) {
        if (option != 's' && option != 'T')
            return lb_cli_help_or_usage(option, argv[0], help);
        code = lb_stream_options_take(given, option, optarg, argv[0]);
        if (code != LB_EXIT_DONE)
            return code;
    }
    if (optind == argc)
        return lb_cli_usage_error(argv[0], "which command?");
    return -1;
}

/* Start the command with two pipes. 0 | -errno, and *ret_code is what to exit with */
static int start(struct run *run, char *const *argv, const sigset_t *mask, int *ret_code)
{
    int out[2], err[2], error;

    *ret_code = LB_EXIT_FAILED;
    if (pipe2(out, O_CLOEXEC) != 0)
        return -errno;
    if (pipe2(err, O_CLOEXEC) != 0) {
        error = -errno;
        close(out[0]);
        close(out[1]);
        return error;
    }
    error = lb_child_start(argv, mask, out[1], err[1], &run->child);
    close(out[1]);
    close(err[1]);
    run->read_fds[0] = out[0];
    run->read_fds[1] = err[0];
    *ret_code = error == -ENOENT ? LB_EXIT_NOT_FOUND : LB_EXIT_NOT_EXECUTABLE;
    return error;
}

/* 0 | -errno */
static int open_streams(struct run *run, const struct lb_stream_options *given)
{
    static const enum lb_stream_kind kinds[STREAMS] = { LB_STREAM_STDOUT, LB_STREAM_STDERR };
    int error = 0;

    for (size_t i = 0; i < STREAMS && error == 0; i++) {
        struct lb_intake_source source = {
            .pipe_fd = run->read_fds[i],
            .kind = kinds[i],
            .source_pid = run->child,
            .service = given->service ? given->service : "",
            .tags = given->tags,
            .is_quiet = i > 0,
        };

        error = lb_intake_open(&source, lb_clock_boot_ns(), &run->streams[i]);
    }
    return error;
}

static void take_signals(struct run *run)
{
    struct signalfd_siginfo info;

    while (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        if (run->has_ended)
            run->must_stop = true;
        else if (info.ssi_code != SI_KERNEL) /* typed at the terminal: the command has it already */
            kill(run->child, (int)info.ssi_signo);
    }
    if (!run->has_ended && lb_child_has_ended(run->child, &run->code)) {
        run->has_ended = true;
        run->end_ns = lb_clock_boot_ns();
    }
}

/* How long a stream may keep us, now that the command has ended. */
static uint64_t patience_ns(const struct run *run, const struct lb_intake *stream)
{
    if (run->must_stop || lb_intake_phase(stream) == LB_INTAKE_ENDED)
        return 0;
    if (lb_intake_phase(stream) == LB_INTAKE_READING && !lb_intake_has_hung_up(stream))
        return GRACE_NS;
    return WAIT_NS;
}

/* See both streams to their end. Returns the exit code. */
static int carry(struct run *run)
{
    uint64_t until_ns = LB_NEVER_NS;
    uint64_t lost_lines = 0;

    do {
        if (lb_intake_wait(run->streams, STREAMS, run->signal_fd, until_ns))
            take_signals(run);
        for (size_t i = 0; i < STREAMS && run->has_ended; i++) {
            uint64_t stream_until_ns = run->end_ns + patience_ns(run, run->streams[i]);

            until_ns = i == 0 || stream_until_ns > until_ns ? stream_until_ns : until_ns;
        }
    } while (!run->has_ended || lb_clock_boot_ns() < until_ns);
    for (size_t i = 0; i < STREAMS; i++) {
        lb_intake_leave(run->streams[i]);
        if (lb_intake_phase(run->streams[i]) < LB_INTAKE_HANDING)
            lost_lines += lb_intake_give_up(run->streams[i], lb_clock_boot_ns());
    }
    if (lost_lines > 0)
        lb_cli_say("no agent to take them: %" PRIu64 " lines are lost", lost_lines);
    return run->code;
}

int lb_cmd_run(int argc, char **argv)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD, 0 };
    struct lb_stream_options given = { 0 };
    struct run run = { 0 };
    sigset_t before;
    int error, code = read_options(&given, argc, argv);

    if (code >= 0)
        return code;
    signal(SIGCHLD, SIG_DFL); /* ignored, as some parents leave it, it would take the exit code away */
    run.signal_fd = lb_cli_signal_fd(signals, &before);
    if (run.signal_fd < 0) {
        lb_cli_say("cannot start: %s", strerror(-run.signal_fd));
        return LB_EXIT_FAILED;
    }
    error = start(&run, argv + optind, &before, &code);
    if (error != 0) {
        lb_cli_say("cannot run %s: %s", argv[optind], strerror(-error));
        return code;
    }
    signal(SIGPIPE, SIG_IGN); /* only now: the command is not to inherit it */
    error = open_streams(&run, &given);
    if (error == 0) {
        code = carry(&run);
    } else {
        lb_cli_say("cannot log %s: %s", argv[optind], strerror(-error));
        kill(run.child, SIGTERM);
        code = LB_EXIT_FAILED;
    }
    for (size_t i = 0; i < STREAMS; i++)
        lb_intake_close(run.streams[i]);
    return code;
}
