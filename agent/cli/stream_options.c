/* SPDX-License-Identifier: MIT */
/* Options of a stream. In: -s and -T as typed. Out: what HELLO carries, legal by common/proto.h. */
#include "agent/cli/stream_options.h"

#include <stdio.h>
#include <string.h>

#include "agent/cli/cli.h"

/* "k=v" becomes "k:v" behind the tags that are there. */
static int add_tag(struct lb_stream_options *options, const char *tag, const char *command)
{
    const char *equals = strchr(tag, '=');
    size_t len = strlen(options->tags);
    int n;

    if (!equals || equals == tag || memchr(tag, ':', (size_t)(equals - tag)) || strchr(tag, ','))
        return lb_cli_usage_error(command, "-T takes KEY=VALUE without a comma, not '%s'", tag);
    n = snprintf(options->tags + len, sizeof options->tags - len, "%s%.*s:%s", len > 0 ? "," : "",
                 (int)(equals - tag), tag, equals + 1);
    if (n < 0 || (size_t)n >= sizeof options->tags - len)
        return lb_cli_usage_error(command, "all tags together may have %d bytes", LB_PROTO_TAGS_MAX);
    if (!lb_tags_are_legal(options->tags, strlen(options->tags)))
        return lb_cli_usage_error(command, "'%s' cannot be a tag: no blanks, quotes or backslashes", tag);
    return LB_EXIT_DONE;
}

int lb_stream_options_take(struct lb_stream_options *options, int option, const char *value,
                           const char *command)
{
    if (option == 'T')
        return add_tag(options, value, command);
    if (!lb_service_name_is_legal(value, strlen(value)))
        return lb_cli_usage_error(command,
                                  "'%s' cannot be the name of a service: 1 to %d of A-Z a-z 0-9 . _ / @ : -",
                                  value, LB_PROTO_SERVICE_MAX);
    options->service = value;
    return LB_EXIT_DONE;
}
