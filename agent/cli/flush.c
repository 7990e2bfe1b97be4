/* SPDX-License-Identifier: MIT */
/* logboom flush. In: how long to wait. Out: 0 all is delivered, 1 not in that time. */
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "agent/cli/cli.h"
#include "agent/cli/control_client.h"
#include "common/proto.h"
#include "common/units.h"

#define WAIT_DEFAULT_S 10
#define WAIT_MAX_S     86400
#define ANSWER_MS      5000 /* beyond the wait: the agent's own time to answer */

static const char help[] =
    "usage: logboom flush [-w SECONDS]\n\n"
    "Ships all that waits and comes back when it is delivered: 0 all of it, 1 not in time.\n\n"
    "  -w SECONDS    how long to wait at most (default 10)\n";

int lb_cmd_flush(int argc, char **argv)
{
    static const struct option options[] = {
        { "context", no_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    char request[LB_CONTROL_LINE_MAX];
    uint64_t wait_s = WAIT_DEFAULT_S;
    int option;

    while ((option = getopt_long(argc, argv, "+hw:s:", options, NULL)) != -1) {
        switch (option) {
        case 'w':
            if (lb_units_number(optarg, &wait_s) != 0 || wait_s > WAIT_MAX_S)
                return lb_cli_usage_error(argv[0], "-w takes whole seconds up to %d, not '%s'", WAIT_MAX_S,
                                          optarg);
            break;
        case 'c':
        case 's':
            return lb_cli_usage_error(argv[0], "--context -s SERVICE comes with a later version");
        default:
            return lb_cli_help_or_usage(option, argv[0], help);
        }
    }
    if (optind < argc)
        return lb_cli_usage_error(argv[0], "'%s' is too much", argv[optind]);
    snprintf(request, sizeof request, "flush %" PRIu64, wait_s * 1000);
    return lb_control_ask(request, wait_s * 1000 + ANSWER_MS);
}
