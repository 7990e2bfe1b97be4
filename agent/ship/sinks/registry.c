/* SPDX-License-Identifier: MIT */
/* All sinks there are: a new one is one file and one row here. */
#include <string.h>

#include "agent/ship/sinks/sink.h"

/* clang-format off */
#define SINKS(X) \
    X(datadog)       /* logs intake over HTTPS, a JSON array */ \
    X(loki)          /* push API, one stream for each service and level */ \
    X(otlp)          /* OTLP/HTTP in protobuf: an OpenTelemetry Collector */ \
    X(elasticsearch) /* _bulk, each record with an id of its own */ \
    X(splunk)        /* HTTP Event Collector, and who speaks like it */ \
    X(http)          /* any address that takes JSON, one object a line … */ \
    X(http_array)    /* … or an array of them */ \
    X(syslog)        /* RFC 5424 over TLS, TCP, unix */ \
    X(mqtt)          /* an MQTT broker, a message a body */ \
    X(none)          /* nowhere: other sinks share the records */ \
    X(file)          /* one JSON object a line, for tests and the first five minutes */
/* clang-format on */

#define DECLARE(name) extern const struct lb_sink lb_sink_##name;
#define ROW(name)     &lb_sink_##name,
SINKS(DECLARE)

static const struct lb_sink *const sinks[] = { SINKS(ROW) };

const struct lb_sink *lb_sink_of(const struct lb_sink_config *config)
{
    bool is_array = strcmp(config->type, "http") == 0 && config->format == LB_FORMAT_ARRAY;

    return lb_sink_find(is_array ? "http array" : config->type);
}

const struct lb_sink *lb_sink_find(const char *type)
{
    for (size_t i = 0; i < sizeof sinks / sizeof sinks[0]; i++)
        if (strcmp(sinks[i]->type, type) == 0)
            return sinks[i];
    return NULL;
}

size_t lb_sink_probe_len(const struct lb_sink *sink)
{
    return sink->probe_len > 0 ? sink->probe_len : strlen(sink->probe);
}

enum lb_verdict lb_sink_judge(const struct lb_sink *sink, const struct lb_sink_config *config,
                              const struct lb_answer *answer)
{
    return sink->judge_by ? sink->judge_by(config, answer) : sink->judge(answer);
}

enum lb_verdict lb_sink_judge_probe(const struct lb_sink *sink, const struct lb_sink_config *config,
                                    const struct lb_answer *answer)
{
    return sink->judge_probe ? sink->judge_probe(answer) : lb_sink_judge(sink, config, answer);
}
