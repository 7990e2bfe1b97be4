/* SPDX-License-Identifier: MIT */
#ifndef LB_CLI_STREAM_OPTIONS_H
#define LB_CLI_STREAM_OPTIONS_H

#include "common/proto.h"

/* What `pipe` and `run` can be told of a stream: -s SERVICE and -T k=v. Zero: nothing was said. */
struct lb_stream_options {
    const char *service; /* borrowed from argv; NULL: the agent derives it */
    char tags[LB_PROTO_TAGS_MAX + 1];
};

/*
 * Take one of the two options.
 *   option   's' or 'T'
 *   value    its argument; outlives the options
 *   command  argv[0] of the subcommand, for messages
 *   returns  LB_EXIT_DONE | LB_EXIT_USAGE after saying what is wrong
 *   calls    the program's one thread
 */
int lb_stream_options_take(struct lb_stream_options *options, int option, const char *value,
                           const char *command);

#endif
