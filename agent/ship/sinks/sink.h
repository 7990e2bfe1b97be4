/* SPDX-License-Identifier: MIT */
#ifndef LB_SHIP_SINKS_SINK_H
#define LB_SHIP_SINKS_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

/*
 * What a sink is: how bodies are framed, what they may hold, where they go,
 * and what an answer means. Pure: the shipper owns transport, retries and
 * compression, so no sink ever touches a socket.
 */
enum lb_verdict {
    LB_VERDICT_DELIVERED = 0,
    LB_VERDICT_RETRY, /* again, later, no sooner than the answer asks for */
    LB_VERDICT_CLOCK, /* a certificate seems not yet or no more valid: our clock may be wrong */
    LB_VERDICT_SPLIT, /* too large: in smaller bodies, at once; a record that is too large alone is refused */
    LB_VERDICT_BISECT, /* something in it is refused: find the record, and reject it alone */
    LB_VERDICT_RECODE, /* the sink does not read this Content-Encoding */
    LB_VERDICT_PAUSE,  /* the sink takes nothing from us until somebody changes something: keep all, say so */
    LB_VERDICT_COUNT
};

enum lb_transport_kind { LB_TRANSPORT_HTTP = 0, LB_TRANSPORT_FILE };

struct lb_sink_limits {
    size_t body_bytes; /* uncompressed, with head-room under what the sink takes */
    size_t body_lines;
    size_t record_bytes; /* one encoded record */
    bool has_window;     /* it takes no stamp that is far from its own time: [sink] max_age counts */
    uint64_t future_ms;  /* has_window: how far ahead a stamp may be */
};

/* The step of a request that failed. */
enum lb_answer_step { LB_STEP_NONE = 0, LB_STEP_RESOLVE, LB_STEP_CONNECT, LB_STEP_SECURE, LB_STEP_ANSWER };

/* How long the steps of one request took, each from its begin, in microseconds; 0: it was not reached. */
struct lb_answer_steps {
    uint64_t resolved_us, connected_us, secured_us, answered_us;
    char address[64]; /* of the other end, "" where none was reached */
};

/* What came back for one body. */
struct lb_answer {
    int error;         /* 0: there is an answer | > 0: a CURLcode (HTTP) or an errno (file): there is none */
    long status;       /* HTTP status, 0 without one */
    char text[256];    /* what came back, for people, never a secret; may be "" when all is well */
    size_t wire_bytes; /* sent, heads included */
    size_t link_bytes; /* the same, with what TLS adds by estimate; 0: it never touched a network */
    uint64_t retry_after_ms; /* what the answer asked for; 0: nothing, or a date that is past */
    uint64_t date_s;         /* Date of an answer whose sender's certificate was verified; 0: none */
    bool is_clock_fault;     /* the certificate is not valid at our time, and nothing else is wrong with it */
    enum lb_answer_step broken; /* error, HTTP: where it went wrong */
    struct lb_answer_steps steps;
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
     * Fill in the target of a GET by which the sink tells whether the key is
     * right; any 2xx means that it is. As aim() otherwise. NULL: it has none.
     *   returns   0 | -E2BIG | -ENOENT this configuration has none
     */
    int (*aim_check)(const struct lb_sink_config *config, const char *key, struct lb_target *ret_target);

    /*
     * What an answer means for the body. By the answer alone: whether a 400
     * comes from the encoding or from a record is for the shipper to find out.
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
