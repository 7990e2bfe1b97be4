/* SPDX-License-Identifier: MIT */
/* logboom check. In: a configuration file, or none for the installed one. Out: logboomd, which reads it. */
#include <getopt.h>
#include <stddef.h>

#include "agent/cli/cli.h"
#include "agent/cli/offline_exec.h"

static const char help[] =
    "usage: logboom check [FILE]\n\n"
    "Reads the configuration as the agent would and prints every fault: 0 none, 2 some.\n"
    "FILE is /etc/logboom/logboom.ini unless given; conf.d beside it is read too.\n";

int lb_cmd_check(int argc, char **argv)
{
    static const struct option options[] = { { "help", no_argument, NULL, 'h' }, { 0 } };
    int option = getopt_long(argc, argv, "+h", options, NULL);

    if (option != -1)
        return lb_cli_help_or_usage(option, argv[0], help);
    if (argc - optind > 1)
        return lb_cli_usage_error(argv[0], "'%s' is too much", argv[optind + 1]);
    return lb_offline_exec("--offline-check", argv + optind);
}
