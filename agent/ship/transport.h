/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_TRANSPORT_H
#define LB_SHIP_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/ship/sinks/sink.h"
#include "agent/store/card.h"
#include "common/loop.h"

/*
 * How bodies travel. The shipper knows slots; a transport carries the body of
 * a slot and calls back with an answer. Tests put their own in its place.
 */
typedef void (*lb_transport_done)(void *ctx, unsigned slot, const struct lb_answer *answer);

struct lb_transport {
    void *self;

    /*
     * Send a body. Exactly one callback follows, later, never from within,
     * unless the body is cancelled at once.
     *   body      len bytes, stay unchanged until the callback or a cancel that returned true
     *   encoding  Content-Encoding token, "" for none
     *   returns   0 | negative errno: not sent, no callback
     */
    int (*send)(void *self, unsigned slot, const void *body, size_t len, const char *encoding);

    /*
     * Give a body up.
     *   returns   true: it is forgotten, no callback comes | false: it cannot be stopped, the callback still
     * comes
     */
    bool (*cancel)(void *self, unsigned slot);

    void (*close)(void *self);

    /*
     * Ask the sink whether our key is right (sink.h, aim_check); as send()
     * otherwise. NULL: this sink has no such question.
     */
    int (*check)(void *self, unsigned slot);

    bool tells_time; /* its answers may bear a Date that can be trusted */
};

/* The largest concurrency (8), one for `logboom ping`, one for our own questions, and two for the backlog. */
#define LB_TRANSPORT_SLOTS 12
#define LB_TRANSPORT_PING  8  /* its slot: always by a connection of its own */
#define LB_TRANSPORT_DRAIN 10 /* a body of the backlog, and behind it a question */

/*
 * HTTP by libcurl's multi interface in a loop: TLS verified, http and https
 * only, no redirects (a key must not follow one), HTTP/1.1, connections kept.
 * Traps that shaped it: facts/sinks.md section 9.
 *   config    timeout, tls_ca, tls_cert, tls_key, proxy are taken over; the targets are copied
 *   check     what asks about the key, NULL: nothing does
 *   seed      for the connections' age
 *   done      called on the loop's thread
 *   returns   0 | -ENOMEM | -EIO libcurl cannot start (it was logged)
 *   calls     slow side
 */
int lb_http_open(struct lb_loop *loop, const struct lb_sink_config *config, const struct lb_target *target,
                 const struct lb_target *check, uint64_t seed, lb_transport_done done, void *ctx,
                 struct lb_transport *ret_transport);

/*
 * A local file, written by the card side (dropfile.h): opened for append with mode 0600, a
 * body is written whole or taken back.
 *   config    rotate, keep, allow_flash are taken over
 *   returns   0 | -ENOMEM
 *   calls     slow side
 */
int lb_filedrop_open(struct lb_card *card, const struct lb_sink_config *config,
                     const struct lb_target *target, lb_transport_done done, void *ctx,
                     struct lb_transport *ret_transport);

/*
 * A stream of bytes for protocols without an answer: TCP, TLS or a unix
 * socket, one body after the other. A body is delivered when the other end's
 * kernel has acknowledged all of it (TCP), or its process has read it (unix);
 * what that end then loses nobody knows.
 *   config    timeout, tls_ca, tls_cert, tls_key are taken over; the target is copied
 *   target    url http://host:port for TCP, https:// for TLS; unix_path where it is one
 *   returns   0 | -ENOMEM | -EIO libcurl cannot start (it was logged)
 *   calls     slow side
 */
int lb_stream_open(struct lb_loop *loop, const struct lb_sink_config *config, const struct lb_target *target,
                   uint64_t seed, lb_transport_done done, void *ctx, struct lb_transport *ret_transport);

/*
 * Nowhere: each body is answered in the next turn of the loop, and is gone.
 *   returns   0 | -ENOMEM
 *   calls     slow side
 */
int lb_nowhere_open(struct lb_loop *loop, lb_transport_done done, void *ctx,
                    struct lb_transport *ret_transport);

/*
 * An MQTT broker, by libmosquitto in a loop: a body is a message of QoS 1,
 * delivered when the broker has acknowledged it. The connection is made when a
 * body is sent, and only then, unless somebody hears (mqtt_hand.h). close()
 * tells the broker that we go, which may block for LB_MQTT_FAREWELL_MS.
 *   config    protocol, topics, client_id, user, keepalive, timeout, concurrency, tls_ca, tls_cert, tls_key
 *             are taken over; the target is copied
 *   target    url mqtt://host:port or mqtts://host:port; secret: the password
 *   returns   0 | -ENOMEM
 *   calls     slow side
 */
#define LB_MQTT_FAREWELL_MS 500
int lb_mqtt_open(struct lb_loop *loop, const struct lb_sink_config *config, const struct lb_target *target,
                 lb_transport_done done, void *ctx, struct lb_transport *ret_transport);

/*
 * Messages to a unix datagram socket, one each; a body is messages with their
 * length in front. It is delivered when the receiver has read all of it, and is
 * there still; what it then loses nobody knows. One that was given up, or whose
 * receiver went, comes again as a whole. Messages that are too long for the
 * socket are passed over: the answer's reply has their numbers in the body,
 * each with a blank behind it. The empty body asks whether somebody is there.
 *   config    timeout is taken over: how long nothing may be read
 *   target    unix_path
 *   returns   0 | -ENOMEM
 *   calls     slow side
 */
int lb_datagram_open(struct lb_loop *loop, const struct lb_sink_config *config,
                     const struct lb_target *target, lb_transport_done done, void *ctx,
                     struct lb_transport *ret_transport);

#endif
