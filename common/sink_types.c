/* SPDX-License-Identifier: MIT */
/* Types of sinks. In: a name. Out: its row. */
#include "common/sink_types.h"

#include <string.h>

#define DAY_MS (24 * 3600 * 1000ull)

#define BATCH LB_SEQUENCE_BATCH

/* clang-format off */
static const struct lb_sink_type types[] = {
    { "datadog",       true,  false, LB_SINK_KEY_ALWAYS,  { 1, 1, 1 }, LB_COMPRESSION_ZSTD, BATCH, 0 },
    { "loki",          true,  true,  LB_SINK_KEY_BY_AUTH, { 1, 1, 0 }, LB_COMPRESSION_GZIP, BATCH, 6 * DAY_MS },
    { "otlp",          true,  true,  LB_SINK_KEY_BY_AUTH, { 1, 1, 1 }, LB_COMPRESSION_GZIP, BATCH, 0 },
    { "elasticsearch", true,  true,  LB_SINK_KEY_BY_AUTH, { 1, 1, 0 }, LB_COMPRESSION_GZIP, BATCH, 0 },
    { "splunk",        true,  true,  LB_SINK_KEY_ALWAYS,  { 1, 1, 0 }, LB_COMPRESSION_GZIP, BATCH, 0 },
    { "http",          true,  true,  LB_SINK_KEY_BY_AUTH, { 1, 1, 1 }, LB_COMPRESSION_GZIP, BATCH, 0 },
    { "syslog",        true,  false, LB_SINK_KEY_NEVER,   { 1, 0, 0 }, LB_COMPRESSION_NONE, LB_SEQUENCE_ALL, 0 },
    { "mqtt",          true,  false, LB_SINK_KEY_BY_USER, { 1, 1, 1 }, LB_COMPRESSION_ZSTD, BATCH, 0 },
    { "none",          false, false, LB_SINK_KEY_NEVER,   { 1, 1, 1 }, LB_COMPRESSION_NONE, LB_SEQUENCE_OFF, 0 },
    { "file",          false, false, LB_SINK_KEY_NEVER,   { 1, 0, 1 }, LB_COMPRESSION_NONE, LB_SEQUENCE_ALL, 0 },
};
/* clang-format on */

const struct lb_sink_type *lb_sink_type(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(types[i].name, name) == 0)
            return &types[i];
    return NULL;
}

bool lb_sink_needs_key(const struct lb_sink_config *config)
{
    const struct lb_sink_type *type = lb_sink_type(config->type);

    return type && (type->key == LB_SINK_KEY_ALWAYS ||
                    (type->key == LB_SINK_KEY_BY_AUTH && config->auth != LB_AUTH_NONE) ||
                    (type->key == LB_SINK_KEY_BY_USER && config->user[0] != '\0'));
}
