/* SPDX-License-Identifier: MIT */
/* The modes of logboomd that run without an agent. In: arguments. Out: the mode's exit code. */
#include "agent/offline/modes.h"

#include <stdio.h>
#include <string.h>

#include "agent/offline/check.h"
#include "agent/offline/explain.h"
#include "agent/offline/plan.h"
#include "agent/offline/protect.h"
#include "agent/offline/tail.h"
#include "agent/offline/top.h"

int lb_offline_run(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } modes[] = {
        { "--offline-tail", lb_offline_tail },       { "--offline-top", lb_offline_top },
        { "--offline-plan", lb_offline_plan },       { "--offline-explain", lb_offline_explain },
        { "--offline-protect", lb_offline_protect },
    };

    if (argc > 1 && strcmp(argv[1], "--offline-check") == 0)
        return lb_offline_check(argc > 2 ? argv[2] : NULL, stdout, stderr);
    for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(argv[1], modes[i].name) == 0)
            return modes[i].run(argc - 1, argv + 1);
    return -1;
}
