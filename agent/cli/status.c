/* SPDX-License-Identifier: MIT */
/* logboom status. In: options. Out: the agent's own account of itself, for a person or as JSON. */
#include <getopt.h>
#include <stdbool.h>

#include "agent/cli/cli.h"
#include "agent/cli/control_client.h"

#define STATUS_TIMEOUT_MS 10000

static const char help[] = "usage: logboom status [--json]\n\n"
                           "Shows what came in, what was delivered, what waits and what was lost.\n\n"
                           "  --json    one JSON object\n";

int lb_cmd_status(int argc, char **argv)
{
    static const struct option options[] = {
        { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    bool wants_json = false;
    int option;

    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (option != 'j')
            return lb_cli_help_or_usage(option, argv[0], help);
        wants_json = true;
    }
    if (optind < argc)
        return lb_cli_usage_error(argv[0], "'%s' is too much", argv[optind]);
    return lb_control_ask(wants_json ? "status json" : "status text", STATUS_TIMEOUT_MS);
}
