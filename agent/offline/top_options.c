/* SPDX-License-Identifier: MIT */
/* Options of `logboom top`. In: a command line. Out: settings, or a word on what is wrong. */
#include "agent/offline/top_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

#define INTERVAL_DEFAULT_MS 2000u
#define INTERVAL_MIN_S      0.1
#define INTERVAL_MAX_S      3600.0
#define COUNT_MAX           1000000u

static int usage(const char *fault)
{
    fprintf(stderr, "logboom top: %s\n", fault);
    return 2;
}

/* Seconds, as top(1) has them: "2", "0.5". */
static int read_interval(const char *text, uint64_t *ret_ms)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || text[strspn(text, "0123456789.")] != '\0' ||
        seconds < INTERVAL_MIN_S || seconds > INTERVAL_MAX_S)
        return usage("-d takes seconds, from 0.1 to 3600");
    *ret_ms = (uint64_t)(seconds * 1000 + 0.5);
    return 0;
}

static int read_sort(const char *text, enum lb_top_sort *ret_sort)
{
    int sort = lb_top_sort_find(text);

    if (sort < 0)
        return usage("--sort takes lines/s, bytes/s, pending, held, suppr/s, lost or service");
    *ret_sort = (enum lb_top_sort)sort;
    return 0;
}

static int read_filter(const char *text, struct lb_top_keys *keys)
{
    if (strlen(text) > LB_TOP_FILTER_MAX)
        return usage("--filter takes a text of at most 64 bytes");
    keys->filter_len = (size_t)snprintf(keys->filter, sizeof keys->filter, "%s", text);
    return 0;
}

int lb_top_options_read(int argc, char **argv, struct lb_top_options *ret_options)
{
    static const struct option longs[] = { { "sort", required_argument, NULL, 's' },
                                           { "filter", required_argument, NULL, 'f' },
                                           { NULL, 0, NULL, 0 } };
    struct lb_top_options options = { .interval_ms = INTERVAL_DEFAULT_MS };
    int c, code = 0;

    optind = 1;
    while (code == 0 && (c = getopt_long(argc, argv, "bn:d:", longs, NULL)) != -1) {
        if (c == 'b')
            options.is_batch = true;
        else if (c == 'd')
            code = read_interval(optarg, &options.interval_ms);
        else if (c == 's')
            code = read_sort(optarg, &options.keys.sort);
        else if (c == 'f')
            code = read_filter(optarg, &options.keys);
        else if (c == 'n' && (lb_units_number(optarg, &options.count) < 0 || options.count == 0 ||
                              options.count > COUNT_MAX))
            code = usage("-n takes a number from 1 to 1000000");
        else if (c == '?')
            code = 2;
    }
    if (code == 0 && optind < argc)
        code = usage("takes no arguments beside its options");
    *ret_options = options;
    return code;
}
