/* SPDX-License-Identifier: MIT */
/*
 * logboom top. In: how to show it. Out: logboomd, which asks the agent and reads its files.
 * Always true: an option that is not known is told by the command that was typed.
 */
#include <getopt.h>
#include <stdbool.h>

#include "agent/cli/cli.h"
#include "agent/cli/offline_exec.h"

static const char help[] =
    "usage: logboom top [OPTION]...\n\n"
    "Shows what each service logs, what is kept back, and how the sinks are, live; h tells the keys.\n"
    "Where stdout is no terminal: as plain text, one snapshot.\n\n"
    "  -d SECONDS       the time between two looks (2)\n"
    "  -n COUNT         end after so many\n"
    "  -b               plain text, also on a terminal\n"
    "  --sort COLUMN    lines/s, bytes/s, pending, held, suppr/s, lost or service\n"
    "  --filter TEXT    only services and patterns with this text in them\n";

int lb_cmd_top(int argc, char **argv)
{
    static const struct option options[] = {
        { "sort", required_argument, NULL, 's' },
        { "filter", required_argument, NULL, 'f' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "+hbn:d:", options, NULL)) != -1)
        if (option == 'h' || option == '?')
            return lb_cli_help_or_usage(option, argv[0], help);
    if (optind < argc)
        return lb_cli_usage_error(argv[0], "'%s' is too much", argv[optind]);
    return lb_offline_exec("--offline-top", argv + 1);
}
