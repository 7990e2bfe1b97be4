/* SPDX-License-Identifier: MIT */
/*
 * logboom plan. In: a log on standard input. Out: logboomd, which has the agent's
 * rooms. Always true: wrong usage is told by the command that was typed.
 */
#include <getopt.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/offline_exec.h"
#include "common/proto.h"

static const char help[] =
    "usage: logboom plan [OPTION]... < LOG\n\n"
    "What a configuration would keep, hold and drop of a log, which limit bit, and what a\n"
    "day and a month of it cost on the wire; beside that, what it would cost without a\n"
    "throttle. The clock is that of the lines' own time stamps. Sends nothing.\n\n"
    "  -c FILE          configuration, default /etc/logboom/logboom.ini\n"
    "  -s SERVICE       with the settings of this service\n"
    "  --ring           over what the agent has queued and held now, in place of a log\n"
    "  --rate R         how fast lines come that bear no time: 200/s; default 10/s\n"
    "  --against FILE   a second configuration, side by side\n"
    "  --json           one JSON object\n";

int lb_cmd_plan(int argc, char **argv)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },       { "ring", no_argument, NULL, 'r' },
        { "rate", required_argument, NULL, 'R' }, { "against", required_argument, NULL, 'a' },
        { "help", no_argument, NULL, 'h' },       { 0 }
    };
    int option;

    while ((option = getopt_long(argc, argv, "+hc:s:", options, NULL)) != -1) {
        if (option == 'h' || option == '?')
            return lb_cli_help_or_usage(option, argv[0], help);
        if (option == 's' && !lb_service_name_is_legal(optarg, strlen(optarg)))
            return lb_cli_usage_error(argv[0], "'%s' cannot be the name of a service", optarg);
    }
    if (optind < argc)
        return lb_cli_usage_error(argv[0], "'%s' is too much; the lines come on standard input",
                                  argv[optind]);
    return lb_offline_exec("--offline-plan", argv + 1);
}
