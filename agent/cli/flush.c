/* SPDX-License-Identifier: MIT */
/* logboom flush. In: how long to wait. Out: 0 all is delivered, 1 not in that time. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"
#include "agent/cli/control_client.h"
#include "common/proto.h"
#include "common/units.h"

#define WAIT_DEFAULT_MS 10000
#define WAIT_MAX_MS     (24 * 3600 * 1000ull)
#define ANSWER_MS       5000 /* beyond the wait: the agent's own time to answer */

static const char help[] =
    "usage: logboom flush [-w SECONDS] [--context -s SERVICE]\n\n"
    "Ships all that waits and comes back when it is delivered: 0 all of it, 1 not in time.\n\n"
    "  -w SECONDS    how long to wait at most (default 10)\n"
    "  --context     with what is held of a service, as far back as its context reaches\n"
    "  -s SERVICE    of this one\n";

/* Bare seconds, or with a unit as everywhere else. 0 | -EINVAL | -ERANGE */
static int read_wait(const char *text, uint64_t *ret_ms)
{
    uint64_t seconds;

    if (lb_units_number(text, &seconds) == 0) {
        if (seconds > WAIT_MAX_MS / 1000)
            return -ERANGE;
        *ret_ms = seconds * 1000;
        return 0;
    }
    return lb_units_duration(text, ret_ms) != 0 || *ret_ms > WAIT_MAX_MS ? -EINVAL : 0;
}

int lb_cmd_flush(int argc, char **argv)
{
    static const struct option options[] = {
        { "context", no_argument, NULL, 'c' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    char request[LB_CONTROL_LINE_MAX];
    uint64_t wait_ms = WAIT_DEFAULT_MS;
    const char *service = NULL;
    bool wants_context = false;
    int option;

    while ((option = getopt_long(argc, argv, "+hw:s:", options, NULL)) != -1) {
        switch (option) {
        case 'w':
            if (read_wait(optarg, &wait_ms) != 0)
                return lb_cli_usage_error(argv[0], "-w takes seconds (30) or a duration (5m), not '%s'",
                                          optarg);
            break;
        case 'c':
            wants_context = true;
            break;
        case 's':
            service = optarg;
            break;
        default:
            return lb_cli_help_or_usage(option, argv[0], help);
        }
    }
    if (optind < argc)
        return lb_cli_usage_error(argv[0], "'%s' is too much", argv[optind]);
    if (wants_context != (service != NULL))
        return lb_cli_usage_error(argv[0], "--context and -s SERVICE go together");
    if (service && !lb_service_name_is_legal(service, strlen(service)))
        return lb_cli_usage_error(argv[0], "'%s' cannot be the name of a service", service);
    snprintf(request, sizeof request, "flush %" PRIu64 "%s%s", wait_ms, service ? " " : "",
             service ? service : "");
    return lb_control_ask(request, wait_ms + ANSWER_MS);
}
