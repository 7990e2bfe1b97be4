/* SPDX-License-Identifier: MIT */
/* logboom ping. In: a sink's name, or none for all. Out: the agent's steps towards it, and whether it got
 * there. */
#include <getopt.h>
#include <stdio.h>

#include "agent/cli/cli.h"
#include "agent/cli/control_client.h"
#include "common/proto.h"

#define PING_TIMEOUT_MS 60000 /* a sink's own time-out is 30 s unless configured */

static const char help[] =
    "usage: logboom ping [SINK]\n\n"
    "Lets the agent reach for its sink and shows each step: 0 it answered, 1 it did not.\n";

int lb_cmd_ping(int argc, char **argv)
{
    static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
    char request[LB_CONTROL_LINE_MAX];
    const char *sink;
    int option = getopt_long(argc, argv, "+h", options, NULL);

    if (option != -1)
        return lb_cli_help_or_usage(option, argv[0], help);
    if (argc - optind > 1)
        return lb_cli_usage_error(argv[0], "'%s' is too much", argv[optind + 1]);
    if (optind == argc)
        return lb_control_ask("ping", PING_TIMEOUT_MS);
    sink = argv[optind];
    for (const char *at = sink; at == sink || *at; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at == 0x7f || at - sink >= LB_PROTO_SERVICE_MAX)
            return lb_cli_usage_error(argv[0], "'%s' cannot be the name of a sink", sink);
    snprintf(request, sizeof request, "ping %s", sink);
    return lb_control_ask(request, PING_TIMEOUT_MS);
}
