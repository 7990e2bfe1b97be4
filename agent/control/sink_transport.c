/* SPDX-License-Identifier: MIT */
/* The way to a sink. In: its settings and its secret. Out: a transport that is aimed at it. Always true: what
 * held the secret is wiped. */
#include "agent/control/sink_transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *secret_of(const struct lb_loaded *loaded, unsigned sink_ix)
{
    return loaded->has_secret[sink_ix] ? loaded->secret[sink_ix] : "";
}

int lb_sink_transport_open(struct lb_loop *loop, struct lb_card *card, const struct lb_loaded *loaded,
                           unsigned sink_ix, uint64_t seed, lb_transport_done done, void *ctx,
                           struct lb_transport *ret_transport)
{
    const struct lb_sink_config *config = &loaded->config->sinks[sink_ix];
    const struct lb_sink *sink = lb_sink_of(config);
    struct lb_target *target = calloc(2, sizeof *target), *check = target ? target + 1 : NULL;
    int rc = target && sink ? sink->aim(config, secret_of(loaded, sink_ix), target) : -ENOMEM;

    if (rc == 0)
        target->reads_reply = sink->reads_reply;
    if (rc == 0 && sink->transport == LB_TRANSPORT_NONE) {
        rc = lb_nowhere_open(loop, done, ctx, ret_transport);
    } else if (rc == 0 && sink->transport == LB_TRANSPORT_FILE) {
        rc = lb_filedrop_open(card, config, target, done, ctx, ret_transport);
    } else if (rc == 0 && sink->transport == LB_TRANSPORT_STREAM && target->is_datagram) {
        rc = lb_datagram_open(loop, config, target, done, ctx, ret_transport);
    } else if (rc == 0 && sink->transport == LB_TRANSPORT_STREAM) {
        rc = lb_stream_open(loop, config, target, seed, done, ctx, ret_transport);
    } else if (rc == 0 && sink->transport == LB_TRANSPORT_MQTT) {
        rc = lb_mqtt_open(loop, config, target, done, ctx, ret_transport);
    } else if (rc == 0) {
        bool has_check = sink->aim_check && sink->aim_check(config, secret_of(loaded, sink_ix), check) == 0;

        rc = lb_http_open(loop, config, target, has_check ? check : NULL, seed, done, ctx, ret_transport);
    }
    if (target)
        explicit_bzero(target, 2 * sizeof *target);
    free(target);
    return rc;
}
