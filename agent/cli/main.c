/* SPDX-License-Identifier: MIT */
/*
 * logboom, the thin client. In: a command line. Out: the subcommand's exit code.
 * Always true: descriptors 0, 1 and 2 are open, so that no socket or pipe of
 * ours takes their place; SIGPIPE is the subcommands' business.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/cli/cli.h"

static const struct {
    const char *name;
    const char *command; /* what the subcommand calls itself */
    const char *help;
    int (*run)(int argc, char **argv);
} subcommands[] = {
    { "pipe", "logboom pipe", "log what comes in on standard input", lb_cmd_pipe },
    { "run", "logboom run", "start a command and log what it prints", lb_cmd_run },
    { "tail", "logboom tail", "show the newest lines", lb_cmd_tail },
    { "status", "logboom status", "what the agent is doing", lb_cmd_status },
    { "top", "logboom top", "what each service logs, and how the sinks are, live", lb_cmd_top },
    { "wear", "logboom wear", "who writes to the card, and how long it will last", lb_cmd_wear },
    { "flush", "logboom flush", "ship all that waits, now", lb_cmd_flush },
    { "ping", "logboom ping", "can the sink be reached?", lb_cmd_ping },
    { "check", "logboom check", "find faults in the configuration", lb_cmd_check },
    { "explain", "logboom explain", "what each line would become, and why", lb_cmd_explain },
    { "plan", "logboom plan", "what a configuration would keep of a log, and what that costs", lb_cmd_plan },
    { "protect", "logboom protect", "what else wears the card, and how to quiet it", lb_cmd_protect },
};

static void print_help(FILE *out)
{
    fprintf(out, "usage: logboom COMMAND [OPTION]...\n\n");
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++)
        fprintf(out, "  %-8s %s\n", subcommands[i].name, subcommands[i].help);
    fprintf(out, "\n"
                 "  logboom COMMAND --help    options of one command\n"
                 "  logboom -V                version\n\n"
                 "LOGBOOM_RUNTIME_DIR names the agent's directory (default /run/logboom).\n"
                 "Exit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 agent not reachable.\n");
}

static void open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    static char command[sizeof "logboom explain "];

    open_standard_descriptors();
    if (argc < 2) {
        print_help(stderr);
        return LB_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return fflush(stdout) == 0 ? LB_EXIT_DONE : LB_EXIT_FAILED;
    }
    if (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0) {
        printf("logboom %s\n", LB_VERSION);
        return fflush(stdout) == 0 ? LB_EXIT_DONE : LB_EXIT_FAILED;
    }
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0) {
            snprintf(command, sizeof command, "%s", subcommands[i].command);
            argv[1] = command;
            return subcommands[i].run(argc - 1, argv + 1);
        }
    return lb_cli_usage_error("logboom", "there is no command '%s'", argv[1]);
}
