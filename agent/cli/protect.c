/* SPDX-License-Identifier: MIT */
/*
 * logboom protect. In: a command line. Out: logboomd, which knows disks and mounts. Always true: wrong usage
 * is told by the command that was typed.
 */
#include <getopt.h>

#include "agent/cli/cli.h"
#include "agent/cli/offline_exec.h"

static const char help[] =
    "usage: logboom protect [--dry-run | --apply | --undo] [OPTION]...\n\n"
    "Finds what else wears the card: a journal or logs that are kept on it, swap, mounts that\n"
    "write more than they need, timers. Says what each costs, and what can be done.\n\n"
    "  --dry-run      show it, change nothing (the default)\n"
    "  --apply        quiet what drop-ins of logboom's own can, and note it in\n"
    "                 /etc/logboom/protect.manifest; needs root\n"
    "  --undo         take back exactly that; needs root\n"
    "  --root DIR     of the system in DIR, an image: only its files, nothing is started\n"
    "  --flash        take a disk of which nothing is known for flash\n"
    "  --json         one JSON object (with --dry-run)\n";

int lb_cmd_protect(int argc, char **argv)
{
    static const struct option options[] = {
        { "dry-run", no_argument, NULL, 'n' }, { "apply", no_argument, NULL, 'a' },
        { "undo", no_argument, NULL, 'u' },    { "root", required_argument, NULL, 'r' },
        { "flash", no_argument, NULL, 'f' },   { "json", no_argument, NULL, 'j' },
        { "help", no_argument, NULL, 'h' },    { 0 }
    };
    int option, deed = 0;
    bool is_json = false;

    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (option == 'h' || option == '?')
            return lb_cli_help_or_usage(option, argv[0], help);
        if (option == 'n' || option == 'a' || option == 'u') {
            if (deed != 0)
                return lb_cli_usage_error(argv[0], "one of --dry-run, --apply, --undo");
            deed = option;
        }
        is_json |= option == 'j';
    }
    if (is_json && deed != 0 && deed != 'n')
        return lb_cli_usage_error(argv[0], "--json goes with --dry-run only");
    if (optind < argc)
        return lb_cli_usage_error(argv[0], "'%s' is too much", argv[optind]);
    return lb_offline_exec("--offline-protect", argv + 1);
}
