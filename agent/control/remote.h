/* SPDX-License-Identifier: MIT */
#ifndef LB_CONTROL_REMOTE_H
#define LB_CONTROL_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "agent/control/remote_reply.h"
#include "agent/ship/mqtt_hand.h"
#include "agent/ship/shipper.h"
#include "agent/store/link.h"

/*
 * The remote hand: commands that come by the broker of an MQTT sink, carried
 * out one after the other, answered and told. Slow side only.
 *
 *   heard ─▶ read ─▶ within [remote] rate? ──no──▶ refused, within the same rate again; then only counted
 *                          │yes
 *                          ▼
 *             whole, allowed, new, in time? ──no──▶ refused
 *                          │yes
 *                          ▼
 *             carried out ─▶ answered, and told in a record of our own
 *
 * What anybody may publish there thus costs, however much it is, twice the rate
 * in answers and in records. A refusal is told only as far as records find
 * room; a command is taken only where the record that tells of it does.
 */
#define LB_REMOTE_BURST   5  /* commands at once */
#define LB_REMOTE_IDS     16 /* that are remembered: what comes again is not carried out again */
#define LB_REMOTE_WAIT_NS (5 * 1000000000ull) /* for the fast side to bring context */

struct lb_remote {
    /* Set by the owner. */
    struct lb_link *link;
    const struct lb_status_source *status;
    const struct lb_wall *wall;

    /* Publish an answer, as lb_mqtt_hand_say(); tests have their own. */
    int (*say)(void *ctx, char *body, size_t len, const struct lb_mqtt_heard *to);
    void *say_ctx;

    /* From here on its own. */
    const struct lb_config *config;
    bool is_on;
    unsigned allowed; /* a bit for each enum lb_remote_name */
    struct lb_mqtt_hand hand;
    uint64_t taken_full_ns, refused_full_ns; /* token buckets (lb_bucket_ask()) */
    char ids[LB_REMOTE_IDS][LB_REMOTE_ID_MAX + 1];
    unsigned next_id;
    struct {
        bool is_open; /* the fast side is asked for context */
        uint64_t ticket, due_ns;
        struct lb_remote_command command;
        struct lb_mqtt_heard heard;
    } asked;
    uint64_t done, refused, silent; /* commands; silent: of the refused, that were not answered */
};

/*
 * Begin, or go on with another configuration: what was asked before stays.
 *   transport  of lb_config_remote_sink(), NULL where there is none; outlives this or is closed first
 *   seed       for the backoff
 *   now_ns     boot time
 *   calls      slow side, or before its thread starts
 */
void lb_remote_open(struct lb_remote *remote, const struct lb_config *config,
                    const struct lb_transport *transport, uint64_t seed, uint64_t now_ns);

/*
 * Take what was heard, answer what is done, and keep the connection.
 *   now_ns     boot time
 *   calls      slow side, after each turn of its loop
 */
void lb_remote_step(struct lb_remote *remote, uint64_t now_ns);

/*
 * Something changed in the network.
 *   now_ns     boot time
 *   calls      slow side
 */
void lb_remote_hurry(struct lb_remote *remote, uint64_t now_ns);

/*
 * Deal with one message. Called by lb_remote_step(), and by tests.
 *   now_ns     boot time
 *   calls      slow side; nothing is being asked of the fast side
 */
void lb_remote_take(struct lb_remote *remote, const struct lb_mqtt_heard *heard, uint64_t now_ns);

/*
 * Answer whoever asked for context, if the fast side is done or does not
 * answer. Called by lb_remote_step(), and by tests.
 *   now_ns     boot time
 *   calls      slow side
 */
void lb_remote_settle(struct lb_remote *remote, uint64_t now_ns);

#endif
