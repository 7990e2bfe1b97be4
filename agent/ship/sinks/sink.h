/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SINKS_SINK_H
#define LB_SHIP_SINKS_SINK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"

/*
 * What a sink is: how bodies are framed, what they may hold, where they go,
 * and what an answer means. Pure: the shipper owns transport, retries and
 * compression, so no sink ever touches a socket.
 */
enum lb_verdict {
    LB_VERDICT_DELIVERED = 0,
    LB_VERDICT_RETRY, /* the same body again, later */
};

enum lb_transport_kind { LB_TRANSPORT_HTTP = 0, LB_TRANSPORT_FILE };

struct lb_sink_limits {
    size_t body_bytes; /* uncompressed, with head-room under what the sink takes */
    size_t body_lines;
    size_t record_bytes; /* one encoded record */
};

/* What came back for one body. */
struct lb_answer {
    int error;         /* 0: there is an answer | > 0: a CURLcode (HTTP) or an errno (file): there is none */
    long status;       /* HTTP status, 0 without one */
    char text[256];    /* reason for people, never a secret; "" when all is well */
    size_t wire_bytes; /* sent, heads included */
};

#define LB_SINK_HEADERS_MAX 6
#define LB_SINK_HEADER_LEN  512
#define LB_SINK_URL_LEN     4200

/* Where bodies go, made once from the configuration. Holds a secret: never logged, wiped when closed. */
struct lb_target {
    char url[LB_SINK_URL_LEN]; /* HTTP: in full; file: the path */
    char header[LB_SINK_HEADERS_MAX][LB_SINK_HEADER_LEN];
    unsigned headers;
};

struct lb_sink {
    const char *type;
    enum lb_transport_kind transport;
    bool needs_key;
    struct lb_sink_limits limits;
    const char *begin, *between, *end; /* framing of a body */
    const char *probe;                 /* an empty body that the sink accepts */

    /*
     * Fill in the target.
     *   key       the secret, or NULL where needs_key is false
     *   returns   0 | -E2BIG url or header too long
     */
    int (*aim)(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target);

    /*
     * What an answer means for the body.
     */
    enum lb_verdict (*judge)(const struct lb_answer *answer);
};

/*
 * The sink of a type.
 *   returns   a static row, or NULL: no such type
 *   calls     any thread
 */
const struct lb_sink *lb_sink_find(const char *type);

#endif
