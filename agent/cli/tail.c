/* SPDX-License-Identifier: MIT */
/*
 * logboom tail. In: what to show. Out: logboomd, which reads the agent's files.
 * Always true: what is passed on has passed here, so wrong usage is told by the
 * command that was typed.
 */
#include <getopt.h>
#include <stdbool.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/offline_exec.h"
#include "common/level.h"
#include "common/proto.h"
#include "common/units.h"

static const char help[] = "usage: logboom tail [OPTION]...\n\n"
                           "Shows the newest lines that the agent has in memory, queued and held.\n\n"
                           "  -f             go on as lines come in\n"
                           "  -n N           the last N lines\n"
                           "  -s SERVICE     only of this service\n"
                           "  -p LEVEL       only at or above this level\n"
                           "  -g TEXT        only lines with this text in them\n"
                           "  --since 10m    only as far back as this\n"
                           "  --held         only held lines: those that the throttle keeps back\n"
                           "  --json         one JSON object a line\n";

/* LB_EXIT_DONE it is fine | LB_EXIT_USAGE */
static int check_value(const char *command, int option, const char *value)
{
    uint64_t number;

    if (option == 'n' && lb_units_number(value, &number) != 0)
        return lb_cli_usage_error(command, "-n takes a number, not '%s'", value);
    if (option == 's' && !lb_service_name_is_legal(value, strlen(value)))
        return lb_cli_usage_error(command, "'%s' cannot be the name of a service", value);
    if (option == 'p' && lb_level_parse(value, strlen(value)) < 0)
        return lb_cli_usage_error(command, "there is no level '%s'", value);
    if (option == 'S' && lb_units_duration(value, &number) != 0)
        return lb_cli_usage_error(command, "--since takes a duration like 10m, not '%s'", value);
    return LB_EXIT_DONE;
}

int lb_cmd_tail(int argc, char **argv)
{
    static const struct option options[] = {
        { "since", required_argument, NULL, 'S' },
        { "held", no_argument, NULL, 'H' },
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    int option, code;

    while ((option = getopt_long(argc, argv, "+hfn:s:p:g:", options, NULL)) != -1) {
        if (option == 'h' || option == '?')
            return lb_cli_help_or_usage(option, argv[0], help);
        code = check_value(argv[0], option, optarg);
        if (code != LB_EXIT_DONE)
            return code;
    }
    if (optind < argc)
        return lb_cli_usage_error(argv[0], "'%s' is too much", argv[optind]);
    return lb_offline_exec("--offline-tail", argv + 1);
}
