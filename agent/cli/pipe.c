/* SPDX-License-Identifier: MIT */
/*
 * logboom pipe. In: an app's output on standard input. Out: that input in the
 * agent's hands. Always true: the app is neither blocked for long nor killed by
 * us, agent or not (intake_client.h); only a signal that finds no agent within
 * --wait ends the pipe before the app does.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/cli/cli.h"
#include "agent/cli/intake_client.h"
#include "agent/cli/pump.h"
#include "agent/cli/stream_options.h"
#include "agent/cli/writer.h"
#include "common/clock.h"
#include "common/units.h"

#define WAIT_DEFAULT_MS 10000
#define WAIT_MIN_MS     500 /* less, and an agent that is there could not answer */
#define WAIT_MAX_MS     (366ull * 24 * 3600 * 1000)

static const char help[] =
    "usage: COMMAND 2>&1 | logboom pipe [OPTION]...\n\n"
    "Gives the pipe to the agent, which reads it from then on, and sleeps until it ends.\n"
    "While there is no agent, the newest MiB is kept and offered again.\n\n"
    "  -s SERVICE    name of the service (default: the systemd unit, else the program)\n"
    "  -T KEY=VALUE  a tag on each line; may be repeated\n"
    "  --tee         copy the input to standard output as well\n"
    "  --wait 10s    at the end of input, how long to wait for an agent\n";

struct pipe_options {
    struct lb_stream_options stream;
    bool wants_copy;
    uint64_t wait_ms;
};

/* -1 go on | an exit code */
static int read_options(struct pipe_options *given, int argc, char **argv)
{
    static const struct option options[] = {
        { "tee", no_argument, NULL, 't' },
        { "wait", required_argument, NULL, 'w' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int option, code;

    while ((option = getopt_long(argc, argv, "+hs:T:", options, NULL)) != -1) {
        switch (option) {
        case 's':
        case 'T':
            code = lb_stream_options_take(&given->stream, option, optarg, argv[0]);
            if (code != LB_EXIT_DONE)
                return code;
            break;
        case 't':
            given->wants_copy = true;
            break;
        case 'w':
            if (lb_units_duration(optarg, &given->wait_ms) != 0 || given->wait_ms > WAIT_MAX_MS)
                return lb_cli_usage_error(argv[0], "--wait takes a duration like 10s, not '%s'", optarg);
            break;
        default:
            return lb_cli_help_or_usage(option, argv[0], help);
        }
    }
    if (optind < argc)
        return lb_cli_usage_error(argv[0], "'%s' is too much; 'logboom run' starts commands", argv[optind]);
    return -1;
}

/* Find a pipe to hand over: standard input itself, or the pump's. 0 | -errno */
static int find_pipe(bool wants_copy, int *ret_pipe_fd, pid_t *ret_pump)
{
    struct stat input;
    int flags = fcntl(STDIN_FILENO, F_GETFL);

    if (flags < 0 || fstat(STDIN_FILENO, &input) != 0)
        return -errno;
    if ((flags & O_ACCMODE) == O_WRONLY)
        return -EBADF;
    if (!S_ISFIFO(input.st_mode) || wants_copy)
        return lb_pump_start(wants_copy, ret_pipe_fd, ret_pump);
    *ret_pipe_fd = STDIN_FILENO;
    *ret_pump = 0;
    return 0;
}

static void take_signals(int signal_fd)
{
    struct signalfd_siginfo info;

    while (read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        ;
}

/* No agent within --wait, or asked twice to stop. */
static int end_without_agent(struct lb_intake *intake, uint64_t now_ns)
{
    if (lb_intake_phase(intake) == LB_INTAKE_HANDING) {
        lb_cli_say("the agent was given the pipe, but has not said that it reads it");
        return LB_EXIT_NO_AGENT;
    }
    lb_cli_say("no agent to take them: %" PRIu64 " lines are lost", lb_intake_give_up(intake, now_ns));
    return LB_EXIT_NO_AGENT;
}

/* See the stream to its end. Returns the exit code. */
static int carry(struct lb_intake *intake, int signal_fd, uint64_t wait_ns)
{
    uint64_t give_up_ns = LB_NEVER_NS;
    int stops = 0; /* signals that asked us to end */

    for (;;) {
        bool has_signal = lb_intake_wait(&intake, 1, signal_fd, give_up_ns);
        enum lb_intake_phase phase = lb_intake_phase(intake);
        uint64_t now_ns = lb_clock_boot_ns();

        if (has_signal) {
            take_signals(signal_fd);
            stops++;
        }
        if (phase == LB_INTAKE_ENDED)
            return LB_EXIT_DONE;
        if (phase == LB_INTAKE_READING) {
            give_up_ns = LB_NEVER_NS;
            if (stops == 0)
                continue;
            lb_intake_leave(intake);
            return LB_EXIT_DONE;
        }
        if (give_up_ns == LB_NEVER_NS && (stops > 0 || lb_intake_has_hung_up(intake)))
            give_up_ns = now_ns + wait_ns;
        /* An agent that is taking the buffer is on its way; it is hung up on when it stops (intake_client.c).
         */
        if (stops > 1 || (now_ns >= give_up_ns && phase != LB_INTAKE_SENDING))
            return end_without_agent(intake, now_ns);
    }
}

int lb_cmd_pipe(int argc, char **argv)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP, 0 };
    struct pipe_options given = { .wait_ms = WAIT_DEFAULT_MS };
    struct lb_intake_source source = { .kind = LB_STREAM_STDIN };
    struct lb_intake *intake;
    sigset_t before;
    pid_t pump = 0;
    int signal_fd, error, code = read_options(&given, argc, argv);

    if (code >= 0)
        return code;
    signal(SIGPIPE, SIG_IGN); /* a closed stderr is no reason to leave the app alone */
    source.service = given.stream.service ? given.stream.service : "";
    source.tags = given.stream.tags;
    source.source_pid = lb_writer_of(STDIN_FILENO); /* the app, whose name the service has without -s */
    error = find_pipe(given.wants_copy, &source.pipe_fd, &pump);
    if (error != 0) {
        lb_cli_say("cannot use standard input: %s", strerror(-error));
        return LB_EXIT_FAILED;
    }
    if (given.wait_ms < WAIT_MIN_MS)
        given.wait_ms = WAIT_MIN_MS;
    signal_fd = lb_cli_signal_fd(signals, &before);
    error = signal_fd < 0 ? signal_fd : lb_intake_open(&source, lb_clock_boot_ns(), &intake);
    if (error != 0) {
        lb_cli_say("cannot start: %s", strerror(-error));
        return LB_EXIT_FAILED;
    }
    code = carry(intake, signal_fd, given.wait_ms * LB_NS_PER_MS);
    if (pump > 0)
        kill(pump,
             SIGTERM); /* not reaped, so it is still ours; heeds it where no app depends on it (pump.h) */
    lb_intake_close(intake);
    close(signal_fd);
    return code;
}
