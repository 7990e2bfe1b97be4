/* SPDX-License-Identifier: MIT */
/*
 * logboom explain. In: lines on standard input. Out: logboomd, which has the
 * steps that shape them. Always true: wrong usage is told by the command that
 * was typed.
 */
#include <getopt.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/offline_exec.h"
#include "common/proto.h"

static const char help[] =
    "usage: logboom explain [OPTION]... < LOG\n\n"
    "Shows what each line would become, and why: which lines are joined, the level and\n"
    "the rule that found it, what is understood of a traceback. Sends nothing.\n\n"
    "  -c FILE        configuration, default /etc/logboom/logboom.ini\n"
    "  -s SERVICE     with the settings of this service\n"
    "  --json         one JSON object a record\n";

int lb_cmd_explain(int argc, char **argv)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
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
    return lb_offline_exec("--offline-explain", argv + 1);
}
