/* SPDX-License-Identifier: MIT */
/* All sinks there are: a new one is one file and one row here. */
#include <string.h>

#include "agent/ship/sinks/sink.h"

#define SINKS(X)                                          \
    X(datadog) /* logs intake over HTTPS, a JSON array */ \
    X(file)    /* one JSON object a line, for tests and the first five minutes */

#define DECLARE(name) extern const struct lb_sink lb_sink_##name;
#define ROW(name)     &lb_sink_##name,
SINKS(DECLARE)

static const struct lb_sink *const sinks[] = { SINKS(ROW) };

const struct lb_sink *lb_sink_find(const char *type)
{
    for (size_t i = 0; i < sizeof sinks / sizeof sinks[0]; i++)
        if (strcmp(sinks[i]->type, type) == 0)
            return sinks[i];
    return NULL;
}
