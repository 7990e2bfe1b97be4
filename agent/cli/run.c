/* SPDX-License-Identifier: MIT */
/*
 * logboom run. In: a command. Out: its output, as two streams, in the agent's
 * hands; then how it ended; its exit code as ours. Always true: the command
 * starts at once, agent or not, and its end is ours, after a bounded time for
 * the last lines; what ends below us is reaped, be we PID 1 or not; standard
 * input is the command's alone.
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
#include "agent/cli/ending.h"
#include "agent/cli/exit_report.h"
#include "agent/cli/intake_client.h"
#include "agent/cli/python_stdout.h"
#include "agent/cli/stream_options.h"
#include "common/clock.h"
#include "common/unit_name.h"

#define STREAMS  2
#define WAIT_NS  (10 * LB_NS_PER_S) /* for the agent to take the last lines, once the command has ended */
#define GRACE_NS (1 * LB_NS_PER_S)  /* the same, where the command's own children keep the pipe open */
#define ANSWER_NS \
    (500 * LB_NS_PER_MS) /* for the answer of an agent that was told of the end in the last moment */
/* So long an agent may find the command by its pid, although it has ended: it is not reaped before the agent
 * has greeted both streams. */
#define HOLD_NS (500 * LB_NS_PER_MS)

static const char help[] =
    "usage: logboom run [OPTION]... -- COMMAND [ARG...]\n\n"
    "Starts the command and gives what it prints to the agent. Exits as the command did:\n"
    "128+N for signal N, 127 not found, 126 not executable. How it ended is logged, too.\n"
    "A Python program prints line by line, unless python_stdout in logboom.ini says otherwise.\n\n"
    "  -s SERVICE    name of the service (default: the systemd unit, else the program)\n"
    "  -T KEY=VALUE  a tag on each line; may be repeated\n";

struct run {
    pid_t child;
    int signal_fd;
    bool ignores_stop; /* SIGTSTP was ignored when we came, and the command ignores it as well */
    bool has_ended;    /* the command */
    bool is_reaped;
    bool must_stop; /* a signal came after that */
    char program[LB_PROGRAM_NAME_MAX + 1];
    struct lb_oom_watch oom;
    struct lb_ending ending;
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

/* What is to be known and set before there is a command. */
static void prepare(struct run *run, const struct lb_stream_options *given, const char *command)
{
    struct sigaction stop;

    run->ignores_stop = sigaction(SIGTSTP, NULL, &stop) == 0 && stop.sa_handler == SIG_IGN;
    (void)lb_program_name(command, run->program);
    lb_python_stdout_prepare(given->service, command);
    lb_oom_watch_begin(&run->oom);
    run->ending.started_ns = lb_clock_boot_ns();
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

/* ---- signals ---- */

/* Whom the terminal sent a signal, the command has it already: it goes to the whole foreground. */
static void pass_on(const struct run *run, const struct signalfd_siginfo *info)
{
    if (!run->has_ended && info->ssi_code != SI_KERNEL)
        kill(run->child, (int)info->ssi_signo);
}

static void take_signals(struct run *run)
{
    struct signalfd_siginfo info;
    bool must_pause = false;

    while (read(run->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        if (info.ssi_signo == SIGTSTP || info.ssi_signo == SIGCONT)
            must_pause = info.ssi_signo == SIGTSTP && !run->ignores_stop;
        else if (run->has_ended)
            run->must_stop = true;
        pass_on(run, &info);
    }
    if (lb_child_reap_others(run->is_reaped ? 0 : run->child) && !run->has_ended) {
        run->has_ended = true;
        run->ending.ended_ns = lb_clock_boot_ns();
    }
    if (must_pause)
        raise(SIGSTOP); /* ours is blocked, and who started us is to see that we stopped */
}

/* ---- the end ---- */

/* Has every agent that we may yet meet seen the command in /proc? */
static bool may_reap(const struct run *run, uint64_t now_ns)
{
    bool is_greeted = true;

    for (size_t i = 0; i < STREAMS; i++)
        is_greeted = is_greeted && lb_intake_phase(run->streams[i]) > LB_INTAKE_GREETING;
    return is_greeted || run->must_stop || now_ns >= run->ending.ended_ns + HOLD_NS;
}

static void reap(struct run *run)
{
    struct rusage usage;
    int status;

    run->is_reaped = true;
    run->ending.code = LB_EXIT_FAILED; /* unless we learn more */
    if (lb_child_reap(run->child, &status, &usage) == 0)
        lb_ending_take(&run->ending, status, &usage);
    if (run->ending.is_signalled && run->ending.code == SIGKILL)
        run->ending.is_oom = lb_oom_watch_has_killed(&run->oom);
    (void)lb_child_reap_others(0);
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

static uint64_t done_ns(const struct run *run)
{
    uint64_t longest_ns = 0;

    for (size_t i = 0; i < STREAMS; i++) {
        uint64_t ns = patience_ns(run, run->streams[i]);

        longest_ns = ns > longest_ns ? ns : longest_ns;
    }
    return run->ending.ended_ns + longest_ns;
}

/* See the command and both streams to their end. */
static void carry(struct run *run)
{
    uint64_t until_ns = LB_NEVER_NS, wake_ns = LB_NEVER_NS;

    do {
        if (lb_intake_wait(run->streams, STREAMS, run->signal_fd, wake_ns))
            take_signals(run);
        if (!run->has_ended)
            continue;
        if (!run->is_reaped && may_reap(run, lb_clock_boot_ns()))
            reap(run);
        wake_ns = until_ns = done_ns(run);
        if (!run->is_reaped && run->ending.ended_ns + HOLD_NS < until_ns)
            wake_ns = run->ending.ended_ns + HOLD_NS;
    } while (!run->has_ended || lb_clock_boot_ns() < until_ns);
    if (!run->is_reaped)
        reap(run);
}

/* Leave both streams. What no agent has is lost, and said. */
static void settle(struct run *run)
{
    uint64_t lost_lines = 0;

    for (size_t i = 0; i < STREAMS; i++) {
        lb_intake_leave(run->streams[i]);
        if (lb_intake_phase(run->streams[i]) < LB_INTAKE_HANDING)
            lost_lines += lb_intake_give_up(run->streams[i], lb_clock_boot_ns());
    }
    if (lost_lines > 0)
        lb_cli_say("no agent to take them: %" PRIu64 " lines are lost", lost_lines);
}

/* How long the report may keep us. One attempt is made in any case, without waiting. */
static uint64_t report_until_ns(const struct run *run, const struct lb_exit_report *report)
{
    if (run->must_stop || report->phase > LB_EXIT_REPORT_SENT)
        return 0;
    return run->ending.ended_ns + WAIT_NS + (report->phase == LB_EXIT_REPORT_SENT ? ANSWER_NS : 0);
}

/* Tell the agent how the command ended: after its last lines, because that is what a reader expects. */
static void tell_ending(struct run *run, const struct lb_stream_options *given)
{
    struct lb_exit_report_source source = {
        .pid = run->child,
        .stream_id = { lb_intake_stream_id(run->streams[0]), lb_intake_stream_id(run->streams[1]) },
        .service = given->service ? given->service : "",
        .tags = given->tags,
        .name = run->program,
    };
    struct lb_exit_report report;
    int error = lb_exit_report_open(&report, &source, &run->ending, lb_clock_boot_ns());

    if (error != 0) {
        lb_cli_say("how the command ended is not recorded: %s", strerror(-error));
        return;
    }
    do {
        if (lb_exit_report_wait(&report, run->signal_fd, report_until_ns(run, &report)))
            take_signals(run);
    } while (lb_clock_boot_ns() < report_until_ns(run, &report));
    if (report.reason[0] != '\0')
        lb_cli_say("how the command ended is not recorded: %s", report.reason);
    lb_exit_report_close(&report);
}

int lb_cmd_run(int argc, char **argv)
{
    static const int signals[] = { SIGINT,  SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,
                                   SIGUSR2, SIGTSTP, SIGCONT, SIGCHLD, 0 };
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
    prepare(&run, &given, argv[optind]);
    error = start(&run, argv + optind, &before, &code);
    if (error != 0) {
        lb_cli_say("cannot run %s: %s", argv[optind], strerror(-error));
        return code;
    }
    signal(SIGPIPE, SIG_IGN); /* only now: the command is not to inherit it */
    error = open_streams(&run, &given);
    if (error == 0) {
        carry(&run);
        settle(&run);
        tell_ending(&run, &given);
        code = lb_ending_exit_code(&run.ending);
    } else {
        lb_cli_say("cannot log %s: %s", argv[optind], strerror(-error));
        kill(run.child, SIGTERM);
        code = LB_EXIT_FAILED;
    }
    for (size_t i = 0; i < STREAMS; i++)
        lb_intake_close(run.streams[i]);
    return code;
}
